"""Partial dependence, its rows, accumulated local effects and permutation importance."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.inspection import partial_dependence
from sklearn.inspection import permutation_importance as sklearn_importance

from pellucid import ColumnError, InputError, Model, Space, Table, UnsupportedRequestError
from pellucid.explainers.effects import ale, ice, pdp
from pellucid.explainers.importance import permutation_importance


def model_of(function, **more):
    return Model(label="f", outputs=("y",), raw=function, **more)


def product(table):
    X = table.as_array()
    return X[:, 0] * X[:, 1] + X[:, 2] ** 2


# --- partial dependence -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_pdp_and_ice_are_scikit_learn_s(seed):
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.normal(size=200), rng.integers(0, 12, 200), rng.normal(size=200)])
    estimator = GradientBoostingRegressor(n_estimators=20).fit(X, X[:, 0] * X[:, 1] + X[:, 2])
    model = model_of(lambda t: estimator.predict(t.as_array()))
    table = Table.of(X)
    for feature in (0, 1):
        ours = ice(model, table, f"x{feature}")
        theirs = partial_dependence(
            estimator, X, [feature], custom_values={feature: ours.grid}, method="brute", kind="both"
        )
        np.testing.assert_allclose(ours.values[:, 0], theirs["average"][0], atol=1e-10)
        np.testing.assert_allclose(ours.individual[:, :, 0], theirs["individual"][0], atol=1e-10)
        np.testing.assert_array_equal(pdp(model, table, f"x{feature}").values, ours.values)
    whole = partial_dependence(estimator, X, [1], method="brute", kind="average")
    np.testing.assert_array_equal(pdp(model, table, "x1").grid, whole["grid_values"][0])


def test_the_grid_of_a_number_is_made_of_its_values_between_the_percentiles():
    X = np.random.default_rng(3).normal(size=(500, 3))
    effect = pdp(model_of(product), Table.of(X), "x2", n_points=10)
    assert len(effect.grid) == 10
    assert set(effect.grid) <= set(X[:, 2])
    assert effect.grid[0] == pytest.approx(np.percentile(X[:, 2], 5), abs=0.05)
    assert effect.grid[-1] == pytest.approx(np.percentile(X[:, 2], 95), abs=0.05)
    np.testing.assert_allclose(effect.values[:, 0], effect.grid**2 + (X[:, 0] * X[:, 1]).mean(), atol=1e-12)


def test_the_model_is_fed_its_own_dtypes_and_missing_cells_stay_elsewhere():
    frame = pd.DataFrame(
        {
            "town": pd.Categorical(["b", "a", None, "b"], categories=["b", "a"]),
            "rooms": pd.array([1, 2, None, 4], dtype="Int64"),
            "flag": [True, False, True, True],
        }
    )
    seen = []

    def spy(table):
        seen.append(table.native)
        return (table.native["town"] == "a").to_numpy(float) + table.column("rooms")[:] * 0 + 1.0

    def safe(table):
        spy(table)
        return (table.native["town"] == "a").to_numpy(float)

    effect = pdp(model_of(safe), Table.of(frame), "town")
    assert effect.grid.tolist() == ["a", "b"]
    assert effect.values[:, 0].tolist() == [1.0, 0.0]
    assert pdp(model_of(safe), Table.of(frame), "rooms").grid.tolist() == [1.0, 2.0, 4.0]
    assert pdp(model_of(safe), Table.of(frame), "flag").grid.tolist() == [0.0, 1.0]
    for native in seen:
        assert native.dtypes.to_dict() == frame.dtypes.to_dict()


def test_outputs_and_units_are_chosen():
    def probability(table):
        p = 1 / (1 + np.exp(-table.as_array()[:, 0]))
        return np.stack([1 - p, p], axis=1)

    model = Model(
        label="f",
        outputs=("no", "yes"),
        raw=probability,
        raw_space=Space.PROBABILITY,
        probability=probability,
        classes=np.array(["no", "yes"]),
    )
    table = Table.of(np.linspace(-1, 1, 9)[:, None])
    effect = pdp(model, table, "x0", output="yes", space="log_odds")
    assert effect.outputs == ("yes",)
    assert effect.space is Space.LOG_ODDS
    np.testing.assert_allclose(effect.values[:, 0], effect.grid, atol=1e-12)
    assert pdp(model, table, "x0").space is Space.PROBABILITY


@pytest.mark.parametrize("effect", [pdp, ice, ale])
def test_impossible_effects_are_refused(effect):
    table = Table.of(np.random.default_rng(4).normal(size=(10, 3)))
    with pytest.raises(ColumnError, match="no feature 'x9'"):
        effect(model_of(product), table, "x9")
    with pytest.raises(UnsupportedRequestError, match="space='loss'"):
        effect(model_of(product), table, "x0", space="loss")
    with pytest.raises(InputError, match="no output 'z'"):
        effect(model_of(product), table, "x0", output="z")
    with pytest.raises(InputError, match="missing in every row"):
        effect(model_of(product), Table.of(np.full((3, 3), np.nan)), "x0")


@pytest.mark.parametrize("options", [{"n_points": 0}, {"percentiles": (50.0, 50.0)}, {"percentiles": (-1.0, 50.0)}])
def test_impossible_grids_are_refused(options):
    with pytest.raises(InputError, match="a grid needs"):
        pdp(model_of(product), Table.of(np.ones((3, 3))), "x0", **options)


# --- accumulated local effects ----------------------------------------------------------------------------------


def ale_by_definition(function, X, j, edges):
    """Apley and Zhu (2020), equation 15, one row at a time; centred as ALEPlot does."""
    total = np.zeros(len(edges) - 1)
    count = np.zeros(len(edges) - 1)
    for row in X:
        k = next(k for k in range(len(edges) - 1) if row[j] <= edges[k + 1])
        low, high = row.copy(), row.copy()
        low[j], high[j] = edges[k], edges[k + 1]
        total[k] += function(high[None])[0] - function(low[None])[0]
        count[k] += 1
    curve = np.concatenate([[0.0], np.cumsum(total / count)])
    return curve - ((curve[:-1] + curve[1:]) / 2 * count).sum() / count.sum()


@pytest.mark.parametrize("j", [0, 1, 2])
def test_ale_is_its_definition(j):
    X = np.random.default_rng(5).normal(size=(120, 3))
    X[:, 1] += 0.9 * X[:, 0]
    effect = ale(model_of(product), Table.of(X), f"x{j}", n_bins=7)
    expected = ale_by_definition(lambda Z: product(Table.of(Z)), X, j, effect.grid)
    np.testing.assert_allclose(effect.values[:, 0], expected, atol=1e-12)
    assert effect.grid[0] == X[:, j].min()
    assert effect.grid[-1] == X[:, j].max()


def test_ale_of_a_line_is_the_centred_line_however_features_go_together():
    rng = np.random.default_rng(6)
    x = rng.normal(size=400)
    X = np.column_stack([x, x + 0.1 * rng.normal(size=400)])
    effect = ale(model_of(lambda t: 3.0 * t.as_array()[:, 0] - t.as_array()[:, 1]), Table.of(X), "x0")
    np.testing.assert_allclose(np.diff(effect.values[:, 0]), 3.0 * np.diff(effect.grid), atol=1e-12)
    np.testing.assert_allclose(effect.high, effect.low + (effect.high - effect.low)[0], atol=1e-9)


def test_ale_never_leaves_the_data_where_pdp_does():
    rng = np.random.default_rng(7)
    x = rng.uniform(size=500)
    X = np.column_stack([x, x + 0.01 * rng.normal(size=500)])

    def cliff(table):
        far = np.abs(table.as_array()[:, 0] - table.as_array()[:, 1]) > 0.3
        return table.as_array()[:, 0] + 100.0 * far

    assert np.abs(ale(model_of(cliff), Table.of(X), "x0").values).max() < 1.0
    assert np.abs(pdp(model_of(cliff), Table.of(X), "x0").values).max() > 10.0


def test_ale_of_ordered_categories_moves_both_neighbours():
    frame = pd.DataFrame({"size": ["s", "m", "l", "m", "s", "l", "l"], "n": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]})
    place = {"s": 0.0, "m": 1.0, "l": 5.0}

    def function(table):
        return np.array([place[v] for v in table.column("size")]) * table.column("n")

    effect = ale(model_of(function), Table.of(frame), "size", order=["s", "m", "l"])
    first = np.mean([1.0, 2.0, 4.0, 5.0])
    second = 4.0 * np.mean([2.0, 3.0, 4.0, 6.0, 7.0])
    curve = np.array([0.0, first, first + second])
    np.testing.assert_allclose(effect.values[:, 0], curve - curve @ np.array([2, 2, 3]) / 7, atol=1e-12)
    assert effect.grid.tolist() == ["s", "m", "l"]
    with pytest.raises(InputError, match="lacks"):
        ale(model_of(function), Table.of(frame), "size", order=["s", "m"])
    with pytest.raises(InputError, match="is a number"):
        ale(model_of(function), Table.of(frame), "n", order=[1.0])


def test_ale_of_a_constant_and_with_missing_values():
    X = np.random.default_rng(8).normal(size=(50, 3))
    X[:, 0] = 2.0
    flat = ale(model_of(product), Table.of(X), "x0")
    assert flat.grid.tolist() == [2.0]
    assert flat.values.tolist() == [[0.0]]
    X[:20, 2] = np.nan
    gappy = ale(model_of(lambda t: np.nan_to_num(product(t))), Table.of(X), "x2", n_bins=5)
    present = ale(model_of(product), Table.of(X[20:]), "x2", n_bins=5)
    np.testing.assert_array_equal(gappy.values, present.values)
    assert gappy.n_rows == 30


def test_ale_bands_cover_the_curve_of_the_population():
    rng = np.random.default_rng(9)
    model = model_of(product)
    covered = []
    for seed in range(40):
        X = rng.normal(size=(150, 3))
        effect = ale(model, Table.of(X), "x0", n_bins=4, random_state=seed)
        # E[x1] = 0: the true effect of x0 is flat.
        covered.append((effect.low <= 0.0) & (effect.high >= 0.0))
    assert 0.8 <= np.mean(covered) <= 1.0
    assert effect.high[0, 0] - effect.low[0, 0] < 2.0


def test_ale_repeats_by_seed():
    X = Table.of(np.random.default_rng(10).normal(size=(60, 3)))
    one, again, other = (ale(model_of(product), X, "x0", random_state=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.low, again.low)
    assert np.abs(one.low - other.low).max() > 0
    np.testing.assert_array_equal(one.values, other.values)


@pytest.mark.parametrize("options", [{"n_bins": 0}, {"n_bootstrap": 1}])
def test_impossible_ale_options_are_refused(options):
    with pytest.raises(InputError, match=next(iter(options))):
        ale(model_of(product), Table.of(np.ones((3, 3))), "x0", **options)


# --- permutation importance -------------------------------------------------------------------------------------


def test_permutation_importance_is_scikit_learn_s():
    rng = np.random.default_rng(11)
    X = rng.normal(size=(400, 4))
    y = 3 * X[:, 0] + X[:, 1] + rng.normal(size=400)
    estimator = GradientBoostingRegressor(n_estimators=30).fit(X, y)
    ours = permutation_importance(
        model_of(lambda t: estimator.predict(t.as_array())), Table.of(X), y, n_repeats=30, random_state=0
    )
    theirs = sklearn_importance(estimator, X, y, scoring="neg_mean_squared_error", n_repeats=30, random_state=0)
    error = 4 * np.hypot(theirs.importances_std, theirs.importances_std) / np.sqrt(30)
    assert np.all(np.abs(ours.values[:, 0] - theirs.importances_mean) <= error)


def test_unused_features_have_exactly_no_importance():
    X = np.random.default_rng(12).normal(size=(50, 3))
    found = permutation_importance(model_of(lambda t: t.as_array()[:, 1]), Table.of(X), X[:, 1] + 1.0)
    for part in (found.values, found.low, found.high):
        np.testing.assert_array_equal(part[[0, 2]], 0.0)
    assert found.low[1, 0] > 0


def test_intervals_of_importance_cover_the_truth():
    rng = np.random.default_rng(13)
    covered = []
    for seed in range(60):
        X = rng.normal(size=(80, 2))
        y = X[:, 0] + rng.normal(size=80)
        found = permutation_importance(model_of(lambda t: t.as_array()[:, 0]), Table.of(X), y, random_state=seed)
        # E (x' - y)^2 - E (x - y)^2 = (1 + 1 + 1) - 1
        covered.append(found.low[0, 0] <= 2.0 <= found.high[0, 0])
    assert np.mean(covered) >= 0.85


def test_importance_of_mixed_frames_and_classes():
    rng = np.random.default_rng(14)
    frame = pd.DataFrame({"town": pd.Categorical(rng.choice(["a", "b"], 60)), "n": rng.normal(size=60)})
    y = np.where(frame["town"] == "a", "yes", "no")

    def probability(table):
        p = np.where(table.native["town"] == "a", 0.9, 0.1)
        return np.stack([1 - p, p], axis=1)

    model = Model(
        label="f", outputs=("no", "yes"), raw=probability, probability=probability, classes=np.array(["no", "yes"])
    )
    found = permutation_importance(model, Table.of(frame), y)
    assert found.low[0, 0] > 0.5
    assert found.values[1, 0] == 0.0
    assert (found.outputs, found.space) == (("loss",), Space.LOSS)


def test_impossible_importance_is_refused():
    with pytest.raises(InputError, match="at least 2"):
        permutation_importance(model_of(product), Table.of(np.ones((1, 3))), np.ones(1))
    with pytest.raises(InputError, match="n_repeats"):
        permutation_importance(model_of(product), Table.of(np.ones((5, 3))), np.ones(5), n_repeats=0)
