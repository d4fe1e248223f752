"""Who predicts which rows: the given model and the rungs on the same held-out data."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import KFold, StratifiedKFold

from pellucid._base.errors import InputError, MissingDependencyError
from pellucid._base.typing import Array, Float1, Float2, Int1
from pellucid._base.words import counted
from pellucid.glassbox.description import GlassDescription
from pellucid.glassbox.rungs import Rung, Task, fit_weighted
from pellucid.ir import Model, Space, TreeEnsemble
from pellucid.table import Table

FOLDS = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    """The rows, the target and how they are split.

    Parameters
    ----------
    task : Task
    X, y : held-out rows and their targets
    labels : int array of shape (rows,)
        Position of each row's class in `classes`; empty for a regression.
    classes : tuple
        Class labels, sorted; empty for a regression.
    weights : array of shape (rows,) or None
    train : (Table, array) or None
        Training rows; without them every row is predicted by models fitted on the other folds.
    folds : tuple of int arrays
        Rows predicted by one fitted model: all at once with training rows.
    """

    task: Task
    X: Table
    y: Array
    labels: Int1
    classes: tuple[Any, ...]
    weights: Float1 | None
    train: tuple[Table, Array] | None
    folds: tuple[Int1, ...]
    random_state: int

    def training_rows(self) -> tuple[Table, Array, Float1 | None]:
        """Return what a model that is to be shown is fitted on."""
        return (*self.train, None) if self.train else (self.X, self.y, self.weights)

    def splits(self) -> list[tuple[Table, Array, Float1 | None, Int1]]:
        """For each fold: the rows to fit on, with targets and weights, and the positions to predict."""
        if self.train:
            return [(*self.train, None, self.folds[0])]
        parts: list[tuple[Table, Array, Float1 | None, Int1]] = []
        for fold in self.folds:
            rest = np.setdiff1d(np.arange(len(self.X)), fold)
            weights = None if self.weights is None else self.weights[rest]
            parts.append((self.X.take(rest), self.y[rest], weights, fold))
        return parts


@dataclass(frozen=True, kw_only=True, eq=False)
class Entry:
    """One model's predictions of every held-out row, or the reason there are none.

    Parameters
    ----------
    name : str
    scores : array of shape (rows, classes or 1) or None
        What ranks the rows, or the predicted numbers.
    probability : array of shape (rows, classes) or None
    seconds : float or None
        Time of one fit on all training rows.
    folds : tuple of int arrays
        Rows whose scores may be compared with each other.
    """

    name: str
    scores: Float2 | None = None
    probability: Float2 | None = None
    seconds: float | None = None
    complexity: str = ""
    note: str = ""
    folds: tuple[Int1, ...] = ()
    description: GlassDescription | None = field(default=None)


def make_folds(task: Task, labels: Int1, n_rows: int, random_state: int) -> tuple[Int1, ...]:
    """Cut the rows into five parts, each with the classes' own shares."""
    if task == "regression":
        if n_rows < 2 * FOLDS:
            raise InputError(f"the ladder needs at least {2 * FOLDS} rows to refit models on folds; got {n_rows}.")
        splitter: Any = KFold(FOLDS, shuffle=True, random_state=random_state)
    else:
        least = int(np.bincount(labels).min())
        if least < 2:
            raise InputError(
                "the ladder needs at least two rows of every class to refit models on folds; "
                f"one class has {least}. Pass X_train and y_train, or leave that class out."
            )
        n_folds = min(FOLDS, least)
        splitter = StratifiedKFold(n_folds, shuffle=True, random_state=random_state)
    return tuple(test for _, test in splitter.split(np.zeros((n_rows, 1)), labels if len(labels) else None))


def enter_rung(rung: Rung, setting: Setting, step: Callable[[], None]) -> Entry:
    """Fit, predict and describe one rung; a rung that cannot be built says why."""
    try:
        entry = _contest(rung.name, lambda X: rung.build(setting.task, X, setting.random_state), setting, step)
        X, y, weights = setting.training_rows()
        start = time.perf_counter()
        fitted = fit_weighted(rung.build(setting.task, X, setting.random_state), X, y, weights)
        seconds = time.perf_counter() - start
        shown = rung.describe(fitted, X, y, weights)
    except MissingDependencyError as error:
        return Entry(name=rung.name, note=str(error))
    except Exception as error:  # a rung that fails on this data must not take the others down
        return Entry(name=rung.name, note=f"could not be fitted here: {_told(error)}")
    return replace(entry, seconds=seconds, complexity=shown.complexity, description=shown)


