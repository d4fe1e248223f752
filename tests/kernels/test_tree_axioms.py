"""What exact Shapley values must obey, on random ensembles, in both games."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid._kernels import trees as kernels
from pellucid.ir import TreeEnsemble
from pellucid.testing.strategies import Subject, subjects

GAMES = ["path_dependent", "interventional"]
any_subject = subjects(max_depth=8, max_features=10)


def solve(game: str, s: Subject):
    if game == "path_dependent":
        return kernels.path_dependent(s.trees, s.groups, s.n_features, s.rows)
    return kernels.interventional(s.trees, s.groups, s.n_features, s.rows, s.background)


def close(a, b, trees: TreeEnsemble) -> bool:
    return bool(np.abs(a - b).max(initial=0.0) <= 1e-13 * (1 + trees.leaf_sizes().sum()))


def with_trees(s: Subject, trees: TreeEnsemble) -> Subject:
    return replace(s, trees=trees)


def joined(a: TreeEnsemble, b: TreeEnsemble) -> TreeEnsemble:
    """The sum of two ensembles that read the same columns the same way."""
    shift = len(a.feature)
    children = {
        name: np.concatenate([getattr(a, name), np.where(getattr(b, name) < 0, -1, getattr(b, name) + shift)])
        for name in ("left", "right")
    }
    arrays = {
        name: np.concatenate([getattr(a, name), getattr(b, name)])
        for name in ("feature", "threshold", "missing_left", "cover", "value", "output")
    }
    return replace(a, roots=np.concatenate([a.roots, b.roots + shift]), base=a.base + b.base, **children, **arrays)


@pytest.mark.parametrize("game", GAMES)
@given(s=any_subject)
def test_efficiency(game: str, s: Subject) -> None:
    """Values and base add up to the ensemble's own output."""
    values, base = solve(game, s)
    assert close(base + values.sum(axis=1), s.trees.predict(s.rows), s.trees)


@pytest.mark.parametrize("game", GAMES)
@given(s=any_subject)
def test_a_feature_without_splits_earns_exactly_nothing(game: str, s: Subject) -> None:
    """Not even a rounding: 0.0, also for trees in which only other features split."""
    wider = replace(s, n_features=s.n_features + 1)
    values, _ = solve(game, wider)
    used = np.isin(np.arange(wider.n_features), s.groups[s.trees.feature[~s.trees.is_leaf]])
    assert not used[-1]
    assert np.array_equal(values[:, ~used], np.zeros_like(values[:, ~used]))


@pytest.mark.parametrize("game", GAMES)
@given(s=any_subject, seed=st.integers(0, 2**32 - 1))
def test_linearity(game: str, s: Subject, seed: int) -> None:
    """The values of two ensembles' sum are the sums of their values."""
    rng = np.random.default_rng(seed)
    other = replace(
        s.trees,
        value=rng.normal(size=s.trees.value.shape),
        threshold=rng.permutation(s.trees.threshold),
        base=rng.normal(size=s.trees.n_outputs),
    )
    both = joined(s.trees, other)
    values, base = solve(game, with_trees(s, both))
    first, first_base = solve(game, s)
    second, second_base = solve(game, with_trees(s, other))
    assert close(values, first + second, both)
    assert close(base, first_base + second_base, both)


@pytest.mark.parametrize("game", GAMES)
@given(s=any_subject, seed=st.integers(0, 2**32 - 1))
def test_relabelled_features_take_their_values_along(game: str, s: Subject, seed: int) -> None:
    """Bit by bit: a feature's number changes nothing."""
    new = np.random.default_rng(seed).permutation(s.n_features)
    values, base = solve(game, s)
    again, base_again = solve(game, replace(s, groups=new[s.groups]))
    assert np.array_equal(again[:, new], values)
    assert np.array_equal(base_again, base)


@pytest.mark.parametrize("game", GAMES)
@given(s=any_subject, seed=st.integers(0, 2**32 - 1))
def test_permuted_columns_change_no_bit(game: str, s: Subject, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(s.trees.n_columns)
    feature = np.where(s.trees.is_leaf, -1, np.argsort(order)[s.trees.feature])
    moved = Subject(
        trees=replace(s.trees, feature=feature),
        groups=s.groups[order],
        n_features=s.n_features,
        rows=s.rows[:, order],
        background=s.background[:, order],
    )
    for found, expected in zip(solve(game, moved), solve(game, s), strict=True):
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("game", GAMES)
@given(s=any_subject, seed=st.integers(0, 2**32 - 1))
def test_a_split_into_equal_leaves_changes_nothing(game: str, s: Subject, seed: int) -> None:
    """A leaf becomes a split on any feature, also one above it, with the leaf's value on both sides."""
    rng = np.random.default_rng(seed)
    trees, n = s.trees, len(s.trees.feature)
    leaf = rng.choice(np.flatnonzero(trees.is_leaf))

    def grown(array, at_leaf, below):
        array = np.concatenate([array, below])
        array[leaf] = at_leaf
        return array

    split = replace(
        trees,
        left=grown(trees.left, n, [-1, -1]),
        right=grown(trees.right, n + 1, [-1, -1]),
        feature=grown(trees.feature, rng.integers(trees.n_columns), [-1, -1]),
        threshold=grown(trees.threshold, 0.5, [0.0, 0.0]),
        missing_left=grown(trees.missing_left, True, [False, False]),
        cover=np.concatenate([trees.cover, rng.integers(0, 5, 2)]),
        value=np.concatenate([trees.value, trees.value[[leaf, leaf]]]),
    )
    for found, expected in zip(solve(game, with_trees(s, split)), solve(game, s), strict=True):
        assert close(found, expected, trees)


@given(s=any_subject, times=st.integers(2, 5))
def test_a_repeated_background_gives_the_same_values(s: Subject, times: int) -> None:
    repeated = replace(s, background=np.tile(s.background, (times, 1)))
    for found, expected in zip(solve("interventional", repeated), solve("interventional", s), strict=True):
        assert close(found, expected, s.trees)


@given(s=any_subject)
def test_values_are_means_over_background_rows(s: Subject) -> None:
    values, base = solve("interventional", s)
    single = [solve("interventional", replace(s, background=z[None])) for z in s.background]
    assert close(values, np.mean([v for v, _ in single], axis=0), s.trees)
    assert close(base, np.mean([b for _, b in single], axis=0), s.trees)


@pytest.mark.parametrize("game", GAMES)
@given(s=any_subject, shift=st.floats(-1e6, 1e6))
def test_a_constant_moves_the_base_only(game: str, s: Subject, shift: float) -> None:
    values, base = solve(game, s)
    again, moved = solve(game, with_trees(s, replace(s.trees, base=s.trees.base + shift)))
    assert np.array_equal(again, values)
    assert np.allclose(moved - base, shift, rtol=0, atol=1e-9)


@given(s=any_subject)
def test_a_row_against_itself_earns_nothing(s: Subject) -> None:
    values, base = kernels.interventional(s.trees, s.groups, s.n_features, s.rows[:1], s.rows[:1])
    assert close(values, 0.0, s.trees)
    assert close(base, s.trees.predict(s.rows[:1])[0], s.trees)
