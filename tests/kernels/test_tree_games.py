"""Interactions, other semivalues, every instruction set, categorical splits: against exact rationals."""

from dataclasses import replace
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

from pellucid._kernels import trees as kernels
from pellucid._kernels.trees import Index, Interventional, PathDependent
from pellucid.ir import TreeEnsemble
from pellucid.testing import oracles
from pellucid.testing.strategies import Shape, Subject, random_chain, random_ensemble, random_rows, random_subject

TOLERANCE = 1e-12
"""Of the sum of absolute leaves."""
BANZHAF = Index(banzhaf=True)
GAMES = ["path_dependent", "interventional"]


@pytest.fixture(params=["tables", "walk"])
def way(request, monkeypatch) -> None:
    if request.param == "walk":
        monkeypatch.setattr(kernels, "TABLE_PLAYERS", 0)


def game_of(kind: str, s: Subject, **options) -> PathDependent | Interventional:
    if kind == "path_dependent":
        return PathDependent(s.trees, s.groups, s.n_features, **options)
    return Interventional(s.trees, s.groups, s.n_features, s.background, **options)


def with_categories(s: Subject, seed: int) -> Subject:
    """The same trees with about half of the splits made categorical, and rows that name categories."""
    rng = np.random.default_rng(seed)
    inner = ~s.trees.is_leaf
    chosen = inner & (rng.random(len(inner)) < 0.5)
    words = np.where(chosen, rng.integers(1, 3, len(inner)), 0)
    begin = np.where(chosen, np.cumsum(words) - words, -1)
    trees = replace(
        s.trees,
        threshold=np.where(chosen, 0.0, s.trees.threshold),
        bits=rng.integers(0, 2**32, int(words.sum()), dtype=np.uint32),
        bits_begin=begin.astype(np.int32),
        bits_words=words.astype(np.int32),
        other_left=rng.random(len(inner)) < 0.5,
    )
    return replace(s, trees=trees, rows=named(rng, s.rows), background=named(rng, s.background))


def named(rng: np.random.Generator, rows):
    odd = rng.choice([-1.0, -0.5, 0.7, 31.9, 32.0, 63.0, 64.0, 1e12, -np.inf], rows.shape)
    return np.where(rng.random(rows.shape) < 0.5, rows, np.where(rng.random(rows.shape) < 0.3, odd, np.abs(rows * 13)))


def exact_values(kind: str, s: Subject, row):
    if kind == "path_dependent":
        return oracles.exact_path_dependent(s.trees, s.groups, s.n_features, row)
    return oracles.exact_interventional(s.trees, s.groups, s.n_features, row, s.background)


def pairs_error(s: Subject, values, exact) -> float:
    errors = [oracles.relative_error(s.trees, v, np.zeros(0), (e, [])) for v, e in zip(values, exact, strict=True)]
    return max(errors)


def test_pairs_leaf_by_leaf_are_pairs_by_definition() -> None:
    """Two oracles that share no formula."""
    for seed in range(12):
        s = random_subject(seed, max_depth=4, max_features=4)
        rivals = [
            (None, oracles.path_dependent_game(s.trees, s.groups, s.rows[0])),
            (s.background, oracles.interventional_game(s.trees, s.groups, s.rows[0], s.background)),
        ]
        for background, game in rivals:
            exact = oracles.exact_interactions(s.trees, s.groups, s.n_features, s.rows[0], background)
            assert exact == oracles.interactions_by_enumeration(game, s.n_features)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("kind", GAMES)
@pytest.mark.parametrize("seed", range(25))
def test_interactions_equal_exact_rationals(kind: str, seed: int) -> None:
    s = random_subject(seed, max_depth=7, max_features=8)
    found = game_of(kind, s).interactions(s.rows)[0]
    background = None if kind == "path_dependent" else s.background
    for row, values in zip(s.rows, found, strict=True):
        exact = oracles.exact_interactions(s.trees, s.groups, s.n_features, row, background)
        assert pairs_error(s, values, exact) <= TOLERANCE


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("kind", GAMES)
@pytest.mark.parametrize("seed", range(15))
def test_lines_of_a_matrix_add_up_to_the_values(kind: str, seed: int) -> None:
    s = random_subject(seed + 100, max_depth=9, max_features=15, n_rows=9)
    game = game_of(kind, s)
    (pairs, sums), values = game.interactions(s.rows), game.values(s.rows)
    assert np.array_equal(pairs, pairs.swapaxes(1, 2))
    assert np.abs(pairs.sum(axis=2) - sums).max() <= 1e-14 * (1 + s.trees.leaf_sizes().sum())
    assert np.abs(sums - values).max() <= 1e-13 * (1 + s.trees.leaf_sizes().sum())


