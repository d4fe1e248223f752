"""PEL706: the disparity that remains when sensitive features and suspected leaks cannot be used."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pellucid._base.numbers import interval_text, number_text
from pellucid._base.typing import Float1, Names
from pellucid._base.words import counted
from pellucid.adapters import as_model
from pellucid.auditing.checks.base import NotApplicable, Question, fitting_again, require_groups
from pellucid.auditing.checks.carriers import (
    carried,
    carriers,
    gap_exhibit,
    gap_measures,
    gaps_of,
    output_of,
    rank_gaps,
)
from pellucid.auditing.checks.groups import (
    INTERVALS,
    amount_words,
    comparison_measure,
    excess,
    favorable_or_second,
    group_rows,
    interval_table,
    judge,
    of_group,
)
from pellucid.auditing.checks.leakage import suspected_leaks
from pellucid.auditing.findings import Exhibit, Finding, Measure, Section
from pellucid.auditing.metrics import auc, r_squared
from pellucid.auditing.scoring import with_classes
from pellucid.auditing.subject import Subject
from pellucid.auditing.words import listed
from pellucid.fairness import Comparison, Gap, GroupMetrics, group_metrics
from pellucid.improvement.refit import fitted_clone, hold_constant


def refit_without(subject: Subject, columns: Names) -> Subject:
    """Fit a clone of the model on the training data with these columns held constant, as a new subject."""
    estimator = subject.estimator
    if subject.X_train is None or subject.y_train is None:
        raise NotApplicable("the training data were not given, so no model can be fitted without these columns.")
    train, X, background = hold_constant((subject.X_train, subject.X, subject.background), columns)
    with fitting_again():
        fitted = fitted_clone(estimator, train, subject.y_train)
    model = with_classes(as_model(fitted, reference=X), fitted, X, subject.y)
    return replace(subject, model=model, estimator=fitted, X=X, X_train=train, background=background)


@dataclass(frozen=True, kw_only=True, eq=False)
class Disparity:
    """What one model does to the groups, at a cut-off that gives as many favourable outcomes as the data have."""

    subject: Subject
    metrics: GroupMetrics
    figure: float

    @classmethod
    def of(cls, subject: Subject) -> "Disparity":
        """Measure a model."""
        return cls(subject=subject, metrics=_measure(subject), figure=_figure(subject))

    @property
    def metric(self) -> str:
        """What is compared between the groups."""
        return "selection_rate" if self.subject.classes is not None else "mean_prediction"


def _measure(subject: Subject) -> GroupMetrics:
    options: dict[str, Any] = {
        "sensitive_features": require_groups(subject),
        "sample_weight": subject.weight,
        "floor": subject.policy.min_group_size,
        "min_evidence": subject.policy.min_evidence,
        "random_state": subject.random_state,
    }
    favorable = favorable_or_second(subject)
    if favorable is None:
        return group_metrics(subject.y, subject.raw[:, 0], **options)
    truth = subject.y == favorable
    score: Float1 = subject.scores[:, output_of(subject)]
    chosen = score >= np.quantile(score, 1 - truth.mean(), method="higher")
    return group_metrics(truth, chosen, favorable=True, **options)


def _figure(subject: Subject) -> float:
    plain = subject.weights
    if subject.classes is None:
        return r_squared(subject.raw[:, 0], subject.y.astype(float))(plain)
    position = output_of(subject)
    return auc(subject.scores[:, position], subject.y_index == position)(plain)


@dataclass(frozen=True, kw_only=True)
class WithoutSensitive(Question):
    """The same kind of model, fitted again without the sensitive features and the suspected leaks."""

    def run(self, subject: Subject) -> Finding:
        """Compare the disparity with and without, and split what remains over the features."""
        require_groups(subject)
        favorable_or_second(subject)
        sensitive = tuple(name for name in subject.X.names if name in subject.sensitive)
        leaks = tuple(name for name in suspected_leaks(subject) if name not in sensitive)
        if not sensitive and not leaks:
            raise NotApplicable("the model reads no sensitive feature, and no column is suspected to be a leak.")
        before, after = Disparity.of(subject), Disparity.of(refit_without(subject, (*sensitive, *leaks)))
        largest = _largest(after)
        share = subject.classes is not None
        scale = 1.0 if share else float(np.std(subject.y.astype(float)))
        verdict = judge(subject, after.metrics.difference[largest][after.metric], scale)
        output = output_of(subject)
        gaps = rank_gaps(after.subject, gaps_of(after.subject), output)
        main = next((gap for gap in gaps if gap.grouping == largest), None)
        return self.finding(
            verdict,
            f"{_removed(sensitive, leaks)}, {_remaining(after, largest, main, output)}",
            detail=_compared(before, after, largest)
            + ("" if main is None else f" The largest parts, in {subject.unit()}: {carried(main, output)}."),
            how=_how(subject, before, after),
            measures=(
                *_measures(before, largest, "model as given"),
                *_measures(after, largest, "without"),
                *(measure for gap in gaps for measure in gap_measures(subject, gap, output, "gap without")),
            ),
            exhibits=(
                _exhibit(before, after),
                *(gap_exhibit(after.subject, gap, output, "What carries the rest") for gap in gaps[:2]),
            ),
            remedy="Leaving columns out is not enough: look at the carriers above, and at how the outcomes came about.",
            weight=1 + excess(subject, after.metrics.difference[largest][after.metric], scale),
        )


def _measures(disparity: Disparity, grouping: str, which: str) -> Iterator[Measure]:
    unit = "share" if disparity.metric == "selection_rate" else ""
    metrics, metric = disparity.metrics, disparity.metric
    yield from comparison_measure(f"difference by {grouping}, {which}", metrics.difference[grouping][metric], unit)
    yield from comparison_measure(f"ratio by {grouping}, {which}", metrics.ratio[grouping][metric], "")


def _largest(disparity: Disparity) -> str:
    """Find the single sensitive column with the largest difference (intersections where nothing else is defined)."""
    differences = {name: found[disparity.metric] for name, found in disparity.metrics.difference.items()}
    defined = {name: found for name, found in differences.items() if found.value is not None}
    if not defined:
        raise NotApplicable("no sensitive feature has two groups large enough to compare.")
    alone = {name: found for name, found in defined.items() if name in disparity.subject.groups} or defined
    return max(alone, key=lambda name: abs(alone[name].value or 0.0))


def _removed(sensitive: Names, leaks: Names) -> str:
    parts = (
        [f"the sensitive {'feature' if len(sensitive) == 1 else 'features'} {listed(sensitive)}"] if sensitive else []
    )
    parts += [f"the suspected {'leak' if len(leaks) == 1 else 'leaks'} {listed(leaks)}"] if leaks else []
    return f"Without {' and '.join(parts)}"


def _remaining(after: Disparity, grouping: str, gap: Gap | None, output: int) -> str:
    """Say how much disparity is left, and what it runs through."""
    share = after.metric == "selection_rate"
    now = after.metrics.difference[grouping][after.metric]
    remains = "disparity remains" if now.evidence == "clear" else f"no disparity can be told from chance ({now.reason})"
    what = "favourable predictions differ" if share else "mean predictions differ"
    through = "" if gap is None else f" It runs mainly through {carriers(gap, output)}."
    return f"{remains}: {what} by {amount_words(now, share=share)}{_between(now, grouping)}.{through}"


def _compared(before: Disparity, after: Disparity, grouping: str) -> str:
    """Set the model as given beside it."""
    share = after.metric == "selection_rate"
    was, now = (each.metrics.difference[grouping][each.metric] for each in (before, after))
    between = _between(was, grouping) if was.between != now.between else ""
    given = f"With the model as given they differ by {amount_words(was, share=share)}{between}."
    return given + _ratios(before, after, grouping)


def _between(comparison: Comparison, grouping: str) -> str:
    if not comparison.between:
        return ""
    high, low = (of_group(grouping, label) for label in comparison.between)
    return f" between {high} and {low}"


def _ratios(before: Disparity, after: Disparity, grouping: str) -> str:
    was, now = (each.metrics.ratio[grouping][each.metric] for each in (before, after))
    if now.low is None or now.high is None or now.value is None or was.value is None:
        return ""
    return (
        f" As a ratio: {interval_text(now.value, now.low, now.high)} without, "
        f"{interval_text(was.value, was.low, was.high)} as given."
    )


def _how(subject: Subject, before: Disparity, after: Disparity) -> str:
    name = "R²" if subject.classes is None else "AUC"
    cut = (
        ""
        if subject.classes is None
        else "Both models give the favourable prediction to as many held-out rows as have the favourable outcome. "
    )
    return (
        "A clone of the model was fitted on the training data with these columns held at one value for every row, so "
        f"that nothing can be learnt from them. {cut}On {counted(subject.n, 'held-out row')} its {name} is "
        f"{number_text(after.figure)}, that of the model as given {number_text(before.figure)}. {INTERVALS} "
        "Carriers: differences of mean Shapley values, as in PEL704."
    )


def _exhibit(before: Disparity, after: Disparity) -> Exhibit:
    share = after.metric == "selection_rate"
    what = "share predicted favourable" if share else "mean prediction"
    rows = [
        (label, words, found)
        for words, each in (("as given", before), ("without", after))
        for label, _, found in group_rows(each.metrics, each.metric)
    ]
    return Exhibit(
        kind="intervals",
        title=f"{what.capitalize()}: model as given and without",
        description=f"The {what} of every group by the model as given and by the one fitted without these columns.",
        table=interval_table(rows),
        options={"x_title": what},
    )


WITHOUT_SENSITIVE = WithoutSensitive(
    code="PEL706",
    title="Without the sensitive features",
    section=Section.BIAS,
    why="Taking a sensitive column away does not take a disparity away when other columns carry it too.",
    cost="costly",
)
