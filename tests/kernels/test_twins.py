"""Twin == kernel == oracle; and faults planted in the twin, each of which must turn the comparison red."""

import numpy as np
import pytest

from pellucid._kernels import trees as kernels
from pellucid._kernels import twins
from pellucid.ir import TreeEnsemble
from pellucid.testing.oracles import exact_interventional, exact_path_dependent, relative_error
from pellucid.testing.strategies import Subject, random_subject

SEEDS = range(40)
TOLERANCE = 1e-12


def twin_errors(s: Subject) -> dict[str, float]:
    game = (s.trees, s.groups, s.n_features)
    row = s.rows[:1]
    values, base = twins.path_dependent(*game, row)
    averaged = relative_error(s.trees, values[0], base, exact_path_dependent(*game, row[0]))
    values, base = twins.interventional(*game, row, s.background)
    replaced = relative_error(s.trees, values[0], base, exact_interventional(*game, row[0], s.background))
    return {"path_dependent": averaged, "interventional": replaced}


def largest_twin_errors() -> dict[str, float]:
    errors = [twin_errors(random_subject(seed, max_depth=6, max_features=7)) for seed in SEEDS]
    return {game: max(error[game] for error in errors) for game in errors[0]}


def test_twins_equal_exact_rationals() -> None:
    assert max(largest_twin_errors().values()) <= TOLERANCE


@pytest.mark.parametrize("seed", SEEDS)
def test_kernels_equal_their_twins(seed: int) -> None:
    s = random_subject(seed, max_depth=9, max_features=11, n_rows=5)
    game = (s.trees, s.groups, s.n_features)
    pairs = [
        (kernels.path_dependent(*game, s.rows), twins.path_dependent(*game, s.rows)),
        (kernels.interventional(*game, s.rows, s.background), twins.interventional(*game, s.rows, s.background)),
    ]
    for compiled, plain in pairs:
        for found, expected in zip(compiled, plain, strict=True):
            assert np.abs(found - expected).max() <= 1e-13 * (1 + s.trees.leaf_sizes().sum())


def one_point_too_few(players: int) -> int:
    return max(1, players // 2)


def no_half_for_empty_nodes(trees: TreeEnsemble, node: int) -> float:
    left, right = trees.cover[trees.left[node]], trees.cover[trees.right[node]]
    return float(left / (left + right)) if left + right > 0 else 0.0


def share_of_the_parent(trees: TreeEnsemble, node: int) -> float:
    left, right = trees.cover[trees.left[node]], trees.cover[trees.right[node]]
    return float(min(1.0, left / max(trees.cover[node], 1.0))) if left + right > 0 else 0.5


def forgets_failed_splits(share, cold, point, left, alive):
    return original_edge_factors(share, cold, point, left, np.ones_like(alive))


def takes_repeated_features_for_new(share, cold, point, left, alive):
    return original_edge_factors(share, 1.0, point, left, alive)


def slope_without_the_square(share, cold, point, left, alive):
    weight, slope = original_edge_factors(share, cold, point, left, alive)
    return weight, slope * (point + (1 - point) * cold)


def sides_swapped(before: int, after: int) -> float:
    return original_shapley_weight(after, before + 1)


def always_the_first_output(trees: TreeEnsemble, tree: int) -> slice:
    return slice(0, trees.value.shape[1])


def missing_goes_right(trees: TreeEnsemble, nodes, columns):
    x = columns[np.arange(len(nodes)), trees.feature[nodes]]
    return original_goes_left(trees, nodes, columns) & ~np.isnan(x)


def equal_goes_the_other_way(trees: TreeEnsemble, nodes, columns):
    x = columns[np.arange(len(nodes)), trees.feature[nodes]]
    return original_goes_left(trees, nodes, columns) ^ (x == trees.threshold[nodes])


def inputs_are_not_rounded(trees: TreeEnsemble, nodes, columns):
    x, threshold = columns[np.arange(len(nodes)), trees.feature[nodes]], trees.threshold[nodes]
    below = x <= threshold if trees.less_equal else x < threshold
    return np.where(np.isnan(x), trees.missing_left[nodes], below)


original_edge_factors = twins.edge_factors
original_shapley_weight = twins.shapley_weight
original_goes_left = TreeEnsemble.goes_left

FAULTS = [
    (twins, "points_needed", one_point_too_few, {"path_dependent"}),
    (twins, "left_share", no_half_for_empty_nodes, {"path_dependent"}),
    (twins, "left_share", share_of_the_parent, {"path_dependent"}),
    (twins, "edge_factors", forgets_failed_splits, {"path_dependent"}),
    (twins, "edge_factors", takes_repeated_features_for_new, {"path_dependent"}),
    (twins, "edge_factors", slope_without_the_square, {"path_dependent"}),
    (twins, "shapley_weight", sides_swapped, {"interventional"}),
    (twins, "tree_outputs", always_the_first_output, {"path_dependent", "interventional"}),
    (TreeEnsemble, "goes_left", missing_goes_right, {"path_dependent", "interventional"}),
    (TreeEnsemble, "goes_left", equal_goes_the_other_way, {"path_dependent", "interventional"}),
    (TreeEnsemble, "goes_left", inputs_are_not_rounded, {"path_dependent", "interventional"}),
]


@pytest.mark.parametrize(("where", "name", "fault", "games"), FAULTS, ids=[fault[2].__name__ for fault in FAULTS])
def test_a_planted_fault_turns_the_comparison_red(where, name, fault, games, monkeypatch) -> None:
    """Red in the games that the fault concerns, green in the other."""
    monkeypatch.setattr(where, name, fault)
    red = {game for game, error in largest_twin_errors().items() if error > TOLERANCE}
    assert red == games


def test_columns_taken_for_players_turn_the_comparison_red() -> None:
    """The grouped game differs from the sum of its columns' values."""
    errors = []
    for seed in SEEDS:
        s = random_subject(seed, max_depth=6, max_features=4)
        columns = np.arange(s.trees.n_columns)
        ungrouped, base = kernels.path_dependent(s.trees, columns, s.trees.n_columns, s.rows)
        values = np.zeros((s.n_features, s.trees.n_outputs))
        np.add.at(values, s.groups, ungrouped[0])
        exact = exact_path_dependent(s.trees, s.groups, s.n_features, s.rows[0])
        errors.append(relative_error(s.trees, values, base, exact))
    assert max(errors) > TOLERANCE
