"""Figures against their definitions and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as peer

from pellucid._base.statistics import wilson
from pellucid.auditing.metrics import (
    Predictions,
    auc,
    bootstrap,
    brier_loss,
    figures,
    log_loss,
    macro_auc,
    mean_of,
    percentiles,
    r_squared,
)


def auc_by_definition(score, positive, weight):
    """Share of (positive, negative) pairs in order, ties half, by two loops."""
    good = total = 0.0
    for i in np.flatnonzero(positive):
        for j in np.flatnonzero(~positive):
            pair = weight[i] * weight[j]
            total += pair
            good += pair * (1.0 if score[i] > score[j] else 0.5 if score[i] == score[j] else 0.0)
    return good / total


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(4, 30))
def test_auc_is_the_share_of_ordered_pairs(seed, n):
    rng = np.random.default_rng(seed)
    score = rng.integers(0, 5, n).astype(float)
    positive = np.arange(n) % 2 == 0
    weight = rng.integers(0, 3, n) + 0.5
    assert auc(score, positive)(weight) == pytest.approx(auc_by_definition(score, positive, weight), abs=1e-12)


def test_figures_equal_scikit_learn():
    rng = np.random.default_rng(1)
    probability = rng.dirichlet(np.ones(3), 200)
    truth = rng.integers(0, 3, 200)
    weight = rng.random(200)
    of = figures(Predictions(scores=probability, truth=truth, decided=probability.argmax(axis=1), probabilistic=True))
    assert of["accuracy"](weight) == pytest.approx(
        peer.accuracy_score(truth, probability.argmax(axis=1), sample_weight=weight)
    )
    assert of["log loss"](weight) == pytest.approx(peer.log_loss(truth, probability, sample_weight=weight))
    assert of["mean AUC"](np.ones(200)) == pytest.approx(
        peer.roc_auc_score(truth, probability, multi_class="ovr", average="macro")
    )
    assert macro_auc(probability, truth)(np.ones(200)) == of["mean AUC"](np.ones(200))


def test_regression_figures_equal_scikit_learn():
    rng = np.random.default_rng(2)
    truth, weight = rng.normal(size=100), rng.random(100)
    prediction = truth + rng.normal(size=100)
    of = figures(Predictions(scores=prediction[:, None], truth=truth, decided=None, probabilistic=False))
    assert of["R²"](weight) == pytest.approx(peer.r2_score(truth, prediction, sample_weight=weight))
    assert of["RMSE"](weight) == pytest.approx(peer.root_mean_squared_error(truth, prediction, sample_weight=weight))
    assert of["MAE"](weight) == pytest.approx(peer.mean_absolute_error(truth, prediction, sample_weight=weight))


def test_brier_of_two_classes_is_the_usual_one():
    p = np.array([0.2, 0.9, 0.4])
    truth = np.array([0, 1, 1])
    both = np.column_stack([1 - p, p])
    assert brier_loss(both, truth).mean() == pytest.approx(peer.brier_score_loss(truth, p))
    assert log_loss(both, truth).mean() == pytest.approx(peer.log_loss(truth, p))


def test_undefined_figures_are_nan_and_get_no_interval():
    only = np.ones(30, dtype=bool)
    assert np.isnan(auc(np.arange(30.0), only)(np.ones(30)))
    found = bootstrap({"AUC": auc(np.arange(30.0), only)}, np.ones(30), 0, "test")["AUC"]
    assert (found.low, found.high) == (None, None)
    assert np.isnan(r_squared(np.zeros(5), np.ones(5))(np.ones(5)))
    assert percentiles(np.array([1.0] * 90 + [np.nan] * 10)) == (None, None)


def test_bootstrap_covers_the_mean_as_often_as_it_says():
    covered = 0
    for seed in range(200):
        values = np.random.default_rng(seed).exponential(size=60)
        found = bootstrap({"mean": mean_of(values)}, np.ones(60), seed, "coverage", replicates=200)["mean"]
        covered += found.low <= 1.0 <= found.high
    assert 175 <= covered <= 200  # 95 % nominal; percentile intervals of a skewed mean cover a little less


def test_bootstrap_is_the_same_again_and_its_purposes_differ():
    of = {"mean": mean_of(np.arange(50.0))}
    one, two = (bootstrap(of, np.ones(50), 3, "x")["mean"] for _ in range(2))
    assert one == two
    assert bootstrap(of, np.ones(50), 3, "y")["mean"] != one


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (10, 10), (44, 48), (1, 3)])
def test_wilson_solves_its_own_equation(hits, n):
    low, high = wilson(hits / n, n)
    assert 0 <= low <= hits / n <= high <= 1
    for end in (low, high):
        if 0 < end < 1:  # (p̂ − p)² = z² p (1 − p) / n, Wilson (1927)
            assert (hits / n - end) ** 2 == pytest.approx(1.959964**2 * end * (1 - end) / n, rel=1e-6)
