"""The doors of effects: `pdp`, `ice`, `ale`, `regional_effects` and `h_statistic`."""

from collections.abc import Mapping
from typing import Any

from pellucid._base.errors import InputError
from pellucid._base.progress import check_progress
from pellucid._door import read_model
from pellucid.explainers import effects, regions
from pellucid.explainers import h_statistic as h
from pellucid.explainers.options import check_effect, check_output
from pellucid.explanation import Effect, Importance
from pellucid.explanation.regional import RegionalEffect
from pellucid.ir import Model
from pellucid.table import Table


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
