"""The ladder on planted problems, and its intervals against slow definitions."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.preprocessing import LabelEncoder
from sklearn.svm import LinearSVC

from pellucid._base.errors import InputError
from pellucid.glassbox import RUNGS, ladder
from pellucid.glassbox.metrics import area_under_curve, fit_quality, log_loss


def row(result, name):
    return next(one for one in result.rows if one.name == name)


def xor(n, seed):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 2)), columns=["u", "v"])
    return X, np.where((X["u"] * X["v"] > 0) ^ (rng.random(n) < 0.05), "yes", "no")


def linear(n, seed):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 3)), columns=["u", "v", "w"])
    return X, (X["u"] - X["v"] + rng.logistic(size=n) > 0).to_numpy().astype(int)


def test_a_linear_truth_costs_nothing():
    (X, y), (X_train, y_train) = linear(1500, 0), linear(1500, 1)
    model = LogisticRegression().fit(X_train, y_train)
    result = ladder(model, X, y, X_train=X_train, y_train=y_train, rungs=[RUNGS["linear"], RUNGS["scorecard"]])
    price = row(result, "linear")
    assert abs(price.price) < 0.002
    assert price.price_low <= 0 <= price.price_high
    assert "do not show that the given model is better than linear" in result.sentence
    assert result.task == "binary"
    assert result.n == 1500


def test_a_model_that_was_fitted_again_is_not_passed_off_as_the_given_one():
    (X, y), (X_train, y_train) = linear(300, 0), linear(300, 1)
    model = LogisticRegression().fit(X_train, y_train)
    again = ladder(model, X, y, rungs=[RUNGS["linear"]])
    assert again.sentence.startswith("On 300 rows, fitted again on 5 folds of them, the given model has AUC")
    as_given = ladder(model, X, y, X_train=X_train, y_train=y_train, rungs=[RUNGS["linear"]])
    assert as_given.sentence.startswith("On 300 held-out rows the given model has AUC")


def test_xor_is_where_a_black_box_buys_something():
    (X, y), (X_train, y_train) = xor(800, 0), xor(1500, 1)
    model = RandomForestClassifier(60, min_samples_leaf=5, random_state=0).fit(X_train, y_train)
    result = ladder(model, X, y, X_train=X_train, y_train=y_train, rungs=[RUNGS["linear"], RUNGS["scorecard"]])
    for name in ("linear", "scorecard"):
        assert row(result, name).price_low > 0.2
    assert "the given model is better than every interpretable one here" in result.sentence


def test_a_worse_black_box_has_a_negative_price():
    (X, y), (X_train, y_train) = linear(1500, 0), linear(1500, 1)
    model = LogisticRegression().fit(X_train[["w"]], y_train)
    result = ladder(
        lambda frame: model.predict_proba(frame[["w"]]), X, y, X_train=X_train, y_train=y_train, rungs=[RUNGS["linear"]]
    )
    assert row(result, "linear").price_high < 0
    assert "linear is better than the given model" in result.sentence


def test_metrics_are_scikit_learns_own():
    (X, y), (X_train, y_train) = linear(400, 0), linear(400, 1)
    model = RandomForestClassifier(20, random_state=0).fit(X_train, y_train)
    weights = np.random.default_rng(0).uniform(0, 2, 400)
    result = ladder(model, X, y, X_train=X_train, y_train=y_train, sample_weight=weights, fast=True)
    score = model.predict_proba(X)[:, 1]
    given = row(result, "given model")
    assert given.metric == pytest.approx(roc_auc_score(y, score, sample_weight=weights))
    probability = np.clip(model.predict_proba(X), np.finfo(float).eps, 1)
    assert given.second == pytest.approx(sklearn_log_loss(y, probability, sample_weight=weights), rel=1e-6)
    for one in result.rows[1:]:
        assert one.price == pytest.approx(given.metric - one.metric)


def test_refitting_on_folds_never_predicts_seen_rows():
    """A forest that remembers noise has AUC 1 on its own rows and one half on others."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 4)), rng.integers(0, 2, 300)
    model = RandomForestClassifier(30, random_state=0).fit(X, y)
    assert roc_auc_score(y, model.predict_proba(X)[:, 1]) == 1
    result = ladder(model, X, y, fast=True)
    assert result.note == ""
    for one in result.rows:
        assert 0.4 < one.metric < 0.6
    assert "refitted on 5 folds" in result.how


def test_models_that_cannot_be_refitted_get_no_price():
    X, y = linear(300, 0)
    model = LogisticRegression().fit(X, y)
    result = ladder(model.predict_proba, X, y, rungs=[RUNGS["linear"]])
    assert "cannot be refitted" in result.note
    assert row(result, "given model").metric is not None
    assert row(result, "linear").metric is not None
    assert row(result, "linear").price is None
    assert "price" not in result.sentence


