"""Whether rows with the same values get other attributions in another period or version."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid._base.randomness import stream
from pellucid._base.statistics import normal_quantile
from pellucid._base.typing import Array, Bool1, Float1, Float2, Float3

TREES = 100
MOST_ROWS = 2000


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """Change of each feature's attribution at the same values, as a share of a scale, and how sure it is.

    `low` and `high` cover the changes of all features together; `overlap` says how alike the rows are, 0 to 1.
    """

    change: Float1
    low: Float1
    high: Float1
    overlap: float


def paired_reasoning(values: Float2, *, scale: float, level: float) -> Evidence:
    """Compare the attributions of the same rows: the root mean square change, with its interval over rows.

    Parameters
    ----------
    values : float64 array of shape (2 * rows, features)
        First all rows before, then all rows after.
    scale : float
    level : float
    """
    n = len(values) // 2
    squares = ((values[n:] - values[:n]) / scale) ** 2
    mean = squares.mean(axis=0)
    half = normal_quantile(1 - level / values.shape[1]) * squares.std(axis=0, ddof=1) / np.sqrt(n)
    return Evidence(
        change=np.sqrt(mean), low=np.sqrt(np.maximum(mean - half, 0.0)), high=np.sqrt(mean + half), overlap=1.0
    )


def unpaired_reasoning(
    codes: Float2,
    values: Float2,
    period: Float1,
    categorical: Bool1,
    *,
    scale: float,
    level: float,
    random_state: int,
) -> Evidence:
    """Compare the attributions of different rows, given their values.

    Both the attributions and the period are predicted from the values by forests, out of bag. What is left of both
    goes together only if the same values get other attributions. Three weights per feature look for a change by a
    constant, in proportion to the value's rank, and in the tails.
    """
    rows = _sample(period, random_state)
    codes, values, period = codes[rows], values[rows] / scale, period[rows]
    inputs = np.where(np.isnan(codes), np.nanmin(codes, axis=0, initial=0.0) - 1.0, codes)
    propensity = _out_of_bag(inputs, period[:, None], random_state, least=5)[:, 0]
    left_period = period - propensity
    left_values = values - _out_of_bag(inputs, values, random_state, least=1)
    weights = _weights(inputs, categorical, values)
    products = left_period[:, None, None] * left_values[:, :, None] * weights
    precision = (left_period[:, None, None] ** 2 * weights**2).mean(axis=0)
    known = precision > 1e-12
    effect = np.where(known, products.mean(axis=0) / np.where(known, precision, 1.0), 0.0)
    error = products.std(axis=0, ddof=1) / np.sqrt(len(rows)) / np.where(known, precision, np.inf)
    half = normal_quantile(1 - level / effect.size) * error
    strongest = np.argmax(np.abs(effect) - half, axis=1)
    pick = np.arange(effect.shape[0]), strongest
    size, width = np.abs(effect)[pick], half[pick]
    return Evidence(
        change=size,
        low=np.maximum(size - width, 0.0),
        high=size + width,
        overlap=float(np.mean(4 * propensity * (1 - propensity))),
    )


def _weights(inputs: Float2, categorical: Bool1, values: Float2) -> Float3:
    """A constant, the value's centred rank and its distance from the middle, each with mean square one."""
    n, d = inputs.shape
    weights = np.ones((n, d, 3))
    for j in range(d):
        # A category has no order of its own: its levels are ordered by their mean attribution.
        column = _by_attribution(inputs[:, j], values[:, j]) if categorical[j] else inputs[:, j]
        known, inverse, counts = np.unique(column, return_inverse=True, return_counts=True)
        rank = ((np.cumsum(counts) - counts / 2) / n)[inverse] - 0.5
        for k, weight in enumerate((rank, np.abs(rank) - np.abs(rank).mean()), start=1):
            size = np.sqrt((weight**2).mean())
            weights[:, j, k] = weight / size if len(known) > k and size > 0 else 0.0
    return weights


def _by_attribution(column: Float1, attribution: Float1) -> Float1:
    _, inverse, counts = np.unique(column, return_inverse=True, return_counts=True)
    return np.asarray((np.bincount(inverse, weights=attribution) / counts)[inverse])


def _out_of_bag(inputs: Float2, targets: Float2, random_state: int, *, least: int) -> Float2:
    """Predict every row by the trees that were not grown on it."""
    from sklearn.ensemble import ExtraTreesRegressor  # a third party, loaded when explanations are compared

    forest: Any = ExtraTreesRegressor(
        n_estimators=TREES, min_samples_leaf=least, max_features=None, bootstrap=True, oob_score=True,
        random_state=random_state,
    ).fit(inputs, targets if targets.shape[1] > 1 else targets[:, 0])  # fmt: skip
    return np.asarray(forest.oob_prediction_, dtype=np.float64).reshape(targets.shape)


def _sample(period: Float1, random_state: int) -> Array:
    rng = stream(random_state, "compliance.reasoning.rows")
    parts = [np.flatnonzero(period == value) for value in (0.0, 1.0)]
    return np.concatenate(
        [p if len(p) <= MOST_ROWS else np.sort(rng.choice(p, MOST_ROWS, replace=False)) for p in parts]
    )
