"""The rungs of the ladder: interpretable models from the simplest up, each built and described alike."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from pellucid._base.errors import InputError, UnsupportedRequestError
from pellucid._base.typing import Array, Float1
from pellucid._base.words import counted
from pellucid.glassbox.description import GlassDescription
from pellucid.glassbox.ebm import build_ebm, describe_ebm, quiet
from pellucid.glassbox.encoder import TableEncoder
from pellucid.glassbox.linear import build_linear, describe_linear
from pellucid.glassbox.rulelist import RuleList, RuleListRegressor
from pellucid.glassbox.scorecard import Scorecard
from pellucid.glassbox.tree import build_tree, describe_tree, node_table, path_of
from pellucid.table import Table

Task: TypeAlias = Literal["binary", "multiclass", "regression"]
EVERY_TASK: tuple[Task, ...] = ("binary", "multiclass", "regression")


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One kind of interpretable model.

    Parameters
    ----------
    name : str
        What to call it.
    build : callable of (task, X, random_state)
        Gives an unfitted scikit-learn estimator for rows like the table `X`.
    describe : callable of (fitted, X, y, sample_weight)
        Shows a fitted estimator as data, given what it was fitted on.
    tasks : tuple of str
        The tasks it can do.
    needs : str
        The extra of pellucid that brings its package; empty when nothing more is needed.
    """

    name: str
    build: Callable[[Task, Table, int], Any]
    describe: Callable[[Any, Table, Array, Float1 | None], GlassDescription]
    tasks: tuple[Task, ...] = EVERY_TASK
    needs: str = ""


def _describe_scorecard(fitted: Scorecard) -> GlassDescription:
    table = fitted.points_table()
    return GlassDescription(
        title="Points scorecard",
        sentences=(
            f"Add up the points of a row’s bins: the more points, the more likely is ‘{fitted.classes_[1]}’.",
            f"{fitted.base_points:.6g} points are odds of {fitted.base_odds:.6g} to 1, "
            f"and every {fitted.pdo:.6g} points double the odds.",
        ),
        complexity=f"{len(table['bin']) - 1} bins of {len(fitted.bins_)} features",
        tables={"points": table},
    )


def _describe_rules(fitted: RuleList | RuleListRegressor) -> GlassDescription:
    n, most = len(fitted.rules_), max(len(rule.conditions) for rule in fitted.rules_)
    return GlassDescription(
        title="Rule list",
        sentences=(
            "Read from the top: the first rule that holds decides.",
            "value is the share of the answered class, or the mean target, among the training rows the rule "
            "decides; its 95 % interval is from the same rows that chose the rule, so it is optimistic.",
        ),
        complexity=f"{counted(n, 'rule')} of at most {counted(most, 'condition')}",
        tables={"rules": fitted.rules()},
    )


_RUNGS = (
    Rung(name="linear", build=lambda task, *_: build_linear(task), describe=describe_linear),
    Rung(
        name="scorecard",
        build=lambda *_: Scorecard(),
        describe=lambda fitted, *_: _describe_scorecard(fitted),
        tasks=("binary",),
    ),
    Rung(
        name="tree",
        build=lambda task, X, random_state: build_tree(task, len(X), random_state),
        describe=lambda fitted, X, *_: describe_tree(fitted, X),
    ),
    Rung(
        name="rules",
        build=lambda task, *_: RuleListRegressor() if task == "regression" else RuleList(),
        describe=lambda fitted, *_: _describe_rules(fitted),
    ),
    Rung(name="EBM", build=build_ebm, describe=lambda fitted, *_: describe_ebm(fitted), needs="ebm"),
)
RUNGS: Mapping[str, Rung] = MappingProxyType({rung.name: rung for rung in _RUNGS})
"""All rungs by name, the simplest first."""


def fit(name: str, X: Any, y: Any, *, sample_weight: Any = None, random_state: int = 0) -> Any:
    """Fit one of the interpretable models to a table of mixed types.

    Parameters
    ----------
    name : {"linear", "scorecard", "tree", "rules", "EBM"}
    X : table of shape (rows, features)
        Numbers, bools, dates, categories and text, with or without missing values.
    y : array of shape (rows,)
        Classes or numbers; numbers with more than ten different values are regressed on.
    sample_weight : array of shape (rows,), optional
    random_state : int

    Returns
    -------
    estimator
        A fitted scikit-learn estimator or pipeline; `describe` shows it.

    Examples
    --------
    >>> from pellucid import glassbox
    >>> X = {"late": [0, 1, 0, 5, 4, 6, 1, 7], "job": ["a", "b", "a", "b", "b", "a", None, "b"]}
    >>> y = ["no", "no", "no", "yes", "yes", "yes", "no", "yes"]
    >>> model = glassbox.fit("tree", X, y)
    >>> glassbox.describe(model, X, y).complexity
    '1 question, depth 1'
    """
    if name not in RUNGS:
        raise InputError(f"name must be one of {', '.join(map(repr, RUNGS))}; got {name!r}.")
    rung = RUNGS[name]
    table = Table.of(X)
    target = read_target(y, len(table))
    task = task_of(target)
    if task not in rung.tasks:
        raise UnsupportedRequestError(f"a {rung.name} does {' or '.join(rung.tasks)} targets; y is {task}.")
    weights = None if sample_weight is None else np.asarray(sample_weight, dtype=float)
    return fit_weighted(rung.build(task, table, random_state), table, target, weights)


