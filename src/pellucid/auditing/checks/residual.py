"""PEL501 and PEL502: do the values add up to the model, and how precise are they."""

from dataclasses import dataclass

import numpy as np

from pellucid._base.errors import AdapterMismatchError, AdditivityError
from pellucid._base.numbers import figure, percent
from pellucid._base.words import counted
from pellucid.auditing.checks.base import NotApplicable, Question
from pellucid.auditing.findings import Exhibit, Finding, Measure, Section, Verdict
from pellucid.auditing.subject import Subject

REMEDY = (
    "Do not use these explanations. A model that is not deterministic, or a fault of ours, can be the cause; "
    "please report it."
)


@dataclass(frozen=True, kw_only=True)
class Residual(Question):
    """Largest difference between base value plus attributions and the model's own output."""

    def run(self, subject: Subject) -> Finding:
        """Recompute the sum against the original model."""
        try:
            explanation = subject.explanation
        except (AdditivityError, AdapterMismatchError) as error:
            return self.finding(Verdict.FAIL, f"No explanation can be trusted: {error}", remedy=REMEDY)
        predicted = subject.raw[subject.explained_rows]
        residual = float(np.abs(explanation.prediction - predicted).max(initial=0.0))
        bound = explanation.quality.bound
        spread = float(np.ptp(subject.raw, axis=0).max())
        n = len(explanation)
        allowed = None if bound is None else bound * subject.policy.residual_factor_fail
        verdict = Verdict.PASS if allowed is not None and residual <= allowed else Verdict.FAIL
        relation = "within" if verdict is Verdict.PASS else "ABOVE"
        limit = "it promises no bound" if bound is None else f"{relation} the {figure(bound)} that rounding can explain"
        share = f"That is {figure(residual / spread)} of the outputs’ range." if spread > 0 else ""
        return self.finding(
            verdict,
            f"Over {counted(n, 'row')} the parts of an explanation add up to the model’s own output to within "
            f"{figure(residual)} {subject.unit()}: {limit}.",
            detail=share,
            how="Sums compared with the original model’s predictions, not with our reading of it "
            f"({explanation.provenance.method}; background: {explanation.provenance.background}).",
            measures=(
                Measure(name="residual", value=residual, n=n, unit=subject.unit()),
                *(() if bound is None else (Measure(name="bound", value=float(bound), n=n, unit=subject.unit()),)),
            ),
            remedy=REMEDY,
            weight=residual,
        )


@dataclass(frozen=True, kw_only=True)
class StandardErrors(Question):
    """How precise sampled attributions are."""

    def run(self, subject: Subject) -> Finding:
        """Compare standard errors with the largest attribution of the same row."""
        explanation = subject.explanation
        n = len(explanation)
        if explanation.std_error is None:
            return self.finding(
                Verdict.PASS,
                f"The attributions of {counted(n, 'row')} are exact: they have no sampling error.",
                how=explanation.provenance.reason,
                measures=(Measure(name="relative standard error", value=0.0, n=n, unit="share"),),
            )
        largest = np.abs(explanation.values).max(axis=1)
        error = explanation.std_error.max(axis=1)
        used = largest > 0
        if not used.any():
            raise NotApplicable("no attribution differs from zero.")
        relative = error[used] / largest[used]
        typical, worst = float(np.median(relative)), float(np.quantile(relative, 0.95))
        verdict = Verdict.PASS if typical <= subject.policy.standard_error_warn else Verdict.WARN
        return self.finding(
            verdict,
            f"The attributions are sampled: their standard error is typically {percent(typical)} of the row’s largest "
            f"attribution, and {percent(worst)} at the 95th percentile ({counted(n, 'row')}).",
            how=f"Standard errors of the method itself ({explanation.provenance.method}); "
            f"{explanation.provenance.reason}",
            measures=(Measure(name="relative standard error", value=typical, n=n, unit="share"),),
            exhibits=(_cost(subject),),
            remedy="Explain with a larger budget=, or trust only the largest attributions.",
            weight=typical,
        )


def _cost(subject: Subject) -> Exhibit:
    cost = subject.explanation.quality.evaluations
    return Exhibit(
        kind="table",
        title="What the explanation cost",
        description=f"{cost.coalitions} coalitions per row, {cost.model_rows} rows given to the model.",
        table={"counted": ["coalitions per row", "model rows"], "number": [cost.coalitions, cost.model_rows]},
    )


RESIDUAL = Residual(
    code="PEL501",
    title="The parts add up to the model",
    section=Section.TRUST,
    why="An explanation whose parts do not add up to the model’s output explains another model.",
)
STANDARD_ERRORS = StandardErrors(
    code="PEL502",
    title="Sampling error of the attributions",
    section=Section.TRUST,
    why="A reason that a second run would rank elsewhere should not be given to a person.",
)
