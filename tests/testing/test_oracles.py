"""The oracles against hand-made answers, and against one another in exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest

from pellucid.ir import TreeEnsemble
from pellucid.testing.oracles import (
    Factor,
    exact_chain,
    exact_interventional,
    exact_path_dependent,
    integral,
    interventional_game,
    path_dependent_game,
    shapley_by_enumeration,
)
from pellucid.testing.strategies import random_chain, random_subject


def stump_of_two() -> TreeEnsemble:
    """x0 < 0.5 ? 0 : (x1 < 0.5 ? 4 : 12), with covers 1 : 3 and then 1 : 2."""
    return TreeEnsemble(
        roots=np.array([0]),
        left=np.array([1, -1, 3, -1, -1]),
        right=np.array([2, -1, 4, -1, -1]),
        feature=np.array([0, -1, 1, -1, -1]),
        threshold=np.array([0.5, 0, 0.5, 0, 0]),
        missing_left=np.zeros(5, dtype=bool),
        cover=np.array([4.0, 1, 3, 1, 2]),
        value=np.array([[0.0], [0], [0], [4], [12]]),
        output=np.array([0]),
        base=np.array([100.0]),
        n_columns=2,
        less_equal=False,
    )


def test_enumeration_of_the_glove_game() -> None:
    """One left glove, two right ones: Shapley's own example gives 2/3, 1/6, 1/6."""
    values = shapley_by_enumeration(lambda s: [Fraction(int(s & 1 and s & 0b110 != 0))], 3)
    assert values == [[Fraction(2, 3)], [Fraction(1, 6)], [Fraction(1, 6)]]


def test_enumeration_by_hand_of_a_small_tree() -> None:
    """Worths by hand: {} 7, {0} 28/3, {1} 9, {0,1} 12."""
    trees, groups, row = stump_of_two(), np.array([0, 1]), np.array([1.0, 1.0])
    game = path_dependent_game(trees, groups, row)
    assert [game(s)[0] - 100 for s in range(4)] == [7, Fraction(28, 3), 9, 12]
    expected = [[Fraction(8, 3)], [Fraction(7, 3)]]
    assert shapley_by_enumeration(game, 2) == expected
    assert exact_path_dependent(trees, groups, 2, row) == (expected, [Fraction(107)])


def test_interventional_by_hand_of_a_small_tree() -> None:
    """Against (0, 0): {} 0, {0} 4, {1} 0, {0,1} 12, so 8 and 4."""
    trees, groups, row = stump_of_two(), np.array([0, 1]), np.array([1.0, 1.0])
    values, base = exact_interventional(trees, groups, 2, row, np.zeros((1, 2)))
    assert (values, base) == ([[Fraction(8)], [Fraction(4)]], [Fraction(100)])


def test_columns_of_one_feature_move_together() -> None:
    trees, row = stump_of_two(), np.array([1.0, 1.0])
    values, base = exact_interventional(trees, np.array([0, 0]), 1, row, np.zeros((1, 2)))
    assert (values, base) == ([[Fraction(12)]], [Fraction(100)])


@pytest.mark.parametrize("seed", range(60))
def test_leafwise_sums_equal_enumeration_exactly(seed: int) -> None:
    subject = random_subject(seed, max_depth=5, max_features=4)
    trees, groups, row = subject.trees, subject.groups, subject.rows[0]
    game = path_dependent_game(trees, groups, row)
    values, base = exact_path_dependent(trees, groups, subject.n_features, row)
    assert values == shapley_by_enumeration(game, subject.n_features)
    assert base == game(0)
    background = subject.background[:4]
    game = interventional_game(trees, groups, row, background)
    values, base = exact_interventional(trees, groups, subject.n_features, row, background)
    assert values == shapley_by_enumeration(game, subject.n_features)
    assert base == game(0)


def test_integral_of_a_product() -> None:
    """∫ t (1 - t) (t + (1 - t) / 3) dt = ∫ (t - t²)(1 + 2t) / 3 dt = 1/9."""
    factors = [Factor(True, Fraction(0)), Factor(False, Fraction(1)), Factor(True, Fraction(1, 3))]
    assert integral(factors) == Fraction(1, 9)


@pytest.mark.parametrize("depth", [1, 2, 7, 12])
def test_chain_equals_leafwise_sums_exactly(depth: int) -> None:
    rng = np.random.default_rng(depth)
    trees, rows, *description = random_chain(rng, depth)
    expected, _ = exact_path_dependent(trees, np.arange(depth), depth, rows[0])
    assert [[value] for value in exact_chain(*description)] == expected
