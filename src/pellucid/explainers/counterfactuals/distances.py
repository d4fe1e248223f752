"""Gower's distance between rows of mixed kinds (Gower, 1971), with ranges from the background."""

from dataclasses import dataclass

import numpy as np

from pellucid._base.randomness import stream
from pellucid._base.typing import Bool1, Float1, Float2

MOST_CELLS = 4_000_000
MOST_REFERENCE = 1000
"""Background rows whose own nearest neighbour is measured."""


@dataclass(frozen=True, eq=False)
class Gower:
    """Mean over features of a distance from 0 to 1.

    Numbers differ by their gap over the background's range, at most 1; where the background is constant,
    and for everything that is not a number, any difference counts 1. Two missing values are equal, one is 1 away.

    Parameters
    ----------
    scale : float64 array of shape (features,)
        Range of each number feature; 0 where any difference counts 1.
    """

    scale: Float1

    @classmethod
    def of(cls, codes: Float2, numeric: Bool1) -> "Gower":
        """Measure the ranges of the background's cells."""
        known = np.where(np.isfinite(codes), codes, np.nan)
        scale = np.zeros(codes.shape[1])
        for j in np.flatnonzero(numeric & ~np.isnan(known).all(axis=0)):
            scale[j] = np.nanmax(known[:, j]) - np.nanmin(known[:, j])
        return cls(np.where(np.isfinite(scale), scale, 0.0))

    def feature(self, j: int, a: Float1 | Float2, b: Float1 | Float2) -> Float2:
        """Distance along one feature, for arrays that broadcast."""
        differs = (a != b) & ~(np.isnan(a) & np.isnan(b))
        if not self.scale[j]:
            return np.asarray(differs, dtype=np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            share = np.abs(a - b) / self.scale[j]
        return np.where(differs, np.where(share < 1.0, share, 1.0), 0.0)

    def between(self, a: Float2, b: Float2) -> Float2:
        """Distances of shape (rows of a, rows of b), added feature by feature so that no batch changes a bit."""
        total = np.zeros((len(a), len(b)))
        for j in range(len(self.scale)):
            total += self.feature(j, a[:, j, None], b[None, :, j])
        return np.asarray(total / len(self.scale))

    def along(self, a: Float2, b: Float2) -> Float1:
        """Distances between rows of equal position."""
        total = np.zeros(len(a))
        for j in range(len(self.scale)):
            total += self.feature(j, a[:, j], b[:, j])
        return total / len(self.scale)

    def nearest(self, a: Float2, b: Float2) -> Float1:
        """Distance of each row of `a` to the nearest row of `b`."""
        step = max(1, MOST_CELLS // max(1, len(b)))
        parts = [self.between(a[start : start + step], b).min(axis=1) for start in range(0, len(a), step)]
        return np.concatenate(parts) if parts else np.empty(0)


def typical_gaps(gower: Gower, background: Float2, random_state: int) -> Float1:
    """Distance of background rows to their nearest other background row, sorted; at most `MOST_REFERENCE` of them."""
    n = len(background)
    chosen = np.arange(n)
    if n > MOST_REFERENCE:
        chosen = np.sort(stream(random_state, "counterfactuals.plausibility").choice(n, MOST_REFERENCE, replace=False))
    if n < 2:
        return np.empty(0)
    gaps = np.empty(len(chosen))
    step = max(1, MOST_CELLS // n)
    for start in range(0, len(chosen), step):
        rows = chosen[start : start + step]
        apart = gower.between(background[rows], background)
        apart[np.arange(len(rows)), rows] = np.inf
        gaps[start : start + step] = apart.min(axis=1)
    return np.sort(gaps)


def plausibility(nearest: Float1, gaps: Float1) -> Float1:
    """Share of background rows at least as far from their nearest other row; NaN for a single background row."""
    if not len(gaps):
        return np.full(len(nearest), np.nan)
    return np.asarray(1.0 - np.searchsorted(gaps, nearest, side="left") / len(gaps))
