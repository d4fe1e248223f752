"""Whether rows of two periods come from one distribution: permutation tests, adjusted for all features."""

import numpy as np

from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Bool1, Float1, Float2

PERMUTATIONS = 499
MOST_ROWS = 2000
"""Rows of a period that the test looks at; more are sampled."""
MOST_JOINT_ROWS = 400


def data_shift(codes: Float2, period: Float1, categorical: Bool1, *, random_state: int) -> tuple[Float1, Float1, float]:
    """Test every feature, and how all go together.

    Parameters
    ----------
    codes : float64 array of shape (rows, features)
        NaN where missing, which counts as a value of its own.
    period : float64 array of shape (rows,)
        0 before, 1 after.
    categorical : bool array of shape (features,)

    Returns
    -------
    distances : float64 array of shape (features,)
        Kolmogorov's distance for numbers, total variation for categories.
    p_values : float64 array of shape (features,)
        Adjusted by the largest of all standardised statistics, the joint one among them (Westfall and Young 1993).
    p_joint : float
        The same for the energy distance of all features together (Székely and Rizzo 2004).
    """
    rows = _sample(period, MOST_ROWS, random_state, "compliance.shift.rows")
    labels = _permuted(period[rows], PERMUTATIONS, random_state, "compliance.shift.permutations")
    columns = [_distances(codes[rows, j], labels, bool(categorical[j])) for j in range(codes.shape[1])]
    few = _sample(period[rows], MOST_JOINT_ROWS, random_state, "compliance.shift.joint")
    joint = _energy(_standardised(codes[rows][few], categorical), labels[:, few])
    statistics = np.column_stack([*columns, joint])
    spread = statistics[1:].std(axis=0)
    flat = spread <= 1e-12
    z = np.where(flat, 0.0, (statistics - statistics[1:].mean(axis=0)) / np.where(flat, 1.0, spread))
    largest = z[1:].max(axis=1)
    p = (1 + (largest[:, None] >= z[0]).sum(axis=0)) / (len(largest) + 1)
    return statistics[0, :-1], p[:-1], float(p[-1])


def _sample(period: Float1, most: int, random_state: int, purpose: str) -> Array:
    """At most so many rows of each period, in their order."""
    rng = stream(random_state, purpose)
    parts = []
    for value in (0.0, 1.0):
        rows = np.flatnonzero(period == value)
        parts.append(rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False)))
    return np.concatenate(parts)


def _permuted(period: Float1, times: int, random_state: int, purpose: str) -> Float2:
    """Periods as they were, then permuted, of shape (1 + times, rows)."""
    rng = stream(random_state, purpose)
    return np.array([period, *(rng.permutation(period) for _ in range(times))])


def _distances(column: Float1, labels: Float2, categorical: bool) -> Float1:
    """Distance of the two periods' distributions for every labelling."""
    values = np.where(np.isnan(column), -np.inf, column)
    known, inverse = np.unique(values, return_inverse=True)
    counts_after = np.array([np.bincount(inverse, weights=label, minlength=len(known)) for label in labels])
    counts = np.bincount(inverse, minlength=len(known))
    after = counts_after / labels.sum(axis=1, keepdims=True)
    before = (counts - counts_after) / (1 - labels).sum(axis=1, keepdims=True)
    if categorical:
        return np.asarray(np.abs(after - before).sum(axis=1) / 2)
    return np.asarray(np.abs(np.cumsum(after - before, axis=1)).max(axis=1))


def _standardised(codes: Float2, categorical: Bool1) -> Float2:
    """Numbers as ranks, categories as indicators, each feature with about the same spread."""
    parts = []
    for j, is_category in enumerate(categorical):
        values = np.where(np.isnan(codes[:, j]), -np.inf, codes[:, j])
        known, inverse = np.unique(values, return_inverse=True)
        if is_category:
            parts.append(np.eye(len(known))[inverse] / np.sqrt(2))
        else:
            counts = np.bincount(inverse)
            ranks = np.cumsum(counts) - counts / 2
            parts.append((ranks[inverse] / len(values))[:, None] * np.sqrt(12))
    return np.concatenate(parts, axis=1)


def _energy(points: Float2, labels: Float2) -> Float1:
    """Energy distance of the two periods for every labelling."""
    size = (points**2).sum(axis=1)
    distance = np.sqrt(np.maximum(size[:, None] + size - 2 * points @ points.T, 0.0))
    after = labels / labels.sum(axis=1, keepdims=True)
    before = (1 - labels) / (1 - labels).sum(axis=1, keepdims=True)
    difference = after - before
    return np.asarray(-((difference @ distance) * difference).sum(axis=1))
