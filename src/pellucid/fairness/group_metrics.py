"""Metrics by group, with intervals and with the words for too little evidence."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pellucid._base.errors import InputError
from pellucid._base.statistics import LEVEL
from pellucid.fairness import estimates
from pellucid.fairness._inputs import read_outcomes
from pellucid.fairness.estimates import Comparison, Estimate, Statistic
from pellucid.fairness.groups import FLOOR, Grouping, pairs, read_groupings, withheld_groups
from pellucid.fairness.metrics import SIGNED, Metric, Outcomes

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
        The favourable outcome; None for regression.

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

    def to_frame(self) -> "pd.DataFrame":
        """One row per grouping, group and metric: value, low, high, n and reason."""
        import pandas as pd  # a third party, loaded only when a frame is asked for

        rows = [("", "(all)", metric, found) for metric, found in self.overall.items()]
        for grouping, groups in self.by_group.items():
            rows += [(grouping, group, name, found) for group, part in groups.items() for name, found in part.items()]
        return pd.DataFrame(
            {
                "grouping": [row[0] for row in rows],
                "group": [row[1] for row in rows],
                "metric": [row[2] for row in rows],
                **{name: [getattr(row[3], name) for row in rows] for name in ("value", "low", "high", "n", "reason")},
            }
        )


def group_metrics(
    y_true: Any,
    y_pred: Any,
    *,
    sensitive_features: Any,
    score: Any = None,
    favorable: Any = None,
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
        Score of the favourable outcome, best a probability; adds mean score, calibration gap (mean score minus share
        of favourable outcomes) and the area under the ROC curve.
    favorable : label or collection of labels, optional
        The outcome that is good for the person. Left out, the target must be numbers: regression.
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
        false_negative_rate and positive_predictive_value, where positive means favourable; for regression
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
    if floor < 1:
        raise InputError(f"floor must be at least 1; got {floor}.")
    outcomes, metrics = read_outcomes(
        y_true, y_pred, score=score, favorable=favorable, sample_weight=sample_weight, random_state=random_state
    )
    groupings = read_groupings(sensitive_features, len(outcomes.truth))
    enough = floor if min_evidence is None else min_evidence
    measured = {grouping.name: _measure(grouping, outcomes, metrics, floor, enough) for grouping in groupings}
    return GroupMetrics(
        overall=_frozen({name: _estimate(metric(outcomes), outcomes) for name, metric in metrics.items()}),
        by_group=_frozen({name: found.estimates() for name, found in measured.items()}),
        difference=_frozen({name: found.differences(metrics) for name, found in measured.items()}),
        ratio=_frozen({name: found.ratios(metrics) for name, found in measured.items()}),
        sizes=_frozen({name: found.sizes() for name, found in measured.items()}),
        floor=floor,
        favorable=favorable,
    )


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
        if divide and metric in SIGNED:
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


def _measure(
    grouping: Grouping, outcomes: Outcomes, metrics: Mapping[str, Metric], floor: int, min_evidence: int
) -> _Measured:
    withheld = withheld_groups(grouping, floor)
    statistics: dict[str, Mapping[str, Statistic | str]] = {}
    for label in grouping.labels:
        if label in withheld:
            statistics[label] = dict.fromkeys(metrics, WITHHELD.format(floor=floor))
        else:
            part = outcomes.of(grouping.rows(label), f"fairness.group_metrics|{grouping.name}|{label}")
            statistics[label] = {name: metric(part) for name, metric in metrics.items()}
    return _Measured(grouping=grouping, statistics=statistics, withheld=withheld, min_evidence=min_evidence)


def _estimate(statistic: Statistic | str, outcomes: Outcomes) -> Estimate:
    return estimates.estimate(statistic, len(outcomes.truth))


def _frozen(items: dict[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(items)
