"""Columns cut into bins with names that a person can read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pellucid._base.typing import Float1, Int1
from pellucid.glassbox._inputs import is_numeric, keys, numbers
from pellucid.table import Table


@dataclass(frozen=True, kw_only=True, eq=False)
class Bins:
    """One feature's bins: ranges of a number (``≤`` each cut), or categories.

    Code ``n_known`` is any category not named in `levels`; code ``n_known + 1`` is a missing value.

    Parameters
    ----------
    feature : str
    numeric : bool
    cuts : float64 array
        Increasing upper ends of all ranges but the last; empty for categories.
    levels : tuple of str
        Named categories; empty for numbers.
    """

    feature: str
    numeric: bool
    cuts: Float1
    levels: tuple[str, ...] = ()

    @property
    def n_known(self) -> int:
        """Number of ranges or named categories."""
        return len(self.cuts) + 1 if self.numeric else len(self.levels)

    @property
    def size(self) -> int:
        """Number of codes, those for other categories and for missing values included."""
        return self.n_known + 2

    def codes(self, table: Table) -> Int1:
        """Bin of each row."""
        if self.numeric:
            values = numbers(table, self.feature)
            found = np.searchsorted(self.cuts, values, side="left")
            return np.where(np.isnan(values), self.n_known + 1, found).astype(np.int64)
        position: dict[str | None, int] = {level: i for i, level in enumerate(self.levels)}
        position[None] = self.n_known + 1
        return np.array([position.get(key, self.n_known) for key in keys(table, self.feature)], dtype=np.int64)

    def label(self, code: int) -> str:
        """Name of a bin in words."""
        if code == self.n_known + 1:
            return "missing"
        if code == self.n_known:
            return "any other"
        if not self.numeric:
            return self.levels[code]
        return range_text(self.cuts[code - 1] if code else None, self.cuts[code] if code < len(self.cuts) else None)


def range_text(low: float | None, high: float | None) -> str:
    """Name the numbers above `low` and up to `high`."""
    if low is None:
        return "any number" if high is None else f"≤ {plain(high)}"
    return f"> {plain(low)}" if high is None else f"{plain(low)} to {plain(high)}"


def plain(value: float) -> str:
    """Write a number without the digits that only binary fractions need."""
    return f"{value:.12g}"


def short_between(low: float, high: float) -> float:
    """Return a number of few digits, at least `low` and below `high`: it parts the same data."""
    middle = low / 2 + high / 2
    for digits in range(1, 18):
        for number in (middle, low):
            candidate = float(f"{number:.{digits}g}")
            if low <= candidate < high:
                return candidate
    return low


def quantile_bins(table: Table, weights: Float1, *, n_bins: int, min_share: float) -> list[Bins]:
    """Cut every column: numbers at weighted quantiles, categories with at least `min_share` of the weight by name."""
    return [
        Bins(feature=name, numeric=True, cuts=quantile_cuts(numbers(table, name), weights, n_bins))
        if is_numeric(kind)
        else category_bins(table, name, weights, min_share=min_share)
        for name, kind in zip(table.names, table.kinds, strict=True)
    ]


def quantile_cuts(values: Float1, weights: Float1, n_bins: int) -> Float1:
    """Cuts that part the weight into about equal shares, each a short number between two data values."""
    present = ~np.isnan(values)
    distinct, inverse = np.unique(values[present], return_inverse=True)
    if len(distinct) < 2:
        return np.empty(0)
    if len(distinct) <= n_bins:
        ends: Sequence[int] | Int1 = range(len(distinct) - 1)
    else:
        total = np.cumsum(np.bincount(inverse, weights=weights[present]))
        # inverted distribution function: a row of weight 2 counts exactly as two rows
        wanted = total[-1] * np.arange(1, n_bins) / n_bins
        ends = np.unique(np.minimum(np.searchsorted(total, wanted, side="left"), len(distinct) - 2))
    return np.array([short_between(distinct[i], distinct[i + 1]) for i in ends])


def category_bins(table: Table, name: str, weights: Float1, *, min_share: float) -> Bins:
    """Name the categories with at least `min_share` of the weight, the heaviest first."""
    totals: dict[str, float] = {}
    for key, weight in zip(keys(table, name), weights, strict=True):
        if key is not None:
            totals[key] = totals.get(key, 0.0) + weight
    named = {key for key in totals if totals[key] >= min_share * weights.sum()}
    if len(totals) - len(named) == 1:
        named = set(totals)  # "any other" would hide the name of a single category
    kept = sorted(named, key=lambda key: (-totals[key], key))
    return Bins(feature=name, numeric=False, cuts=np.empty(0), levels=tuple(kept))
