"""A zoo of tree models: one table of families, options, targets and data. Every fourth is in the quick suite."""

import itertools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import catboost
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn import ensemble, linear_model, tree

ROWS = 120
Make = Callable[[], tuple[Any, Any]]


@dataclass(frozen=True)
class Specimen:
    """A model to be made, and the word of the sentence that it is not read with, if any."""

    name: str
    make: Make
    refused: str = ""


def numbers(missing=0.0, columns=4):
    rng = np.random.default_rng(11)
    X = rng.normal(size=(ROWS, columns))
    X[:, -1] = np.round(X[:, -1])  # ties with thresholds, and zeros
    X[rng.random(X.shape) < missing] = np.nan
    return X


def codes(missing=0.0):
    rng = np.random.default_rng(12)
    X = numbers(columns=4)
    X[:, 1] = rng.choice([0, 1, 2, 31, 32, 33, 64, 65], ROWS)
    X[:, 3] = rng.integers(0, 3, ROWS)
    X[rng.random(ROWS) < missing, 1] = np.nan
    return X


def frame(missing=0.0):
    X = codes()
    letters = pd.Series([f"level {int(v)}" for v in X[:, 1]]).where(np.random.default_rng(13).random(ROWS) >= missing)
    return pd.DataFrame(
        {"a b": X[:, 0], "c": letters.astype("category"), "d": X[:, 2], "e": pd.Categorical(X[:, 3].astype(int))}
    )


def table(X):
    return X.apply(lambda column: column.cat.codes if column.dtype == "category" else column).to_numpy(dtype=float)


DATA = {
    "whole": numbers,
    "missing": lambda: numbers(0.3),
    "codes": codes,
    "codes, missing": lambda: codes(0.2),
    "frame": frame,
    "frame, missing": lambda: frame(0.2),
}


def target(X, kind):
    values = np.nan_to_num(table(X) if hasattr(X, "columns") else X)
    noise = np.random.default_rng(14).normal(size=ROWS)
    signal = values[:, 0] + np.sin(3 * values[:, 1]) + values[:, 3] ** 2 / 2 + 0.3 * noise
    cuts = np.quantile(signal, [0.3, 0.7])
    return {
        "number": signal,
        "positive": np.exp(signal / 4),
        "count": np.floor(np.exp(signal / 3)),
        "binary": (signal > np.median(signal)).astype(int),
        "three": np.digitize(signal, cuts),
        "labels": np.array(["no", "yes", "zebra"])[np.digitize(signal, cuts)],
        "several": np.column_stack([signal, signal**2, -signal]),
        "several labels": np.column_stack([signal > 0, np.digitize(signal, cuts)]).astype(int),
    }[kind]


def fitted(model, data, kind, **options):
    X = DATA[data]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the libraries' own, while fitting
        model.fit(X, target(X, kind), **options)
    return model, X


def grid(maker, options, data, kinds, fixed=None, *, refused="", **fit):
    """Every combination of options, data and targets."""
    result = []
    for option, which, kind in itertools.product(options, data, kinds):

        def make(option=option, which=which, kind=kind):
            return fitted(maker(**(fixed or {}), **option), which, kind, **fit)

        said = " ".join(f"{key}={value}" for key, value in option.items())
        result.append(Specimen(f"{maker.__name__} {said} {which} {kind}", make, refused))
    return result


NUMERIC = ["whole", "missing"]
CODED = ["codes", "codes, missing"]
FRAMES = ["frame", "frame, missing"]
SHAPES = [{"max_depth": 3}, {"max_leaf_nodes": 9}, {"min_samples_leaf": 3}]


