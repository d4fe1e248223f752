"""Points add up by hand to the linear predictor they were rounded from."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from pellucid._base.errors import InputError
from pellucid.glassbox import Scorecard
from pellucid.glassbox._bins import quantile_cuts, short_between
from pellucid.table import Table


@pytest.fixture(name="loans", scope="module")
def _loans():
    rng = np.random.default_rng(1)
    n = 1500
    X = pd.DataFrame(
        {
            "ratio": np.where(rng.random(n) < 0.08, np.nan, rng.uniform(0, 1, n)),
            "home": rng.choice(["own", "rent", "other"], n, p=[0.5, 0.45, 0.05]),
            "late": rng.integers(0, 6, n),
        }
    )
    log_odds = -1 + 3 * np.nan_to_num(X["ratio"], nan=0.9) + (X["home"] == "rent") + 0.5 * X["late"] - 1
    return X, np.where(log_odds + rng.logistic(size=n) > 1, "deny", "accept")


def by_hand(card, X):
    """Walk the printed table: find each row's bin by its words and add the points."""
    table = pd.DataFrame(card.points_table())
    totals = []
    for _, row in X.iterrows():
        total = table["points"][0]
        for feature, value in row.items():
            lines = table[table["feature"] == feature]
            total += next(line.points for line in lines.itertuples() if fits(line.bin, value))
        totals.append(total)
    return np.array(totals)


def fits(words, value):
    if pd.isna(value):
        return words == "missing"
    if isinstance(value, str):
        return words == value
    if words == "missing":
        return False
    if words == "any number":
        return True
    if words.startswith("≤ "):
        return value <= float(words[2:])
    if words.startswith("> "):
        return value > float(words[2:])
    low, high = map(float, words.split(" to "))
    return low < value <= high


def test_points_add_up_from_the_printed_table(loans):
    X, y = loans
    card = Scorecard().fit(X, y)
    np.testing.assert_array_equal(card.points(X[:200]), by_hand(card, X[:200]))
    np.testing.assert_array_equal(card.points(X), card.points_by_feature(X).sum(axis=1) + card.intercept_points_)


def test_points_are_the_rounded_linear_predictor(loans):
    X, y = loans
    card = Scorecard(pdo=30, base_points=500, base_odds=4).fit(X, y)
    evidence = np.column_stack([card.evidence_[j][bins.codes(Table.of(X))] for j, bins in enumerate(card.bins_)])
    log_odds = card.intercept_ + evidence @ card.coef_
    exact = 500 + 30 / np.log(2) * (log_odds - np.log(4))
    # each of the three features and the intercept is rounded by at most half a point
    assert np.abs(card.points(X) - exact).max() <= 0.5 * 4
    probability = card.predict_proba(X)[:, 1]
    np.testing.assert_allclose(
        np.log(probability / (1 - probability)), np.log(4) + (card.points(X) - 500) * np.log(2) / 30, rtol=1e-9
    )


def test_evidence_by_hand():
    X = {"c": ["a"] * 6 + ["b"] * 4}
    y = [1, 1, 1, 1, 0, 0, 0, 0, 0, 1]
    card = Scorecard().fit(X, y)
    # one row's worth of the overall rate (5 in 10) is added to both bins
    np.testing.assert_allclose(card.evidence_[0][:2], [np.log(4.5 / 2.5), np.log(1.5 / 3.5)])
    assert card.points_table()["share"] == [0.5, 4 / 6, 1 / 4]
    assert card.points_table()["rows"] == [10, 6, 4]


def test_more_points_more_likely(loans):
    X, y = loans
    card = Scorecard().fit(X, y)
    assert roc_auc_score(y == "deny", card.points(X)) > 0.7
    order = np.argsort(card.points(X))
    assert (np.diff(card.predict_proba(X)[order, 1]) >= 0).all()


def test_a_new_category_says_nothing(loans):
    X, y = loans
    card = Scorecard().fit(X, y)
    row = X.iloc[[3]].assign(home="tent")
    assert card.points_by_feature(row)[0, 1] == 0


def test_weights_are_repetitions(loans):
    X, y = loans[0][:300], loans[1][:300]
    weights = np.random.default_rng(0).integers(0, 4, 300)
    rows = np.repeat(np.arange(300), weights)
    one = Scorecard().fit(X, y, sample_weight=weights)
    other = Scorecard().fit(X.iloc[rows], y[rows])
    assert one.points_table() == other.points_table()


def test_calibrated_on_the_whole(loans):
    X, y = loans
    assert Scorecard().fit(X, y).predict_proba(X)[:, 1].mean() == pytest.approx((y == "deny").mean(), abs=0.01)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 0, 0], "y has one class"),
        ([0, 1, 2], "Only binary classification"),
        ([0, 1], "one value per row"),
        (None, "requires y"),
    ],
)
def test_bad_targets_are_told(y, message):
    with pytest.raises(InputError, match=message):
        Scorecard().fit([[1.0], [2.0], [3.0]], y)


@given(st.floats(-1e12, 1e12), st.floats(1e-9, 1e6))
@settings(deadline=None, max_examples=200)
def test_short_numbers_part_the_same_data(low, gap):
    high = low + gap
    if low < high:
        assert low <= short_between(low, high) < high


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=60), st.integers(2, 8))
@settings(deadline=None, max_examples=100)
def test_quantile_cuts_part_the_weight_evenly(values, n_bins):
    values = np.array(values, dtype=float)
    cuts = quantile_cuts(values, np.ones(len(values)), n_bins)
    assert len(cuts) <= n_bins - 1
    assert (np.diff(cuts) > 0).all()
    parts = np.bincount(np.searchsorted(cuts, values), minlength=len(cuts) + 1)
    assert (parts > 0).all()