def enter_refitted(name: str, estimator: Any, setting: Setting, step: Callable[[], None]) -> Entry:
    """Refit copies of the given estimator on the folds and predict the rows each has not seen.

    Raises
    ------
    Exception
        Whatever the copy raises; the caller falls back on the fitted model.
    """
    start = time.perf_counter()
    entry = _contest(name, lambda _: clone(estimator), setting, step)
    return replace(entry, seconds=(time.perf_counter() - start) / len(setting.folds))


def enter_fitted(name: str, model: Model, setting: Setting) -> Entry:
    """Let the given model predict all held-out rows as it is."""
    whole = (np.arange(len(setting.X)),)
    if setting.task == "regression":
        return Entry(name=name, scores=model.predict(setting.X), folds=whole)
    has_probability = model.probability is not None or model.raw_space is Space.PROBABILITY
    values = model.predict(setting.X, Space.PROBABILITY if has_probability else Space.RAW)
    classes = setting.classes if model.classes is None else tuple(np.asarray(model.classes).tolist())
    if model.classes is not None:
        model.class_index(setting.y)
    scores, probability = _by_class(values, classes, setting.classes, what=name)
    return Entry(name=name, scores=scores, probability=probability, folds=whole)


def size_of(model: Model) -> str:
    """How large a model is, in words, where its structure is known."""
    structure = model.structure
    if structure is None:
        return "known by its predictions only"
    if isinstance(structure, TreeEnsemble):
        leaves = int(structure.is_leaf.sum())
        return f"{counted(structure.n_trees, 'tree')} with {leaves} leaves"
    return f"{structure.coefficients.size} coefficients"


def _contest(name: str, build: Callable[[Table], Any], setting: Setting, step: Callable[[], None]) -> Entry:
    """Fit on each split's training part and predict its other part."""
    width = max(len(setting.classes), 1)
    scores = np.full((len(setting.X), width), np.nan)
    probability: Float2 | None = np.full((len(setting.X), width), np.nan)
    for X, y, weights, fold in setting.splits():
        fitted = fit_weighted(build(X), X, y, weights)
        rows = setting.X.take(fold)
        if setting.task == "regression":
            scores[fold, 0] = np.asarray(fitted.predict(rows.native), dtype=float).ravel()
        else:
            values = _class_scores(fitted, rows)
            scores[fold], part = _by_class(values, tuple(fitted.classes_.tolist()), setting.classes, what=name)
            if part is None:
                probability = None
            elif probability is not None:
                probability[fold] = part
        step()
    if not np.isfinite(scores).all():
        raise InputError(f"{name} predicted a missing or infinite number; the ladder needs finite predictions.")
    has_probability = setting.task != "regression"
    return Entry(name=name, scores=scores, probability=probability if has_probability else None, folds=setting.folds)


def _class_scores(fitted: Any, rows: Table) -> Float2:
    method = "predict_proba" if hasattr(fitted, "predict_proba") else "decision_function"
    values = np.asarray(getattr(fitted, method)(rows.native), dtype=float)
    return values if values.ndim == 2 else values[:, None]


def _by_class(values: Float2, own: Sequence[Any], classes: Sequence[Any], *, what: str) -> tuple[Float2, Float2 | None]:
    """Put scores into the order of `classes`; a single score speaks for the second of two classes."""
    if values.shape[1] == 1 and len(own) == 2:
        inside = bool((values >= 0).all() and (values <= 1).all())
        values = np.column_stack([1 - values, values]) if inside else np.column_stack([-values, values])
    if values.shape[1] != len(own):
        raise InputError(
            f"{what} has {values.shape[1]} outputs, but y has {len(own)} classes; pass the y the model was fitted on."
        )
    result = np.zeros((len(values), len(classes)))
    for column, label in enumerate(own):
        if label in classes:
            result[:, classes.index(label)] = values[:, column]
    is_probability = bool((values >= 0).all() and np.allclose(values.sum(axis=1), 1.0, atol=1e-3))
    return result, result if is_probability else None


def _told(error: Exception) -> str:
    """First line of an error, short enough for a table."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200] if text else ''}"
