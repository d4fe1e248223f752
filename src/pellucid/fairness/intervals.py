"""Intervals for differences and ratios of proportions, for means, and for the area under a curve.

Every function takes the confidence `level`, because comparisons that were picked among many need a higher one.
"""

import math

import numpy as np

from pellucid._base.randomness import stream
from pellucid._base.statistics import LEVEL, kish_size, normal_quantile, shares_below
from pellucid._base.typing import Bool1, Float1, Float2

REPLICATES = 1000
BISECTIONS = 60
BLOCK = 1 << 20
"""Drawn rows held at a time."""


def difference_of(first: tuple[float, float, float], second: tuple[float, float, float]) -> tuple[float, float]:
    """Interval for the difference of two independent estimates, each given as (value, low, high).

    Newcombe's hybrid score interval (1998, method 10) when both are Wilson's; the same recipe for any two intervals is
    MOVER (Zou and Donner 2008).
    """
    (a, a_low, a_high), (b, b_low, b_high) = first, second
    low = a - b - math.hypot(a - a_low, b_high - b)
    high = a - b + math.hypot(a_high - a, b - b_low)
    return low, high


def log_ratio(first: tuple[float, float], second: tuple[float, float], level: float = LEVEL) -> tuple[float, float]:
    """Interval for the ratio of two proportions, each given as (share, n), on the log scale (Katz et al. 1978).

    Both shares must be above zero.
    """
    (p, n), (q, m) = first, second
    half = normal_quantile(level) * math.sqrt((1 - p) / (n * p) + (1 - q) / (m * q))
    return p / q * math.exp(-half), p / q * math.exp(half)


def bootstrap_means(
    values: Float2, *, random_state: int, purpose: str, weights: Float1 | None = None, replicates: int = REPLICATES
) -> Float2:
    """Means of resampled rows, of shape (replicates, columns).

    Some replicates at a time keep memory flat.
    """
    n, columns = values.shape
    weights = np.ones(n) if weights is None else weights
    weighted = np.column_stack([weights, weights[:, None] * values])
    rng = stream(random_state, purpose)
    totals = np.empty((replicates, columns + 1))
    step = max(1, BLOCK // (n * (columns + 1)))
    for start in range(0, replicates, step):
        part = totals[start : start + step]
        part[:] = weighted[rng.integers(0, n, size=(len(part), n))].sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(totals[:, 1:] / totals[:, :1])


def percentiles(replicates: Float1, level: float = LEVEL) -> tuple[float, float]:
    """Percentile interval of bootstrap replicates."""
    low, high = np.nanquantile(replicates, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def auc(positive: Float1, negative: Float1) -> float:
    """Chance that a value of `positive` is above one of `negative`, ties counted half."""
    return float(_placements(positive, negative).mean())


def auc_interval(positive: Float1, negative: Float1, level: float = LEVEL) -> tuple[float, float]:
    """Interval for `auc`: DeLong, DeLong and Clarke-Pearson (1988).

    Where every pair is ordered the same way DeLong's variance is zero although the truth may be below 1; then the
    score interval of Newcombe (2006, method 5) is used.
    """
    wins, losses = _placements(positive, negative), _placements(-negative, -positive)
    area = float(wins.mean())
    m, n = len(positive), len(negative)
    if area in (0.0, 1.0):
        return _newcombe_auc(area, m, n, level)
    variance = (wins.var(ddof=1) / m if m > 1 else 0.25) + (losses.var(ddof=1) / n if n > 1 else 0.25)
    half = normal_quantile(level) * math.sqrt(float(variance))
    return max(0.0, area - half), min(1.0, area + half)


def _placements(upper: Float1, lower: Float1) -> Float1:
    """For each value of `upper`: the share of `lower` below it, ties counted half."""
    _, rank = np.unique(np.concatenate([upper, lower]), return_inverse=True)
    counted = np.repeat([0.0, 1.0], [len(upper), len(lower)])
    return np.asarray(shares_below(rank, counted)[rank[: len(upper)]])


def _newcombe_auc(area: float, m: int, n: int, level: float) -> tuple[float, float]:
    """Solve |area - t| = z sqrt(V(t)) on the one side that is open, by bisection."""
    z2, extra = normal_quantile(level) ** 2, (m + n) / 2 - 1

    def inside(t: float) -> bool:
        variance = t * (1 - t) * (1 + extra * ((1 - t) / (2 - t) + t / (1 + t))) / (m * n)
        return (area - t) ** 2 <= z2 * variance

    near, far = area, 0.5
    if inside(far):
        return (far, 1.0) if area == 1 else (0.0, far)
    for _ in range(BISECTIONS):
        middle = (near + far) / 2
        near, far = (middle, far) if inside(middle) else (near, middle)
    return (near, 1.0) if area == 1 else (0.0, near)


def weighted_share(hit: Bool1, weights: Float1 | None) -> tuple[float, float]:
    """Share of hits and the size it was measured on, (share, n); exact division when there are no weights."""
    if weights is None:
        return int(hit.sum()) / len(hit), float(len(hit))
    return float(weights[hit].sum() / weights.sum()), kish_size(weights)


def weighted_quantile(values: Float1, share: float, weights: Float1 | None) -> float:
    """Smallest value with at least this share of the weight at or below it."""
    order = np.argsort(values, kind="stable")
    held = np.arange(1, len(values) + 1) / len(values) if weights is None else np.cumsum(weights[order]) / weights.sum()
    # Rounding must not carry the last value out of reach.
    place = int(np.searchsorted(held, share - 1e-12, side="left"))
    return float(values[order][min(place, len(values) - 1)])