@pytest.mark.parametrize("kind", GAMES)
@pytest.mark.parametrize("n_jobs", [1, 3])
def test_both_classes_have_the_same_matrices_against_each_other(kind: str, n_jobs: int) -> None:
    rng = np.random.default_rng(5)
    trees, groups = random_ensemble(rng, Shape(n_trees=6, n_columns=9, n_features=7, depth=5))
    rows, background = random_rows(rng, 150, 9), random_rows(rng, 20, 9)
    game = game_of(kind, Subject(trees=trees, groups=groups, n_features=7, rows=rows, background=background))
    one, _ = game.interactions(rows)
    both, sums = game.interactions(rows, mirrored=True, n_jobs=n_jobs)
    assert np.array_equal(both, np.concatenate([-one, one], axis=-1))
    assert np.array_equal(sums[..., 0], -sums[..., 1])
    assert np.abs(both.sum(axis=2) - sums).max() <= 1e-14 * (1 + trees.leaf_sizes().sum())
    assert not both.flags.writeable
    assert not sums.flags.writeable


def test_only_one_output_has_a_mirror_image_and_answers_have_their_shapes() -> None:
    trees, groups = random_ensemble(np.random.default_rng(0), Shape(n_columns=4, n_features=4, n_outputs=2, width=2))
    game = PathDependent(trees, groups, 4)
    with pytest.raises(ValueError, match="one output has a mirror image"):
        game.interactions(np.zeros((1, 4)), mirrored=True)
    for matrices, sums in [((1, 4, 4, 2), (1, 4, 1)), ((1, 4, 4, 2), (2, 4, 2)), ((1, 4, 3, 2), (1, 4, 2))]:
        with pytest.raises(ValueError, match="must have the shape"):
            game._native.interactions(np.zeros((1, 4)), np.zeros(matrices), np.zeros(sums), False, 1)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("kind", GAMES)
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    ("index", "weight"),
    [
        (BANZHAF, oracles.banzhaf_weight),
        (Index(4, 1), partial(oracles.beta_weight, a=4, b=1)),
        (Index(2, 5), partial(oracles.beta_weight, a=2, b=5)),
        (Index(16, 1), partial(oracles.beta_weight, a=16, b=1)),
    ],
    ids=["banzhaf", "beta(4,1)", "beta(2,5)", "beta(16,1)"],
)
def test_semivalues_equal_their_definition(kind: str, seed: int, index: Index, weight) -> None:
    s = random_subject(seed, max_depth=5, max_features=5, n_rows=1)
    if kind == "path_dependent":
        slow = oracles.path_dependent_game(s.trees, s.groups, s.rows[0])
    else:
        slow = oracles.interventional_game(s.trees, s.groups, s.rows[0], s.background)
    exact = oracles.semivalue_by_enumeration(slow, s.n_features, weight)
    game = game_of(kind, s, index=index)
    assert oracles.relative_error(s.trees, game.values(s.rows)[0], game.base, (exact, slow(0))) <= TOLERANCE


