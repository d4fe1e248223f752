"""The split of a gap against the game written out, and against models whose cause was planted."""

from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression

from pellucid._base.errors import InputError
from pellucid.datasets import load_hmda
from pellucid.fairness import coupling, gap
from pellucid.fairness.coupling import Pairs, shapley_walks
from pellucid.table import Table


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def game_by_hand(f, first, second):
    """Shapley values of v(S) = mean over all pairs of f(first in S, second elsewhere), by the definition."""
    features = first.shape[1]

    def v(shown):
        mixed = np.repeat(second[None], len(first), axis=0)
        mixed[:, :, list(shown)] = first[:, None, list(shown)]
        return f(mixed.reshape(-1, features)).mean()

    result = np.zeros(features)
    for j in range(features):
        others = [k for k in range(features) if k != j]
        for size in range(features):
            weight = factorial(size) * factorial(features - size - 1) / factorial(features)
            result[j] += sum(weight * (v((*s, j)) - v(s)) for s in combinations(others, size))
    return result


def two_groups(seed, n=70, m=50):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(0.5, 1.2, (n, 4)), rng.normal(0, 1, (m, 4))
    return np.vstack([first, second]), np.repeat(["b", "a"], [n, m]), first, second


def test_the_score_of_a_tree_ensemble_is_split_exactly():
    X, group, first, second = two_groups(0)
    model = HistGradientBoostingRegressor(max_iter=15, random_state=0).fit(X, X[:, 0] * X[:, 1] + X[:, 2])
    found = gap(model, X, sensitive_features=group, group="b", reference="a")
    np.testing.assert_allclose(found.values[:, 0], game_by_hand(model.predict, first, second), atol=1e-9)
    whole = model.predict(first).mean() - model.predict(second).mean()
    assert found.total[0] == pytest.approx(whole, abs=1e-9 * np.ptp(model.predict(X)))


@pytest.mark.parametrize("measure", ["score", "selection"])
def test_a_function_is_split_within_its_interval_and_sums_exactly(measure):
    X, group, first, second = two_groups(1, 300, 240)

    def model(rows):
        return sigmoid(1.5 * rows[:, 0] + rows[:, 1] * rows[:, 2])

    def outcome(rows):
        return (model(rows) >= 0.5).astype(float) if measure == "selection" else model(rows)

    found = gap(model, X, sensitive_features=group, measure=measure, group="b", reference="a")
    whole = outcome(first).mean() - outcome(second).mean()
    assert found.values.sum() == pytest.approx(whole, abs=1e-9)
    assert found.total[0] == pytest.approx(whole, abs=1e-9)
    half = (found.high - found.low)[:, 0] / 2
    assert (np.abs(found.values[:, 0] - game_by_hand(outcome, first, second)) <= half + 1e-12).all()
    assert np.abs(found.values[3, 0]) <= half[3]


def test_the_gap_in_errors_is_the_difference_of_the_error_rates():
    X, group, *_ = two_groups(2, 200, 200)
    y = sigmoid(X[:, 0]) > np.random.default_rng(3).random(400)
    model = LogisticRegression().fit(X, y)
    found = gap(model, X, sensitive_features=group, y=y, measure="error", group="b", reference="a")
    wrong = model.predict(X) != y
    assert found.total[0] == pytest.approx(wrong[group == "b"].mean() - wrong[group == "a"].mean(), abs=1e-12)
    assert found.values.sum() + found.base[0] == pytest.approx(found.total[0], abs=1e-12)


def test_coupled_pairs_keep_both_groups_means():
    rng = np.random.default_rng(4)
    pairs = Pairs.coupled(np.arange(7), np.arange(7, 18), rng)
    assert len(pairs.first) <= 7 + 11 - 1
    assert np.bincount(pairs.first, weights=pairs.weight) == pytest.approx(np.full(7, 1 / 7), abs=1e-15)
    assert np.bincount(pairs.second, weights=pairs.weight)[7:] == pytest.approx(np.full(11, 1 / 11), abs=1e-15)


