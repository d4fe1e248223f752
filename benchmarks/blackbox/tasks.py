"""Games with known Shapley values: models of tables by the exact tree kernel or by enumeration, and set functions."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import pellucid
from benchmarks.blackbox.set_functions import SET_FUNCTIONS

BACKGROUND = 100
TABLES = Path(__file__).parents[2] / "build" / "benchmarks-blackbox" / "tables"
"""Values of every coalition of the games that can be enumerated, made once."""
MOST_ENUMERATED = 16


@dataclass(frozen=True, eq=False)
class Task:
    """Rows to explain, each a game of `d` players.

    Parameters
    ----------
    name : str
    d : int
    exact : float64 array of shape (rows, d)
        Shapley values.
    predict, background, rows : callable and arrays, or None
        The model, its background and the explained rows; None where the games are set functions.
    tables : float64 array of shape (rows, 2^d), or None
        Values of all coalitions; number c shows player i when bit i is set. None where there are too many.
    """

    name: str
    d: int
    exact: Any
    predict: Callable[[Any], Any] | None
    background: Any
    rows: Any
    tables: Any

    def __len__(self) -> int:
        return len(self.exact)

    def game(self, row: int) -> Callable[[Any], Any]:
        """The game of one row: coalitions (coalitions, d) to values (coalitions,)."""
        if self.tables is not None:
            bits = 1 << np.arange(self.d)
            return lambda coalitions: self.tables[row][np.asarray(coalitions, dtype=bool) @ bits]
        return lambda coalitions: marginal(self.predict, self.rows[row], self.background, coalitions)


def marginal(predict: Any, row: Any, background: Any, coalitions: Any) -> Any:
    """Mean output over the background with the coalition's features taken from the row, for many coalitions."""
    shown = np.asarray(coalitions, dtype=bool)
    found = np.empty(len(shown))
    step = max(1, (1 << 16) // len(background))
    for first in range(0, len(shown), step):
        some = shown[first : first + step]
        filled = np.where(some[:, None, :], row, background)
        found[first : first + step] = predict(filled.reshape(-1, len(row))).reshape(len(some), -1).mean(axis=1)
    return found


def every_coalition(n: int) -> Any:
    """All 2^n coalitions, in the order of their numbers."""
    return (np.arange(2**n)[:, None] >> np.arange(n)) & 1 == 1


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
        forest = RandomForestClassifier(n_estimators=30, max_depth=8, random_state=0).fit(X, y)
        return forest, (lambda Z: forest.predict_proba(Z)[:, 1])
    network = (MLPRegressor if regression else MLPClassifier)(hidden_layer_sizes=(32, 32), max_iter=400, random_state=0)
    mlp = make_pipeline(StandardScaler(), network).fit(X, y)
    return mlp, (mlp.predict if regression else lambda Z: mlp.predict_proba(Z)[:, 0])


MODELS = ("breast_cancer-xgb", "breast_cancer-rf", "digits-xgb", "diabetes-xgb", "diabetes-mlp", "wine-mlp")
TASKS = (*MODELS, *SET_FUNCTIONS)


@cache
def task(name: str, rows: int) -> Task:
    """Return the task with that many rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # networks that stop before they converge are subjects like any other
        return _set_functions(name, rows) if name in SET_FUNCTIONS else _table(name, rows)


@cache
def fitted(name: str) -> tuple[Any, Callable[[Any], Any], Any, Any]:
    """Return the model fitted to three quarters of the data, its predict function, a background and held-out rows."""
    from sklearn.model_selection import train_test_split

    data, kind = name.split("-")
    X, y = _data(data)
    train, test, y_train, _ = train_test_split(X, y, random_state=0)
    model, predict = _model(kind, train, y_train)
    return model, predict, train[:BACKGROUND], test


def _table(name: str, rows: int) -> Task:
    model, predict, background, held_out = fitted(name)
    asked, d = held_out[:rows], held_out.shape[1]
    if d <= MOST_ENUMERATED:
        games = [lambda c, row=row: marginal(predict, row, background, c) for row in asked]
        tables = _tabulated(name, games, d)
        return Task(name, d, _exactly(tables), predict, background, asked, tables)
    space = "probability" if name.endswith("rf") else "raw"
    exact = pellucid.explain(model, asked, background=background, method="tree", space=space).values[:, :, -1]
    return Task(name, d, np.array(exact), predict, background, asked, None)


def _set_functions(name: str, rows: int) -> Task:
    d, games = SET_FUNCTIONS[name](rows)
    tables = _tabulated(name, games, d)
    return Task(name, d, _exactly(tables), None, None, None, tables)


def _tabulated(name: str, games: Any, d: int) -> Any:
    """Values of all coalitions of every game, from the file of an earlier run where there is one."""
    path = TABLES / f"{name}-{len(games)}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.stack([game(every_coalition(d)) for game in games]))
    return np.load(path)


def _exactly(tables: Any) -> Any:
    """Shapley values by the definition: the weighted mean of what a player adds to the coalitions without it."""
    from math import comb

    n = int(np.log2(tables.shape[1]))
    shown = every_coalition(n)
    weight = np.array([1.0 / (n * comb(n - 1, k)) for k in range(n)])
    found = np.empty((len(tables), n))
    for player in range(n):
        without = np.flatnonzero(~shown[:, player])
        added = tables[:, without + (1 << player)] - tables[:, without]
        found[:, player] = added @ weight[shown[without].sum(axis=1)]
    return found
