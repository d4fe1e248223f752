"""Depth, thresholds, missing values, empty nodes, shapes: the corners, one at a time."""

from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest

from pellucid._base.errors import InputError
from pellucid._kernels import trees as kernels
from pellucid.ir import TreeEnsemble
from pellucid.testing.oracles import exact_chain, exact_interventional, exact_path_dependent, relative_error
from pellucid.testing.strategies import random_chain


def stumps(thresholds, *, less_equal: bool, input_dtype: str, missing_left: bool = False) -> TreeEnsemble:
    """One stump per threshold on the only column, worth 2**k on the left of threshold k."""
    n = len(thresholds)
    node = np.arange(n) * 3
    left, right, feature = (np.full(3 * n, -1) for _ in range(3))
    left[node], right[node], feature[node] = node + 1, node + 2, 0
    threshold, value = np.zeros(3 * n), np.zeros((3 * n, 1))
    threshold[node], value[node + 1, 0] = thresholds, 2.0 ** np.arange(n)
    return TreeEnsemble(
        roots=node,
        left=left,
        right=right,
        feature=feature,
        threshold=threshold,
        missing_left=np.full(3 * n, missing_left),
        cover=np.ones(3 * n),
        value=value,
        output=np.zeros(n, dtype=int),
        base=np.zeros(1),
        n_columns=1,
        less_equal=less_equal,
        input_dtype=input_dtype,
    )


@pytest.mark.parametrize("input_dtype", ["float32", "float64"])
@pytest.mark.parametrize("less_equal", [True, False])
def test_probes_at_and_one_step_beside_every_threshold(less_equal: bool, input_dtype: str) -> None:
    """4 x 340 x 3 probes: each threshold hit, missed by one float64 step and by one float32 step."""
    rng = np.random.default_rng(5)
    chosen = np.float32(rng.normal(size=34) * 10.0 ** rng.integers(-30, 30, 34)).astype(float)
    chosen = np.concatenate([chosen, [0.0, 5e-324, 1e300, np.inf, -np.inf]])
    for threshold in chosen:
        near32 = (
            [float(np.nextafter(np.float32(threshold), np.float32(way))) for way in (-np.inf, np.inf)]
            if abs(threshold) < 1e38
            else []
        )
        x = np.array(
            [
                threshold,
                *(np.nextafter(threshold, way) for way in (-np.inf, np.inf)),
                *near32,
                0.1,
                -0.1,
                np.nan,
                np.inf,
            ]
        )
        trees = stumps([threshold], less_equal=less_equal, input_dtype=input_dtype)
        with np.errstate(over="ignore"):
            rounded = x.astype(input_dtype).astype(float)
        goes = rounded <= threshold if less_equal else rounded < threshold
        expected = np.where(goes, 0.5, -0.5)
        assert np.array_equal(kernels.path_dependent(trees, np.array([0]), 1, x[:, None])[0][:, 0, 0], expected)
        background = np.array([[np.nan]])  # goes right
        found, _ = kernels.interventional(trees, np.array([0]), 1, x[:, None], background)
        assert np.array_equal(found[:, 0, 0], goes.astype(float))


@pytest.mark.parametrize("missing_left", [True, False])
def test_missing_values_go_where_the_node_sends_them(missing_left: bool) -> None:
    trees = stumps([0.0], less_equal=True, input_dtype="float64", missing_left=missing_left)
    x = np.array([[np.nan], [-1.0], [1.0]])
    expected = [0.5 if missing_left else -0.5, 0.5, -0.5]
    assert kernels.path_dependent(trees, np.array([0]), 1, x)[0][:, 0, 0].tolist() == expected
    found, base = kernels.interventional(trees, np.array([0]), 1, x, x)
    assert base[0] == pytest.approx((1 + missing_left) / 3, abs=1e-15)
    assert np.allclose(found[:, 0, 0] + base[0], [missing_left, 1, 0], atol=1e-15)