def test_walks_have_no_bias(monkeypatch):
    monkeypatch.setattr(coupling, "MODEL_ROWS", 200_000)
    one, other = np.array([[1.0, 2, 3]]), np.array([[0.0, 1, 1]])
    table = Table.of(np.repeat(np.vstack([other, one]), [1, 1], axis=0))
    own, start = np.ones(4000, dtype=np.int64), np.zeros(4000, dtype=np.int64)

    def outcome(rows, _):
        cells = np.asarray(rows.as_array(), dtype=float)
        return cells[:, 0] * cells[:, 1] * cells[:, 2]

    parts, _ = shapley_walks(table, own, start, outcome, random_state=0, purpose="test")
    exact = game_by_hand(lambda rows: rows.prod(axis=1), one, other)
    assert parts.mean(axis=0) == pytest.approx(exact, abs=4 * parts.std(axis=0).max() / np.sqrt(4000))
    assert parts.sum(axis=1) == pytest.approx(np.full(4000, 6.0))


def test_errors_of_paired_rows_are_those_of_repeated_samples():
    rng = np.random.default_rng(6)
    estimates, errors = [], []
    for _ in range(400):
        first, second = rng.normal(size=40), rng.normal(size=90) * 2
        pairs = Pairs.coupled(np.arange(40), np.arange(40, 130), rng)
        values = np.concatenate([first, second])
        steps = (values[pairs.first] - values[pairs.second])[:, None]
        estimates.append(pairs.mean(steps)[0])
        errors.append(pairs.error(steps)[0])
    assert np.mean(errors) == pytest.approx(np.std(estimates), rel=0.12)


def planted(kind, seed, n=2000):
    """2,000 people, two fifths of them in the smaller group, and a model with one cause of a gap, or none."""
    rng = np.random.default_rng(seed)
    member = rng.random(n) < 0.4
    X = pd.DataFrame(rng.normal(size=(n, 5)), columns=list("uvwxz"))
    X["member"] = np.where(member, "b", "a")
    coefficient = {"direct": ("own", -0.6), "proxy": ("x", -0.6)}.get(kind)
    if kind == "proxy":
        X["x"] += 0.8 * member
    if kind == "interaction":
        X.loc[member, "x"] = 0.8 * X.loc[member, "z"] + 0.6 * X.loc[member, "x"]
    if kind == "unused proxy":
        X["w"] += 1.5 * member

    def model(rows):
        score = 0.8 * rows["u"] - 0.5 * rows["v"] + (0.8 * rows["x"] * rows["z"] if kind == "interaction" else 0)
        if coefficient:
            own = (rows["member"] == "b").astype(float) if coefficient[0] == "own" else rows["x"]
            score = score + coefficient[1] * own
        return sigmoid(score.to_numpy())

    chance = model(X)
    y = rng.random(n) < chance**3 / (chance**3 + (1 - chance) ** 3)
    flipped = rng.random(n) < {"labels": 0.2 * member, "noise everywhere": 0.2}.get(kind, 0)
    return model, X, y ^ flipped


CAUSES = {
    ("direct", "score"): ("direct", ("member",)),
    ("direct", "selection"): ("direct", ("member",)),
    ("proxy", "score"): ("proxy", ("x",)),
    ("proxy", "selection"): ("proxy", ("x",)),
    ("interaction", "score"): ("interaction", ("x", "z")),
    ("interaction", "selection"): ("interaction", ("x", "z")),
    ("labels", "error"): ("labels", ()),
    ("none", "score"): None,
    ("none", "selection"): None,
    ("none", "error"): None,
    ("unused proxy", "score"): None,
    ("noise everywhere", "error"): None,
}


def named(kind, measure, seed):
    model, X, y = planted(kind, seed)
    found = gap(model, X, sensitive_features="member", y=y, measure=measure)
    return [(cause.kind, cause.features) for cause in found.causes]


@pytest.mark.parametrize(("kind", "measure"), CAUSES)
def test_the_planted_cause_is_named(kind, measure):
    right = CAUSES[kind, measure]
    assert named(kind, measure, 0) == ([] if right is None else [right])


@pytest.mark.heavy
@pytest.mark.parametrize(("kind", "measure"), CAUSES)
def test_the_planted_cause_is_named_in_95_of_100_draws(kind, measure):
    right = CAUSES[kind, measure]
    draws = [named(kind, measure, seed) for seed in range(100)]
    assert sum(found == ([] if right is None else [right]) for found in draws) >= 95


