"""Data shift and reasoning shift are told apart."""

from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import GradientBoostingRegressor

import pellucid
from pellucid import InputError, compare
from pellucid.compliance.data_shift import _distances, _energy, data_shift

WEIGHTS = np.array([1.0, -0.8, 0.6, 0.3, 0.0])
KINDS = ("none", "data", "reasoning", "both")


def rows(rng, n, shifted):
    X = rng.normal(size=(n, 5))
    X[:, 1] += 0.5 * X[:, 0]
    if shifted:
        X[:, rng.integers(5)] += 0.6
    return X


@cache
def trees(weights):
    X = np.random.default_rng(99).normal(size=(1000, 5))
    y = np.sin(X[:, 0]) * weights[0] + 1.5 * np.maximum(X[:, 1], 0) * weights[1] + X[:, 2] * X[:, 0] * weights[2]
    y += X[:, 3] * weights[3] + X[:, 4] * weights[4]
    return GradientBoostingRegressor(n_estimators=40, max_depth=3, random_state=0).fit(X, y)


def simulated(kind, seed, n=500):
    """Two periods in which a known thing has changed; every other pair is of a boosted model."""
    rng = np.random.default_rng(seed)
    before, after = rows(rng, n, False), rows(rng, n, kind in ("data", "both"))
    weights = WEIGHTS.copy()
    if kind in ("reasoning", "both"):
        weights[rng.integers(5)] += rng.choice([-0.5, 0.5])
    make = trees if seed % 2 else lambda w: lambda X: X @ w
    models = make(tuple(WEIGHTS)), make(tuple(weights))
    background = rows(rng, 50, False)
    explained = [
        pellucid.explain(model, X, background=background) for model, X in zip(models, (before, after), strict=True)
    ]
    return compare(*explained, random_state=seed)


@pytest.mark.parametrize("kind", KINDS)
def test_what_changed_is_told(kind):
    assert [simulated(kind, seed).verdict for seed in (0, 1)] == [kind, kind]


@pytest.mark.heavy
@pytest.mark.parametrize("kind", KINDS)
def test_power_and_false_alarms_of_a_hundred_simulated_pairs(kind):
    found = Counter(simulated(kind, seed).verdict for seed in range(100))
    print(kind, dict(found))  # noqa: T201 - the figures that the documentation states
    assert found[kind] >= 90


@pytest.mark.parametrize("level", [0.05, 0.2])
def test_the_data_test_keeps_its_level(level):
    rng = np.random.default_rng(3)
    period = np.repeat([0.0, 1.0], 60)
    flags = []
    for seed in range(120):
        codes = np.column_stack([rng.normal(size=120), rng.integers(0, 3, 120), rng.normal(size=120).round()])
        _, p, joint = data_shift(codes, period, np.array([False, True, False]), random_state=seed)
        flags.append(min(p.min(), joint) <= level)
    assert np.mean(flags) <= level + 3 * np.sqrt(level * (1 - level) / 120)


def test_distances_equal_their_definitions():
    rng = np.random.default_rng(0)
    column = rng.integers(0, 6, 40).astype(float)
    column[3] = np.nan
    label = rng.permutation(np.repeat([0.0, 1.0], 20))
    values = np.where(np.isnan(column), -1.0, column)
    cdf = [max(abs((values[label == 1] <= v).mean() - (values[label == 0] <= v).mean()) for v in np.unique(values))]
    share = [
        sum(abs((values[label == 1] == v).mean() - (values[label == 0] == v).mean()) for v in np.unique(values)) / 2
    ]
    assert _distances(column, label[None], categorical=False) == pytest.approx(cdf)
    assert _distances(column, label[None], categorical=True) == pytest.approx(share)
    points = rng.normal(size=(40, 2))
    gaps = np.linalg.norm(points[:, None] - points[None], axis=2)
    one, two = label == 1, label == 0
    energy = 2 * gaps[np.ix_(one, two)].mean() - gaps[np.ix_(one, one)].mean() - gaps[np.ix_(two, two)].mean()
    assert _energy(points, label[None]) == pytest.approx([energy])


