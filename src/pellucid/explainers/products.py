"""Products and solutions whose bits do not depend on the number of threads of a BLAS library.

Such a library starts threads for large arrays, and then adds up in another order. Here every product is cut into tiles
below that size, added up in order.
"""

import numpy as np

from pellucid._base.typing import Array, Float2

SMALL_PRODUCT = 1 << 18
"""Multiplications below which OpenBLAS does not start threads."""
SMALL_SYSTEM = 96
"""Unknowns up to which it does not start threads to solve, to factorise or to invert a triangle."""


def times(a: Array, b: Array) -> Array:
    """Return ``a @ b``; either may be of bools."""
    m, n = a.shape[0], b.shape[1]
    if n == 1:  # a matrix-vector product is threaded much sooner
        return times(a, np.repeat(b, 2, axis=1))[:, :1]
    if m == 1:
        return times(np.repeat(a, 2, axis=0), b)[:1]
    tile = [m, a.shape[1], n]
    while tile[0] * tile[1] * tile[2] > SMALL_PRODUCT:
        largest = tile.index(max(tile))
        tile[largest] = -(-tile[largest] // 2)
    result = np.zeros((m, n), dtype=np.result_type(a, b))
    for i in range(0, m, tile[0] or 1):
        for k in range(0, a.shape[1], tile[1] or 1):
            left = a[i : i + tile[0], k : k + tile[1]].astype(result.dtype, copy=False)
            for j in range(0, n, tile[2] or 1):
                right = b[k : k + tile[1], j : j + tile[2]].astype(result.dtype, copy=False)
                result[i : i + tile[0], j : j + tile[2]] += left @ right
    return result


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
    from scipy.linalg.lapack import dpotrf  # a third party, loaded only where games are sampled

    n = len(matrix)
    if n <= SMALL_SYSTEM:
        lower, failed = dpotrf(matrix, lower=1)
        return None if failed else np.asarray(lower)
    half = n // 2
    first = factor(matrix[:half, :half])
    if first is None:
        return None
    below = forward(first, matrix[:half, half:]).T
    rest = factor(matrix[half:, half:] - times(below, below.T))
    if rest is None:
        return None
    return np.block([[first, np.zeros((half, n - half))], [below, rest]])


def forward(lower: Float2, right: Float2) -> Float2:
    """Solve ``lower @ x = right``; small systems by their inverse and one step of refinement."""
    n = len(lower)
    if n <= SMALL_SYSTEM:
        back = _triangle_inverse(lower)
        found = times(back, right)
        return found + times(back, right - times(lower, found))
    half = n // 2
    first = forward(lower[:half, :half], right[:half])
    return np.concatenate([first, forward(lower[half:, half:], right[half:] - times(lower[half:, :half], first))])


def solve_factored(lower: Float2, right: Float2) -> Float2:
    """Solve ``lower @ lower.T @ x = right``."""
    return _backward(lower, forward(lower, right))


def _backward(lower: Float2, right: Float2) -> Float2:
    """Solve ``lower.T @ x = right``: read from the end, it is a lower triangle too."""
    return forward(lower.T[::-1, ::-1], right[::-1])[::-1]


def inverse(lower: Float2) -> Float2:
    """Inverse of ``lower @ lower.T``."""
    n = len(lower)
    if n <= SMALL_SYSTEM:
        back = _triangle_inverse(lower)
        return times(back.T, back)
    half = n // 2
    across, rest = _backward(lower[:half, :half], lower[half:, :half].T), inverse(lower[half:, half:])
    corner = times(across, rest)
    first = inverse(lower[:half, :half]) + times(corner, across.T)
    return np.block([[first, -corner], [-corner.T, rest]])


def _triangle_inverse(lower: Float2) -> Float2:
    from scipy.linalg.lapack import dtrtri  # a third party, loaded only where games are sampled

    return np.tril(dtrtri(lower, lower=1)[0])
