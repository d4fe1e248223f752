"""Doors that measure a model over many rows: `importance`, the effects and their interactions."""

from collections.abc import Mapping, Sequence
from typing import Any

from pellucid._base.errors import InputError
from pellucid._base.progress import Progress, check_progress
from pellucid._base.randomness import check_seed
from pellucid._door import explain, read_model
from pellucid.explainers import effects, regions, regions_from_effector
from pellucid.explainers import h_statistic as h
from pellucid.explainers.base import Method, Question
from pellucid.explainers.groups import Groups
from pellucid.explainers.importance import permutation_importance
from pellucid.explainers.options import check_effect, check_output, check_question, check_unused
from pellucid.explainers.sage import sage_importance
from pellucid.explanation import Effect, Importance
from pellucid.explanation.regional import RegionalEffect
from pellucid.ir import Model, Space
from pellucid.table import Table


def importance(
    model: Any,
    X: Any,
    y: Any = None,
    *,
    measure: str = "shapley",
    background: Any = None,
    groups: Groups | None = None,
    neighbours: int | None = None,
    method: str | Method = "auto",
    output: str | int | Sequence[str | int] | None = None,
    space: str = "raw",
    budget: int | None = None,
    tol: float | None = None,
    random_state: int = 0,
    n_jobs: int | None = None,
    progress: Progress = None,
) -> Importance:
    """Measure how much a model uses each feature over many rows, with 95 % intervals.

    Parameters
    ----------
    model, X, background, groups, neighbours, method, output, space, budget, tol, random_state, n_jobs, progress
        As in `explain`.
    y : array of shape (rows,), optional
        True targets; needed for ``measure="permutation"`` and ``"sage"``, and in loss space.
    measure : {"shapley", "permutation", "sage"}
        Mean absolute Shapley value, the rise of the loss when a feature is shuffled (Breiman, 2001), or the
        feature's share of the loss that the model takes away (Covert et al., 2020), which needs `background`.

    Examples
    --------
    >>> import pellucid
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.tree import DecisionTreeRegressor
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = DecisionTreeRegressor(max_depth=2).fit(X, y)
    >>> pellucid.importance(model, X).values.shape
    (10, 1)
    """
    if measure == "shapley":
        return explain(
            model,
            X,
            background=background,
            groups=groups,
            neighbours=neighbours,
            method=method,
            output=output,
            space=space,
            budget=budget,
            tol=tol,
            random_state=random_state,
            n_jobs=n_jobs,
            progress=progress,
            y=y,
        ).importance()
    if measure not in ("permutation", "sage"):
        raise InputError(f"measure must be 'shapley', 'permutation' or 'sage'; got {measure!r}.")
    if y is None:
        raise InputError(f"measure={measure!r} compares predictions with the truth: pass y.")
    check_seed(random_state)
    chosen = None if method == "auto" else method
    units = None if space in ("raw", "loss") else Space.of(space)
    given = {
        "groups": groups,
        "neighbours": neighbours,
        "method": chosen,
        "output": output,
        "space": units,
        "budget": budget,
        "tol": tol,
    }
    check_unused(measure, given if measure == "sage" else {"background": background, **given})
    read, table = read_model(model, X)
    target = read.targets(y, len(table))
    if measure == "permutation":
        return permutation_importance(read, table, target, random_state=random_state)
    rows = None if background is None else Table.of(background, what="background").aligned(table.names)
    question = Question(
        model=read,
        background=rows,
        space=Space.LOSS,
        random_state=random_state,
        n_jobs=n_jobs,
        progress=progress,
    )
    check_question(question)
    return sage_importance(question, table, target)


def _effect_of(model: Any, X: Any, options: Mapping[str, Any]) -> tuple[Model, Table]:
    """Read what an effect needs, and refuse options that are none."""
    check_effect(options)
    read, table = read_model(model, X)
    if not len(table):
        raise InputError("X has no rows; an effect is an average over rows, so it needs at least one.")
    check_output(options.get("output"), read.outputs)
    return read, table


def pdp(model: Any, X: Any, feature: str, **options: Any) -> Effect:
    """Partial dependence: the mean output while one feature is set to each value of a grid (Friedman, 2001)."""
    return effects.pdp(*_effect_of(model, X, options), feature, **options)


