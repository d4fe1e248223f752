"""Regions of effector, through stand-ins with its attributes: its rows exactly, measured by the definition."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import pellucid
from pellucid import ColumnError, InputError
from pellucid.explanation.regional import Condition


def interval(lo=-np.inf, hi=np.inf, lo_closed=True, hi_closed=False):
    """As effector has it: open at infinite ends, from lo up to below hi where not told otherwise."""
    return SimpleNamespace(
        lo=lo, hi=hi, lo_closed=lo_closed and np.isfinite(lo), hi_closed=hi_closed and np.isfinite(hi)
    )


def levels(*codes):
    return SimpleNamespace(levels=frozenset(map(float, codes)))


def contains(subset, column):
    """Effector's own words for the cells of a subset."""
    if hasattr(subset, "levels"):
        return np.isin(column, sorted(subset.levels))
    lower = column >= subset.lo if subset.lo_closed else column > subset.lo
    upper = column <= subset.hi if subset.hi_closed else column < subset.hi
    return lower & upper


def masks(rules, matrix):
    return [np.all([contains(subset, matrix[:, j]) for j, subset in rule.items()] or [[True] * len(matrix)], axis=0)
            for rule in rules]  # fmt: skip


def partition(rules, matrix, feature=0, names=None, texts=None):
    """What ``find_regions`` would return for the matrix."""
    return SimpleNamespace(
        feature=feature,
        feature_names=names or [f"x_{j}" for j in range(matrix.shape[1])],
        leaves=[
            SimpleNamespace(rule=SimpleNamespace(conditions=rule), nof_instances=int(np.sum(mask)))
            for rule, mask in zip(rules, masks(rules, matrix), strict=True)
        ],
        _category_names=texts,
    )


def gridded(dtype=float):
    """Cells that are often equal to a threshold."""
    return np.round(np.random.default_rng(0).uniform(-1, 1, (300, 3)), 1).astype(dtype)


def tangled(X):
    return X[:, 0] * np.where(X[:, 1] < 0.3, -1.0, X[:, 2])


def heterogeneity(curves):
    """Variance over rows of centred curves, averaged over the grid, by the definition."""
    return (curves - curves.mean(axis=1, keepdims=True)).var(axis=0).mean()


HALVES = [{1: interval(hi=0.3)}, {1: interval(lo=0.3)}]
RULES = {
    "below and from": HALVES,
    "up to and above": [{1: interval(hi=0.3, hi_closed=True)}, {1: interval(lo=0.3, lo_closed=False)}],
    "three along one axis": [{1: interval(hi=-0.5)}, {1: interval(lo=-0.5, hi=0.7)}, {1: interval(lo=0.7)}],
    "two deep": [
        {1: interval(hi=0.3)},
        {1: interval(lo=0.3), 2: interval(hi=0.0)},
        {1: interval(lo=0.3), 2: interval(lo=0.0)},
    ],
    "levels": [{1: levels(0.3)}, {1: levels(*(set(np.unique(gridded()[:, 1])) - {0.3}))}],
    "whole": [{}],
}  # fmt: skip


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_rows_are_effector_s_and_measured_by_the_definition(rules):
    X = gridded()
    found = pellucid.regional_effect_from_effector(partition(rules, X), tangled, X)
    curves = pellucid.ice(tangled, X, "x0", n_points=20).individual[:, :, 0]
    assert found.feature == "x0"
    for region, mask in zip([found.whole, *found.regions], [np.ones(300, bool), *masks(rules, X)], strict=True):
        assert region.rows.tolist() == np.flatnonzero(mask).tolist()
        assert region.heterogeneity == pytest.approx(heterogeneity(curves[mask]), rel=1e-9, abs=1e-12)
        np.testing.assert_allclose(region.effect.values[:, 0], curves[mask].mean(axis=0), atol=1e-12)
        held = [condition.holds(X[:, int(condition.feature[1])]) for condition in region.conditions]
        assert (np.all(held, axis=0) == mask).all()


