"""PEL603 and PEL604: one feature that decides nearly everything, and features that decide nothing."""

from dataclasses import dataclass

import numpy as np

from pellucid._base.numbers import percent
from pellucid._base.typing import Bool1
from pellucid._base.words import counted
from pellucid.auditing.checks.base import NotApplicable, Question
from pellucid.auditing.checks.importance import absolute_values
from pellucid.auditing.findings import Exhibit, Finding, Measure, Section, Verdict
from pellucid.auditing.metrics import percentiles, resamples
from pellucid.auditing.subject import Subject
from pellucid.auditing.words import listed, named, of_measure

MOST_NAMED = 8
NOISE_ERRORS = 3.0
"""Attributions of a sampled method within so many standard errors of zero count as zero."""


@dataclass(frozen=True, kw_only=True)
class Dominance(Question):
    """Share of all attribution that the strongest feature carries."""

    def run(self, subject: Subject) -> Finding:
        """Measure the share with an interval over rows."""
        size = absolute_values(subject)
        if size.shape[1] < 2 or not size.any():
            raise NotApplicable("the model has one feature only." if size.shape[1] < 2 else "the model is constant.")
        weights = subject.weights[subject.explained_rows]
        total = weights @ size
        first = int(np.argmax(total))
        drawn = np.array([
            (w @ size[:, first]) / (w @ size).sum() if (w @ size).sum() > 0 else np.nan
            for w in resamples(weights, subject.random_state, "audit.dominance")
        ])  # fmt: skip
        low, high = percentiles(drawn)
        name = subject.explanation.features[first]
        share = float(total[first] / total.sum())
        measure = Measure(name=f"share of {name}", value=share, low=low, high=high, n=len(size), unit="share")
        verdict = self._judge(subject, low)
        return self.finding(
            verdict,
            f"The strongest feature, {named(name)}, carries {of_measure(measure)} of all attribution over "
            f"{counted(len(size), 'row')}.",
            detail=f"An even split over {size.shape[1]} features would give each {percent(1 / size.shape[1])}.",
            how="Mean absolute Shapley value of the feature as a share of the sum over features; interval over "
            "resampled rows. The lower end is judged.",
            measures=(measure,),
            remedy=f"Ask what {named(name)} is and when it is known; see how the model does without it.",
            weight=share,
        )

    @staticmethod
    def _judge(subject: Subject, low: float | None) -> Verdict:
        if low is not None and low >= subject.policy.dominance_fail:
            return Verdict.FAIL
        return Verdict.WARN if low is not None and low >= subject.policy.dominance_warn else Verdict.PASS


@dataclass(frozen=True, kw_only=True)
class UnusedFeatures(Question):
    """Features that move no output: exactly zero, or within the sampling error."""

    def run(self, subject: Subject) -> Finding:
        """Look at every attribution of every explained row."""
        explanation = subject.explanation
        unused = [name for name, zero in zip(explanation.features, _zero(subject), strict=True) if zero]
        n, d = len(explanation), len(explanation.features)
        exact = explanation.std_error is None
        how_zero = "exactly zero" if exact else f"within {NOISE_ERRORS:g} standard errors of zero"
        statement = (
            f"{counted(len(unused), 'feature')} of {d} ({listed(unused, MOST_NAMED)}) moved no prediction of "
            f"{counted(n, 'row')}."
            if unused
            else f"Every one of the {d} features moves some prediction of {counted(n, 'row')}."
        )
        return self.finding(
            Verdict.NOTE if unused else Verdict.PASS,
            statement,
            how=f"A feature counts as unused when its Shapley value is {how_zero} in every explained row.",
            measures=(Measure(name="unused features", value=float(len(unused)), n=n, unit="features"),),
            exhibits=(Exhibit(kind="table", title="Unused features", description=statement, table={"feature": unused}),)
            if len(unused) > MOST_NAMED
            else (),
            remedy="Leave these columns out: what is not used need not be collected.",
            weight=len(unused) / d,
        )


def _zero(subject: Subject) -> Bool1:
    explanation = subject.explanation
    if explanation.std_error is None:
        return np.asarray((explanation.values == 0).all(axis=(0, 2)))
    # A floor of rounding size: a sampled value whose error estimate is zero is exact up to rounding.
    floor = 1e-12 * np.abs(explanation.values).max(initial=0.0)
    return np.asarray((np.abs(explanation.values) <= NOISE_ERRORS * explanation.std_error + floor).all(axis=(0, 2)))


DOMINANCE = Dominance(
    code="PEL603",
    title="Dominance of one feature",
    section=Section.RELIABILITY,
    why="A model that hangs on one feature fails with it, and such a feature is often a leak.",
)
UNUSED = UnusedFeatures(
    code="PEL604",
    title="Unused features",
    section=Section.RELIABILITY,
    why="Data that decide nothing need not be asked of people, and a feature that was meant to count should.",
)