def describe(fitted: Any, X: Any, y: Any, *, sample_weight: Any = None) -> GlassDescription:
    """Show a fitted interpretable model as sentences and tables.

    Parameters
    ----------
    fitted : estimator
        What `fit` gave, or what a rung built, fitted.
    X, y, sample_weight
        The training data it was fitted on.

    Raises
    ------
    UnsupportedRequestError
        When it is none of the models of this module.
    """
    table = Table.of(X)
    weights = None if sample_weight is None else np.asarray(sample_weight, dtype=float)
    check_is_fitted(fitted)
    return _rung_of(fitted).describe(fitted, table, read_target(y, len(table)), weights)


def paths(fitted: Any, X: Any, *, training: Any = None) -> list[list[str]]:
    """Each row's way through a fitted tree, in words: its answers, then the leaf.

    Parameters
    ----------
    fitted : pipeline
        What ``fit("tree", …)`` gave.
    X : table of shape (rows, features)
    training : table, optional
        The training rows, for thresholds of few digits; without them all digits are shown.
    """
    if _rung_of(fitted).name != "tree":
        raise UnsupportedRequestError("only a tree has decision paths; got another model. Use describe instead.")
    table = Table.of(X)
    return path_of(fitted, table, node_table(fitted, table if training is None else Table.of(training)))


def fit_weighted(estimator: Any, X: Table, y: Array, weights: Float1 | None) -> Any:
    """Fit, with weights where the estimator (or a pipeline's last step) takes them."""
    arguments: dict[str, Any] = {}
    if weights is not None:
        last = estimator.steps[-1] if isinstance(estimator, Pipeline) else ("", estimator)
        if not has_fit_parameter(last[1], "sample_weight"):
            raise UnsupportedRequestError(f"{type(last[1]).__name__} takes no sample_weight; leave it out.")
        arguments = {f"{last[0]}__sample_weight" if last[0] else "sample_weight": weights}
    with quiet():
        return estimator.fit(X.native, y, **arguments)


def read_target(y: Any, n_rows: int, what: str = "y") -> Array:
    """Read one label or number per row, none missing."""
    values = np.asarray(y)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or len(values) != n_rows:
        raise InputError(f"{what} must have one value per row, {n_rows}; got shape {values.shape}.")
    if values.dtype == object or values.dtype.kind in "US":
        values = np.array(values.tolist(), dtype=object)
    missing = sum(map(_is_missing, values.tolist()))
    if missing:
        raise InputError(f"{what} is missing in {missing} of {n_rows} rows; drop the rows whose target is unknown.")
    if values.dtype == object and all(isinstance(value, bool | int | float) for value in values.tolist()):
        values = np.array(values.tolist())
    return values


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value)) or str(value) in ("<NA>", "NaT")


def task_of(y: Array) -> Task:
    """Tell what a target asks for: text and up to ten whole numbers are classes, other numbers a regression."""
    if not len(y):
        raise InputError("y is empty; pass one label or number per row.")
    distinct = set(y.tolist())
    if len(distinct) == 1:
        raise InputError(f"y has one value only, {distinct.pop()!r}; there is nothing to learn.")
    is_number = y.dtype.kind in "iuf"
    if is_number and (len(distinct) > 10 or (y != np.floor(y)).any()):
        return "regression"
    return "binary" if len(distinct) == 2 else "multiclass"


def _rung_of(fitted: Any) -> Rung:
    if isinstance(fitted, Scorecard):
        return RUNGS["scorecard"]
    if isinstance(fitted, RuleList | RuleListRegressor):
        return RUNGS["rules"]
    steps = fitted.named_steps if isinstance(fitted, Pipeline) else {}
    if isinstance(steps.get("encoder"), TableEncoder):
        model = steps["model"]
        if isinstance(model, DecisionTreeClassifier | DecisionTreeRegressor):
            return RUNGS["tree"]
        return RUNGS["EBM" if type(model).__name__.startswith("ExplainableBoosting") else "linear"]
    raise UnsupportedRequestError(
        f"{type(fitted).__name__} is none of the glassbox models. Fit one with glassbox.fit(name, X, y)."
    )
