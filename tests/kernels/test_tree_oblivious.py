"""Trees that ask the same at all nodes of a level are explained by tables of whole trees."""

from dataclasses import replace

import numpy as np
import pytest

from pellucid._kernels import trees as kernels
from pellucid._kernels.trees import Index, PathDependent
from pellucid.ir import TreeEnsemble
from pellucid.testing.oracles import exact_path_dependent, relative_error
from pellucid.testing.strategies import random_covers, random_rows

N_COLUMNS, N_FEATURES = 6, 4
GROUPS = np.array([0, 1, 2, 3, 3, 0])


def oblivious(rng: np.random.Generator, depths: list[int], width: int = 1) -> TreeEnsemble:
    """Full trees in heap order, one question per level; columns and features repeat."""
    left, right, feature, threshold, missing_left, roots = [], [], [], [], [], []
    for depth in depths:
        start, inner = len(left), 2**depth - 1
        roots.append(start)
        asked = [(rng.integers(N_COLUMNS), rng.integers(-4, 5) / 2, rng.integers(2)) for _ in range(depth)]
        for node in range(2 * inner + 1):
            split = node < inner
            column, at, missing = asked[(node + 1).bit_length() - 1] if split else (-1, 0.0, 0)
            left.append(start + 2 * node + 1 if split else -1)
            right.append(start + 2 * node + 2 if split else -1)
            feature.append(column)
            threshold.append(at)
            missing_left.append(bool(missing))
    n = len(left)
    return TreeEnsemble(
        roots=np.array(roots),
        left=np.array(left),
        right=np.array(right),
        feature=np.array(feature),
        threshold=np.array(threshold, dtype=float),
        missing_left=np.array(missing_left),
        cover=random_covers(rng, n),
        value=rng.normal(size=(n, width)),
        output=np.zeros(len(depths), dtype=int),
        base=rng.normal(size=width),
        n_columns=N_COLUMNS,
        less_equal=bool(rng.integers(2)),
    )


def uneven(trees: TreeEnsemble) -> TreeEnsemble:
    """The same function, with one more split into equal leaves in each tree: no level of it is whole."""
    first = np.array([trees.left[root] for root in trees.roots])
    while (trees.feature[first] >= 0).any():
        first = np.where(trees.feature[first] >= 0, trees.left[first], first)
    n, extra = len(trees.feature), np.arange(len(first)) * 2 + len(trees.feature)

    def grown(array, at_leaf, below):
        array = np.concatenate([array, np.repeat(below, 2, axis=0)])
        array[first] = at_leaf
        return array

    none = np.full(len(first), -1)
    assert n == extra[0]
    return replace(
        trees,
        left=grown(trees.left, extra, none),
        right=grown(trees.right, extra + 1, none),
        feature=grown(trees.feature, 0, none),
        threshold=grown(trees.threshold, 0.0, 0.0 * none),
        missing_left=grown(trees.missing_left, False, none > 0),
        cover=grown(trees.cover, trees.cover[first], none + 2.0),
        value=grown(trees.value, trees.value[first], trees.value[first]),
    )


@pytest.mark.parametrize("instructions", kernels.instruction_sets())
@pytest.mark.parametrize("seed", range(12))
def test_oblivious_trees_equal_exact_rationals(instructions: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    trees = oblivious(rng, [1 + seed % 8, 3, 6], width=1 + seed % 2)
    rows = random_rows(rng, 3, N_COLUMNS)
    game = PathDependent(trees, GROUPS, N_FEATURES, instructions=instructions)
    for n_rows in (3, 300):
        found = game.values(np.tile(rows, (n_rows // 3, 1)))
        for row, values in zip(rows, found, strict=False):
            exact = exact_path_dependent(trees, GROUPS, N_FEATURES, row)
            assert relative_error(trees, values, game.base, exact) <= 1e-12


@pytest.mark.parametrize("depth", range(1, 10))
@pytest.mark.parametrize("index", [Index(), Index(banzhaf=True), Index(3, 1)], ids=["SV", "BV", "beta"])
def test_tables_and_walks_agree_on_every_kind_of_row(depth: int, index: Index) -> None:
    rng = np.random.default_rng(depth)
    trees = oblivious(rng, [depth, depth])
    rows = random_rows(rng, 500, N_COLUMNS)
    tables = PathDependent(trees, GROUPS, N_FEATURES, index=index).values(rows)
    walks = PathDependent(uneven(trees), GROUPS, N_FEATURES, index=index).values(rows)
    assert np.abs(tables - walks).max() <= 1e-13 * (1 + trees.leaf_sizes().sum())


@pytest.mark.parametrize("name", ["feature", "threshold", "missing_left"])
def test_a_level_that_asks_two_things_is_not_taken_for_one(name: str) -> None:
    """Whichever of column, threshold and way of missing values differs in one node."""
    different = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        trees = oblivious(rng, [4])
        rows = random_rows(rng, 200, N_COLUMNS)
        array = np.array(getattr(trees, name))
        array[5] = {"feature": (array[5] + 1) % N_COLUMNS, "threshold": array[5] + 1, "missing_left": not array[5]}[
            name
        ]
        other = replace(trees, **{name: array})
        values, base = kernels.path_dependent(other, GROUPS, N_FEATURES, rows)
        gap = base + values.sum(axis=1) - other.predict(rows)
        assert np.abs(gap).max() <= 1e-13 * (1 + trees.leaf_sizes().sum())
        different += not np.array_equal(other.predict(rows), trees.predict(rows))
    assert different > 3
