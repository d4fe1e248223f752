"""Products and solutions whose bits do not depend on the number of threads of a BLAS library.

Such a library starts threads for large arrays, and then adds up in another order. The compiled products here add up
every element by itself, in the order of the inner index, so its bits do not depend on the other rows and columns
either.
"""

import numpy as np

from pellucid._base.typing import Array, Float1, Float2
from pellucid._kernels import _native

SMALL_SYSTEM = 96
"""Unknowns up to which a BLAS library does not start threads to solve."""


def times(a: Array, b: Array) -> Float2:
    """Return ``a @ b``; either may be of bools."""
    return _native.multiply(a.astype(np.float64, copy=False), b.astype(np.float64, copy=False))


def column_sums(a: Float2) -> Float1:
    """Sum of each column, in the order of the rows; numpy adds up a single column in another order than several."""
    return np.asarray(times(np.ones((1, len(a))), a)[0])


def solve(matrix: Float2, right: Float2) -> Float2:
    """Solve a positive definite system for several right-hand sides, block by block (Schur complements)."""
    n = len(matrix)
    if n <= SMALL_SYSTEM:
        return np.asarray(np.linalg.solve(matrix, right))
    half = n // 2
    corner = solve(matrix[:half, :half], np.concatenate([matrix[:half, half:], right[:half]], axis=1))
    across, first = corner[:, : n - half], corner[:, n - half :]
    rest = solve(
        matrix[half:, half:] - times(matrix[half:, :half], across), right[half:] - times(matrix[half:, :half], first)
    )
    return np.concatenate([first - times(across, rest), rest])


def factor(matrix: Float2) -> Float2 | None:
    """Lower Cholesky factor of a symmetric matrix; None where it is not positive definite."""
    return _native.factor(matrix)


def forward(lower: Float2, right: Float2) -> Float2:
    """Solve ``lower @ x = right``."""
    return _native.forward(lower, right)


def solve_factored(lower: Float2, right: Float2) -> Float2:
    """Solve ``lower @ lower.T @ x = right``."""
    return _native.backward(lower, _native.forward(lower, right))


def inverse(lower: Float2) -> Float2:
    """Inverse of ``lower @ lower.T``."""
    return _native.inverse(lower)


def inverse_diagonal(lower: Float2) -> Float1:
    """Diagonal of the inverse of ``lower @ lower.T``: sums of squares of the columns of ``lower⁻¹``, block by block."""
    n = len(lower)
    if n <= SMALL_SYSTEM:
        alone = _native.forward(lower, np.eye(n))
        return np.asarray(np.einsum("ij,ij->j", alone, alone))
    half = n // 2
    first, rest = lower[:half, :half], lower[half:, half:]
    below = _native.forward(rest, _native.backward(first, lower[half:, :half].T).T)
    return np.concatenate([inverse_diagonal(first) + np.einsum("ij,ij->j", below, below), inverse_diagonal(rest)])
