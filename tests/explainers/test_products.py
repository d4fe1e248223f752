"""Linear algebra that has the same bits whatever threads a BLAS library starts."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from pellucid._kernels import _native
from pellucid._kernels.trees import instruction_sets
from pellucid.explainers.products import (
    column_sums,
    factor,
    forward,
    inverse,
    inverse_diagonal,
    solve,
    solve_factored,
    times,
)

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
        "inverse_diagonal": inverse_diagonal(lower),
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
    np.testing.assert_allclose(found["inverse_diagonal"], np.diagonal(found["inverse"]), rtol=1e-7)


@pytest.mark.parametrize("n", [3, 140])
def test_what_is_not_positive_definite_has_no_factor(n):
    matrix, _ = _system(n)
    matrix[-1, -1] = -1.0
    assert factor(matrix) is None
    matrix[0, 0] = -1.0
    assert factor(matrix) is None


# --- every element is added up in one order, whatever stands beside it --------------------------------------------


def in_order(a, b):
    """The product by its definition, element by element, in the order of the inner index."""
    found = np.zeros((len(a), b.shape[1]))
    for i, j in np.ndindex(*found.shape):
        for k in range(a.shape[1]):
            found[i, j] += a[i, k] * b[k, j]
    return found


@pytest.mark.parametrize("instructions", instruction_sets())
@pytest.mark.parametrize(
    ("m", "k", "n"), [(1, 1, 1), (7, 5, 1), (1, 200, 3), (13, 33, 17), (6, 0, 16), (0, 3, 2), (24, 400, 16)]
)
def test_products_are_their_definition(m, k, n, instructions):
    rng = np.random.default_rng(m + k + n)
    a, b = rng.normal(size=(m, k)), rng.normal(size=(k, n))
    expected = in_order(a, b)
    found = _native.multiply(a, b, instructions)
    if instructions == "generic":  # the others round a product and its addition once
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(found, expected, atol=1e-13 * max(k, 1))
    # rows may come in any order of memory
    np.testing.assert_array_equal(_native.multiply(a.T.copy().T, b[::-1][::-1], instructions), found)


@pytest.mark.parametrize("instructions", instruction_sets())
def test_what_stands_beside_an_element_changes_no_bit(instructions):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(50, 300)), rng.normal(size=(300, 40))
    whole = _native.multiply(a, b, instructions)
    for i, j in [(0, 0), (17, 5), (49, 39)]:
        alone = _native.multiply(a[i : i + 1], b[:, j : j + 1], instructions)
        assert alone[0, 0] == whole[i, j]
    matrix, right = _system(130)
    lower = _native.factor(matrix, instructions)
    both = _native.backward(lower, _native.forward(lower, right, instructions), instructions)
    for j in (0, 23, 49):
        one = _native.forward(lower, right[:, j : j + 1], instructions)
        np.testing.assert_array_equal(_native.backward(lower, one, instructions)[:, 0], both[:, j])


@pytest.mark.parametrize("instructions", instruction_sets())
@pytest.mark.parametrize("n", [*SIZES, 24, 25, 49])
def test_every_instruction_set_factors_and_inverts(n, instructions):
    matrix, right = _system(n)
    lower = _native.factor(matrix, instructions)
    np.testing.assert_allclose(lower, np.linalg.cholesky(matrix), rtol=1e-7, atol=1e-9)
    inverted = _native.inverse(lower, instructions)
    np.testing.assert_array_equal(inverted, inverted.T)
    np.testing.assert_allclose(inverted @ matrix, np.eye(n), atol=1e-7)
    np.testing.assert_allclose(lower.T @ _native.backward(lower, right, instructions), right, atol=1e-10)


def test_column_sums_do_not_depend_on_the_other_columns():
    a = np.random.default_rng(1).normal(size=(1000, 3))
    np.testing.assert_allclose(column_sums(a), a.sum(axis=0), atol=1e-12)
    for j in range(3):
        np.testing.assert_array_equal(column_sums(a[:, j : j + 1]), column_sums(a)[j : j + 1])


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="as many columns"):
        times(np.zeros((2, 3)), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="square"):
        factor(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="square"):
        inverse(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="as long as right"):
        forward(np.eye(2), np.zeros((3, 1)))
