"""The compiled loops over an answer's numbers beside their definitions."""

import numpy as np
import pytest

from pellucid._kernels import _native
from pellucid._kernels.answers import both_classes, have_equal_halves, sums_of_features

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(0, 3, 3, 1), (2, 0, 0, 1), (1, 1, 1, 2), (4, 5, 5, 1), (3, 7, 7, 3), (2, 9, 9, 2)])
def test_halves_are_equal_where_transposing_changes_nothing(shape):
    values = RNG.normal(size=shape)
    assert have_equal_halves(values) == np.array_equal(values, values.swapaxes(1, 2))
    assert have_equal_halves(values + values.swapaxes(1, 2))


def test_every_matrix_of_many_counts():
    matrices = np.ones((300, 30, 30, 1))
    assert have_equal_halves(matrices)
    for i in (0, 150, 299):
        matrices[i, 29, 3] = 2.0
        assert not have_equal_halves(matrices)
        matrices[i, 29, 3] = 1.0


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_every_cell_counts(number, depth):
    for size in (1, 2, 5):
        for i in np.ndindex(2, size, size, depth):
            matrices = np.ones((2, size, size, depth))
            matrices[i] = matrices[i[0], i[2], i[1], i[3]] = number
            assert not have_equal_halves(matrices)
            matrices[i] = matrices[i[0], i[2], i[1], i[3]] = 1.0
            matrices[i] = np.nextafter(1.0, 2.0)
            assert have_equal_halves(matrices) == (i[1] == i[2])


def test_only_square_matrices_have_halves():
    with pytest.raises(ValueError, match="square"):
        _native.have_equal_halves(np.zeros((1, 2, 3, 1)))


@pytest.mark.parametrize("n_jobs", [1, 3])
@pytest.mark.parametrize(
    "shape", [(0, 3, 2), (2, 0, 3), (3, 4, 0), (5, 7, 1), (90_001, 3, 2), (3, 5, 4, 2), (40, 3, 310)]
)
def test_sums_are_those_of_the_features(shape, n_jobs):
    values = RNG.normal(size=shape)
    found = sums_of_features(values, n_jobs=n_jobs)
    assert found.shape == (shape[0], *shape[2:])
    assert np.allclose(found, values.sum(axis=1), rtol=0, atol=1e-13)
    assert found.tobytes() == sums_of_features(values).tobytes()
    assert found[1:2].tobytes() == sums_of_features(values[1:2]).tobytes()


@pytest.mark.parametrize("n_jobs", [1, 3])
@pytest.mark.parametrize("shape", [(0, 3, 1), (2, 0, 1), (5, 7, 1), (400, 30, 31, 1)])
def test_both_classes_move_against_each_other(shape, n_jobs):
    values = RNG.normal(size=shape)
    found = both_classes(values, n_jobs=n_jobs)
    assert found.tobytes() == np.concatenate([-values, values], axis=-1).tobytes()
    assert not found.flags.writeable
    assert found.flags.owndata
