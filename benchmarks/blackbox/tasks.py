"""Models with known Shapley values: trees by the exact tree kernel, the others by enumeration."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

import pellucid

BACKGROUND = 100


@dataclass(frozen=True, eq=False)
class Task:
    """A predict function, its background, the rows to explain and their exact values (rows, players)."""

    name: str
    predict: Callable[[Any], Any]
    background: Any
    rows: Any
    exact: Any

    @property
    def d(self) -> int:
        """Number of features."""
        return int(self.rows.shape[1])


def _data(name: str) -> tuple[Any, Any]:
    from sklearn import datasets

    if name == "digits":
        X, y = datasets.load_digits(return_X_y=True)
        return X.astype(float), (y >= 5).astype(int)
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    if name == "diabetes":
        y = (y - y.mean()) / y.std()
    return X.astype(float), y


def _model(kind: str, X: Any, y: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Return the fitted model and its predict function."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from xgboost import XGBClassifier, XGBRegressor

    regression = np.issubdtype(y.dtype, np.floating)
    if kind == "xgb":
        options = {"n_estimators": 100, "max_depth": 4, "learning_rate": 0.1, "random_state": 0, "n_jobs": 1}
        xgb = (XGBRegressor if regression else XGBClassifier)(**options).fit(X, y)
        return xgb, (lambda Z: xgb.predict(Z, output_margin=not regression).astype(float))
    if kind == "rf":
        forest = RandomForestClassifier(n_estimators=50, max_depth=8, random_state=0).fit(X, y)
        return forest, (lambda Z: forest.predict_proba(Z)[:, 1])
    network = (MLPRegressor if regression else MLPClassifier)(hidden_layer_sizes=(32, 32), max_iter=400, random_state=0)
    mlp = make_pipeline(StandardScaler(), network).fit(X, y)
    return mlp, (mlp.predict if regression else lambda Z: mlp.predict_proba(Z)[:, 0])


TASKS = ("breast_cancer-xgb", "breast_cancer-rf", "digits-xgb", "diabetes-xgb", "diabetes-mlp", "wine-mlp")


@cache
def task(name: str, rows: int) -> Task:
    """Fit the model on three quarters of the data and explain held-out rows."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import train_test_split

    data, kind = name.split("-")
    X, y = _data(data)
    train, test, y_train, _ = train_test_split(X, y, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model, predict = _model(kind, train, y_train)
    background, rows_ = train[:BACKGROUND], test[:rows]
    if kind == "mlp" or train.shape[1] <= 10:
        exact = pellucid.explain(predict, rows_, background=background, method="exact").values[:, :, 0]
    else:
        space = "probability" if kind == "rf" else "raw"
        exact = pellucid.explain(model, rows_, background=background, method="tree", space=space).values[:, :, -1]
    return Task(name, predict, background, rows_, np.array(exact))