@pytest.mark.parametrize("less_equal", [True, False])
@pytest.mark.parametrize("threshold", [-np.inf, -1.0, 0.0, np.inf])
def test_missing_values_have_their_own_way_beside_every_threshold(threshold: float, less_equal: bool) -> None:
    """Both ways on one column, in a block and alone: only missing values go left where nothing is below."""
    x = np.tile([[np.nan], [-1.0], [0.5], [-np.inf], [np.inf]], (9, 1))
    for missing_left in (True, False):
        trees = stumps([threshold, 0.25], less_equal=less_equal, input_dtype="float64", missing_left=missing_left)
        trees = replace(trees, missing_left=np.arange(6) // 3 == (0 if missing_left else 1))
        expected = trees.predict(x)[:, 0] - 1.5
        values, _ = kernels.path_dependent(trees, np.array([0]), 1, x)
        assert np.array_equal(values[:, 0, 0], expected)
        alone = [kernels.path_dependent(trees, np.array([0]), 1, row[None])[0][0, 0, 0] for row in x[:5]]
        assert np.array_equal(alone, expected[:5])
        found, base = kernels.interventional(trees, np.array([0]), 1, x, x[:5])
        assert np.allclose(found[:, 0, 0] + base[0], expected + 1.5, atol=1e-15)


@pytest.mark.parametrize("depth", [60, 200, pytest.param(1000, marks=pytest.mark.heavy)])
def test_deep_chain_of_different_players_is_exact(depth: int) -> None:
    trees, row, shares, stays, leaves = random_chain(np.random.default_rng(depth), depth)
    exact = [[value] for value in exact_chain(shares, stays, leaves)]
    expectation, reach = Fraction(0), Fraction(1)
    for share, leaf in zip(shares, leaves[:-1], strict=True):
        expectation += reach * (1 - share) * leaf
        reach *= share
    values, base = kernels.path_dependent(trees, np.arange(depth), depth, row)
    assert relative_error(trees, values[0], base, (exact, [expectation + reach * leaves[-1]])) <= 1e-12
    background = np.random.default_rng(1).choice([-1.0, 1.0], (3, depth))
    values, base = kernels.interventional(trees, np.arange(depth), depth, row, background)
    exact_values = exact_interventional(trees, np.arange(depth), depth, row[0], background)
    assert relative_error(trees, values[0], base, exact_values) <= 1e-12


@pytest.mark.parametrize("depth", [60, 300, pytest.param(1000, marks=pytest.mark.heavy)])
def test_deep_chain_of_few_players_is_exact(depth: int) -> None:
    trees, row, *_ = random_chain(np.random.default_rng(depth), depth)
    groups = np.arange(depth) % 5
    values, base = kernels.path_dependent(trees, groups, 5, row)
    assert relative_error(trees, values[0], base, exact_path_dependent(trees, groups, 5, row[0])) <= 1e-12
    background = np.vstack([row, -row, np.roll(row, 3)])
    values, base = kernels.interventional(trees, groups, 5, row, background)
    assert relative_error(trees, values[0], base, exact_interventional(trees, groups, 5, row[0], background)) <= 1e-12


def test_rows_that_part_only_far_down_a_chain_are_exact() -> None:
    """Row and background follow 200 splits together; the leaves they part for have few players, many splits."""
    trees, *_ = random_chain(np.random.default_rng(4), 220)
    inner = np.flatnonzero(~trees.is_leaf)
    row = np.where(trees.left[inner] == inner + 2, -1.0, 1.0)[None]
    groups = np.arange(220) % 5
    background = np.tile(row, (4, 1))
    for i, other in enumerate(background):
        other[200 + i :: 3 + i] *= -1
    values, base = kernels.interventional(trees, groups, 5, row, background)
    exact = exact_interventional(trees, groups, 5, row[0], background)
    assert np.abs(values).max() > 0.1
    assert relative_error(trees, values[0], base, exact) <= 1e-12


@pytest.mark.parametrize("depth", [5_000, pytest.param(100_000, marks=pytest.mark.heavy)])
def test_an_absurdly_deep_chain_neither_crashes_nor_loses_the_sum(depth: int) -> None:
    trees, row, *_ = random_chain(np.random.default_rng(0), depth)
    groups = np.arange(depth) % 3
    prediction = trees.predict(row)[0]
    for values, base in (
        kernels.path_dependent(trees, groups, 3, row),
        kernels.interventional(trees, groups, 3, row, -row),
    ):
        assert base + values[0].sum(axis=0) == pytest.approx(prediction, abs=1e-9)


@pytest.mark.parametrize("table_players", [0, 12])
@pytest.mark.parametrize("n_background", [1, 127, 128, 129, 256, 512, 513, 1301])
def test_every_background_row_is_used(n_background: int, table_players: int, monkeypatch) -> None:
    monkeypatch.setattr(kernels, "TABLE_PLAYERS", table_players)
    trees = stumps([0.0, 1.0], less_equal=True, input_dtype="float64")
    background = np.linspace(-1, 2, n_background)[:, None]
    values, base = kernels.interventional(trees, np.array([0]), 1, np.array([[0.5]]), background)
    assert base[0] == pytest.approx(np.mean(background <= 0) + 2 * np.mean(background <= 1), abs=1e-13)
    assert base[0] + values[0, 0, 0] == pytest.approx(2.0, abs=1e-13)


def test_trees_without_splits_and_tables_without_rows() -> None:
    leaf = TreeEnsemble(
        roots=np.array([0, 1]),
        left=np.full(2, -1),
        right=np.full(2, -1),
        feature=np.full(2, -1),
        threshold=np.zeros(2),
        missing_left=np.zeros(2, dtype=bool),
        cover=np.zeros(2),
        value=np.array([[2.0], [3.0]]),
        output=np.array([0, 1]),
        base=np.array([0.5, 0.25]),
        n_columns=2,
        less_equal=True,
    )
    groups, rows = np.array([0, 1]), np.ones((3, 2))
    for values, base in (
        kernels.path_dependent(leaf, groups, 2, rows),
        kernels.interventional(leaf, groups, 2, rows, rows),
    ):
        assert base.tolist() == [2.5, 3.25]
        assert np.array_equal(values, np.zeros((3, 2, 2)))
    assert kernels.path_dependent(leaf, groups, 2, rows[:0])[0].shape == (0, 2, 2)
    assert kernels.interventional(leaf, groups, 2, rows[:0], rows)[0].shape == (0, 2, 2)


def test_shapes_that_do_not_fit_are_refused_with_a_sentence() -> None:
    trees = stumps([0.0], less_equal=True, input_dtype="float64")
    rows = np.zeros((2, 1))
    with pytest.raises(InputError, match=r"shape \(rows, 1\); got \(2, 3\)"):
        kernels.path_dependent(trees, np.array([0]), 1, np.zeros((2, 3)))
    with pytest.raises(InputError, match="one feature per column"):
        kernels.path_dependent(trees, np.array([0, 0]), 1, rows)
    with pytest.raises(InputError, match="between 0 and 0; got 1 to 1"):
        kernels.path_dependent(trees, np.array([1]), 1, rows)
    with pytest.raises(InputError, match="at least one row"):
        kernels.interventional(trees, np.array([0]), 1, rows, rows[:0])
    with pytest.raises(InputError, match="n_jobs"):
        kernels.path_dependent(trees, np.array([0]), 1, rows, n_jobs=0)


@pytest.mark.parametrize("points", [1, 2, 3, 7, 16, 33, 100, 500])
def test_quadrature_integrates_its_highest_degree(points: int) -> None:
    found, weights = kernels.gauss_legendre(points)
    assert np.abs(found - (1 + np.polynomial.legendre.leggauss(points)[0]) / 2).max() <= 2e-16
    assert abs(weights.sum() - 1) <= 1e-15
    degree = 2 * points - 1
    assert weights @ found**degree == pytest.approx(1 / (degree + 1), rel=1e-13)


@pytest.mark.parametrize("points", [2, 31, 500])
def test_quadrature_is_right_to_the_last_digits(points: int) -> None:
    """One Newton step in 60 decimal digits moves no point, and gives the weight."""
    found, weights = kernels.gauss_legendre(points)
    with localcontext(prec=60):
        for i in {0, points // 3, points - 1}:
            x = 1 - 2 * Decimal(float(found[i]))
            for _ in range(4):
                value, derivative = legendre(points, x)
                x -= value / derivative
            _, derivative = legendre(points, x)
            assert abs((1 - x) / 2 - Decimal(float(found[i]))) <= Decimal("1.2e-16")
            weight = 1 / ((1 - x * x) * derivative**2)
            assert abs(Decimal(float(weights[i])) / weight - 1) <= Decimal("1e-15")


def legendre(n: int, x: Decimal) -> tuple[Decimal, Decimal]:
    before, value = Decimal(1), x
    for k in range(2, n + 1):
        before, value = value, ((2 * k - 1) * x * value - (k - 1) * before) / k
    return value, n * (before - x * value) / (1 - x * x)
