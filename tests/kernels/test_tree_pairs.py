"""Interactions of one feature, and the largest of all: what the whole matrix says, without making it."""

import resource

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression

import pellucid
from pellucid._base.errors import InputError, UnsupportedRequestError
from pellucid._kernels import trees as kernels
from pellucid.explainers import interactions as search
from pellucid.testing.strategies import random_subject


def games(seed: int, **options):
    s = random_subject(seed, max_depth=7, max_features=8, n_rows=40)
    yield s, kernels.PathDependent(s.trees, s.groups, s.n_features, **options)
    yield s, kernels.Interventional(s.trees, s.groups, s.n_features, s.background, **options)


@pytest.mark.parametrize("instructions", kernels.instruction_sets())
@pytest.mark.parametrize("seed", range(25))
def test_pairs_are_the_cells_of_the_matrix_to_the_bit(instructions: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for s, game in games(seed, instructions=instructions):
        whole, pairs = game.interactions(s.rows)[0].copy(), game.pairs
        assert (pairs[:, 0] < pairs[:, 1]).all()
        chosen = np.flatnonzero(rng.random(len(pairs)) < 0.6)
        found = game.pair_values(s.rows, chosen)
        i, j = pairs[chosen].T
        assert np.array_equal(found, 2 * whole[:, i, j])
        whole[:, pairs[:, 0], pairs[:, 1]] = whole[:, pairs[:, 1], pairs[:, 0]] = 0
        whole[:, range(s.n_features), range(s.n_features)] = 0
        assert not whole.any()  # no pair that is not listed interacts


@pytest.mark.parametrize("seed", range(25))
def test_pairs_of_a_feature_add_up_to_its_value(seed: int) -> None:
    for s, game in games(seed + 50):
        values = game.values(s.rows)
        for feature in range(s.n_features):
            found = search.pairs_of_feature(game, s.rows, values, feature)
            own = (found.pairs == feature).all(axis=1)
            assert own.sum() == 1
            whole = found.values[:, own].sum(axis=1) + found.values[:, ~own].sum(axis=1) / 2
            assert np.abs(whole - values[:, feature]).max() <= 1e-13 * (1 + s.trees.leaf_sizes().sum())


@pytest.mark.parametrize("worked_on", [1, 2**23])
def test_the_largest_pairs_are_those_of_the_matrix(monkeypatch, worked_on: int) -> None:
    monkeypatch.setattr(search, "WORKED_ON", worked_on)  # row by row, and all rows at once
    for seed in range(20):
        for s, game in games(seed + 100):
            first, second = np.triu_indices(s.n_features, 1)
            sizes = np.abs(2 * game.interactions(s.rows)[0][:, first, second]).sum(axis=(0, 2))
            found = search.largest_pairs(game, s.rows, s.trees.n_outputs, 3)
            expected = np.sort(sizes[sizes > 0])[::-1][:3]
            got = np.abs(found.values).sum(axis=(0, 2))
            assert np.allclose(got[: len(expected)], expected, rtol=1e-12)
            assert (np.diff(got) <= 1e-12 * got[:-1]).all()


@pytest.mark.parametrize("background", [None, slice(0, 30)])
def test_the_door_names_pairs_and_checks_the_sum(background) -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(200, 6)), columns=[*"abcdef"])
    model = RandomForestClassifier(10, random_state=0).fit(X, (X["a"] * X["b"] > 0).map({True: "yes", False: "no"}))
    explainer = pellucid.Explainer(model, None if background is None else X[background])
    top = explainer.pairs(X.head(20), top=2)
    assert {top.first[0], top.second[0]} == {"a", "b"}
    assert top.values.shape == (20, 2, 2)
    assert top.outputs == ("no", "yes")
    assert top.quality.residual <= top.quality.bound
    of_a = explainer.pairs(X.head(20), feature="a")
    whole = explainer.interactions(X.head(20))
    for at, (i, j) in enumerate(zip(of_a.first, of_a.second, strict=True)):
        cell = whole.values[:, X.columns.get_loc(i), X.columns.get_loc(j)]
        assert np.allclose(of_a.values[:, at], cell if i == j else 2 * cell, atol=1e-13)
    frame = of_a.to_frame("yes")
    assert [*frame.columns] == ["row", "output", "first", "second", "value"]
    assert frame["value"].iloc[0] == of_a.values[0, 0, 1]
    assert "a × b" in repr(of_a)


def test_pairs_are_saved_with_the_same_bits(tmp_path) -> None:
    X = np.random.default_rng(0).normal(size=(50, 4))
    model = RandomForestRegressor(5, random_state=0).fit(X, X[:, 0] * X[:, 1])
    pairs = pellucid.pairs(model, X, feature="x0", top=2)
    again = pellucid.Pairs.load(pairs.save(tmp_path / "pairs.pellucid"))
    assert again.values.tobytes() == pairs.values.tobytes()
    assert (again.first, again.second) == (pairs.first, pairs.second)


def test_a_wide_table_takes_memory_for_the_answer_only() -> None:
    """3,000 features: the matrix of one row alone would take 72 MB, those of all rows 14 GB."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3000))
    model = RandomForestRegressor(5, max_depth=4, max_features=50, random_state=0).fit(X, X[:, 0] * X[:, 1])
    explainer = pellucid.Explainer(model)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = explainer.pairs(X, top=5)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert found.values.shape == (200, 5, 1)
    assert (after - before) * 1024 < 8 * X.nbytes


def test_what_pairs_refuses() -> None:
    X = np.random.default_rng(0).normal(size=(50, 4))
    model = RandomForestRegressor(5, random_state=0).fit(X, X[:, 0] * X[:, 1])
    explainer = pellucid.Explainer(model)
    with pytest.raises(InputError, match="feature=, top= or both"):
        explainer.pairs(X)
    for top in (0, -1, True, 2.5, "3"):
        with pytest.raises(InputError, match="top must be a positive whole number"):
            explainer.pairs(X, top=top)
    with pytest.raises(InputError, match="no feature 'age'"):
        explainer.pairs(X, feature="age")
    with pytest.raises(UnsupportedRequestError, match="index='SV'"):
        pellucid.pairs(model, X, top=1, method=pellucid.Tree(index="BV"))
    with pytest.raises(UnsupportedRequestError, match="need a tree ensemble"):
        pellucid.pairs(LinearRegression().fit(X, X[:, 0]), X, top=1, background=X)
    with pytest.raises(InputError, match="each pair needs two features"):
        pellucid.Pairs(**{**vars(pellucid.pairs(model, X, top=2)), "first": ("x0",)})
