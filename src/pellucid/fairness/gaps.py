"""Which features carry the difference between two groups' mean predictions."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from pellucid._base.errors import UnsupportedRequestError
from pellucid._base.numbers import figure, interval_text
from pellucid._base.statistics import LEVEL
from pellucid._base.typing import Bool1, Float1, Float2, Names
from pellucid.explanation import Explanation
from pellucid.fairness.disclosure import shown_groups
from pellucid.fairness.groups import FLOOR, Grouping, read_groupings
from pellucid.fairness.intervals import bootstrap_means
from pellucid.ir import Space

if TYPE_CHECKING:
    import pandas as pd


Measured: TypeAlias = Literal["score", "selection", "error"]


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Something that carries a gap beyond what chance explains.

    Parameters
    ----------
    kind : {"direct", "proxy", "interaction", "labels"}
        The sensitive column itself; a feature that differs between the groups; two features whose joint distribution
        differs; labels of one group that contradict the score at both ends.
    features : tuple of str
        The features it runs through; none for labels.
    value, low, high : float
        Its part of the gap (for labels the share of the group's labels that are turned round), with its interval.
    sentence : str
        The same in words.
    """

    kind: Literal["direct", "proxy", "interaction", "labels"]
    features: Names
    value: float
    low: float
    high: float
    sentence: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Gap:
    """The gap between two groups' mean outputs, split over the features. Arrays are read-only.

    Parameters
    ----------
    grouping : str
        The sensitive column, or the intersection of all.
    group, reference : str
        The gap is the mean output of `group` minus the mean output of `reference`.
    n, n_reference : int
        Rows of each.
    features, outputs : tuple of str
    space : Space
        Units.
    values, low, high : float64 arrays of shape (features, outputs)
        Each feature's part of the gap with its 95 % bootstrap interval.
    base : float64 array of shape (outputs,)
        Part of the gap that lies in the base values: zero unless rows have different backgrounds.
    total, total_low, total_high : float64 arrays of shape (outputs,)
        The whole gap: the sum of `values` over the features, plus `base`.
    measure : {"score", "selection", "error"}
        What the groups are compared in.
    causes : tuple of Cause
        What carries the gap beyond chance, the largest first; filled by `gap`.
    """

    grouping: str
    group: str
    reference: str
    n: int
    n_reference: int
    features: Names
    outputs: Names
    space: Space
    values: Float2
    low: Float2
    high: Float2
    base: Float1
    total: Float1
    total_low: Float1
    total_high: Float1
    measure: Measured = "score"
    causes: tuple[Cause, ...] = ()

    def __post_init__(self) -> None:
        for name in ("values", "low", "high", "base", "total", "total_low", "total_high"):
            getattr(self, name).flags.writeable = False

    def order(self, output: int = -1) -> tuple[int, ...]:
        """Positions of the features, the largest part of the gap (by size) first."""
        return tuple(int(j) for j in np.argsort(-np.abs(self.values[:, output]), kind="stable"))

    @property
    def sentences(self) -> Names:
        """The gap and what carries it, in plain words."""
        what = {"score": "mean score", "selection": "share decided favourably", "error": "share decided wrongly"}
        first = (
            f"The {what[self.measure]} of {self.group} (n = {self.n:,}) minus that of {self.reference} "
            f"(n = {self.n_reference:,}) is {interval_text(self.total[-1], self.total_low[-1], self.total_high[-1])}."
        )
        found = tuple(cause.sentence for cause in self.causes)
        if self.measure == "error":
            base = figure(float(self.base[-1]))
            found = (
                *found,
                f"A model that knew nothing of the features would leave {base}: outcomes differ in frequency.",
            )
        return (
            (first, *found) if self.causes else (first, "No feature carries more of it than chance explains.", *found)
        )

    def to_frame(self) -> "pd.DataFrame":
        """One row per feature and output: value, low and high."""
        import pandas as pd  # a third party, loaded only when a frame is asked for

        cells = [(feature, output) for feature in self.features for output in self.outputs]
        return pd.DataFrame(
            {
                "feature": [feature for feature, _ in cells],
                "output": [output for _, output in cells],
                "value": self.values.ravel(),
                "low": self.low.ravel(),
                "high": self.high.ravel(),
            }
        )


