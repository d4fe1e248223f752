"""Categorical splits of XGBoost, LightGBM and CatBoost agree with what the libraries say."""

import warnings

import numpy as np
import pandas as pd
import pytest

from pellucid._base.errors import InputError
from pellucid.adapters import as_model, prove
from pellucid.table import Table
from pellucid.testing.conformance_adapters import check_adapter

xgboost = pytest.importorskip("xgboost")
lightgbm = pytest.importorskip("lightgbm")
catboost = pytest.importorskip("catboost")

ROWS = 200


def fitted(model, X, y, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the libraries' own, while fitting
        return model.fit(X, y, **options)


LEVELS = [-5.0, -1.0, -0.5, 0.0, 1.0, 31.0, 32.0, 33.0, 63.7, 64.0, 65.0, 1000.0, 1e7, 2.0**25, -1e30, np.nan]


def levels(known):
    rng = np.random.default_rng(8)
    X = np.column_stack([rng.normal(size=ROWS), rng.choice(known, ROWS)])
    return X, X[:, 0] + np.sin(9 * X[:, 1])


def odd_levels(X):
    return np.column_stack([X[:, 0], np.resize(LEVELS, ROWS)])


@pytest.mark.parametrize("options", [{}, {"boosting_type": "dart"}, {"zero_as_missing": True}], ids=str)
def test_lightgbm_levels_around_the_words_of_its_bit_sets(options):
    X, y = levels([0, 1, 31, 32, 33, 64, 65, 1000])
    model = lightgbm.LGBMRegressor(
        n_jobs=1, verbose=-1, n_estimators=8, min_child_samples=2, min_data_per_group=1, cat_smooth=1, **options
    )
    fitted(model, X, y, categorical_feature=[1])
    for rows in (X, odd_levels(X)):
        report = check_adapter(model, rows)
        assert report.structured
        assert report.model.structure.is_categorical.any()
        assert check_adapter(model.booster_, rows).gap == 0


@pytest.mark.parametrize("one_hot", [1, 100])
def test_xgboost_levels_around_the_words_of_its_bit_sets(one_hot):
    X, y = levels([0, 1, 31, 32, 33, 64, 65])
    model = xgboost.XGBRegressor(
        n_jobs=1, n_estimators=8, enable_categorical=True, feature_types=["q", "c"], max_cat_to_onehot=one_hot
    )
    fitted(model, X, y)
    for rows in (X, odd_levels(X)):
        report = check_adapter(model, rows)
        assert report.model.structure.is_categorical.any()
        assert check_adapter(model.get_booster(), rows).structured


def lettered(letters="vwxyz"):
    X = pd.DataFrame({"a": np.random.default_rng(5).normal(size=ROWS)})
    X["c"] = pd.Categorical(np.resize(list(letters), ROWS))
    X["k"] = pd.Categorical(np.resize([10, 20, 5], ROWS))
    return X, X["a"] + (X["c"] == "y") - (X["k"] == 5) * X["a"]


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_categories_of_a_frame_keep_their_meaning_under_another_order(library, tmp_path):
    X, y = lettered()
    X.loc[::9, "c"] = None
    model = {
        "xgboost": xgboost.XGBRegressor(n_jobs=1, n_estimators=8, enable_categorical=True, max_cat_to_onehot=2),
        "lightgbm": lightgbm.LGBMRegressor(n_jobs=1, verbose=-1, n_estimators=8, min_child_samples=2, cat_smooth=1),
    }[library]
    fitted(model, X, y)
    backwards = X.assign(c=X["c"].cat.set_categories(list("vzyxw")), k=X["k"].cat.set_categories([20, 10, 5]))
    booster = model.get_booster() if library == "xgboost" else model.booster_
    for rows in (X, backwards):
        for one in (model, booster):
            report = check_adapter(one, rows)
            assert report.structured
            assert report.model.structure.is_categorical.any()


def test_a_category_that_xgboost_has_not_seen_is_named():
    X, y = lettered()
    model = fitted(xgboost.XGBRegressor(n_jobs=1, n_estimators=3, enable_categorical=True), X, y)
    read = as_model(model)
    rows = Table.of(X.assign(c=pd.Categorical(np.resize(["w", "new"], ROWS))))
    with pytest.raises(InputError, match="'new' at row 1"):
        read.encoding.transform(rows)


def test_categories_that_xgboost_confuses_are_refused():
    X, y = lettered("wxyzé☃")
    model = fitted(xgboost.XGBRegressor(n_jobs=1, n_estimators=8, enable_categorical=True), X, y)
    assert check_adapter(model, X).structured
    backwards = X.assign(c=X["c"].cat.set_categories(list("☃ézyxw")))
    assert not np.array_equal(model.predict(X), model.predict(backwards))  # XGBoost's own error, in silence
    with pytest.raises(InputError, match="plain ASCII"):
        as_model(model).encoding.transform(Table.of(backwards))


def test_lightgbm_wants_the_categories_it_was_trained_with():
    X, y = lettered()
    model = fitted(lightgbm.LGBMRegressor(n_jobs=1, verbose=-1, n_estimators=3), X, y)
    read = as_model(model)
    with pytest.raises(InputError, match="1 columns of categories"):
        read.encoding.transform(Table.of(X.assign(k=X["k"].astype(int))))


@pytest.mark.parametrize("policy", ["SymmetricTree", "Depthwise", "Lossguide"])
@pytest.mark.parametrize("kind", ["number", "three"])
def test_catboost_one_hot_features(policy, kind):
    rng = np.random.default_rng(9)
    texts = ["", "a", "é☃", "four", "elevenchars", "a text of 21 letters!", "x" * 40, "y" * 64, "z" * 150]
    X = pd.DataFrame(
        {
            "a": rng.normal(size=ROWS),
            "c": rng.choice(texts, ROWS),
            "k": rng.choice([5, -7, 10**12], ROWS),
            "b": rng.choice([True, False], ROWS),
        }
    )
    y = X["a"] + X["c"].str.len() / 30 + (X["k"] == 5) + X["b"] * (X["c"] == "a")
    y = y if kind == "number" else np.digitize(y, [0, 2])
    maker = catboost.CatBoostRegressor if kind == "number" else catboost.CatBoostClassifier
    options = {"iterations": 12, "depth": 4, "verbose": 0, "thread_count": 1, "allow_writing_files": False}
    model = maker(**options, grow_policy=policy, cat_features=["c", "k", "b"], one_hot_max_size=20)
    report = check_adapter(fitted(model, X, y), X)
    assert report.structured
    assert report.model.structure.is_categorical.any()
    unseen = Table.of(X.assign(c="never seen", k=0))
    assert prove(report.model, unseen) <= report.model.structure.rounding_bound()
