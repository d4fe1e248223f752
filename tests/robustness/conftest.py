"""Small fitted models of every library, made once."""

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from catboost import CatBoostClassifier, CatBoostRegressor
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeRegressor
from xgboost import XGBClassifier, XGBRegressor

COLUMNS = ["age", "income", "rooms", "distance"]
NO_FILES = {"verbose": 0, "allow_writing_files": False}


def rows(n=160, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 4))
    values[:, 1] = np.round(values[:, 1], 1)
    return values


def target(values):
    return 2 * values[:, 0] + np.abs(values[:, 1]) + values[:, 2] * values[:, 0]


def with_gaps(values, gap=np.nan, seed=1):
    gapped = values.copy()
    gapped[np.random.default_rng(seed).random(values.shape) < 0.3] = gap
    return gapped


def frame(values):
    return pd.DataFrame(values, columns=COLUMNS)


MAKERS = {
    "tree": lambda X, y: DecisionTreeRegressor(max_depth=4, random_state=0).fit(X, y),
    "forest": lambda X, y: RandomForestRegressor(4, max_depth=4, random_state=0).fit(X, y),
    "extra trees": lambda X, y: ExtraTreesClassifier(4, max_depth=4, random_state=0).fit(X, y > 1),
    "boosting": lambda X, y: GradientBoostingRegressor(n_estimators=5, random_state=0).fit(X, y),
    "histogram": lambda X, y: HistGradientBoostingRegressor(max_iter=5).fit(X, y),
    "histogram classes": lambda X, y: HistGradientBoostingClassifier(max_iter=3).fit(X, np.digitize(y, [0, 2])),
    "xgboost": lambda X, y: XGBRegressor(n_estimators=5, max_depth=3).fit(X, y),
    "xgboost classes": lambda X, y: XGBClassifier(n_estimators=3, max_depth=3).fit(X, np.digitize(y, [0, 2])),
    "xgboost dart": lambda X, y: XGBRegressor(booster="dart", rate_drop=0.5, n_estimators=5, max_depth=3).fit(X, y),
    "lightgbm": lambda X, y: LGBMRegressor(n_estimators=5, num_leaves=7, verbose=-1).fit(X, y),
    "lightgbm classes": lambda X, y: LGBMClassifier(n_estimators=3, num_leaves=7, verbose=-1).fit(
        X, np.digitize(y, [0, 2])
    ),
    "lightgbm rf": lambda X, y: LGBMRegressor(
        n_estimators=5, boosting_type="rf", bagging_freq=1, bagging_fraction=0.5, verbose=-1
    ).fit(X, y),
    "lightgbm dart": lambda X, y: LGBMRegressor(n_estimators=5, boosting_type="dart", verbose=-1).fit(X, y),
    "lightgbm zero": lambda X, y: LGBMRegressor(n_estimators=5, num_leaves=7, zero_as_missing=True, verbose=-1).fit(
        X, y
    ),
    "catboost": lambda X, y: CatBoostRegressor(iterations=5, depth=3, **NO_FILES).fit(X, y),
    "catboost classes": lambda X, y: CatBoostClassifier(iterations=3, depth=3, **NO_FILES).fit(
        X, np.digitize(y, [0, 2])
    ),
    "linear": lambda X, y: LinearRegression().fit(X, y),
    "logistic": lambda X, y: LogisticRegression().fit(X, y > 1),
}
TREES = [name for name in MAKERS if name not in ("linear", "logistic")]
TAKES_NAN = [name for name in TREES if name not in ("boosting",)]

REGRESSORS = [name for name in MAKERS if name not in ("extra trees", "logistic") and "classes" not in name]

_made = {}


def made(name, *, of="frame"):
    """The model of that name, fitted on a frame or on a bare array."""
    if (name, of) not in _made:
        values = rows()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _made[name, of] = MAKERS[name](frame(values) if of == "frame" else values, target(values))
    return _made[name, of]


@pytest.fixture(scope="session")
def zoo():
    """What tests need to make models and rows: a namespace of the functions above."""
    return SimpleNamespace(
        columns=COLUMNS, rows=rows, target=target, with_gaps=with_gaps, frame=frame, made=made, makers=MAKERS
    )


@pytest.fixture(params=TREES)
def tree_name(request):
    return request.param


@pytest.fixture(params=TAKES_NAN)
def gap_name(request):
    return request.param


@pytest.fixture(params=list(MAKERS))
def any_name(request):
    return request.param


@pytest.fixture(params=REGRESSORS)
def regressor_name(request):
    return request.param
