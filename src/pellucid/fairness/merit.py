"""Gaps between people of equal merit: what remains of a difference in strata of something that may justify it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.numbers import points_interval
from pellucid._base.statistics import LEVEL, normal_quantile
from pellucid._base.typing import Bool1, Float1, Float2, Int1
from pellucid.fairness import estimates
from pellucid.fairness._inputs import is_favorable, read_vector
from pellucid.fairness.disclosure import shown_groups
from pellucid.fairness.estimates import Comparison
from pellucid.fairness.groups import FLOOR, Grouping, read_groupings

STRATA = 10


@dataclass(frozen=True, kw_only=True)
class MeritGap:
    """Difference in the share decided favourably between people of equal merit.

    Parameters
    ----------
    grouping, group, reference : str
    plain : Comparison
        Share of the group minus share of the reference, merit left aside.
    equal_merit : Comparison
        The same within strata of equal merit, averaged over them.
    strata : int
        Strata that have people of both.
    """

    grouping: str
    group: str
    reference: str
    plain: Comparison
    equal_merit: Comparison
    strata: int

    @property
    def sentence(self) -> str:
        """Set the two differences side by side."""
        plain, equal = (_words(found) for found in (self.plain, self.equal_merit))
        return f"{self.group} minus {self.reference}: {plain}; at equal merit ({self.strata} strata) {equal}."


def _words(found: Comparison) -> str:
    if found.value is None:
        return found.reason
    few = "" if found.evidence == "clear" else f" (insufficient evidence: {found.reason})"
    return points_interval(found.value, found.low, found.high) + few


def gap_at_equal_merit(
    y_pred: Any, merit: Any, *, sensitive_features: Any, favorable: Any, floor: int = FLOOR
) -> tuple[MeritGap, ...]:
    """Compare decisions between groups among people of equal merit.

    What counts as merit is yours to say, and the answer is only as good as it: where merit was measured with bias (a
    label that one group was denied), the gap at equal merit is biased in the same way.

    Parameters
    ----------
    y_pred : sequence of length rows
        Decisions, as made or as predicted.
    merit : sequence of length rows
        What may justify a difference: true outcomes, grades, or a number, which is cut into tenths.
    sensitive_features : table, series, array or list
        See `group_metrics`.
    favorable : label or collection of labels
    floor : int
        Groups with fewer rows are left out; so is the evidence of smaller ones.

    Returns
    -------
    tuple of MeritGap
        Every group against the largest, for each grouping; with several groups at a wider level (Bonferroni).

    Notes
    -----
    The Mantel-Haenszel difference of proportions with Sato's variance (Sato 1989), which holds for many small and for
    few large strata.

    Examples
    --------
    >>> from pellucid.fairness import gap_at_equal_merit
    >>> merit = [1] * 60 + [0] * 60
    >>> group = (["a"] * 40 + ["b"] * 20) + (["a"] * 20 + ["b"] * 40)
    >>> found, = gap_at_equal_merit(merit, merit, sensitive_features=group, favorable=1)
    >>> round(abs(found.plain.value), 3), found.equal_merit.value
    (0.333, 0.0)
    """
    decisions = read_vector(y_pred, "y_pred")
    chosen, stratum = is_favorable(decisions, favorable), _strata(merit, len(decisions))
    found: list[MeritGap] = []
    for grouping in read_groupings(sensitive_features, len(decisions)):
        found += _of_grouping(grouping, chosen, stratum, floor)
    return tuple(found)


def _strata(merit: Any, n_rows: int) -> Int1:
    values = read_vector(merit, "merit")
    if len(values) != n_rows:
        raise InputError(f"merit must have one value per row: expected {n_rows}, got {len(values)}.")
    if values.dtype.kind in "iuf" and len(np.unique(values)) > STRATA:
        cuts = np.unique(np.quantile(values, np.arange(1, STRATA) / STRATA))
        return np.searchsorted(cuts, values, side="left").astype(np.int64)
    position = {value: code for code, value in enumerate(dict.fromkeys(values.tolist()))}
    return np.array([position[value] for value in values.tolist()], dtype=np.int64)


def _of_grouping(grouping: Grouping, chosen: Bool1, stratum: Int1, floor: int) -> Iterator[MeritGap]:
    sizes, shown = grouping.sizes(), shown_groups(grouping, floor)
    if len(shown) < 2:
        return
    reference = max(shown, key=lambda label: (sizes[label], label))
    level = 1 - (1 - LEVEL) / (len(shown) - 1)
    for group in shown:
        if group == reference:
            continue
        sides = (grouping.rows(group), grouping.rows(reference))
        counts = np.array([_counted(stratum, side) for side in sides])
        hits = np.array([_counted(stratum, side & chosen) for side in sides])
        both = (counts > 0).all(axis=0)
        names: dict[str, Any] = {"between": (group, reference), "n": (sizes[group], sizes[reference])}
        whole = _comparison(counts.sum(axis=1, keepdims=True), hits.sum(axis=1, keepdims=True), level, floor, **names)
        equal = _comparison(counts[:, both], hits[:, both], level, floor, **names)
        yield MeritGap(
            grouping=grouping.name,
            group=group,
            reference=reference,
            plain=whole,
            equal_merit=equal,
            strata=int(both.sum()),
        )


def _counted(stratum: Int1, rows: Bool1) -> Float1:
    return np.bincount(stratum[rows], minlength=int(stratum.max()) + 1).astype(float)


def _comparison(
    counts: Float2, hits: Float2, level: float, floor: int, *, between: tuple[str, str], n: tuple[int, int]
) -> Comparison:
    """Mantel-Haenszel difference over the strata (columns) of the two sides (rows)."""
    if not counts.size:
        return estimates.undefined("no stratum of merit has people of both groups")
    (n1, n0), (x1, x0) = counts, hits
    total = n1 + n0
    weight = (n1 * n0 / total).sum()
    value = float(((x1 * n0 - x0 * n1) / total).sum() / weight)
    p = (n1**2 * x0 - n0**2 * x1 + n1 * n0 * (n0 - n1) / 2) / total**2
    q = (x1 * (n0 - x0) + x0 * (n1 - x1)) / (2 * total)
    half = normal_quantile(level) * float(np.sqrt(max(0.0, value * p.sum() + q.sum())) / weight)
    evidence, reason = estimates.evidence_of(value - half, value + half, 0.0, n, floor)
    return Comparison(
        value=value, low=value - half, high=value + half, between=between, n=n, evidence=evidence, reason=reason
    )
