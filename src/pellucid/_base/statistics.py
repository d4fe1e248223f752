"""Normal quantiles, the interval of a share, the size of a weighted sample, and who stands below whom."""

import math
from statistics import NormalDist

import numpy as np

from pellucid._base.typing import Float1, Int1

LEVEL = 0.95


def normal_quantile(level: float) -> float:
    """Half-width of the two-sided standard normal interval at `level`."""
    return NormalDist().inv_cdf(0.5 + level / 2)


Z = normal_quantile(LEVEL)


def wilson(share: float, n: float, level: float = LEVEL) -> tuple[float, float]:
    """Score interval for a proportion `share` of `n` trials (Wilson 1927); `n` may be an effective size.

    Examples
    --------
    >>> [round(limit, 3) for limit in wilson(0.5, 100)]
    [0.404, 0.596]
    """
    if n <= 0:
        return 0.0, 1.0
    z2 = normal_quantile(level) ** 2
    middle = share + z2 / (2 * n)
    half = math.sqrt(z2 * (share * (1 - share) + z2 / (4 * n)) / n)
    # At a share of 0 or 1 the bound is exactly 0 or 1; rounding must not move it.
    low = 0.0 if share == 0 else max(0.0, (middle - half) / (1 + z2 / n))
    high = 1.0 if share == 1 else min(1.0, (middle + half) / (1 + z2 / n))
    return float(low), float(high)


def kish_size(weights: Float1) -> float:
    """Count the equally weighted rows that know as much as these (Kish 1965)."""
    return float(weights.sum() ** 2 / (weights**2).sum()) if len(weights) else 0.0


def shares_below(rank: Int1, weight: Float1) -> Float1:
    """For every rank: the share of the weight that stands below it, ties counted half.

    The mean of these shares over the rows of one kind, where the other kind has the weight, is the area under the ROC
    curve (Mann and Whitney 1947).

    Parameters
    ----------
    rank : int array of shape (rows,)
        Position of each row's value among the distinct values.
    weight : float array of shape (rows,)
        Zero for rows that are not counted. NaN comes back where all are zero.
    """
    held = np.bincount(rank, weight)
    total = held.sum()
    below = np.cumsum(held) - held / 2
    return np.asarray(below / total) if total > 0 else np.full(len(held), np.nan)