def sklearn_trees():
    alone, many = {"random_state": 0}, {"random_state": 0, "n_estimators": 4}
    regression, classes = ["number", "several"], ["labels", "several labels"]
    result = []
    for maker in (tree.DecisionTreeRegressor, tree.ExtraTreeRegressor):
        result += grid(maker, SHAPES, NUMERIC, regression, alone)
    for maker in (tree.DecisionTreeClassifier, tree.ExtraTreeClassifier):
        result += grid(maker, SHAPES, NUMERIC, classes, alone)
    for maker in (ensemble.RandomForestRegressor, ensemble.ExtraTreesRegressor):
        result += grid(maker, SHAPES, NUMERIC, regression, many)
    for maker in (ensemble.RandomForestClassifier, ensemble.ExtraTreesClassifier):
        result += grid(maker, SHAPES, NUMERIC, classes, many)
    bagging = [{}, {"max_features": 0.6}, {"max_samples": 0.3, "bootstrap": False}]
    result += grid(ensemble.BaggingRegressor, bagging, NUMERIC, ["number"], many)
    result += grid(ensemble.BaggingClassifier, bagging, NUMERIC, ["labels"], many)
    isolation = [{}, {"max_features": 0.6}, {"max_samples": 2}, {"max_samples": 30, "contamination": 0.1}]
    result += grid(ensemble.IsolationForest, isolation, ["whole"], ["number"], many)
    ridge = [{"estimator": linear_model.Ridge()}]
    return result + grid(ensemble.BaggingRegressor, ridge, ["whole"], ["number"], many, refused="averages Ridges")


def sklearn_boosting():
    fixed = {"random_state": 0, "n_estimators": 6}
    losses = [{"loss": loss} for loss in ("squared_error", "absolute_error", "huber", "quantile")]
    result = grid(ensemble.GradientBoostingRegressor, losses, ["whole"], ["number"], fixed)
    result += grid(
        ensemble.GradientBoostingClassifier, [{}, {"subsample": 0.5}], ["whole"], ["binary", "labels"], fixed
    )
    result += grid(ensemble.GradientBoostingClassifier, [{"loss": "exponential"}], ["whole"], ["binary"], fixed)
    first = [{"init": linear_model.Ridge()}]
    result += grid(ensemble.GradientBoostingRegressor, first, ["whole"], ["number"], fixed, refused="first guess")
    fixed = {"random_state": 0, "max_iter": 6, "min_samples_leaf": 3}
    maker = ensemble.HistGradientBoostingRegressor
    result += grid(
        maker, [{}, {"loss": "absolute_error"}, {"loss": "quantile", "quantile": 0.3}], NUMERIC, ["number"], fixed
    )
    result += grid(maker, [{"loss": "poisson"}, {"loss": "gamma"}], NUMERIC, ["positive"], fixed)
    result += grid(maker, [{}, {"max_depth": 3}], FRAMES, ["number"], fixed)
    result += grid(maker, [{"categorical_features": [1, 3]}], CODED, ["number"], fixed)
    maker = ensemble.HistGradientBoostingClassifier
    result += grid(maker, [{}], [*NUMERIC, *FRAMES], ["binary", "labels"], fixed)
    return result + grid(maker, [{"categorical_features": [3]}], CODED, ["binary", "labels"], fixed)


