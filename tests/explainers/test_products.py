"""Linear algebra that has the same bits whatever threads a BLAS library starts."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from pellucid.explainers.products import factor, forward, inverse, solve, solve_factored, times

SIZES = [1, 2, 40, 96, 97, 140, 300]


def _system(n: int):
    rng = np.random.default_rng(n)
    spread = rng.normal(size=(n, n + 20))
    return spread @ spread.T / n + 1e-6 * np.eye(n), rng.normal(size=(n, 50))


def _found(n: int):
    matrix, right = _system(n)
    lower = factor(matrix)
    return {
        "times": times(matrix, right),
        "solve": solve(matrix, right),
        "factor": lower,
        "forward": forward(lower, right),
        "solve_factored": solve_factored(lower, right),
        "inverse": inverse(lower),
    }


@pytest.mark.parametrize("n", SIZES)
def test_the_number_of_threads_changes_no_bit(n):
    with threadpool_limits(1):
        one = _found(n)
    with threadpool_limits(2):
        two = _found(n)
    for name, found in one.items():
        assert np.array_equal(found, two[name]), name


@pytest.mark.parametrize("n", SIZES)
def test_they_are_what_their_names_say(n):
    matrix, right = _system(n)
    found, scale = _found(n), np.abs(right).max()
    lower = found["factor"]
    np.testing.assert_array_equal(lower, np.tril(lower))
    np.testing.assert_allclose(lower @ lower.T, matrix, atol=1e-14 * np.abs(matrix).max() * n)
    np.testing.assert_allclose(lower @ found["forward"], right, atol=1e-13 * scale * n)
    np.testing.assert_allclose(found["solve_factored"], np.linalg.solve(matrix, right), rtol=1e-7, atol=1e-9 * scale)
    np.testing.assert_allclose(found["inverse"], np.linalg.inv(matrix), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("n", [3, 140])
def test_what_is_not_positive_definite_has_no_factor(n):
    matrix, _ = _system(n)
    matrix[-1, -1] = -1.0
    assert factor(matrix) is None
    matrix[0, 0] = -1.0
    assert factor(matrix) is None
