"""PEL503 to PEL505: do the explanations hold when nothing that matters changes, and does the model follow them."""

from dataclasses import dataclass

import numpy as np

from pellucid._base.numbers import figure
from pellucid._base.randomness import stream
from pellucid._base.words import counted
from pellucid._door import Explainer
from pellucid.auditing.checks.base import NotApplicable, Question
from pellucid.auditing.findings import Exhibit, Finding, Measure, Section, Verdict
from pellucid.auditing.subject import Subject
from pellucid.auditing.words import named
from pellucid.quality import Measured, agreement, faithfulness, stability
from pellucid.table import Table

ROWS = 30
SAMPLED_ROWS = 8
BACKGROUND = 50
SAMPLED_BACKGROUND = 20
REPEATS = 5
SAMPLED_REPEATS = 2
TOP = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class _Trial:
    """A smaller explainer, because these questions explain every row many times."""

    explainer: Explainer
    lime: Explainer
    rows: Table
    repeats: int


def _trial(subject: Subject) -> _Trial:
    exact = subject.structured
    behind, most = subject.explaining_background, BACKGROUND if exact else SAMPLED_BACKGROUND
    if len(behind) > most:
        chosen = stream(subject.random_state, "audit.trust.background").choice(len(behind), size=most, replace=False)
        behind = behind.take(np.sort(chosen))
    rows = subject.X.take(subject.sample_rows("audit.trust.rows", ROWS if exact else SAMPLED_ROWS))
    output = 1 if subject.task == "binary" else None  # the first of two outputs is minus the second

    def explainer(method: str) -> Explainer:
        return Explainer(
            subject.read, behind, method=method, output=output, random_state=subject.random_state, progress=False
        )

    return _Trial(
        explainer=explainer("auto"), lime=explainer("lime"), rows=rows, repeats=REPEATS if exact else SAMPLED_REPEATS
    )


def _needs_several(subject: Subject) -> None:
    if subject.X.n_columns < 2:
        raise NotApplicable("the model has one feature only, so there is no order of features.")


def _measure(name: str, found: Measured, unit: str = "") -> Measure:
    return Measure(name=name, value=found.value, low=found.low, high=found.high, n=found.n, unit=unit)


def _at_least(found: Measured, least: float) -> Verdict:
    """Pass at or above the tolerance; warn when even the upper end is below it; else note."""
    if found.value >= least:
        return Verdict.PASS
    return Verdict.WARN if found.high < least else Verdict.NOTE


@dataclass(frozen=True, kw_only=True)
class StabilityOfReasons(Question):
    """Whether the order of the features survives another background and small changes of the row."""

    def run(self, subject: Subject) -> Finding:
        """Explain the same rows again and again."""
        _needs_several(subject)
        trial = _trial(subject)
        found = stability(trial.explainer, trial.rows, n_repeats=trial.repeats, random_state=subject.random_state)
        measures = {"input": found.input_rank, "input (signs)": found.input_sign}
        if found.background_rank is not None and found.background_sign is not None:
            measures |= {"background": found.background_rank, "background (signs)": found.background_sign}
        ranks = [one for name, one in measures.items() if "signs" not in name]
        weakest = min(ranks, key=lambda one: one.value)
        verdict = _at_least(weakest, subject.policy.stability_warn)
        return self.finding(
            verdict,
            found.sentence,
            detail=f"1 would mean that nothing changes; the tolerance is {figure(subject.policy.stability_warn)}.",
            how=f"{counted(weakest.n, 'row')}, each explained again {trial.repeats} times; Spearman’s rank correlation "
            "of the attributions over features, and the share of their size that keeps its sign; bootstrap intervals.",
            measures=tuple(_measure(f"stability: {name}", one) for name, one in measures.items()),
            exhibits=(_bars("What stays when an explanation is repeated", measures, "1 = identical"),),
            remedy="Use more background rows, and do not quote the order of close features.",
            weight=1 - weakest.value,
        )