def xgboosts():
    fixed = {"n_jobs": 1, "n_estimators": 5, "max_depth": 4}
    shapes = [
        {},
        {"booster": "dart", "rate_drop": 0.5},
        {"grow_policy": "lossguide", "max_leaves": 7},
        {"gamma": 1.0, "tree_method": "exact"},
        {"num_parallel_tree": 2, "subsample": 0.5},
    ]
    result = grid(xgboost.XGBRegressor, shapes, NUMERIC, ["number"], fixed)
    result += grid(xgboost.XGBClassifier, shapes, NUMERIC, ["binary", "three"], fixed)
    linked = [{"objective": name} for name in ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox")]
    result += grid(xgboost.XGBRegressor, linked, ["missing"], ["positive"], fixed)
    losses = ["reg:absoluteerror", "reg:pseudohubererror", "reg:quantileerror"]
    options = [{"objective": name} | ({"quantile_alpha": 0.3} if "quantile" in name else {}) for name in losses]
    result += grid(xgboost.XGBRegressor, options, ["missing"], ["number"], fixed)
    margins = [{"objective": name} for name in ("binary:logitraw", "binary:hinge", "reg:logistic")]
    result += grid(xgboost.XGBClassifier, margins[:2], ["missing"], ["binary"], fixed)
    result += grid(xgboost.XGBRegressor, margins[2:], ["missing"], ["binary"], fixed)
    result += grid(xgboost.XGBRegressor, [{"missing": 0.0}, {"missing": -999.0}], ["whole"], ["number"], fixed)
    result += grid(xgboost.XGBRegressor, [{"base_score": 3.5}], ["whole"], ["number", "several"], fixed)
    vector = [{"multi_strategy": "multi_output_tree"}]
    result += grid(xgboost.XGBRegressor, vector, NUMERIC, ["several"], fixed)
    result += grid(xgboost.XGBClassifier, vector, NUMERIC, ["three"], fixed)
    result += grid(xgboost.XGBRegressor, [{}], NUMERIC, ["several"], fixed)
    result += grid(xgboost.XGBRFRegressor, [{}], NUMERIC, ["number"], fixed)
    result += grid(xgboost.XGBRFClassifier, [{}], NUMERIC, ["three"], fixed)
    ranker = [{"objective": name} for name in ("rank:ndcg", "rank:pairwise")]
    result += grid(xgboost.XGBRanker, ranker, ["missing"], ["three"], fixed, group=[60, 60])
    sets = [{"max_cat_to_onehot": 1}, {"max_cat_to_onehot": 99}, {"booster": "dart", "rate_drop": 0.5}]
    fixed = fixed | {"enable_categorical": True}
    result += grid(xgboost.XGBRegressor, sets, FRAMES, ["number"], fixed)
    result += grid(xgboost.XGBClassifier, sets[:2], FRAMES, ["binary", "three"], fixed)
    fixed = fixed | {"feature_types": ["q", "c", "q", "c"]}
    result += grid(xgboost.XGBRegressor, sets, CODED, ["number"], fixed)
    return [*result, *xgboost_boosters()]


def xgboost_boosters():
    def survival():
        X = numbers(0.2)
        rows = xgboost.DMatrix(X)
        times = np.exp(target(X, "number") / 4)
        rows.set_float_info("label_lower_bound", times)
        rows.set_float_info("label_upper_bound", times * 2)
        return xgboost.train({"objective": "survival:aft", "nthread": 1}, rows, 5), X

    def trained(objective, kind, more):
        X = numbers(0.2)
        options = {"objective": objective, "nthread": 1} | more
        return xgboost.train(options, xgboost.DMatrix(X, target(X, kind)), 5), X

    def stopped():
        X = numbers()
        y = np.random.default_rng(0).normal(size=ROWS)
        model = xgboost.XGBRegressor(n_jobs=1, n_estimators=40, early_stopping_rounds=2)
        return model.fit(X[:60], y[:60], eval_set=[(X[60:], y[60:])], verbose=False), X

    def sliced():
        model, X = trained("reg:squarederror", "number", {})
        return model[1:4], X

    return [
        Specimen("Booster survival:aft", survival),
        Specimen("Booster multi:softmax", lambda: trained("multi:softmax", "three", {"num_class": 3})),
        Specimen("Booster binary:logistic", lambda: trained("binary:logistic", "binary", {})),
        Specimen("Booster dart", lambda: trained("reg:squarederror", "number", {"booster": "dart", "rate_drop": 0.5})),
        Specimen("Booster slice", sliced),
        Specimen("XGBRegressor stopped early", stopped),
    ]


def lightgbms():
    fixed = {"n_jobs": 1, "verbose": -1, "n_estimators": 5, "min_child_samples": 3, "num_leaves": 9}
    shapes = [
        {},
        {"boosting_type": "dart", "drop_rate": 0.5},
        {"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1},
        {"data_sample_strategy": "goss"},
        {"zero_as_missing": True},
        {"use_missing": False},
    ]
    result = grid(lightgbm.LGBMRegressor, shapes, NUMERIC, ["number"], fixed)
    result += grid(lightgbm.LGBMClassifier, shapes, NUMERIC, ["binary", "labels"], fixed)
    losses = ["l1", "huber", "fair", "quantile", "mape"]
    result += grid(lightgbm.LGBMRegressor, [{"objective": loss} for loss in losses], ["missing"], ["number"], fixed)
    linked = ["poisson", "gamma", "tweedie"]
    result += grid(lightgbm.LGBMRegressor, [{"objective": loss} for loss in linked], ["missing"], ["positive"], fixed)
    result += grid(lightgbm.LGBMClassifier, [{"objective": "multiclassova"}], ["missing"], ["three"], fixed)
    result += grid(
        lightgbm.LGBMRanker, [{}, {"objective": "rank_xendcg"}], ["missing"], ["three"], fixed, group=[60, 60]
    )
    fixed = fixed | {"min_data_per_group": 1, "cat_smooth": 1}
    sets = [{}, {"max_cat_to_onehot": 99}, {"boosting_type": "dart"}]
    result += grid(lightgbm.LGBMRegressor, sets, FRAMES, ["number"], fixed)
    result += grid(lightgbm.LGBMClassifier, sets[:2], FRAMES, ["binary", "labels"], fixed)
    result += grid(lightgbm.LGBMRegressor, sets, CODED, ["number"], fixed, categorical_feature=[1, 3])
    linear = [{"linear_tree": True}]
    return result + grid(lightgbm.LGBMRegressor, linear, ["whole"], ["number"], fixed, refused="linear_tree")


def catboosts():
    fixed = {"iterations": 5, "depth": 3, "verbose": 0, "thread_count": 1, "allow_writing_files": False}
    policies = [{"grow_policy": name} for name in ("SymmetricTree", "Depthwise", "Lossguide")]
    result = grid(catboost.CatBoostRegressor, [*policies, {"nan_mode": "Max"}], NUMERIC, ["number"], fixed)
    result += grid(catboost.CatBoostClassifier, policies, NUMERIC, ["binary", "labels"], fixed)
    losses = ["MAE", "Quantile:alpha=0.3", "Poisson", "Tweedie:variance_power=1.5", "LogCosh", "RMSEWithUncertainty"]
    options = [{"loss_function": loss} for loss in losses]
    result += grid(catboost.CatBoostRegressor, options, ["missing"], ["positive"], fixed)
    several = [{"loss_function": "MultiRMSE"}]
    result += grid(catboost.CatBoostRegressor, several, ["missing"], ["several"], fixed)
    over = [{"loss_function": "MultiClassOneVsAll"}]
    result += grid(catboost.CatBoostClassifier, over, ["missing"], ["three"], fixed)

    def with_texts(maker, kind, policy, one_hot):
        X = frame()
        X = X.assign(c=X["c"].astype(str), e=X["e"].astype(int))
        options = {"cat_features": ["c", "e"], "one_hot_max_size": one_hot, "grow_policy": policy}
        return maker(**fixed, **options).fit(X, target(frame(), kind)), X

    for policy, kind in itertools.product(("SymmetricTree", "Depthwise", "Lossguide"), ("number", "three")):
        maker = catboost.CatBoostRegressor if kind == "number" else catboost.CatBoostClassifier
        name = f"{maker.__name__} one-hot {policy} {kind}"
        result.append(Specimen(name, lambda m=maker, k=kind, p=policy: with_texts(m, k, p, 20)))
    maker = catboost.CatBoostRegressor
    ctr = Specimen("CatBoostRegressor CTR", lambda: with_texts(maker, "number", "SymmetricTree", 2), "CTR")
    return [*result, ctr]


def pytest_generate_tests(metafunc):
    if "zoo" in metafunc.fixturenames:
        metafunc.parametrize("zoo", [ZOO], ids=["all"])
    if "specimen" not in metafunc.fixturenames:
        return
    parameters = [
        pytest.param(one, id=one.name, marks=() if k % 4 == 0 or one.refused else pytest.mark.heavy)
        for k, one in enumerate(ZOO)
    ]
    metafunc.parametrize("specimen", parameters)


ZOO = [*sklearn_trees(), *sklearn_boosting(), *xgboosts(), *lightgbms(), *catboosts()]
