"""The conditional game beside its definition, its laws, and what it refuses."""

import itertools
from math import factorial

import numpy as np
import pandas as pd
import pytest

import pellucid
from pellucid import InputError, UnsupportedRequestError


def tangled(X):
    X = np.asarray(X, dtype=float)
    return X[:, 0] * X[:, 1] + np.sin(X[:, 2]) + X[:, 1] * X[:, 3]


def oracle(function, x, background, neighbours, players):
    """Shapley values of v(S): the mean over the nearest rows in S, and all as near as the last of them."""
    spread = background.max(axis=0) - background.min(axis=0)

    def worth(coalition):
        shown = [j for player in coalition for j in players[player]]
        apart = (np.minimum(np.abs(background - x) / spread, 1.0))[:, shown].sum(axis=1)
        mixed = background[apart <= np.sort(apart)[neighbours - 1] + 1e-12].copy()
        mixed[:, shown] = x[shown]
        return function(mixed).mean()

    n, values = len(players), []
    for i in range(n):
        others = [k for k in range(n) if k != i]
        values.append(
            sum(
                factorial(size) * factorial(n - size - 1) / factorial(n) * (worth((*S, i)) - worth(S))
                for size in range(n)
                for S in itertools.combinations(others, size)
            )
        )
    return np.array(values)


@pytest.mark.parametrize("neighbours", [1, 7, 40])
@pytest.mark.parametrize(
    ("groups", "players"), [(None, [[0], [1], [2], [3]]), ({"a": ["x0", "x3"]}, [[0, 3], [1], [2]])]
)
@pytest.mark.parametrize("method", ["auto", "shapley"])
def test_it_is_the_conditional_game_by_enumeration(neighbours, groups, players, method):
    rng = np.random.default_rng(0)
    background = rng.normal(size=(40, 4)) @ rng.normal(size=(4, 4))
    background[:, 2] = background[:, 2].round()  # neighbours as near as each other
    X = rng.normal(size=(3, 4))
    found = pellucid.explain(tangled, X, background=background, groups=groups, neighbours=neighbours, method=method)
    for row, values in zip(X, found.values[:, :, 0], strict=True):
        np.testing.assert_allclose(values, oracle(tangled, row, background, neighbours, players), atol=1e-9)
    np.testing.assert_allclose(found.prediction[:, 0], tangled(X), atol=1e-9)
    np.testing.assert_allclose(found.base_values, tangled(background).mean(), atol=1e-12)


def test_all_background_rows_are_the_marginal_game():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(30, 4))
    whole = pellucid.explain(tangled, X[:3], background=X, neighbours=30)
    np.testing.assert_allclose(whole.values, pellucid.explain(tangled, X[:3], background=X).values, atol=1e-12)


def test_a_column_that_tells_of_another_gets_its_share_and_one_that_tells_nothing_gets_none():
    rng = np.random.default_rng(2)
    a = rng.normal(size=3000)
    X = pd.DataFrame({"a": a, "copy": a, "noise": 1.0, "town": np.where(a > 0, "Bern", "Zug")})
    found = pellucid.explain(lambda X: np.asarray(X["a"]), X[:5], background=X, neighbours=10)
    values = found.values[:, :, 0]
    np.testing.assert_allclose(values[:, 0], values[:, 1], atol=0.06)
    np.testing.assert_array_equal(values[:, 2], 0.0)
    assert (np.sign(values[:, 3]) == np.sign(a[:5])).all()
    marginal = pellucid.explain(lambda X: np.asarray(X["a"]), X[:5], background=X)
    np.testing.assert_array_equal(marginal.values[:, 1:], 0.0)


def test_the_mean_of_a_bivariate_normal_is_found():
    """E[x1 | x0] = r x0, so for f = x1 the values are r x0 / 2 and x1 - r x0 / 2 (Aas et al., 2021, section 2)."""
    rng = np.random.default_rng(3)
    r, n = 0.8, 20_000
    x0 = rng.normal(size=n)
    background = np.column_stack([x0, r * x0 + np.sqrt(1 - r**2) * rng.normal(size=n)])
    X = np.array([[1.0, 0.5], [-0.7, 0.2]])
    found = pellucid.explain(lambda X: X[:, 1], X, background=background, neighbours=400).values[:, :, 0]
    expected = np.column_stack([r * X[:, 0] / 2, X[:, 1] - r * X[:, 0] / 2])
    np.testing.assert_allclose(found, expected, atol=0.06)


def test_a_row_is_the_same_alone_and_the_callers_tables_stay_and_words_are_kept():
    rng = np.random.default_rng(4)
    X = pd.DataFrame(rng.normal(size=(60, 4)), columns=list("abcd"))
    before = X.copy()
    found = pellucid.explain(tangled, X[:4], background=X, neighbours=5, method="lime", output=0)
    alone = pellucid.explain(tangled, X[2:3], background=X, neighbours=5, method="lime")
    np.testing.assert_array_equal(found.values[2], alone.values[0])
    np.testing.assert_array_equal(found.quality.local_r2[2], alone.quality.local_r2[0])
    assert X.equals(before)
    assert found.data.native.equals(X[:4])
    assert "5 background rows nearest in what is shown" in found.provenance.background
    assert found.provenance.parameters["neighbours"] == 5


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"neighbours": 0}, InputError, "from 1 to the 9 background rows; got 0"),
        ({"neighbours": 10}, InputError, "from 1 to the 9 background rows; got 10"),
        ({"neighbours": 2.0}, InputError, "whole number"),
        ({"neighbours": True}, InputError, "whole number"),
        ({"neighbours": 3, "background": None}, UnsupportedRequestError, "pass background="),
        ({"neighbours": 3, "space": "loss"}, UnsupportedRequestError, "averages outputs in space='raw'"),
        ({"neighbours": 3, "method": pellucid.Lime()}, UnsupportedRequestError, "bins single features"),
        ({"neighbours": 3, "method": "tree"}, pellucid.PellucidError, "tree"),
        ({"neighbours": 3, "groups": {"a": ["z"]}}, InputError, "which is no feature"),
    ],
)
def test_what_cannot_be_is_refused(options, error, words):
    X = np.random.default_rng(5).normal(size=(9, 4))
    with pytest.raises(error, match=words):
        pellucid.explain(tangled, X[:2], **{"background": X, **options})


def test_no_rows_are_refused():
    X = np.random.default_rng(6).normal(size=(9, 4))
    with pytest.raises(InputError, match="at least one row"):
        pellucid.explain(tangled, X[:0], background=X, neighbours=3)
