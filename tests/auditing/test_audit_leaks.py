"""Leaks that were planted must be found; honest strong predictors must not be called leaks."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from pellucid.auditing.checks.leakage import LEAKAGE, SEEN_ROWS
from pellucid.auditing.findings import Verdict
from pellucid.auditing.leaks import column_scores, fold_of_rows, suspect_levels
from pellucid.auditing.metrics import auc
from pellucid.auditing.subject import Subject
from pellucid.table import Table


def outcomes(seed, n=1500, base=-1.5):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 3))
    p = 1 / (1 + np.exp(-(base + 1.2 * z[:, 0] - 0.8 * z[:, 1])))
    return rng, z, (rng.random(n) < p).astype(int)


def levels(X, y, **options):
    return suspect_levels(Table.of(X), y, 2, **{"fewest": 10, "purity": 0.85, "odds": 10.0} | options)[0]


@pytest.mark.parametrize("seed", range(5))
def test_a_rare_level_that_decides_is_found_although_its_auc_is_small(seed):
    rng, z, y = outcomes(seed)
    refused = np.where((y == 1) & (rng.random(len(y)) < 0.15) | (rng.random(len(y)) < 0.001), "yes", "no")
    found = levels({"refused": refused, "z": z[:, 0]}, y)
    assert [(level.column, level.value, level.outcome) for level in found] == [("refused", "yes", 1)]
    assert auc((refused == "yes").astype(float), y == 1)(np.ones(len(y))) < 0.65


@pytest.mark.parametrize("value", [np.nan, 999.0])
def test_a_missing_or_special_number_that_decides_is_found(value):
    rng, z, y = outcomes(3)
    z[(y == 1) & (rng.random(len(y)) < 0.3), 2] = value
    assert [level.column for level in levels({"x": z[:, 2], "w": z[:, 0]}, y)] == ["x"]


@pytest.mark.parametrize("seed", range(20))
def test_honest_strong_predictors_are_not_suspect(seed):
    rng = np.random.default_rng(seed)
    n = 2000
    steep = rng.normal(size=n)
    grades = rng.integers(0, 6, n)
    group = rng.choice(["a", "b", "c"], n)
    base = rng.choice([-2.0, 0.0, 2.0])
    score = base + 2.5 * steep + 1.2 * (grades - 2.5) + np.select([group == "a", group == "b"], [1.5, -1.0], 0.0)
    y = (rng.random(n) < 1 / (1 + np.exp(-score))).astype(int)
    X = {
        "steep": steep,
        "rounded": np.round(steep, 1),
        "coarse": np.round(2 * steep) / 2,
        "grades": grades,
        "group": group,
        "often missing": np.where(rng.random(n) < 0.3, np.nan, steep),
        "noise": rng.choice(list("abcdefghijklmnop"), n),
    }
    assert levels(X, y) == []


def test_a_unique_name_per_row_says_nothing_out_of_sample():
    _, _, y = outcomes(0, n=600)
    names = np.array([f"id{i}" for i in range(600)], dtype=object)
    scores = column_scores(names, y, 2, fold_of_rows(y, 2, 0))
    assert abs(auc(scores[:, 1], y == 1)(np.ones(600)) - 0.5) < 0.05


def test_a_category_is_worth_what_its_levels_are_worth():
    """Out of sample a category ranks rows by the rates of its levels, no more and no less."""
    rng = np.random.default_rng(4)
    group = rng.choice(["a", "b", "c", None], 2000)
    rate = {"a": 0.1, "b": 0.3, "c": 0.6, None: 0.8}
    true_rate = np.array([rate[value] for value in group.tolist()])
    y = (rng.random(2000) < true_rate).astype(int)
    scores = column_scores(group, y, 2, fold_of_rows(y, 2, 0))[:, 1]
    best = auc(true_rate, y == 1)(np.ones(2000))
    assert auc(scores, y == 1)(np.ones(2000)) == pytest.approx(best, abs=0.02)
    np.testing.assert_allclose([scores[group == value].mean() for value in "abc"], [0.1, 0.3, 0.6], atol=0.05)


def test_the_rest_of_a_rare_outcome_is_no_level_that_decides():
    """Where the outcome is rare, nearly every row of any common level lacks it; that says nothing."""
    rng, z, y = outcomes(8, n=3000, base=-3.5)
    marked = np.where((y == 1) & (rng.random(len(y)) < 0.5), "yes", "no")
    assert [level.value for level in levels({"marked": marked, "z": z[:, 0]}, y)] == ["yes"]


def test_a_step_in_a_number_is_found_out_of_sample():
    rng, _, y = outcomes(1, n=600)
    column = rng.random(600) + y * 5.0
    scores = column_scores(column, y, 2, fold_of_rows(y, 2, 0))
    assert auc(scores[:, 1], y == 1)(np.ones(600)) > 0.999


def test_folds_keep_the_classes_in_proportion():
    _, _, y = outcomes(2, n=503)
    folds = fold_of_rows(y, 2, 0)
    counts = [y[folds == k].sum() for k in range(5)]
    assert max(counts) - min(counts) <= 1
    assert np.bincount(folds).max() - np.bincount(folds).min() <= 1


def leaky_subject(*, leak, used=True, n=1500):
    rng, z, y = outcomes(5, n=n)
    X = pd.DataFrame(z, columns=["a", "b", "c"])
    if leak == "rare":
        X["leak"] = ((y == 1) & (rng.random(n) < 0.3)).astype(int)
    elif leak == "whole":
        X["leak"] = y + rng.normal(0, 0.05, n)
    else:
        X["leak"] = rng.normal(size=n)
    fitted = X if used else X.assign(leak=rng.permutation(X["leak"]))
    model = HistGradientBoostingClassifier(max_iter=30, random_state=0).fit(fitted[:1000], y[:1000])
    return Subject.of(model, X[1000:], y[1000:], X_train=X[:1000], y_train=y[:1000], progress=False)


@pytest.mark.parametrize(
    ("leak", "used", "verdict"),
    [
        ("rare", True, Verdict.FAIL),
        ("rare", False, Verdict.WARN),
        ("whole", True, Verdict.FAIL),
        ("none", True, Verdict.PASS),
    ],
)
def test_the_check_judges_by_data_and_use(leak, used, verdict):
    found = LEAKAGE.run(leaky_subject(leak=leak, used=used))
    assert found.verdict is verdict, found.statement
    assert ("‘leak’" in found.statement) == (verdict is not Verdict.PASS)


def test_regression_leak_by_r_squared():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(500, 2)), columns=["a", "b"])
    y = X["a"] + rng.normal(size=500)
    honest = Subject.of(None, X, y, progress=False)
    leaky = Subject.of(None, X.assign(leak=y + rng.normal(0, 0.01, 500)), y, progress=False)
    assert LEAKAGE.run(honest).verdict is Verdict.PASS
    found = LEAKAGE.run(leaky)
    assert found.verdict in (Verdict.WARN, Verdict.FAIL)
    assert "‘leak’" in found.statement


def test_rows_seen_in_training():
    _, z, y = outcomes(6, n=400)
    X = pd.DataFrame(z, columns=["a", "b", "c"])

    def subject(held_out):
        return Subject.of(
            lambda X: np.full(len(X), 0.5) + 0 * X["a"], X.iloc[held_out], y[held_out],
            X_train=X[:300], y_train=y[:300], progress=False,
        )  # fmt: skip

    assert SEEN_ROWS.run(subject(np.arange(300, 400))).verdict is Verdict.PASS
    seen = SEEN_ROWS.run(subject(np.r_[0:50, 300:350]))
    assert seen.verdict is Verdict.WARN
    assert seen.measures[0].value == 0.5
