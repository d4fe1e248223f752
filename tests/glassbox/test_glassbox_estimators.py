"""Our own estimators keep scikit-learn's contract and read mixed tables as they are."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

from pellucid._base.errors import InputError
from pellucid.glassbox import RuleList, RuleListRegressor, Scorecard, TableEncoder


@pytest.fixture(name="mixed")
def _mixed():
    rng = np.random.default_rng(5)
    n = 400
    frame = pd.DataFrame(
        {
            "age": np.where(rng.random(n) < 0.1, np.nan, rng.normal(40, 10, n).round(1)),
            "job": rng.choice(["clerk", "nurse", "<b>smith</b>"], n),
            "owns": rng.random(n) < 0.4,
            "town": pd.Categorical(rng.choice(["a", "b", "c"], n)),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D"),
        }
    )
    frame.loc[::17, "job"] = None
    log_odds = np.nan_to_num((frame["age"].to_numpy() - 40) / 8) + 1.5 * (frame["job"] == "nurse").to_numpy()
    y = np.where(log_odds + rng.logistic(size=n) > 0.5, "yes", "no")
    return frame, y, log_odds


@pytest.mark.parametrize("estimator", [TableEncoder(), TableEncoder(categories="codes", impute=False)], ids=str)
def test_encoder_keeps_the_contract(estimator):
    check_estimator(estimator, on_skip=None)


@pytest.mark.heavy
@pytest.mark.parametrize("estimator", [Scorecard(), RuleList(), RuleListRegressor()], ids=lambda e: type(e).__name__)
def test_estimators_keep_the_contract(estimator):
    check_estimator(estimator, on_skip=None)


@pytest.mark.parametrize("estimator", [Scorecard(), RuleList()], ids=lambda e: type(e).__name__)
def test_mixed_tables_are_read_as_they_are(estimator, mixed):
    frame, y, log_odds = mixed
    fitted = clone(estimator).fit(frame, y)
    probability = fitted.predict_proba(frame)
    assert probability.shape == (400, 2)
    np.testing.assert_allclose(probability.sum(axis=1), 1, atol=1e-12)
    assert np.corrcoef(probability[:, 1], log_odds)[0, 1] > 0.6
    np.testing.assert_array_equal(fitted.predict_proba(frame.iloc[[7]]), probability[[7]])


@pytest.mark.parametrize("estimator", [Scorecard(), RuleList()], ids=lambda e: type(e).__name__)
def test_the_container_does_not_matter(estimator, mixed):
    frame, y, _ = mixed
    frame = frame[["age", "job", "owns"]]
    one = clone(estimator).fit(frame, y).predict_proba(frame)
    other = pl.DataFrame({name: pl.Series(frame[name].tolist(), strict=False) for name in frame})
    np.testing.assert_array_equal(one, clone(estimator).fit(other, y).predict_proba(other))
    cells = frame.astype(object).to_numpy()
    np.testing.assert_array_equal(one, clone(estimator).fit(cells, y).predict_proba(cells))


def test_encoder_by_hand():
    X = pd.DataFrame({"n": [1.0, np.nan, 3.0, 8.0], "c": ["u", "v", "u", None], "b": [True, False, True, True]})
    encoder = TableEncoder().fit(X)
    assert list(encoder.get_feature_names_out()) == ["n", "n is missing", "c = v", "c = missing", "b"]
    expected = [[1, 0, 0, 0, 1], [3, 1, 1, 0, 0], [3, 0, 0, 0, 1], [8, 0, 0, 1, 1]]
    np.testing.assert_array_equal(encoder.transform(X), expected)
    new = pd.DataFrame({"n": [5.0], "c": ["never seen"], "b": [False]})
    np.testing.assert_array_equal(encoder.transform(new), [[5, 0, 0, 0, 0]])


def test_encoder_codes_and_rare_categories():
    X = pd.DataFrame({"c": ["a"] * 5 + ["b"] * 3 + ["c", "d", None]})
    encoder = TableEncoder(categories="codes", impute=False, max_levels=2).fit(X)
    np.testing.assert_array_equal(encoder.transform(X).ravel(), [0] * 5 + [1] * 3 + [-1, -1, np.nan])
    flags = TableEncoder(drop_reference=False, max_levels=2).fit(X)
    assert list(flags.get_feature_names_out()) == ["c = a", "c = b", "c = any other", "c = missing"]


def test_a_category_called_missing_is_not_a_missing_value():
    X = pd.DataFrame({"c": ["missing", "x", "x", None]})
    encoder = TableEncoder(drop_reference=False).fit(X)
    np.testing.assert_array_equal(encoder.transform(X).sum(axis=0), [2, 1, 1])


def test_names_given_at_either_end_only():
    X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 5.0]])
    frame = pd.DataFrame(X, columns=["p", "q"])
    with pytest.warns(UserWarning, match="feature names"):
        np.testing.assert_array_equal(TableEncoder().fit(frame).transform(X), X)
    with pytest.warns(UserWarning, match="feature names"):
        np.testing.assert_array_equal(TableEncoder().fit(X).transform(frame), X)


def test_text_where_numbers_were():
    with pytest.raises(InputError, match=r"'n' held numbers.*text, such as 'many'"):
        TableEncoder().fit({"n": [1.0, 2.0]}).transform({"n": ["many", "few"]})


def test_infinite_numbers_are_refused():
    with pytest.raises(InputError, match=r"'n' has an infinite number"):
        Scorecard().fit({"n": [1.0, np.inf, 2.0]}, [0, 1, 1])


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (Scorecard(n_bins=1), "n_bins must be a whole number of at least 2; got 1"),
        (Scorecard(min_share=0.7), "min_share must lie between 0 and 0.5"),
        (Scorecard(pdo=0), "pdo must be positive"),
        (RuleList(max_rules=0), "max_rules must be a whole number"),
        (RuleList(alpha=1.5), "alpha must lie between 0 and 1"),
        (TableEncoder(categories="hash"), "categories must be 'flags' or 'codes'"),
    ],
)
def test_bad_options_are_told(estimator, message):
    with pytest.raises(InputError, match=message):
        estimator.fit([[0.0], [1.0], [2.0]], [0, 1, 0])
