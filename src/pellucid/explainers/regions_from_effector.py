"""Regions that effector found, in which the model is asked anew and measured as in ours."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.typing import Array, Int1, Names
from pellucid._base.words import counted
from pellucid.explainers.effects import Output
from pellucid.explainers.regions import Curves
from pellucid.explanation.regional import Condition, RegionalEffect
from pellucid.ir import Model
from pellucid.table import Table, listed

SAME_ROWS = "Pass the rows that effector was given, or X[effect.indices] where it took only some of them."


def regional_effect_from_effector(
    found: Any,
    model: Model,
    X: Table,
    *,
    n_points: int = 20,
    percentiles: tuple[float, float] = (5.0, 95.0),
    output: Output = None,
    space: str = "raw",
) -> RegionalEffect:
    """Ask the model for its curves in the regions that effector found.

    Parameters
    ----------
    found : effector.Partition
        What ``find_regions(feature)`` of effector 0.6 returned.
    model : Model
    X : Table
        The rows that effector was given. Features are matched by name where effector was told names and `X` has them,
        else by position.
    n_points, percentiles, output, space
        As in `pdp`.

    Raises
    ------
    InputError
        When `found` is no such object, or its regions do not fit the rows.
    ColumnError
        When `X` lacks a feature that effector names.
    """
    j, theirs, leaves = _read(found, "feature", "feature_names", "leaves")
    table = X.aligned(model.features or X.names)
    names = _names(theirs, X, table)
    feature = _name(names, j)
    texts = getattr(found, "_category_names", None) or {}  # in no public place
    read = [_read(leaf, "rule", "nof_instances") for leaf in leaves]
    rules = [tuple(_conditions(rule, names, table, texts)) for rule, _ in read]
    places = _places(rules, [n for _, n in read], table)
    curves = Curves.of(model, table, feature, n_points=n_points, percentiles=percentiles, output=output, space=space)
    regions = [curves.region(rows, rule) for rule, rows in zip(rules, places, strict=True) if len(rows)]
    return RegionalEffect(feature=feature, whole=curves.region(np.arange(len(table))), regions=tuple(regions))


def _read(theirs: Any, *names: str) -> tuple[Any, ...]:
    """Attributes of an object of effector's."""
    lacking = [name for name in names if not hasattr(theirs, name)]
    if lacking:
        raise InputError(
            "expected the Partition that find_regions(feature) of effector 0.6 returns; got a "
            f"{type(theirs).__qualname__}, which lacks {listed(lacking)}. Call find_regions for one feature and pass "
            "what it returns."
        )
    return tuple(getattr(theirs, name) for name in names)


def _names(theirs: Any, X: Table, table: Table) -> Names:
    """Our names of effector's columns, in its order; x_0, x_1, … are what it calls columns without names."""
    told = None if theirs is None else tuple(map(str, theirs))
    if told is None or not X.by_name or told == tuple(f"x_{j}" for j in range(len(told))):
        if told is not None and len(told) != X.n_columns:
            raise InputError(f"effector saw {counted(len(told), 'column')}, but X has {X.n_columns}. {SAME_ROWS}")
        return X.names if X.by_name else table.names
    return X.aligned(told, owner="effector").names


def _name(names: Names, j: int) -> str:
    if j not in range(len(names)):
        raise InputError(f"effector speaks of column {j!r:.80}, counted from 0, but X has {len(names)}. {SAME_ROWS}")
    return names[j]


def _conditions(rule: Any, names: Names, table: Table, texts: Mapping[int, Mapping[float, str]]) -> Iterator[Condition]:
    """What effector's rule asks of a row; whether an end belongs to an interval stays as it is."""
    (subsets,) = _read(rule, "conditions")
    for j, subset in subsets.items():
        name, levels = _name(names, j), getattr(subset, "levels", None)
        column = table.column(name)
        if column.dtype == object and (levels is None or j not in texts):
            raise InputError(
                f"effector split {name!r:.80} by numbers whose texts it was not told, but X has none there. Pass the "
                "matrix that effector was given and a model of it, or a partition bound to an effect of "
                "effector.from_dataframe(X)."
            )
        if levels is not None:
            yield _among(name, levels, column, texts.get(j, {}))
            continue
        low, high, with_low, with_high = _read(subset, "lo", "hi", "lo_closed", "hi_closed")
        if low > -np.inf:
            yield Condition(feature=name, sign="≥" if with_low else ">", value=_as_compared(low, table))
        if high < np.inf:
            yield Condition(feature=name, sign="≤" if with_high else "<", value=_as_compared(high, table))


def _among(name: str, levels: Collection[float], column: Array, texts: Mapping[float, str]) -> Condition:
    """Whether the feature has one of the values, which effector knows as numbers."""
    if column.dtype == object:
        wanted = {texts.get(level) for level in levels}
        values = sorted({cell for cell in column.tolist() if cell is not None and str(cell) in wanted}, key=str)
    else:
        values = sorted(map(float, levels))
    if len(values) == 1:
        return Condition(feature=name, sign="=", value=values[0])
    return Condition(feature=name, sign="∈", value=tuple(values))


def _as_compared(number: float, table: Table) -> float:
    """The number to which numpy compares these rows: it rounds to float32 where they are."""
    dtype = getattr(table.native, "dtype", None)
    return float(dtype.type(number)) if dtype is not None and dtype.kind == "f" else float(number)


def _places(rules: Sequence[tuple[Condition, ...]], counts: Sequence[int], table: Table) -> list[Int1]:
    """Rows of each region, of which every row has one and effector has as many."""
    if sum(counts) != len(table):
        raise InputError(
            f"effector's regions hold {counted(sum(counts), 'row')}, but X has {len(table):,}. {SAME_ROWS}"
        )
    everyone = np.ones(len(table), dtype=bool)
    inside = np.array(
        [np.all([everyone, *(one.holds(table.column(one.feature)) for one in rule)], axis=0) for rule in rules]
    )
    regions = inside.sum(axis=0)
    if (regions != 1).any():
        row = int((regions != 1).argmax())
        raise InputError(
            f"every row must lie in one of effector's regions, but row {row} lies in {regions[row]}. {SAME_ROWS}"
        )
    for rows, rule, count in zip(inside, rules, counts, strict=True):
        if rows.sum() != count:
            where = " and ".join(map(str, rule))
            raise InputError(
                f"effector has {counted(count, 'row')} where {where:.200}, but X has {rows.sum():,}. {SAME_ROWS}"
            )
    return [np.flatnonzero(rows) for rows in inside]