@dataclass(frozen=True, kw_only=True)
class FaithfulnessToModel(Question):
    """Whether hiding the leading features moves the model more than hiding random ones."""

    def run(self, subject: Subject) -> Finding:
        """Compare deletion in the explanation's order with random orders."""
        _needs_several(subject)
        trial = _trial(subject)
        found = faithfulness(trial.explainer, trial.rows, n_random=trial.repeats, random_state=subject.random_state)
        difference, least = found.difference, subject.policy.faithfulness_warn
        verdict = Verdict.PASS if difference.low > least else Verdict.FAIL if difference.high < 0 else Verdict.WARN
        unit = subject.unit()
        steps = found.share_hidden.tolist()
        return self.finding(
            verdict,
            found.sentence,
            how="Features are hidden from the largest attribution down, and the fall of the output is averaged; the "
            f"same rows with features in {counted(trial.repeats, 'random order')} are the yardstick. Units: {unit}.",
            measures=(
                _measure("advantage over random order", difference, unit),
                _measure("area in the explanation’s order", found.ordered, unit),
                _measure("area in random order", found.random, unit),
            ),
            exhibits=(
                Exhibit(
                    kind="lines",
                    title="Hiding features",
                    description="Mean fall of the output while features are hidden: in the explanation’s order it "
                    "should fall sooner than in random order.",
                    table={
                        "x": steps * 2,
                        "y": [*found.ordered_curve.tolist(), *found.random_curve.tolist()],
                        "series": ["explanation’s order"] * len(steps) + ["random order"] * len(steps),
                    },
                    options={"x_title": "share of features hidden", "y_title": f"fall of the output ({unit})"},
                ),
            ),
            remedy="Do not give these attributions as reasons: the model does not follow them.",
            weight=-difference.value,
        )


@dataclass(frozen=True, kw_only=True)
class AgreementOfMethods(Question):
    """Whether Shapley values and LIME name the same leading features, and why not."""

    def run(self, subject: Subject) -> Finding:
        """Explain the same rows by both."""
        _needs_several(subject)
        trial = _trial(subject)
        found = agreement(
            trial.explainer(trial.rows), trial.lime(trial.rows), top_k=TOP, random_state=subject.random_state
        )
        verdict = _at_least(found.top_overlap, subject.policy.agreement_warn)
        measures = {
            "leading features shared": found.top_overlap,
            "rank correlation": found.rank_correlation,
            "signs shared": found.sign_agreement,
        }
        return self.finding(
            verdict,
            found.sentence,
            detail=" ".join(found.causes),
            how="Shapley values share out the whole difference from the background; LIME measures the slope near the "
            "row. They may differ without either being wrong; then the cause is named.",
            measures=tuple(_measure(f"agreement: {name}", one) for name, one in measures.items()),
            exhibits=(_bars("Shapley values and LIME", measures, "1 = identical"),),
            remedy="Quote only features that both methods name with the same sign.",
            weight=1 - found.top_overlap.value,
        )


def _bars(title: str, measures: dict[str, Measured], axis: str) -> Exhibit:
    said = ", ".join(f"{named(name)} {one}" for name, one in measures.items())
    return Exhibit(
        kind="intervals",
        title=title,
        description=f"With 95 % intervals: {said}.",
        table={
            "label": list(measures),
            "value": [one.value for one in measures.values()],
            "low": [one.low for one in measures.values()],
            "high": [one.high for one in measures.values()],
        },
        options={"x_title": axis},
    )


STABILITY = StabilityOfReasons(
    code="PEL503",
    title="Stability of the explanations",
    section=Section.TRUST,
    why="Reasons that change with the choice of comparison rows, or with a rounding error, are no reasons.",
    cost="costly",
)
FAITHFULNESS = FaithfulnessToModel(
    code="PEL504",
    title="Faithfulness to the model",
    section=Section.TRUST,
    why="If a feature is said to matter, hiding it must move the model.",
    cost="costly",
)
AGREEMENT = AgreementOfMethods(
    code="PEL505",
    title="Shapley values and LIME",
    section=Section.TRUST,
    why="Two honest methods that disagree answer different questions; the reader must know it.",
    cost="costly",
)