@pytest.mark.parametrize(
    ("rules", "texts"),
    [
        ("below and from", ["x1 < 0.3000", "x1 ≥ 0.3000"]),
        ("up to and above", ["x1 ≤ 0.3000", "x1 > 0.3000"]),
        ("three along one axis", ["x1 < −0.5000", "x1 ≥ −0.5000 and x1 < 0.7000", "x1 ≥ 0.7000"]),
        ("two deep", ["x1 < 0.3000", "x1 ≥ 0.3000 and x2 < 0", "x1 ≥ 0.3000 and x2 ≥ 0"]),
        ("whole", ["all rows"]),
    ],
)
def test_conditions_read_as_effector_s(rules, texts):
    X = gridded()
    found = pellucid.regional_effect_from_effector(partition(RULES[rules], X), tangled, X)
    assert [str(region) for region in found.regions] == texts


def test_the_same_regions_are_the_same_answer():
    X = gridded()
    ours = pellucid.regional_effects(tangled, X, "x0", max_depth=1)
    at = ours.regions[0].conditions[0]
    place = int(at.feature[1])
    rules = [{place: interval(hi=at.value, hi_closed=True)}, {place: interval(lo=at.value, lo_closed=False)}]
    found = pellucid.regional_effect_from_effector(partition(rules, X), tangled, X)
    assert repr(found) == repr(ours)
    assert found.explained == ours.explained
    pd.testing.assert_frame_equal(found.to_frame(), ours.to_frame())


@pytest.mark.parametrize("threshold", [0.3, 0.7, -0.7])
def test_float32_rows_are_compared_as_numpy_does(threshold):
    X = gridded(np.float32)
    rules = [{1: interval(hi=threshold)}, {1: interval(lo=threshold)}]
    found = pellucid.regional_effect_from_effector(partition(rules, X), tangled, X)
    for region, mask in zip(found.regions, masks(rules, X), strict=True):
        assert region.rows.tolist() == np.flatnonzero(mask).tolist()


def test_columns_go_by_name_or_else_by_place():
    X = gridded()
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    named = ["c", "a", "b"]

    def model(frame):
        return tangled(frame[["a", "b", "c"]].to_numpy())

    expected = repr(pellucid.regional_effect_from_effector(partition(HALVES, X, names=["a", "b", "c"]), model, frame))
    assert expected.startswith("RegionalEffect('a'")
    assert expected == repr(pellucid.regional_effect_from_effector(partition(HALVES, X), model, frame))
    turned = partition([{2: side[1]} for side in HALVES], frame[named].to_numpy(), feature=1, names=named)
    assert expected == repr(pellucid.regional_effect_from_effector(turned, model, frame))
    bare = pellucid.regional_effect_from_effector(partition(HALVES, X, names=["a", "b", "c"]), tangled, X)
    assert repr(bare) == expected.replace("'a'", "'x0'").replace("b ", "x1 ")


def test_categories_by_their_texts():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"rooms": rng.uniform(-1, 1, 200), "town": rng.choice(["a", "b", "c"], 200)})
    matrix = np.column_stack([frame["rooms"], frame["town"].astype("category").cat.codes])
    texts = {1: {0.0: "a", 1.0: "b", 2.0: "c"}}
    there = partition([{1: levels(1)}, {1: levels(0, 2)}], matrix, names=["rooms", "town"], texts=texts)

    def model(frame):
        return frame["rooms"].to_numpy() * (frame["town"] == "b").to_numpy()

    found = pellucid.regional_effect_from_effector(there, model, frame)
    assert [str(region) for region in found.regions] == ["town = b", "town ∈ {a, c}"]
    assert found.explained == pytest.approx(1)
    by_code = pellucid.regional_effect_from_effector(there, lambda X: X[:, 0] * (X[:, 1] == 1), matrix)
    assert [str(region) for region in by_code.regions] == ["x1 = 1.000", "x1 ∈ {0, 2.000}"]
    assert [region.rows.tolist() for region in by_code.regions] == [region.rows.tolist() for region in found.regions]
    there._category_names = None
    with pytest.raises(InputError, match="split 'town' by numbers whose texts it was not told"):
        pellucid.regional_effect_from_effector(there, model, frame)
    there._category_names = texts
    with pytest.raises(InputError, match="row 0 lies in 0"):
        pellucid.regional_effect_from_effector(there, model, frame.assign(town=["d", *frame["town"][1:]]))


