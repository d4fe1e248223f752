"""Regional effects on functions whose regions are known, beside the best split by loops."""

import numpy as np
import pandas as pd
import pytest

import pellucid
from pellucid import ColumnError, InputError, Model, Table
from pellucid.explainers.effects import ice
from pellucid.explainers.regions import regional_effects


def model_of(function):
    return Model(label="f", outputs=("y",), raw=lambda table: function(table.as_array()))


def turned(X):
    return np.where(X[:, 1] > 0, X[:, 0], -X[:, 0]) + X[:, 2]


def uniform(rows=400, features=4, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (rows, features))


def heterogeneity(curves):
    """Variance over rows of centred curves, averaged over the grid, by the definition."""
    centred = curves - curves.mean(axis=1, keepdims=True)
    return centred.var(axis=0).mean()


def test_the_heterogeneity_is_its_definition():
    X = Table.of(uniform())
    found = regional_effects(model_of(turned), X, "x0", max_depth=1)
    curves = ice(model_of(turned), X, "x0", n_points=20).individual[:, :, 0]
    assert found.whole.heterogeneity == pytest.approx(heterogeneity(curves), rel=1e-12)
    for region in found.regions:
        assert region.heterogeneity == pytest.approx(heterogeneity(curves[region.rows]), rel=1e-9, abs=1e-12)
        np.testing.assert_allclose(region.effect.values[:, 0], curves[region.rows].mean(axis=0), atol=1e-12)


def test_a_turned_effect_is_split_where_it_turns():
    X = uniform(401)
    X[:, 1] = np.linspace(-1, 1, 401) - 0.1  # the ranks of the places are known
    found = regional_effects(model_of(turned), Table.of(X), "x0", max_depth=1)
    assert [region.conditions[0].feature for region in found.regions] == ["x1", "x1"]
    assert [region.conditions[0].sign for region in found.regions] == ["≤", ">"]
    assert abs(found.regions[0].conditions[0].value) < 0.1
    assert found.explained > 0.8
    slopes = [np.polyfit(region.effect.grid, region.effect.values[:, 0], 1)[0] for region in found.regions]
    assert slopes[0] < -0.8
    assert slopes[1] > 0.8


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_best_split_of_all(seed):
    X = uniform(60, 3, seed)

    def tangled(X):
        return X[:, 0] ** 2 * X[:, 1] + np.sin(3 * X[:, 0] * X[:, 2])

    found = regional_effects(model_of(tangled), Table.of(X), "x0", max_depth=1, min_rows=10)
    curves = ice(model_of(tangled), Table.of(X), "x0", n_points=20).individual[:, :, 0]
    best = np.inf
    for j in (1, 2):
        for share in np.arange(1, 21) / 21:
            side = X[:, j] <= np.sort(X[:, j])[int(np.ceil(share * 60 - 1e-9)) - 1]
            if min(side.sum(), (~side).sum()) >= 10:
                best = min(best, sum(s.sum() * heterogeneity(curves[s]) for s in (side, ~side)) / 60)
    assert float(found.shares @ [region.heterogeneity for region in found.regions]) == pytest.approx(best, rel=1e-9)


def test_every_row_meets_the_conditions_of_one_region():
    X = uniform(300)

    def two_deep(X):
        return X[:, 0] * np.where(X[:, 1] > 0, np.sign(X[:, 2]), 0.0)

    found = regional_effects(model_of(two_deep), Table.of(X), "x0", max_depth=3)
    assert len(found.regions) > 2
    assert sorted(np.concatenate([region.rows for region in found.regions]).tolist()) == list(range(300))
    for region in found.regions:
        held = np.ones(300, dtype=bool)
        for condition in region.conditions:
            below = X[:, int(condition.feature[1])] <= condition.value
            held &= below if condition.sign == "≤" else ~below
        np.testing.assert_array_equal(np.flatnonzero(held), region.rows)
        assert len(region.rows) >= 20


def test_no_region_is_smaller_than_asked():
    X = uniform(100, 2)
    X[:, 1] = np.linspace(0, 1, 100)
    sizes = [
        [len(region.rows) for region in regional_effects(
            model_of(lambda X: X[:, 0] * (X[:, 1] > 0.95)), Table.of(X), "x0", max_depth=1, min_rows=least
        ).regions]
        for least in (1, 20)
    ]  # fmt: skip
    assert min(sizes[0]) < 10
    assert min(sizes[1]) >= 20


@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_nothing_is_split_without_interaction(offset):
    found = regional_effects(model_of(lambda X: X[:, 0] ** 2 + X[:, 1] + offset), Table.of(uniform()), "x0")
    assert len(found.regions) == 1
    assert not found.regions[0].conditions
    assert found.explained == 0
    assert "all rows: 100% of the rows" in repr(found)


def test_categories_missing_cells_and_several_outputs():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"rooms": rng.uniform(-1, 1, 200), "town": rng.choice(["a", "b", "c"], 200)})
    frame.loc[:9, "town"] = None

    def predict(frame):
        there = (frame["town"] == "b").to_numpy()
        return np.column_stack([np.where(there, frame["rooms"], 0), frame["rooms"]])

    found = pellucid.regional_effects(predict, frame, "rooms")
    assert [str(region) for region in found.regions] == ["town = b", "town ≠ b"]
    assert found.explained == pytest.approx(1)
    assert set(range(10)) <= set(found.regions[1].rows.tolist())
    table = found.to_frame(output=0)
    assert list(table) == ["region", "output", "grid", "value"]
    assert len(table) == 2 * len(found.whole.effect.grid)
    by_number = pellucid.regional_effects(predict, frame, "town", min_rows=5)
    assert {region.conditions[0].feature for region in by_number.regions} == {"rooms"}


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"feature": "x9"}, ColumnError, "no feature 'x9'"),
        ({"max_depth": -1}, InputError, "max_depth must be a whole number from 0 to 10; got -1"),
        ({"min_rows": 0}, InputError, "min_rows must be a whole number"),
    ],
)
def test_bad_input_is_named(options, error, words):
    with pytest.raises(error, match=words):
        pellucid.regional_effects(lambda X: X.sum(axis=1), np.zeros((20, 2)), **{"feature": "x0", **options})


def test_one_feature_has_no_other_to_split_at():
    found = pellucid.regional_effects(lambda X: X[:, 0], uniform(30, 1), "x0")
    assert len(found.regions) == 1
