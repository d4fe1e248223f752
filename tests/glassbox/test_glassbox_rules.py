"""The rule search against a slow definition that tries every rule on every row."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, norm

from pellucid._base.statistics import wilson
from pellucid.glassbox import RuleList, RuleListRegressor


def log_likelihood(labels):
    """Of rows at their own class shares."""
    counts = np.array([np.sum(labels == label) for label in set(labels.tolist())])
    return float((counts * np.log(counts / counts.sum())).sum())


def singles(X):
    """Every single condition, as words and rows: limits between neighbouring values, categories, missing."""
    found = []
    for name in X:
        values = X[name]
        if values.dtype.kind == "f":
            distinct = np.sort(values.dropna().unique())
            for low in distinct[:-1]:
                found += [(name, (values <= low).to_numpy()), (name, (values > low).to_numpy())]
        else:
            for value in values.dropna().unique():
                is_value = (values == value).fillna(value=False).to_numpy(dtype=bool)
                found += [(name, is_value), (name, ~is_value)]
        if values.isna().any():
            found.append((name, values.isna().to_numpy()))
    return found


def slow_list(X, y, *, max_conditions, min_share, alpha):
    """Rows of each rule, in order: the best by gain minus price among all conjunctions."""
    conditions = singles(X)
    left, parts = np.ones(len(y), dtype=bool), []
    while len(parts) < 9:
        best = None
        for depth in range(1, max_conditions + 1):
            for chosen in combinations(conditions, depth):
                rows = left & np.logical_and.reduce([rows for _, rows in chosen])
                if not min_share * len(y) <= rows.sum() <= left.sum() / 2:
                    continue
                gain = log_likelihood(y[rows]) + log_likelihood(y[left & ~rows]) - log_likelihood(y[left])
                price = depth * np.log(len(conditions))
                is_chance = chi2.logsf(2 * gain, len(set(y.tolist())) - 1) + price > np.log(alpha)
                if not is_chance and (best is None or gain - price > best[0] + 1e-9):
                    best = (gain - price, rows)
        if best is None:
            break
        parts.append(best[1])
        left &= ~best[1]
    return [*parts, left]


@pytest.mark.parametrize("seed", range(4))
def test_single_conditions_against_the_slow_definition(seed):
    rng = np.random.default_rng(seed)
    n = 200
    X = pd.DataFrame({"u": rng.integers(0, 7, n).astype(float), "c": rng.choice(["p", "q", "r"], n)})
    X.loc[::13, "u"] = np.nan
    y = np.where((X["u"] > 4) | (X["c"] == "q") & (rng.random(n) < 0.7), "yes", "no")
    model = RuleList(max_conditions=1).fit(X, y)
    expected = slow_list(X, y, max_conditions=1, min_share=0.02, alpha=0.05)
    position = model.apply(X)
    assert len(model.rules_) == len(expected) > 2
    for number, rows in enumerate(expected):
        np.testing.assert_array_equal(position == number, rows)


def test_pairs_against_the_slow_definition():
    rng = np.random.default_rng(3)
    n = 300
    X = pd.DataFrame({name: rng.integers(0, 4, n).astype(float) for name in "abc"})
    y = np.where(((X["a"] > 1) & (X["b"] > 1)) ^ (rng.random(n) < 0.05), 1, 0)
    model = RuleList().fit(X, y)
    expected = slow_list(X, y, max_conditions=2, min_share=0.02, alpha=0.05)
    assert model.rules_[0].text == "a > 1 and b > 1"
    np.testing.assert_array_equal(model.apply(X) == 0, expected[0])


def test_probabilities_by_hand():
    X = {"late": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] * 4}
    y = ["good" if late < 6 else "bad" for late in X["late"]]
    model = RuleList().fit(X, y)
    # 16 of 16 are bad; one row's worth of the overall shares (0.4 bad, 0.6 good) is added
    np.testing.assert_allclose(model.predict_proba({"late": [8]}), [[16.4 / 17, 0.6 / 17]])
    assert model.rules()["value"] == [1.0, 1.0]
    assert model.rule_of({"late": [8, 2]}) == [
        "Rule 1 of 2: if late > 5, then ‘bad’ (100 % of 16 rows, 95 % interval 80.6 % to 100 %).",
        "Rule 2 of 2: if no rule above holds, then ‘good’ (100 % of 24 rows, 95 % interval 86.2 % to 100 %).",
    ]


def test_every_row_is_decided_by_the_rule_it_is_told():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"u": rng.normal(size=500), "v": rng.normal(size=500), "c": rng.choice(["x", "y"], 500)})
    X.loc[::9, "v"] = np.nan
    y = np.digitize(X["u"] + (X["c"] == "x") * X["v"].fillna(0), [-0.5, 0.5])
    model = RuleList(max_conditions=3).fit(X, y)
    told = model.rule_of(X)
    for number, rule in enumerate(model.rules_):
        mine = model.apply(X) == number
        assert all(
            f"Rule {number + 1} of {len(model.rules_)}: if {rule.text}," in told[i] for i in np.flatnonzero(mine)
        )
        assert mine.sum() == rule.rows
    assert sum(model.rules()["rows"]) == 500


def test_noise_gives_no_rules():
    """At level 0.05 at most one list in twenty finds a rule in noise; Bonferroni makes it fewer."""
    found = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        found += len(RuleList().fit(rng.normal(size=(150, 4)), rng.integers(0, 2, 150)).rules_) > 1
    assert found <= 6
    alone = RuleList().fit(np.random.default_rng(1).normal(size=(50, 2)), [0, 1] * 25)
    assert alone.rules()["if"] == ["always"]


def test_weights_are_repetitions():
    rng = np.random.default_rng(2)
    X = pd.DataFrame({"u": rng.integers(0, 30, 300).astype(float), "c": rng.choice(list("abc"), 300)})
    y = np.where(X["u"] + 10 * (X["c"] == "a") + rng.normal(0, 4, 300) > 18, 1, 0)
    weights = rng.integers(0, 4, 300)
    rows = np.repeat(np.arange(300), weights)
    one, other = RuleList().fit(X, y, sample_weight=weights), RuleList().fit(X.iloc[rows], y[rows])
    assert one.rules()["if"] == other.rules()["if"]
    assert one.rules()["rows"] == other.rules()["rows"]
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))


def test_regression_finds_planted_steps():
    rng = np.random.default_rng(4)
    X = {"rooms": rng.integers(1, 9, 400), "noise": rng.normal(size=400)}
    y = np.where(X["rooms"] <= 3, 100.0, 250.0) + rng.normal(0, 5, 400)
    model = RuleListRegressor().fit(X, y)
    assert model.rules()["if"] == ["rooms ≤ 3", "no rule above holds"]
    few = y[X["rooms"] <= 3]
    assert model.rules()["value"][0] == pytest.approx(few.mean())
    half = 1.96 * few.std(ddof=1) / np.sqrt(len(few))
    assert model.rules()["high"][0] - few.mean() == pytest.approx(half, rel=0.03)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_regression_does_not_depend_on_the_unit(scale):
    rng = np.random.default_rng(6)
    X = rng.normal(size=(200, 3))
    y = X[:, 0] + 3 * (X[:, 1] > 0)
    plain, scaled = RuleListRegressor().fit(X, y), RuleListRegressor().fit(X, 7 * scale + scale * y)
    assert plain.rules()["if"] == scaled.rules()["if"]
    np.testing.assert_allclose(scaled.predict(X), 7 * scale + scale * plain.predict(X), rtol=1e-9)


def test_wilson_solves_its_own_equation():
    low, high = wilson(0.2, 50)
    z = norm.ppf(0.975)
    for limit in (low, high):
        assert abs(0.2 - limit) == pytest.approx(z * np.sqrt(limit * (1 - limit) / 50))
    assert wilson(0.0, 10)[0] == 0
    assert wilson(0.0, 0) == (0, 1)
