"""One test for each kind of model on which other explainers were found wrong, refusing or silent."""

import warnings

import catboost
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn import ensemble

import pellucid
from pellucid._base.errors import PellucidError
from pellucid.adapters import as_model

ROWS = 160
CAT = {"iterations": 6, "depth": 4, "verbose": 0, "thread_count": 1, "allow_writing_files": False}
LGB = {"n_jobs": 1, "verbose": -1, "n_estimators": 6, "min_child_samples": 3}
XGB = {"n_jobs": 1, "n_estimators": 6}


def numbers(missing=0.0):
    rng = np.random.default_rng(31)
    X = rng.normal(size=(ROWS, 4))
    X[rng.random(X.shape) < missing] = np.nan
    return X


def coded(levels):
    X = numbers()
    X[:, 1] = np.random.default_rng(32).integers(0, levels, ROWS)
    return X


def signal(X):
    values = np.nan_to_num(X)
    return values[:, 0] * values[:, 2] + np.sin(7 * values[:, 1]) + values[:, 3]


def add_up(model, X, **fit):
    """Exact values with and without background add up to the model's own raw output."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, fit.pop("y", signal(np.asarray(X, dtype=float))), **fit)
    read = as_model(model)
    for background in (None, X[40:60]):
        explained = pellucid.explain(model, X[:12], background=background, method="tree")
        own = read.predict(pellucid.Table.of(X[:12]))
        total = explained.base_values + explained.values.sum(axis=1)
        scale = max(np.ptp(own), np.abs(own).max())
        np.testing.assert_allclose(total, own, atol=read.structure.rounding_bound() + 1e-9 * scale, rtol=0)
    return read


def test_histogram_boosting_with_missing_values():
    add_up(ensemble.HistGradientBoostingRegressor(max_iter=6), numbers(0.3))


def test_histogram_boosting_with_categories():
    read = add_up(ensemble.HistGradientBoostingRegressor(max_iter=6, categorical_features=[1]), coded(5))
    assert read.structure.is_categorical.any()


@pytest.mark.parametrize("one_hot", [1, 99])
def test_xgboost_with_categories(one_hot):
    model = xgboost.XGBRegressor(
        **XGB, enable_categorical=True, feature_types=["q", "c", "q", "q"], max_cat_to_onehot=one_hot
    )
    assert add_up(model, coded(40)).structure.is_categorical.any()


def test_lightgbm_with_40_categories():
    model = lightgbm.LGBMRegressor(**LGB, min_data_per_group=1, cat_smooth=1)
    assert add_up(model, coded(40), categorical_feature=[1]).structure.is_categorical.any()


def test_catboost_whose_leaves_nobody_reached():
    read = add_up(catboost.CatBoostRegressor(**CAT), numbers())
    assert np.any(read.structure.cover[read.structure.is_leaf] == 0)


def test_catboost_with_statistics_of_categories_is_refused():
    X = pd.DataFrame(numbers(), columns=list("abcd")).assign(b=np.resize(list("pqrstuv"), ROWS))
    y = signal(numbers()) + 3 * X["b"].isin(["p", "s"])
    model = catboost.CatBoostRegressor(**CAT, cat_features=["b"]).fit(X, y)
    with pytest.raises(PellucidError, match="order of the training rows"):
        pellucid.explain(model, X[:4], background=X[20:40], method="tree")


@pytest.mark.parametrize("policy", ["Depthwise", "Lossguide"])
def test_catboost_trees_that_are_not_oblivious(policy):
    add_up(catboost.CatBoostRegressor(**CAT, grow_policy=policy), numbers(0.2))


def test_xgboost_dart_weighs_its_trees():
    model = xgboost.XGBRegressor(**XGB, booster="dart", rate_drop=0.5, one_drop=1)
    add_up(model, numbers())
    import json

    weights = json.loads(bytes(model.get_booster().save_raw("json")))["learner"]["gradient_booster"]["weight_drop"]
    assert min(weights) < 1


def test_lightgbm_random_forest_is_a_mean():
    model = lightgbm.LGBMRegressor(**LGB, boosting_type="rf", subsample=0.5, subsample_freq=1)
    read = add_up(model, numbers())
    own = read.predict(pellucid.Table.of(numbers()))[:, 0]
    np.testing.assert_allclose(own, model.predict(numbers()), rtol=1e-12)


def test_lightgbm_linear_leaves_are_refused():
    model = lightgbm.LGBMRegressor(**LGB, linear_tree=True).fit(numbers(), signal(numbers()))
    with pytest.raises(PellucidError, match="linear_tree"):
        pellucid.explain(model, numbers()[:4], background=numbers()[20:40], method="tree")


def test_xgboost_vector_leaves():
    X = numbers()
    model = xgboost.XGBRegressor(**XGB, multi_strategy="multi_output_tree")
    assert add_up(model, X, y=np.column_stack([signal(X), X[:, 0]])).structure.value.shape[1] == 2


def test_xgboost_random_forest():
    add_up(xgboost.XGBRFRegressor(**XGB), numbers())


@pytest.mark.parametrize(
    "model",
    [ensemble.GradientBoostingClassifier(n_estimators=4), xgboost.XGBClassifier(**XGB)],
    ids=["scikit-learn", "xgboost"],
)
def test_three_classes_at_once(model):
    X = numbers()
    assert len(add_up(model, X, y=np.digitize(signal(X), [-1, 1])).outputs) == 3


@pytest.mark.parametrize("missing", [0.0, -999.0])
def test_sentinels_for_missing_values(missing):
    X = numbers()
    X[np.random.default_rng(33).random(X.shape) < 0.3] = missing
    add_up(xgboost.XGBRegressor(**XGB, missing=missing), X)


def test_lightgbm_zero_as_missing():
    X = numbers()
    X[np.random.default_rng(34).random(X.shape) < 0.3] = 0.0
    add_up(lightgbm.LGBMRegressor(**LGB, zero_as_missing=True), X)


def test_isolation_forests_say_in_what_they_are_measured():
    read = add_up(ensemble.IsolationForest(n_estimators=8, random_state=0), numbers())
    assert read.outputs == ("path length",)


def test_counts_are_explained_on_their_log_scale():
    X = numbers()
    y = np.floor(np.exp(signal(X) / 3))
    model = lightgbm.LGBMRegressor(**LGB, objective="poisson")
    read = add_up(model, X, y=y)
    np.testing.assert_allclose(np.exp(read.predict(pellucid.Table.of(X)))[:, 0], model.predict(X), rtol=1e-12)