def gap_by_feature(
    explanation: Explanation, sensitive_features: Any, *, floor: int = FLOOR, random_state: int = 0
) -> tuple[Gap, ...]:
    """Split every gap between groups over the features, by the difference of their mean Shapley values.

    Shapley values add up to the prediction in every row, so the difference of two groups' mean values adds up to the
    difference of their mean predictions: nothing is left over. It says where in the model the gap runs through, not why
    it is there, and it depends on the background of the explanation as every Shapley value does.

    Parameters
    ----------
    explanation : Explanation
        Of the rows to compare; the method must add up (not LIME).
    sensitive_features : table, series, array or list
        One or more columns, one row per explained row; they need not be features of the model.
    floor : int
        Groups with fewer rows are left out, and the next smallest with them.
    random_state : int
        Seed of the bootstrap (1,000 replicates, rows drawn within each group).

    Returns
    -------
    tuple of Gap
        For each grouping: every group against the largest group.

    Raises
    ------
    UnsupportedRequestError
        When the explanation does not add up to the prediction.

    Examples
    --------
    >>> import numpy as np
    >>> from pellucid.explanation import Explanation, Provenance, Quality
    >>> from pellucid.fairness import gap_by_feature
    >>> from pellucid.ir import Space
    >>> values = np.zeros((40, 2, 1))
    >>> values[:15, 0] = 1.0
    >>> explanation = Explanation(
    ...     values=values, base_values=np.zeros((40, 1)), features=("a", "b"), outputs=("prediction",), space=Space.RAW,
    ...     quality=Quality(residual=0.0, bound=0.0), provenance=Provenance(method="exact", reason="", model=""))
    >>> gap, = gap_by_feature(explanation, ["x"] * 15 + ["y"] * 25)
    >>> gap.group, gap.reference, gap.values.ravel().tolist()
    ('x', 'y', [1.0, 0.0])
    """
    if explanation.quality.bound is None:
        raise UnsupportedRequestError(
            f"the method {explanation.provenance.method!r} does not promise that its values add up to the prediction, "
            "so they cannot split a gap. Explain with a Shapley method, such as method='auto'."
        )
    gaps: list[Gap] = []
    for grouping in read_groupings(sensitive_features, len(explanation)):
        gaps += _gaps(explanation, grouping, floor, random_state)
    return tuple(gaps)


def _gaps(explanation: Explanation, grouping: Grouping, floor: int, random_state: int) -> list[Gap]:
    sizes, shown = grouping.sizes(), shown_groups(grouping, floor)
    if len(shown) < 2:
        return []
    reference = max(shown, key=lambda label: (sizes[label], label))
    parts = {label: _means(explanation, grouping, label, random_state) for label in shown}
    return [_gap(explanation, grouping, label, reference, parts) for label in shown if label != reference]


def _means(explanation: Explanation, grouping: Grouping, label: str, random_state: int) -> tuple[Float1, Float2]:
    """Mean (and resampled means) of one group: of every value, then of every base value."""
    rows: Bool1 = grouping.rows(label)
    values = explanation.values[rows].reshape(int(rows.sum()), -1)
    table = np.column_stack([values, explanation.base_values[rows]])
    purpose = f"fairness.gap_by_feature|{grouping.name}|{label}"
    return table.mean(axis=0), bootstrap_means(table, random_state=random_state, purpose=purpose)


def _gap(
    explanation: Explanation,
    grouping: Grouping,
    label: str,
    reference: str,
    parts: dict[str, tuple[Float1, Float2]],
) -> Gap:
    features, outputs = explanation.values.shape[1:]
    estimate = parts[label][0] - parts[reference][0]
    replicates = parts[label][1] - parts[reference][1]
    by_feature = estimate[: features * outputs].reshape(features, outputs)
    base = estimate[features * outputs :]
    totals = replicates.reshape(len(replicates), features + 1, outputs).sum(axis=1)
    tails = [0.5 - LEVEL / 2, 0.5 + LEVEL / 2]
    low, high = np.quantile(replicates[:, : features * outputs], tails, axis=0).reshape(2, features, outputs)
    total_low, total_high = np.quantile(totals, tails, axis=0)
    sizes = grouping.sizes()
    return Gap(
        grouping=grouping.name,
        group=label,
        reference=reference,
        n=sizes[label],
        n_reference=sizes[reference],
        features=explanation.features,
        outputs=explanation.outputs,
        space=explanation.space,
        values=by_feature.copy(),
        low=low.copy(),
        high=high.copy(),
        base=base.copy(),
        total=by_feature.sum(axis=0) + base,
        total_low=total_low,
        total_high=total_high,
    )
