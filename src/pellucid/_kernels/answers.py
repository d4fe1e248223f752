"""What is made of an answer's numbers, as quickly as memory takes it: the door to the compiled loops."""

import numpy as np

from pellucid._base.parallel import thread_count
from pellucid._base.typing import Array
from pellucid._kernels import _native


def both_classes(values: Array, *, n_jobs: int | None = None) -> Array:
    """Return ``(-v, v)`` for each v of `values`, in place of its last axis of length 1; read-only."""
    flat = np.ascontiguousarray(values, dtype=np.float64).reshape(-1)
    both = np.empty((*values.shape[:-1], 2))
    _native.both_classes(flat, both.reshape(-1, 2), thread_count(n_jobs))
    both.flags.writeable = False  # so that whoever keeps it need not copy it
    return both


def sums_of_features(values: Array, *, n_jobs: int | None = None) -> Array:
    """Return the sum over axis 1, that of the features."""
    rows, features, *rest = values.shape
    sums = np.empty((rows, *rest))
    size = int(np.prod(rest))
    lines = np.ascontiguousarray(values, dtype=np.float64).reshape(rows, features, size)
    _native.add_lines(lines, sums.reshape(rows, size), thread_count(n_jobs))
    return sums


def have_equal_halves(matrices: Array) -> bool:
    """Whether matrices (n, size, size, depth) are finite, and exactly the same when transposed."""
    return _native.have_equal_halves(np.ascontiguousarray(matrices, dtype=np.float64))