def test_options_reach_the_curves_and_empty_regions_are_left_out():
    X = gridded()
    empty = partition([*HALVES, {1: interval(lo=9.0)}], X)
    empty.leaves[1].rule.conditions = {1: interval(lo=0.3, hi=9.0)}
    found = pellucid.regional_effect_from_effector(
        empty, lambda X: np.column_stack([tangled(X), X[:, 1]]), X, n_points=5, output=0
    )
    assert found.whole.effect.values.shape == (5, 1)
    assert [len(region.conditions) for region in found.regions] == [1, 2]
    assert found.shares.sum() == pytest.approx(1)


def test_what_does_not_fit_is_named():
    X = gridded()
    good = partition(HALVES, X)
    missing = X.copy()
    missing[7, 1] = np.nan
    overlapping = partition([{1: interval(hi=0.3)}, {1: interval(lo=0.3)}], X)
    overlapping.leaves[1].rule.conditions = {1: interval(lo=0.2)}
    elsewhere = partition([{1: interval(hi=0.3)}, {1: interval(lo=0.3)}], X)
    for leaf in elsewhere.leaves:
        leaf.nof_instances = 150
    neither = partition(HALVES, X)
    neither.leaves[0].rule.conditions = {1: SimpleNamespace(edge=0.3)}
    other = SimpleNamespace(**{**vars(good), "feature": 3})
    none = SimpleNamespace(**{**vars(good), "leaves": []})
    deeper = partition(HALVES, X)
    deeper.leaves[0].rule.conditions = {5: interval(hi=0.3)}
    for given, rows, error, words in (
        ("text", X, InputError, "expected the Partition .* got a str, which lacks 'feature', 'feature_names'"),
        ({"x_0": good}, X, InputError, "got a dict, .* Call find_regions for one feature"),
        (neither, X, InputError, "got a SimpleNamespace, which lacks 'lo', 'hi'"),
        (good, X[:200], InputError, "regions hold 300 rows, but X has 200. .*effect.indices"),
        (none, X, InputError, "regions hold 0 rows, but X has 300"),
        (good, missing, InputError, "row 7 lies in 0"),
        (overlapping, X, InputError, "lies in 2"),
        (elsewhere, X, InputError, "effector has 150 rows where x1 < 0.3000, but X has"),
        (good, X[:, :2], InputError, "effector saw 3 columns, but X has 2"),
        (other, X, InputError, "speaks of column 3, counted from 0, but X has 3"),
        (deeper, X, InputError, "speaks of column 5"),
    ):  # fmt: skip
        with pytest.raises(error, match=words):
            pellucid.regional_effect_from_effector(given, lambda X: X[:, 0], rows)
    with pytest.raises(ColumnError, match="lacks the columns 'z', which effector has"):
        pellucid.regional_effect_from_effector(
            partition(HALVES, X, names=["a", "b", "z"]), lambda X: X["a"], pd.DataFrame(X, columns=["a", "b", "c"])
        )
    with pytest.raises(InputError, match="n_points must be a whole number"):
        pellucid.regional_effect_from_effector(good, tangled, X, n_points=0)


@pytest.mark.parametrize(
    ("sign", "value", "numbers"),
    [
        ("≤", 1.0, [1, 1, 0, 0]),
        (">", 1.0, [0, 0, 1, 1]),
        ("<", 1.0, [1, 0, 0, 0]),
        ("≥", 1.0, [0, 1, 1, 0]),
        ("=", 1.0, [0, 1, 0, 0]),
        ("≠", 1.0, [1, 0, 1, 1]),
        ("∈", (0.0, 1.0), [1, 1, 0, 0]),
    ],
)
def test_which_cells_meet_a_condition(sign, value, numbers):
    column = np.array([0.0, 1.0, 2.0, np.nan])
    assert Condition(feature="x", sign=sign, value=value).holds(column).astype(int).tolist() == numbers