def test_a_failing_refit_is_told():
    X, y = linear(300, 0)

    class Fragile(LogisticRegression):
        def fit(self, X, y):
            if len(X) < 300:
                raise ValueError("too few rows for me")
            return super().fit(X, y)

    result = ladder(Fragile().fit(X, y), X, y, rungs=[RUNGS["linear"]])
    assert "too few rows for me" in result.note
    assert row(result, "linear").price is None


def test_an_interval_without_width_is_told():
    X = np.arange(60.0)[:, None]
    result = ladder(lambda rows: rows[:, 0], X, (X[:, 0] >= 30).astype(int), rungs=[RUNGS["linear"]], task="binary")
    given = row(result, "given model")
    assert given.low == given.high == 1
    assert "the interval has no width" in given.note


def test_labels_the_model_was_fitted_on_are_needed():
    X, y = xor(300, 0)
    model = RandomForestClassifier(10, random_state=0).fit(X, LabelEncoder().fit_transform(y))
    with pytest.raises(InputError, match="labels the model does not know"):
        ladder(model, X, y, X_train=X, y_train=y)


def test_without_a_model_the_rungs_stand_alone():
    X, y = linear(300, 0)
    result = ladder(None, X, y, fast=True)
    assert [one.name for one in result.rows] == ["linear", "scorecard", "tree", "rules"]
    assert result.sentence.startswith("The best interpretable model, linear, has AUC")


def test_regression_and_its_second_metric():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    y = X[:, 0] + 0.5 * rng.normal(size=400)
    model = LinearRegression().fit(X[:200], y[:200])
    result = ladder(model, X[200:], y[200:], X_train=X[:200], y_train=y[:200], fast=True)
    assert (result.metric, result.second_metric) == ("R²", "RMSE")
    given = row(result, "given model")
    assert given.metric == pytest.approx(r2_score(y[200:], model.predict(X[200:])))
    assert given.second == pytest.approx(np.sqrt(np.mean((y[200:] - model.predict(X[200:])) ** 2)))
    assert abs(row(result, "linear").price) < 0.01
    assert row(result, "tree").price_low > 0
    again = ladder(model, X[200:], y[200:], X_train=X[:200], y_train=y[:200], fast=True)
    drop = ("seconds",)
    assert [{k: v for k, v in vars(a).items() if k not in drop} for a in result.rows] == [
        {k: v for k, v in vars(a).items() if k not in drop} for a in again.rows
    ]


def test_three_classes_mixed_types_and_margins():
    rng = np.random.default_rng(0)
    n = 450
    X = pd.DataFrame({"u": rng.normal(size=n), "c": rng.choice(["p", "q"], n), "b": rng.random(n) < 0.5})
    X.loc[::10, "u"] = np.nan
    y = np.array(["low", "mid", "top"])[np.digitize(X["u"].fillna(1) + X["b"], [0, 1])]
    result = ladder(None, X, y, fast=True)
    assert result.metric == "mean one-vs-rest AUC"
    assert all(one.metric > 0.7 for one in result.rows)
    margin = LinearSVC(random_state=0).fit(X[["b"]], y)
    assert ladder(margin, X[["b"]], y, rungs=[RUNGS["linear"]]).rows[0].second is None


@pytest.mark.heavy
def test_every_rung_shows_itself_and_ebm_takes_part():
    pytest.importorskip("interpret")
    X, y = xor(400, 0)
    X.loc[::9, "u"] = np.nan
    result = ladder(None, X, y)
    assert set(result.descriptions) == set(RUNGS)
    assert row(result, "EBM").metric > 0.8
    assert all(one.note == "" for one in result.rows)


def test_a_rung_that_needs_a_package_says_how_to_install_it(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "interpret.glassbox", None)
    X, y = linear(200, 0)
    result = ladder(None, X, y)
    assert "pip install 'pellucid[ebm]'" in row(result, "EBM").note
    assert row(result, "EBM").metric is None
    assert row(result, "linear").metric is not None


def test_progress_counts_every_fit():
    X, y = linear(200, 0)
    seen = []
    ladder(None, X, y, rungs=[RUNGS["linear"]], progress=lambda task, done, total: seen.append((task, done, total)))
    assert seen[-1] == ("ladder", 6, 6)