@pytest.mark.parametrize("instructions", kernels.instruction_sets())
@pytest.mark.parametrize("kind", GAMES)
@pytest.mark.parametrize("seed", range(20))
def test_every_instruction_set_is_exact(instructions: str, kind: str, seed: int) -> None:
    s = random_subject(seed + 200, max_depth=8, max_features=8)
    game = game_of(kind, s, instructions=instructions)
    many = np.tile(s.rows, (40, 1))  # full blocks, and a row alone
    for rows in (s.rows, many):
        for row, values in zip(s.rows, game.values(rows), strict=False):
            assert oracles.relative_error(s.trees, values, game.base, exact_values(kind, s, row)) <= TOLERANCE
    best = game_of(kind, s).interactions(s.rows)[0]
    assert np.abs(game.interactions(many)[0][:3] - best).max() <= 1e-13 * (1 + s.trees.leaf_sizes().sum())


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("kind", GAMES)
@pytest.mark.parametrize("seed", range(30))
def test_categorical_splits_equal_exact_rationals(kind: str, seed: int) -> None:
    s = with_categories(random_subject(seed, max_depth=6, max_features=6), seed)
    game = game_of(kind, s)
    values = game.values(s.rows)
    assert np.abs(game.base + values.sum(axis=1) - s.trees.predict(s.rows)).max() <= TOLERANCE * (
        1 + s.trees.leaf_sizes().sum()
    )
    for row, found in zip(s.rows, values, strict=True):
        assert oracles.relative_error(s.trees, found, game.base, exact_values(kind, s, row)) <= TOLERANCE


@pytest.mark.parametrize("instructions", kernels.instruction_sets())
@pytest.mark.parametrize("kind", GAMES)
def test_interactions_have_the_same_bits_for_any_threads_and_batch(instructions: str, kind: str) -> None:
    rng = np.random.default_rng(0)
    shape = Shape(n_trees=5, n_columns=12, n_features=9, n_outputs=3, width=3, depth=5)
    trees, groups = random_ensemble(rng, shape)
    rows, background = random_rows(rng, 150, 12), random_rows(rng, 70, 12)
    s = Subject(trees=trees, groups=groups, n_features=9, rows=rows, background=background)
    game = game_of(kind, s, instructions=instructions)
    whole, sums = game.interactions(rows)
    assert [one.tobytes() for one in game.interactions(rows, n_jobs=3)] == [whole.tobytes(), sums.tobytes()]
    for part in [slice(17, 18), slice(0, 1), slice(3, 70), slice(64, 129)]:
        of_part = [one.tobytes() for one in game.interactions(rows[part].copy())]
        assert of_part == [whole[part].tobytes(), sums[part].tobytes()]
        assert game.values(rows[part].copy()).tobytes() == game.values(rows)[part].tobytes()


@pytest.mark.parametrize("depth", [30, 120])
def test_interactions_of_a_deep_chain_add_up(depth: int) -> None:
    trees, row, *_ = random_chain(np.random.default_rng(depth), depth)
    game = PathDependent(trees, np.arange(depth), depth)
    pairs = game.interactions(row)[0]
    assert np.abs(pairs.sum(axis=2) - game.values(row)).max() <= 1e-12


@pytest.mark.parametrize("instructions", kernels.instruction_sets())
def test_a_wide_table_costs_no_more_than_the_columns_that_split(instructions: str) -> None:
    s = random_subject(3, max_depth=4, max_features=4)
    spare = 90_000
    trees = TreeEnsemble(**{name: getattr(s.trees, name) for name in FIELDS}, n_columns=s.trees.n_columns + spare)
    wide = np.hstack([s.rows, np.ones((len(s.rows), spare))])
    groups = np.concatenate([s.groups, np.arange(s.n_features, s.n_features + spare)])
    found = PathDependent(trees, groups, s.n_features + spare, instructions=instructions).values(wide)
    expected = PathDependent(s.trees, s.groups, s.n_features, instructions=instructions).values(s.rows)
    assert np.array_equal(found[:, : s.n_features], expected)
    assert not found[:, s.n_features :].any()


FIELDS = (
    *("roots", "left", "right", "feature", "threshold", "missing_left", "cover", "value", "output", "base"),
    *("less_equal", "input_dtype"),
)


def test_weights_of_coalitions_are_a_distribution() -> None:
    """What the tests above hold the kernels against adds up to one over all coalitions."""
    for weight in (
        oracles.banzhaf_weight,
        partial(oracles.beta_weight, a=4, b=1),
        partial(oracles.beta_weight, a=1, b=1),
    ):
        assert sum(Fraction(c) * weight(k, 3 - k) for k, c in enumerate([1, 3, 3, 1])) == 1
    assert oracles.beta_weight(0, 3, 4, 1) > oracles.beta_weight(3, 0, 4, 1)
