"""The compiled comparison of a matrix's halves beside its definition."""

import numpy as np
import pytest

from pellucid._kernels import _native


@pytest.mark.parametrize("shape", [(0, 3, 3, 1), (2, 0, 0, 1), (1, 1, 1, 2), (4, 5, 5, 1), (3, 7, 7, 3)])
def test_it_is_the_largest_difference_of_the_halves(shape):
    values = np.random.default_rng(0).normal(size=shape)
    assert _native.asymmetry(values) == np.abs(values - values.swapaxes(1, 2)).max(initial=0.0)
    assert _native.asymmetry(values + values.swapaxes(1, 2)) == 0.0


def test_only_square_matrices_have_halves():
    with pytest.raises(ValueError, match="square"):
        _native.asymmetry(np.zeros((1, 2, 3, 1)))
