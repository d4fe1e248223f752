"""SAGE against enumeration, and its promise that values add up to the loss taken away."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pellucid
from pellucid import InputError, UnsupportedRequestError
from pellucid.testing.oracles import shapley_by_enumeration


def wavy(X):
    return X[:, 0] * X[:, 1] + np.sin(X[:, -1]) + 0.3 * X[:, 0]


def enumerated(X, y, background):
    """Shapley values of minus the mean squared error of the mean prediction, from the definition."""

    def minus_loss(shown):
        filled = np.where(shown, X[:, None, :], background).reshape(-1, X.shape[1])
        return [-np.mean((wavy(filled).reshape(len(X), -1).mean(axis=1) - y) ** 2)]

    n = X.shape[1]
    return np.array(shapley_by_enumeration(lambda bits: minus_loss((bits >> np.arange(n)) & 1 == 1), n), dtype=float)[
        :, 0
    ]


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6))
def test_an_order_and_its_reverse_are_all_orders_of_two_features(seed):
    rng = np.random.default_rng(seed)
    X, background = rng.normal(size=(6, 2)), rng.normal(size=(4, 2))
    y = rng.normal(size=6)
    found = pellucid.importance(wavy, X, y, measure="sage", background=background)
    np.testing.assert_allclose(found.values[:, 0], enumerated(X, y, background), atol=1e-12)


def test_sage_is_enumeration_within_its_errors_and_adds_up():
    rng = np.random.default_rng(1)
    X, background = rng.normal(size=(400, 5)), rng.normal(size=(10, 5))
    y = wavy(X) + 0.1 * rng.normal(size=400)
    found = pellucid.importance(wavy, X, y, measure="sage", background=background)
    exact = enumerated(X, y, background)
    half = (found.high - found.values)[:, 0]
    assert np.all(np.abs(found.values[:, 0] - exact) <= 2.0 * half + 1e-12)
    np.testing.assert_array_equal(found.values[[2, 3], 0], 0.0)
    np.testing.assert_allclose(found.values.sum(), exact.sum(), atol=1e-10)


def test_sage_of_a_classifier_adds_up_to_the_log_loss_taken_away():
    from sklearn.datasets import load_wine
    from sklearn.ensemble import RandomForestClassifier

    X, y = load_wine(return_X_y=True)
    model = RandomForestClassifier(n_estimators=20, random_state=0).fit(X[::2], y[::2])
    rows, target, background = X[1:40:2], y[1:40:2], X[::8]
    found = pellucid.importance(model, rows, target, measure="sage", background=background)
    before = -np.log(model.predict_proba(background).mean(axis=0)[target])
    after = -np.log(np.maximum(model.predict_proba(rows)[np.arange(len(rows)), target], np.finfo(float).tiny))
    np.testing.assert_allclose(found.values.sum(), np.mean(before - after), atol=1e-10)
    again = pellucid.importance(model, rows, target, measure="sage", background=background, n_jobs=2)
    np.testing.assert_array_equal(again.values, found.values)


def test_what_sage_needs_is_said():
    X = np.random.default_rng(2).normal(size=(5, 3))
    with pytest.raises(UnsupportedRequestError, match="pass background="):
        pellucid.importance(wavy, X, np.zeros(5), measure="sage")
    with pytest.raises(InputError, match="pass y"):
        pellucid.importance(wavy, X, measure="sage", background=X)
    with pytest.raises(InputError, match="at least 2"):
        pellucid.importance(wavy, X[:1], np.zeros(1), measure="sage", background=X)
    with pytest.raises(UnsupportedRequestError, match="has no use for budget="):
        pellucid.importance(wavy, X, np.zeros(5), measure="sage", background=X, budget=10)