def test_bad_input_is_told():
    X, y = linear(100, 0)
    model = LogisticRegression().fit(X, y)
    with pytest.raises(InputError, match="X_train and y_train belong together"):
        ladder(model, X, y, X_train=X)
    with pytest.raises(InputError, match="y has one value only"):
        ladder(model, X, np.zeros(100, dtype=int))
    with pytest.raises(InputError, match="one value per row, 100"):
        ladder(model, X, y[:7])
    with pytest.raises(InputError, match="at least 10 rows"):
        ladder(None, X[:6], X["u"].to_numpy()[:6], task="regression")
    with pytest.raises(InputError, match="two rows of every class"):
        ladder(None, X[:20], [0] * 19 + [1])
    with pytest.raises(InputError, match="sample_weight must be 100 finite numbers"):
        ladder(model, X, y, sample_weight=np.full(100, np.nan))
    with pytest.raises(InputError, match="task must be one of"):
        ladder(None, X, y, task="ranking")
    with pytest.raises(InputError, match="y must be numbers for a regression"):
        ladder(None, X, np.where(y, "a", "b"), task="regression")
    with pytest.raises(InputError, match="y has labels that y_train lacks: 2"):
        ladder(None, X, [*y[:-1], 2], X_train=X, y_train=y)


def slow_area(scores, positive, weights):
    total = hits = 0.0
    for i in np.flatnonzero(positive):
        for j in np.flatnonzero(~positive):
            total += weights[i] * weights[j]
            hits += weights[i] * weights[j] * ((scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j]))
    return hits / total


def test_area_against_all_pairs():
    rng = np.random.default_rng(0)
    scores, labels, weights = rng.integers(0, 6, 60) / 6.0, rng.integers(0, 2, 60), rng.uniform(0.5, 2, 60)
    area = area_under_curve(np.column_stack([-scores, scores]), labels, weights, [np.arange(60)])
    assert area.value == pytest.approx(slow_area(scores, labels == 1, weights))
    folds = [np.arange(30), np.arange(30, 60)]
    area = area_under_curve(np.column_stack([-scores, scores]), labels, weights, folds)
    parts = [slow_area(scores[fold], labels[fold] == 1, weights[fold]) for fold in folds]
    assert area.value == pytest.approx(np.mean(parts))


def delong_variance(one, other, positive):
    """DeLong's variance of a difference of two AUCs from its covariance matrices, pair by pair."""

    def placements(scores):
        above = scores[positive][:, None] - scores[~positive][None, :]
        wins = (above > 0) + 0.5 * (above == 0)
        return wins.mean(axis=1), wins.mean(axis=0)

    (a10, a01), (b10, b01) = placements(one), placements(other)
    contrast = np.array([1.0, -1.0])
    return contrast @ (np.cov(a10, b10) / len(a10) + np.cov(a01, b01) / len(a01)) @ contrast


def test_price_interval_is_delongs():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 120)
    one, other = labels + rng.normal(size=120), labels + rng.normal(0, 2, 120)
    areas = [area_under_curve(np.column_stack([-s, s]), labels, np.ones(120), [np.arange(120)]) for s in (one, other)]
    price = areas[0].minus(areas[1])
    half = 1.959964 * np.sqrt(delong_variance(one, other, labels == 1))
    assert price.high - price.value == pytest.approx(half, rel=1e-6)


def test_price_intervals_cover():
    """400 samples with a known difference in AUC: 95 % intervals must cover it in 95 % ± 3.3 points (3 s.e.)."""
    from scipy.stats import norm

    truth = norm.cdf(1 / np.sqrt(2)) - norm.cdf(0.5 / np.sqrt(2))
    hits = alone = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        labels = np.repeat([0, 1], [90, 60])
        shared = rng.normal(size=150)
        one = labels + 0.6 * shared + 0.8 * rng.normal(size=150)
        other = 0.5 * labels + 0.6 * shared + 0.8 * rng.normal(size=150)
        areas = [
            area_under_curve(np.column_stack([-s, s]), labels, np.ones(150), [np.arange(150)]) for s in (one, other)
        ]
        price = areas[0].minus(areas[1])
        hits += price.low <= truth <= price.high
        own = areas[0].interval()
        alone += own.low <= norm.cdf(1 / np.sqrt(2)) <= own.high
    assert 0.917 <= hits / 400 <= 0.983
    assert 0.917 <= alone / 400 <= 0.983


def test_r2_bootstrap_against_its_definition():
    rng = np.random.default_rng(0)
    y, weights = rng.normal(size=80), rng.uniform(0.5, 2, 80)
    predictions = [y + rng.normal(size=80), 0.5 * y]
    fits = fit_quality(predictions, y, weights, random_state=3)
    for k, prediction in enumerate(predictions):
        assert fits.r2[k] == pytest.approx(r2_score(y, prediction, sample_weight=weights))
    from pellucid._base.randomness import stream

    rows = stream(3, "ladder.bootstrap").integers(0, 80, 80)
    expected = r2_score(y[rows], predictions[0][rows], sample_weight=weights[rows])
    assert fits.resampled[0, 0] == pytest.approx(expected)
    interval = fits.minus(1, 0)
    assert interval.low < interval.value < interval.high


def test_log_loss_of_certainty_stays_finite():
    assert log_loss(np.array([[1.0, 0.0]]), np.array([1]), np.ones(1)) == pytest.approx(-np.log(np.finfo(float).eps))
