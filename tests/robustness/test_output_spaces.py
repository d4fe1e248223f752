"""Probability, log-odds and loss of tree models are the Shapley values of what the model itself predicts."""

import math

import numpy as np
import pytest
from lightgbm import LGBMClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from xgboost import XGBClassifier, XGBRegressor

import pellucid

MODELS = {
    "xgboost": lambda: XGBClassifier(n_estimators=8, max_depth=3),
    "lightgbm": lambda: LGBMClassifier(n_estimators=8, num_leaves=5, verbose=-1),
    "histogram": lambda: HistGradientBoostingClassifier(max_iter=8, max_depth=3),
    "forest": lambda: RandomForestClassifier(8, max_depth=4, random_state=0),
}
REGRESSIONS = {
    "xgboost": lambda: XGBRegressor(n_estimators=8, max_depth=3),
    "forest": lambda: RandomForestRegressor(8, max_depth=4, random_state=0),
}


TINY = np.finfo(float).tiny
"""A forest says probabilities of exactly 0; their loss stays finite."""


def rows(n_features=4):
    X = np.random.default_rng(0).normal(size=(200, n_features))
    return X, X[:, 0] + np.sin(2 * X[:, 1]) * X[:, 2]


def classes(target):
    return np.array(["low", "middle", "high"])[np.digitize(target, [-0.5, 0.8])]


def enumerated(worth, row, background):
    """Shapley values of the mean of `worth` over background rows that show some features of the row."""
    d = len(row)
    shown = (np.arange(2**d)[:, None] >> np.arange(d)) & 1 == 1
    cells = np.where(shown[:, None, :], row, background)
    means = worth(cells.reshape(-1, d)).reshape(2**d, len(background), -1).mean(axis=1)
    values = np.zeros((d, means.shape[1]))
    for player in range(d):
        for coalition in np.flatnonzero(~shown[:, player]):
            size = int(shown[coalition].sum())
            weight = math.factorial(size) * math.factorial(d - size - 1) / math.factorial(d)
            values[player] += weight * (means[coalition | (1 << player)] - means[coalition])
    return values, means[0]


def agrees(found, worth, X, background, tolerance=1e-7):
    for i, row in enumerate(X):
        values, base = enumerated(worth(i), row, background)
        np.testing.assert_allclose(found.values[i], values, rtol=0, atol=tolerance)
        np.testing.assert_allclose(found.base_values[i], base, rtol=0, atol=tolerance)


@pytest.mark.parametrize("several", [False, True], ids=["two classes", "three classes"])
@pytest.mark.parametrize("name", MODELS)
def test_probability_log_odds_and_loss_of_classifiers(name, several):
    X, target = rows()
    y = classes(target) if several else np.where(target > 0, "yes", "no")
    model = MODELS[name]().fit(X, _numbered(y) if name == "xgboost" else y)
    y = _numbered(y) if name == "xgboost" else y
    some, background = X[:3], X[50:62]
    own = model.predict_proba

    found = pellucid.explain(model, some, background=background, space="probability")
    assert found.outputs == tuple(map(str, model.classes_))
    agrees(found, lambda i: own, some, background)

    true = [list(model.classes_).index(label) for label in y[:3]]
    found = pellucid.explain(model, some, y=y[:3], background=background, space="loss")
    assert found.outputs == ("loss",)
    agrees(found, lambda i: lambda Z: -np.log(np.maximum(own(Z)[:, true[i]], TINY)), some, background)

    if name != "forest":  # a forest says probabilities of 0 and 1, which have no finite log-odds
        found = pellucid.explain(model, some, background=background, space="log_odds")
        # Taken back from probabilities in float32, which the trees' own margin is not.
        agrees(found, lambda i: lambda Z: np.log(own(Z) / (1 - own(Z))), some, background, 1e-5)


def _numbered(y):
    return np.unique(y, return_inverse=True)[1]


@pytest.mark.parametrize("name", REGRESSIONS)
def test_loss_of_regressions_is_the_squared_error(name):
    X, y = rows()
    model = REGRESSIONS[name]().fit(X, y)
    some, background = X[:3], X[50:62]
    found = pellucid.explain(model, some, y=y[:3], background=background, space="loss")
    agrees(found, lambda i: lambda Z: (model.predict(Z).astype(float) - y[i]) ** 2, some, background)


def test_many_features_are_sampled_with_errors_that_hold():
    X, target = rows(14)
    model = XGBClassifier(n_estimators=8, max_depth=3).fit(X, target > 0)
    some, background = X[:6], X[50:58]
    found = pellucid.explain(
        model, some, background=background, space="probability", budget=600, output=1, method="shapley"
    )
    exact = pellucid.explain(model, some, background=background, space="probability", method="exact", output=1)
    assert found.std_error is not None
    gap = np.abs(found.values - exact.values)
    assert np.mean(gap <= 3 * found.std_error + 1e-9) >= 0.95


def test_the_tree_method_refuses_a_space_its_trees_do_not_add_up_in():
    X, target = rows()
    model = XGBClassifier(n_estimators=4, max_depth=3).fit(X, target > 0)
    with pytest.raises(pellucid.UnsupportedRequestError, match="method='shapley'"):
        pellucid.explain(model, X[:2], background=X[:9], space="probability", method="tree")


def test_without_a_background_a_space_beyond_the_trees_is_refused():
    X, target = rows()
    model = XGBClassifier(n_estimators=4, max_depth=3).fit(X, target > 0)
    with pytest.raises(pellucid.UnsupportedRequestError, match="background"):
        pellucid.explain(model, X[:2], space="probability")
