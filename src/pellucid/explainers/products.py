"""Products and solutions whose bits do not depend on the number of threads of a BLAS library.

Such a library starts threads for large arrays, and then adds up in another order. Here every product is cut into tiles
below that size, added up in order.
"""

import numpy as np

from pellucid._base.typing import Array, Float2

SMALL_PRODUCT = 1 << 18
"""Multiplications below which OpenBLAS does not start threads."""
SMALL_SYSTEM = 128
"""Unknowns below which it does not start threads to solve."""


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
