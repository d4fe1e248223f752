"""Order-2 interactions of any model against the definition by permutations of four differences."""

from itertools import combinations
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pellucid
from pellucid import UnsupportedRequestError
from pellucid.explainers.exact import Enumeration, interactions_of


def by_definition(value, n):
    """The Shapley interaction index of every pair, from the formula with factorials, coalition by coalition."""
    found = np.zeros((n, n))
    for i, j in combinations(range(n), 2):
        rest = [k for k in range(n) if k not in (i, j)]
        for size in range(n - 1):
            weight = factorial(size) * factorial(n - size - 2) / factorial(n - 1)
            for inside in combinations(rest, size):
                S = frozenset(inside)
                found[i, j] += weight * (value(S | {i, j}) - value(S | {i}) - value(S | {j}) + value(S))
        found[j, i] = found[i, j]
    return found


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 6), st.integers(0, 10**6))
def test_pairs_are_the_definition_and_lines_add_up_to_shapley_values(n, seed):
    values = np.random.default_rng(seed).normal(size=(2**n, 2))
    shapley = Enumeration(n).solve(0, values, values[0], values[-1]).values
    found = interactions_of(values, shapley)
    np.testing.assert_allclose(found.sum(axis=1), shapley, atol=1e-12)
    for k in range(2):
        expected = by_definition(lambda S, k=k: values[sum(1 << i for i in S), k], n)
        off = ~np.eye(n, dtype=bool)
        np.testing.assert_allclose(2 * found[:, :, k][off], expected[off], atol=1e-12)


def test_trees_read_and_trees_asked_agree():
    from sklearn.ensemble import RandomForestRegressor

    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 6))
    model = RandomForestRegressor(n_estimators=5, max_depth=5, random_state=0).fit(X, X[:, 0] * X[:, 1] + X[:, 2])
    read = pellucid.interactions(model, X[:4], background=X[:9])
    asked = pellucid.interactions(model, X[:4], background=X[:9], method="exact")
    np.testing.assert_allclose(asked.values, read.values, atol=1e-12)
    assert asked.provenance.method == "exact"


def test_a_product_is_all_interaction_and_null_players_have_none():
    background = np.zeros((1, 4))
    found = pellucid.interactions(
        lambda X: X[:, 0] * X[:, 1] + X[:, 2], np.array([[2.0, 3.0, 5.0, 0.0]]), background=background
    )
    expected = np.zeros((4, 4))
    expected[0, 1] = expected[1, 0] = 3.0
    expected[2, 2] = 5.0
    np.testing.assert_array_equal(found.values[0, :, :, 0], expected)


def test_too_many_features_name_the_way_out():
    X = np.random.default_rng(1).normal(size=(3, 15))
    with pytest.raises(UnsupportedRequestError, match="method='exact'"):
        pellucid.interactions(lambda X: X.sum(axis=1), X, background=X)
    with pytest.raises(UnsupportedRequestError, match="budget=32768"):
        pellucid.interactions(lambda X: X.sum(axis=1), X, background=X, method="exact")
