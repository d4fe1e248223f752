"""The local linear surrogate of LIME: weighted ridge regression with its own error.

Products over the sample are cut so small that a BLAS library computes each in one thread, and are added up in
the order of the sample: bits depend neither on the other rows nor on the number of threads.
"""

from dataclasses import dataclass

import numpy as np

from pellucid._base.typing import Bool1, Bool2, Float1, Float2

RIDGE = 1.0
"""lime's penalty."""
SMALL_PRODUCT = 1 << 18
"""Multiplications below which OpenBLAS does not start threads."""
JITTER = 1e-9
"""Added to a correlation matrix that repeated columns make singular."""


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A local linear model: coefficients and errors (features, outputs), the rest (outputs,)."""

    coefficients: Float2
    intercept: Float1
    std_error: Float2
    r2: Float1
    top_stability: Float1


def fit_surrogate(same: Bool2, outputs: Float2, weight: Float1, *, top_k: int, draws: Float2) -> Surrogate:
    """Fit a weighted ridge regression of outputs on the binary encoding.

    Minimises ``Σ w (y - a - z·b)² + |b|²`` with a free intercept, as lime's ``Ridge(alpha=1)`` does. Columns that
    never change get exactly 0. Errors are the sandwich estimate.

    Parameters
    ----------
    same : bool array of shape (samples, features)
        Whether a sampled cell is in the same bin as the explained row's.
    outputs : array of shape (samples, outputs)
    weight : array of shape (samples,)
    top_k : int
        Size of the set of largest coefficients whose stability is measured.
    draws : array of shape (draws, features)
        Standard normal numbers for that measure.
    """
    z = same.astype(np.float64)
    moves: Bool1 = np.asarray(same.any(axis=0) & ~same.all(axis=0))
    share = weight / weight.sum()
    # Counted from the first output, so a constant model leaves exactly nothing to explain.
    y = outputs - outputs[0]
    z_mean, y_mean = _weighted_mean(share, z), _weighted_mean(share, y)
    z, y = np.where(moves, z - z_mean, 0.0), y - y_mean
    weighed = z * weight[:, None]
    inverse = np.linalg.inv(_product(weighed, z) + RIDGE * np.eye(z.shape[1]))
    coefficients = np.where(moves[:, None], inverse @ _product(weighed, y), 0.0)
    residual = y - np.einsum("ij,jk->ik", z, coefficients)
    variance, unexplained = _weighted_mean(share, y**2), _weighted_mean(share, residual**2)
    freedom = len(z) / (len(z) - z.shape[1] - 1)
    covariances = [
        inverse @ _product(weighed * (freedom * error**2)[:, None], weighed) @ inverse for error in residual.T
    ]
    std_error = np.stack([np.sqrt(np.diag(covariance).clip(min=0.0)) for covariance in covariances], axis=1)
    return Surrogate(
        coefficients=coefficients,
        intercept=outputs[0] + y_mean - np.einsum("j,jk->k", z_mean, coefficients),
        std_error=std_error,
        r2=1.0 - np.divide(unexplained, variance, out=np.zeros(y.shape[1]), where=variance > 0),
        top_stability=np.array(
            [
                _top_stability(coefficients[moves, k], covariance[np.ix_(moves, moves)], top_k, draws[:, moves])
                for k, covariance in enumerate(covariances)
            ]
        ),
    )


def _weighted_mean(share: Float1, values: Float2) -> Float1:
    return np.asarray(np.einsum("i,ij->j", share, values))


def _product(a: Float2, b: Float2) -> Float2:
    """Return ``a.T @ b`` in pieces, added up in order."""
    rows = max(16, SMALL_PRODUCT // (a.shape[1] * b.shape[1]))
    total = np.zeros((a.shape[1], b.shape[1]))
    for first in range(0, len(a), rows):
        total += a[first : first + rows].T @ b[first : first + rows]
    return total


def _times(a: Float2, b: Float2) -> Float2:
    """Return ``a @ b`` in pieces."""
    rows = max(16, SMALL_PRODUCT // (b.shape[0] * b.shape[1]))
    return np.concatenate([a[first : first + rows] @ b for first in range(0, len(a), rows)])


def _top_stability(coefficients: Float1, covariance: Float2, top_k: int, draws: Float2) -> float:
    """Probability that a fresh sample has the same set of `top_k` largest coefficients, by normal draws."""
    if top_k >= len(coefficients):
        return 1.0
    error = np.sqrt(np.diag(covariance).clip(min=0.0))
    # Below this a variance is near the smallest float64, and a ratio of two of them is not a correlation.
    scale = np.where(error > 1e-100, error, np.inf)
    correlation = covariance / scale / scale[:, None]
    np.fill_diagonal(correlation, 1.0 + JITTER)
    factor = np.asarray(np.linalg.cholesky(correlation), dtype=np.float64)
    fresh = np.abs(coefficients + _times(draws, factor.T) * error)
    order = np.argsort(-np.abs(coefficients), kind="stable")
    return float((fresh[:, order[:top_k]].min(axis=1) >= fresh[:, order[top_k:]].max(axis=1)).mean())