def ice(model: Any, X: Any, feature: str, **options: Any) -> Effect:
    """Individual conditional expectation: partial dependence row by row (Goldstein et al., 2015)."""
    return effects.ice(*_effect_of(model, X, options), feature, **options)


def ale(model: Any, X: Any, feature: str, **options: Any) -> Effect:
    """Accumulated local effects, which stay where the data are (Apley and Zhu, 2020)."""
    return effects.ale(*_effect_of(model, X, options), feature, **options)


def regional_effects(model: Any, X: Any, feature: str, **options: Any) -> RegionalEffect:
    """Partial dependence in regions of the data where it is nearly the same for all rows.

    Options are those of `pellucid.explainers.regions.regional_effects`: `max_depth`, `min_rows`, `n_points`,
    `percentiles`, `output` and `space`.

    Examples
    --------
    >>> import numpy as np
    >>> import pellucid
    >>> X = np.random.default_rng(0).uniform(-1, 1, (500, 2))
    >>> found = pellucid.regional_effects(lambda X: np.where(X[:, 1] > 0, X[:, 0], -X[:, 0]), X, "x0", max_depth=1)
    >>> [len(region.conditions) for region in found.regions], round(found.explained, 1)
    ([1, 1], 1.0)
    """
    return regions.regional_effects(*_effect_of(model, X, options), feature, **options)


def regional_effect_from_effector(found: Any, model: Any, X: Any, **options: Any) -> RegionalEffect:
    """Take over the regions that effector found: the model is asked anew in them, and measured as in ours.

    effector is not needed to read its answer; any object with the same attributes will do. Its regions keep their
    conditions, heterogeneity is that of `regional_effects` whatever effector's method was, and every row must lie in
    one region.

    Parameters
    ----------
    found : effector.Partition
        What ``find_regions(feature)`` of an effect of effector 0.6 (`PDP`, `ALE`, `RHALE`, …) returned.
    model : object
        As in `explain`, and the one that effector was given or what that was made of.
    X : table of shape (rows, features)
        The rows that effector was given, as a matrix or as the frame it was made of.
    **options
        `n_points`, `percentiles`, `output` and `space`, as in `regional_effects`.

    Raises
    ------
    InputError
        When `found` is no such object, or its regions do not fit the rows.
    ColumnError
        When `X` lacks a feature that effector names.

    Examples
    --------
    >>> import numpy as np
    >>> import pellucid
    >>> from types import SimpleNamespace as Stub
    >>> X = np.random.default_rng(0).uniform(-1, 1, (500, 2))
    >>> below = Stub(lo=-np.inf, hi=0.0, lo_closed=False, hi_closed=False)
    >>> above = Stub(lo=0.0, hi=np.inf, lo_closed=True, hi_closed=False)
    >>> leaves = [
    ...     Stub(rule=Stub(conditions={1: below}), nof_instances=int((X[:, 1] < 0).sum())),
    ...     Stub(rule=Stub(conditions={1: above}), nof_instances=int((X[:, 1] >= 0).sum())),
    ... ]
    >>> partition = Stub(feature=0, feature_names=["x_0", "x_1"], leaves=leaves)
    >>> found = pellucid.regional_effect_from_effector(partition, lambda X: X[:, 0] * np.sign(X[:, 1]), X)
    >>> [str(region) for region in found.regions], round(found.explained, 1)
    (['x1 < 0', 'x1 ≥ 0'], 1.0)
    """
    given = Table.of(X)
    return regions_from_effector.regional_effect_from_effector(
        found, _effect_of(model, given, options)[0], given, **options
    )


def h_statistic(model: Any, X: Any, feature: str | None = None, **options: Any) -> Importance:
    """H-statistic: the share of what features do together that is interaction (Friedman and Popescu, 2008).

    Of each feature with all others, or with `feature` of each other feature with that one. Options are those of
    `pellucid.explainers.h_statistic.h_statistic`: `n_rows`, `output`, `space`, `random_state` and `progress`.

    Examples
    --------
    >>> import numpy as np
    >>> import pellucid
    >>> X = np.random.default_rng(0).normal(size=(80, 3))
    >>> found = pellucid.h_statistic(lambda X: X[:, 0] * X[:, 1] + X[:, 2], X)
    >>> (found.values.ravel() > 0.1).tolist()
    [True, True, False]
    """
    check_progress(options.get("progress"))
    return h.h_statistic(*_effect_of(model, X, options), feature, **options)