def test_a_change_of_how_features_go_together_is_data_shift():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    turned = X @ np.linalg.cholesky([[1.0, 0.8], [0.8, 1.0]]).T
    before, after = (pellucid.explain(lambda r: r @ [1.0, 1.0], part, background=X[:50]) for part in (X, turned))
    found = compare(before, after)
    assert found.verdict == "data"
    assert found.p_joint <= 0.05
    assert min(feature.p_data for feature in found.features) > 0.05


def test_the_same_rows_show_reasoning_directly():
    X = np.random.default_rng(0).normal(size=(200, 3))
    one = pellucid.explain(lambda r: r @ [1.0, 2.0, 0.0], X, background=X[:50])
    assert compare(one, one).verdict == "none"
    other = pellucid.explain(lambda r: r @ [1.0, 2.0, 1.0], X, background=X[:50])
    found = compare(one, other)
    assert (found.verdict, found.paired) == ("reasoning", True)
    assert found.features[0].feature == "x2"
    change = np.sqrt(np.mean(other.values[:, 2, 0] ** 2)) / np.abs(one.values[:, 1, 0]).mean()
    assert found.features[0].change == pytest.approx(change)


def test_categories_and_missing_values_are_compared():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"job": rng.choice(["a", "b", "c"], 400), "x": rng.normal(size=400)})
    frame.loc[::9, "x"] = np.nan
    frame.loc[5::11, "job"] = None
    moved = frame.assign(job=frame["job"].replace("a", "b"))[::-1]

    def explained(part, weight):
        def score(r):
            return (weight * (r["job"] == "a") + r["x"].fillna(0.0)).to_numpy(float)

        return pellucid.explain(score, part, background=frame.head(40))

    found = compare(explained(frame, 2.0), explained(moved, 2.0))
    assert (found.verdict, [f.feature for f in found.features if f.p_data <= 0.05]) == ("data", ["job"])
    assert compare(explained(frame, 2.0), explained(frame[::-1], 1.0)).verdict == "reasoning"


def test_periods_without_alike_rows_are_not_judged():
    X = np.random.default_rng(0).normal(size=(200, 2))
    before, after = (pellucid.explain(lambda r: r @ [1.0, 1.0], part, background=X[:20]) for part in (X, X + 50.0))
    found = compare(before, after)
    assert found.reasoning_shift is None
    assert "cannot be told" in " ".join(found.sentences())
    assert found.data_shift


def test_another_background_is_pointed_out():
    X = np.random.default_rng(0).normal(size=(200, 2))
    before, after = (pellucid.explain(lambda r: r @ [1.0, 1.0], X, background=b) for b in (X[:20], X[:20] + 1))
    found = compare(before, after)
    assert found.reasoning_shift
    assert "different backgrounds" in found.notes[0]


def test_wrong_pairs_are_refused():
    X = np.random.default_rng(0).normal(size=(80, 2))
    one = pellucid.explain(lambda r: r[:, 0], X, background=X[:5])
    for other, message in (
        ("text", "must be an Explanation"),
        (one.take(rows=range(10)), "at least 50"),
        (one.take(features=["x0"]), "same features"),
        (replace(one, space=pellucid.Space.PROBABILITY), "one space"),
        (replace(one, outputs=("other",)), "no output 'prediction'"),
        (replace(one, data=None), "no data"),
    ):
        with pytest.raises(InputError, match=message):
            compare(one, other)
    for change in ({"level": 0}, {"material": 1}, {"level": True}):
        with pytest.raises(InputError, match="between 0 and 1"):
            compare(one, one, **change)


def test_frames_and_dicts_say_the_same():
    found = simulated("data", 2, n=120)
    assert found.to_dict()["verdict"] == found.verdict
    assert list(found.to_frame()["feature"]) == [feature.feature for feature in found.features]
    assert found.sentences()[0] in repr(found)