def harder(kind, seed, n=2000):
    """A gap through two proxies that go together, through a town, or of a group of forty, or of one of three."""
    rng = np.random.default_rng([seed, 77])
    group = {"forty": np.where(np.arange(n) < 40, "b", "a"), "three": rng.choice(list("abc"), n, p=[0.5, 0.3, 0.2])}
    X = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("uvxz"))
    X["member"] = group.get(kind, np.where(rng.random(n) < 0.4, "b", "a"))
    member = X["member"] == ("c" if kind == "three" else "b")
    X["town"] = np.where(rng.random(n) < np.where(member & (kind in ("town", "twin")), 0.7, 0.2), "north", "south")
    if kind == "two":
        X[["x", "z"]] = 0.6 * X[["x", "z"]] + np.outer(0.7 * member + 0.8 * rng.normal(size=n), [1, 1])
    if kind in ("forty", "three"):
        X["x"] += (2.5 if kind == "forty" else 1.2) * member  # forty people show only a large part
    if kind == "twin":
        X["twin"] = (X["town"] == "north").astype(float)

    def model(rows):
        through = 0.9 * (rows["town"] == "north") if kind in ("town", "twin") else 0.4 * (rows["x"] + rows["z"])
        return sigmoid((0.8 * rows["u"] - 0.5 * rows["v"] - through).to_numpy())

    return model, X


HARDER = {"two": {"x", "z"}, "town": {"town"}, "twin": {"town"}, "forty": {"x"}, "three": {"x"}}


@pytest.mark.parametrize("seeds", [range(1), pytest.param(range(1, 41), marks=pytest.mark.heavy)], ids=len)
@pytest.mark.parametrize("kind", HARDER)
def test_harder_causes_are_named(kind, seeds):
    right = 0
    for seed in seeds:
        model, X = harder(kind, seed)
        found = gap(model, X, sensitive_features="member")
        assert found.group == ("c" if kind == "three" else "b")
        right += {(cause.kind, *cause.features) for cause in found.causes} == {("proxy", x) for x in HARDER[kind]}
    assert right >= 0.95 * len(seeds)


def test_a_copy_of_the_group_under_another_name_is_direct():
    model, X, _ = planted("direct", 1)
    found = gap(model, X, sensitive_features=X["member"].map({"a": "red", "b": "blue"}))
    assert [cause.kind for cause in found.causes] == ["direct"]


def test_mortgage_data_without_race():
    hmda = load_hmda()
    X = hmda.X[["pirat", "lvrat", "chist", "mhist", "unemp"]]
    model = LogisticRegression(max_iter=2000).fit(X, hmda.y)
    found = gap(model, X, sensitive_features=hmda.X["afam"], favorable="no")
    raw = -model.decision_function(X)
    race = hmda.X["afam"] == "yes"
    assert found.values.sum() == pytest.approx(raw[race].mean() - raw[~race].mean(), abs=1e-9 * np.ptp(raw))
    assert (found.group, found.reference, found.n) == ("yes", "no", 339)
    assert "chist" in {name for cause in found.causes for name in cause.features}
    assert found.sentences[0].startswith("The mean score of yes (n = 339) minus that of no (n = 2,041) is −")


def test_the_seed_decides_and_inputs_are_not_changed():
    model, X, _ = planted("proxy", 2, n=300)
    before = X.copy()
    one, again = (gap(model, X, sensitive_features="member", random_state=5) for _ in range(2))
    np.testing.assert_array_equal(one.values, again.values)
    pd.testing.assert_frame_equal(X, before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"measure": "rate"}, "measure must be"),
        ({"measure": "error"}, "needs y"),
        ({"sensitive_features": "sex"}, "not a column of X"),
        ({"sensitive_features": ["a"] * 40}, "two groups"),
        ({"sensitive_features": ["a"] * 5}, "one row per prediction"),
        ({"sensitive_features": [None] * 35 + ["a"] * 5}, "two groups"),
        ({"sensitive_features": np.linspace(0, 1, 40)}, "Bin it first"),
        ({"sensitive_features": [f"g{i}" for i in range(40)]}, "of 40 groups 40 are withheld"),
        ({"group": "c"}, "unknown or too small"),
        ({"group": "a", "reference": "a"}, "must differ"),
        ({"y": [1, 0], "measure": "error"}, "one value per row"),
    ],
)
def test_wrong_arguments_are_refused_with_the_reason(change, message):
    X = np.random.default_rng(0).normal(size=(40, 2))
    arguments = {"sensitive_features": ["a", "b"] * 20, **change}
    with pytest.raises(InputError, match=message):
        gap(LinearRegression().fit(X, X[:, 0]), X, **arguments)
