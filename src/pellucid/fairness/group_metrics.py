"""Metrics by group, with intervals and with the words for too little evidence."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pellucid._base.errors import InputError
from pellucid._base.statistics import LEVEL
from pellucid.fairness import estimates
from pellucid.fairness.disclosure import withheld_groups, withheld_in_strata, withheld_together
from pellucid.fairness.estimates import Comparison, Estimate, Statistic
from pellucid.fairness.groups import FLOOR, Grouping, pairs
from pellucid.fairness.metrics import NO_RATIO, Metric, Outcomes, read_outcomes
from pellucid.fairness.tally import PREDICTED, SCORE, TRUTH, WEIGHT, GroupTally, tally

if TYPE_CHECKING:
    import pandas as pd

WITHHELD = "withheld, because the group is smaller than {floor} rows or would give such a group away"


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupMetrics:
    """What was measured, on all rows and in every group.

    Parameters
    ----------
    overall : mapping of metric to Estimate
        On all rows.
    by_group : mapping of grouping to mapping of group to mapping of metric to Estimate
        A grouping is a sensitive column, or the intersection of all ("sex × race").
    difference : mapping of grouping to mapping of metric to Comparison
        Largest minus smallest number of the groups.
    ratio : mapping of grouping to mapping of metric to Comparison
        Smallest over largest.
    sizes : mapping of grouping to mapping of group to int or None
        Rows of each group; None where the group is withheld.
    floor : int
        Groups with fewer rows are withheld.
    favorable : object
        The favourable outcome; None for regression and for several classes, each of which is measured.
    by_control : mapping of stratum to GroupMetrics
        The same within each value of the control features (the intersection of several); empty without any.

    Notes
    -----
    The two extreme groups of a difference or ratio are picked after looking. With k groups their interval is therefore
    made at the level 1 - 0.05 / (k (k - 1) / 2) (Bonferroni over all pairs), which for two groups is 95 %.
    """

    overall: Mapping[str, Estimate]
    by_group: Mapping[str, Mapping[str, Mapping[str, Estimate]]]
    difference: Mapping[str, Mapping[str, Comparison]]
    ratio: Mapping[str, Mapping[str, Comparison]]
    sizes: Mapping[str, Mapping[str, int | None]]
    floor: int
    favorable: Any = None
    by_control: Mapping[str, "GroupMetrics"] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        counts: GroupTally,
        *,
        favorable: Any = None,
        floor: int = FLOOR,
        min_evidence: int | None = None,
        random_state: int = 0,
    ) -> "GroupMetrics":
        """Measure rows that were counted before, perhaps in parts; the parameters are those of `group_metrics`."""
        if floor < 1:
            raise InputError(f"floor must be at least 1; got {floor}.")
        outcomes, metrics = read_outcomes(
            counts.rows(TRUTH),
            counts.rows(PREDICTED),
            score=counts.optional_rows(SCORE),
            weights=counts.optional_rows(WEIGHT),
            favorable=favorable,
            random_state=random_state,
        )
        groupings = counts.groupings("sensitive")
        plan = _Plan(
            metrics=metrics,
            floor=floor,
            min_evidence=floor if min_evidence is None else min_evidence,
            favorable=favorable,
            withheld=withheld_together(groupings, floor),
        )
        strata: dict[str, GroupMetrics] = {}
        for control in counts.groupings("control")[-1:]:
            strata |= _by_control(outcomes, groupings, control, plan)
        return replace(_metrics(outcomes, groupings, plan, ""), by_control=_frozen(strata))

    def to_frame(self) -> "pd.DataFrame":
        """One row per grouping, group and metric: value, low, high, n and reason; with control features per stratum."""
        import pandas as pd  # a third party, loaded only when a frame is asked for

        fields = ("value", "low", "high", "n", "reason")
        frame = pd.DataFrame(
            [(*place, *(getattr(found, name) for name in fields)) for *place, found in self._cells()],
            columns=["grouping", "group", "metric", *fields],
        )
        if not self.by_control:
            return frame
        strata = {stratum: found.to_frame() for stratum, found in self.by_control.items()}
        return pd.concat({"(all)": frame, **strata}, names=["control"]).reset_index("control").reset_index(drop=True)

    def _cells(self) -> Iterator[tuple[str, str, str, Estimate]]:
        for metric, found in self.overall.items():
            yield "", "(all)", metric, found
        for grouping, groups in self.by_group.items():
            for group, part in groups.items():
                for metric, found in part.items():
                    yield grouping, group, metric, found


def group_metrics(
    y_true: Any,
    y_pred: Any,
    *,
    sensitive_features: Any,
    score: Any = None,
    favorable: Any = None,
    control_features: Any = None,
    sample_weight: Any = None,
    floor: int = FLOOR,
    min_evidence: int | None = None,
    random_state: int = 0,
) -> GroupMetrics:
    """Measure predictions in every group of people.

    Parameters
    ----------
    y_true, y_pred : sequence of length rows
        True and predicted outcome: labels, or numbers for regression.
    sensitive_features : table, series, array or list
        One or more columns. Each is compared alone, and with several their intersection too. A missing value is the
        group "(missing)".
    score : sequence of float, optional
        Score of the favourable outcome, best a probability; adds mean score, its 10th, 50th and 90th percentile,
        calibration gap (mean score minus share of favourable outcomes), expected calibration error and the area under
        the ROC curve.
    favorable : label or collection of labels, optional
        The outcome that is good for the person. Left out, numbers are regression, and more than two labels are measured
        class by class.
    control_features : table, series, array or list, optional
        Columns within whose values groups are compared too, such as a kind of product: `by_control`.
    sample_weight : sequence of float, optional
        Weights; intervals then use Kish's effective number of rows. The area under the curve ignores them.
    floor : int
        Groups with fewer rows are withheld, and the next smallest with them so that nobody can subtract.
    min_evidence : int, optional
        Fewest rows behind each number of a comparison that is not called insufficient; default `floor`.
    random_state : int
        Seed of the bootstrap for means.

    Returns
    -------
    GroupMetrics
        For classification selection_rate, base_rate, accuracy, true_positive_rate, false_positive_rate,
        false_negative_rate and positive_predictive_value, where positive means favourable (for several classes each as
        ``selection_rate[label]``); for regression
        mean_prediction, mean_outcome, mean_error (prediction minus truth) and mean_absolute_error.

    Raises
    ------
    InputError
        When lengths differ, values are missing, the favourable outcome never occurs, or a sensitive column is a
        quantity rather than a group.

    Notes
    -----
    Proportions have Wilson intervals (1927), their differences Newcombe's (1998, method 10), their ratios log-ratio
    intervals (Katz et al. 1978); means have percentile bootstrap intervals of 1,000 replicates; areas DeLong's (1988).
    The calibration error's interval is inverted from a test; it is undefined where the score expects fewer than ten
    outcomes of a kind.

    Examples
    --------
    >>> from pellucid.datasets import load_hmda
    >>> from pellucid.fairness import group_metrics
    >>> hmda = load_hmda()
    >>> found = group_metrics(hmda.y, hmda.y, sensitive_features=hmda.X["afam"], favorable="no")
    >>> ratio = found.ratio["afam"]["selection_rate"]
    >>> print(f"{ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]")
    0.790 [0.738, 0.846]
    """
    counts = tally(
        y_true,
        y_pred,
        sensitive_features=sensitive_features,
        score=score,
        control_features=control_features,
        sample_weight=sample_weight,
    )
    return GroupMetrics.of(
        counts, favorable=favorable, floor=floor, min_evidence=min_evidence, random_state=random_state
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Plan:
    """What is measured, on how many rows at least, and which groups of each grouping are withheld."""

    metrics: Mapping[str, Metric]
    floor: int
    min_evidence: int
    favorable: Any
    withheld: Mapping[str, frozenset[str]]


def _metrics(outcomes: Outcomes, groupings: Sequence[Grouping], plan: _Plan, stratum: str) -> GroupMetrics:
    measured = {each.name: _measure(each, outcomes, plan, stratum) for each in groupings}
    whole = replace(outcomes, purpose=f"fairness.group_metrics|{stratum}")
    return GroupMetrics(
        overall=_frozen({name: _estimate(metric(whole), whole) for name, metric in plan.metrics.items()}),
        by_group=_frozen({name: found.estimates() for name, found in measured.items()}),
        difference=_frozen({name: found.differences(plan.metrics) for name, found in measured.items()}),
        ratio=_frozen({name: found.ratios(plan.metrics) for name, found in measured.items()}),
        sizes=_frozen({name: found.sizes() for name, found in measured.items()}),
        floor=plan.floor,
        favorable=plan.favorable,
    )


def _by_control(
    outcomes: Outcomes, groupings: Sequence[Grouping], control: Grouping, plan: _Plan
) -> Iterator[tuple[str, GroupMetrics]]:
    """Measure within every stratum that may be shown; cells are withheld with an eye on the tables beside it."""
    few = withheld_groups(control, plan.floor)
    hidden = withheld_in_strata(groupings, control, plan.withheld, plan.floor)
    if hidden is None:
        return
    for label in control.labels:
        if label in few:
            continue
        rows = control.rows(label)
        parts = [each.of(rows) for each in groupings]
        inside = {
            part.name: frozenset(group for group in part.labels if (label, group) in hidden[part.name])
            for part in parts
        }
        yield label, _metrics(outcomes.of(rows, ""), parts, replace(plan, withheld=inside), label)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Measured:
    """The statistics of one grouping, before they become numbers."""

    grouping: Grouping
    statistics: Mapping[str, Mapping[str, Statistic | str]]
    withheld: frozenset[str]
    min_evidence: int

    def sizes(self) -> dict[str, int | None]:
        return {label: None if label in self.withheld else size for label, size in self.grouping.sizes().items()}

    def estimates(self) -> Mapping[str, Mapping[str, Estimate]]:
        sizes = self.sizes()
        return _frozen(
            {
                label: _frozen({name: estimates.estimate(value, sizes[label]) for name, value in found.items()})
                for label, found in self.statistics.items()
            }
        )

    def differences(self, metrics: Iterable[str]) -> Mapping[str, Comparison]:
        return _frozen({name: self._compare(name, divide=False) for name in metrics})

    def ratios(self, metrics: Iterable[str]) -> Mapping[str, Comparison]:
        return _frozen({name: self._compare(name, divide=True) for name in metrics})

    def _compare(self, metric: str, *, divide: bool) -> Comparison:
        if divide and metric in NO_RATIO:
            return estimates.undefined("this number has no natural zero; read the difference")
        defined: list[tuple[str, Statistic]] = [
            (label, value) for label, found in self.statistics.items() if not isinstance(value := found[metric], str)
        ]
        if len(defined) < 2:
            return estimates.undefined(self._why(len(defined)))
        ordered = sorted(defined, key=lambda pair: pair[1].value)
        level = 1 - (1 - LEVEL) / pairs(len(defined))
        compare = estimates.ratio if divide else estimates.difference
        first, second = (ordered[0], ordered[-1]) if divide else (ordered[-1], ordered[0])
        return compare(first, second, level=level, floor=self.min_evidence)

    def _why(self, defined: int) -> str:
        groups = len(self.grouping.labels)
        if groups == 1:
            return "there is only one group"
        return f"of {groups} groups only {defined} can be shown with this number"


def _measure(grouping: Grouping, outcomes: Outcomes, plan: _Plan, stratum: str) -> _Measured:
    statistics: dict[str, Mapping[str, Statistic | str]] = {}
    withheld = plan.withheld[grouping.name]
    for label in grouping.labels:
        if label in withheld:
            statistics[label] = dict.fromkeys(plan.metrics, WITHHELD.format(floor=plan.floor))
        else:
            purpose = "|".join(["fairness.group_metrics", *([stratum] if stratum else []), grouping.name, label])
            part = outcomes.of(grouping.rows(label), purpose)
            statistics[label] = {name: metric(part) for name, metric in plan.metrics.items()}
    return _Measured(grouping=grouping, statistics=statistics, withheld=withheld, min_evidence=plan.min_evidence)


def _estimate(statistic: Statistic | str, outcomes: Outcomes) -> Estimate:
    return estimates.estimate(statistic, len(outcomes.truth))


def _frozen(items: dict[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(items)
