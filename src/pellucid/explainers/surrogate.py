"""The local linear surrogate of LIME: weighted ridge regression with its own error.

Products over the sample are cut so small that a BLAS library computes each in one thread, and are added up in
the order of the sample: bits depend neither on the other rows nor on the number of threads, up to some sixty features
on those of the BLAS library either.
"""

from dataclasses import dataclass, replace

import numpy as np

from pellucid._base.typing import Array, Bool1, Bool2, Float1, Float2

RIDGE = 1.0
"""lime's penalty."""
SMALL_PRODUCT = 1 << 18
"""Multiplications below which OpenBLAS does not start threads."""
ERROR_SAMPLES = 2048
"""Samples of which the errors are measured at most: the beginning of an evenly spread sequence is one too."""
LEAST_COLUMNS = 256
"""Samples in a piece of a product at least: hundreds of features are too large for one thread's sake anyway."""
JITTER = 1e-5
"""Added to a correlation matrix that repeated columns make singular."""


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A local linear model: coefficients and errors (features, outputs), the rest (outputs,)."""

    coefficients: Float2
    intercept: Float1
    std_error: Float2
    r2: Float1
    top_stability: Float1

    def without_error(self) -> "Surrogate":
        """The same coefficients, of all samples that there are."""
        return replace(self, std_error=np.zeros_like(self.std_error), top_stability=np.ones_like(self.top_stability))


def fit_surrogate(same: Bool2, outputs: Float2, weight: Float1, *, top_k: int, draws: Float2) -> Surrogate:
    """Fit a weighted ridge regression of outputs on the binary encoding.

    Minimises ``Σ w (y - a - z·b)² + |b|²`` with a free intercept, as lime's ``Ridge(alpha=1)`` does. Features that
    never change get exactly 0. Errors are the sandwich estimate.

    Parameters
    ----------
    same : bool array of shape (features, samples)
        Whether a sampled cell is in the same bin as the explained row's.
    outputs : array of shape (samples, outputs)
    weight : array of shape (samples,)
    top_k : int
        Size of the set of largest coefficients whose stability is measured.
    draws : array of shape (draws, features)
        Standard normal numbers for that measure.
    """
    (d, n), k = same.shape, outputs.shape[1]
    # A power of two changes no digit, and keeps squares of very large outputs finite.
    scale = float(2.0 ** np.frexp(np.abs(outputs).max(initial=0.0))[1])
    # Counted from the first output, so a constant model leaves exactly nothing to explain.
    y = (outputs / scale - outputs[0] / scale).T
    y_mean = np.einsum("ki,i->k", y, weight / weight.sum())
    lines = np.concatenate([same, y - y_mean[:, None], np.ones((1, n))])
    cross, mean = _centred(_squared(lines * np.sqrt(weight)))
    count = lines[:d] @ np.ones(n)
    moves: Bool1 = np.asarray((count > 0) & (count < n))
    inverse = np.linalg.inv(np.where(moves[:, None] & moves, cross[:d, :d], 0.0) + RIDGE * np.eye(d))
    coefficients = np.where(moves[:, None], inverse @ cross[:d, d : d + k], 0.0)
    shift = np.einsum("j,jk->k", mean[:d], coefficients)
    residual = lines[d : d + k] - np.einsum("jk,ji->ki", coefficients, lines[:d]) + shift[:, None]
    variance, unexplained = np.diag(cross)[d : d + k], np.einsum("i,ki->k", weight, residual**2)
    first = min(n, ERROR_SAMPLES)
    freedom = n / first * n / max(n - d - 1, 1)
    # Three digits of an error are enough: single precision, of numbers that are made to be about one.
    apart = (same[:, :first] - mean[:d, None].astype(np.float32)) * moves[:, None].astype(np.float32)
    pull = _times(apart.T, inverse.astype(np.float32)).T
    covariances = [freedom * _spread(pull, error) for error in (weight * residual)[:, :first]]
    std_error = np.stack([np.sqrt(np.diag(covariance).clip(min=0.0)) for covariance in covariances], axis=1)
    return Surrogate(
        coefficients=coefficients * scale,
        intercept=outputs[0] + scale * (y_mean - shift),
        std_error=std_error * scale,
        r2=1.0 - np.divide(unexplained, variance, out=np.zeros(k), where=variance > 0),
        top_stability=np.array(
            [
                _top_stability(coefficients[moves, j], covariance[np.ix_(moves, moves)], top_k, draws[:, moves])
                for j, covariance in enumerate(covariances)
            ]
        ),
    )


def _centred(product: Float2) -> tuple[Float2, Float1]:
    """Weighted sums of products about the means, and the means; the last line of the product is of ones."""
    mean = product[-1] / product[-1, -1]
    return product - np.outer(product[-1], mean), mean


def _spread(pull: Array, error: Float1) -> Float2:
    """Sum over samples of the squares of what each error pulls the coefficients by."""
    largest = float(np.abs(error).max(initial=0.0)) or 1.0
    return np.asarray(_squared(pull * (error / largest).astype(np.float32)).astype(np.float64) * largest**2)


def _squared(lines: Array) -> Array:
    """Return ``lines @ lines.T`` in pieces, added up in order."""
    columns = max(LEAST_COLUMNS, SMALL_PRODUCT // len(lines) ** 2)
    total = np.zeros((len(lines), len(lines)), dtype=lines.dtype)
    for first in range(0, lines.shape[1], columns):
        piece = lines[:, first : first + columns]
        total += piece @ piece.T
    return total


def _times(a: Array, b: Array) -> Array:
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
