"""What pellucid's own estimators accept, on scikit-learn's terms: arrays, and frames of mixed types."""

from collections.abc import Mapping
from typing import Any

import narwhals as nw
import numpy as np
from sklearn.utils.validation import _check_sample_weight, column_or_1d, validate_data

from pellucid._base.errors import InputError
from pellucid._base.typing import Array, Float1, Names
from pellucid.table import Table

MISSING = None
"""What stands for a missing category."""


def read_rows(estimator: Any, X: Any, *, reset: bool) -> Table:
    """Read `X` as a table and keep scikit-learn's book of names and column counts on `estimator`.

    Raises
    ------
    InputError
        When `X` has no rows or columns, or a number in it is infinite.
    TypeError
        When `X` is sparse.
    """
    if hasattr(X, "tocsr"):
        raise TypeError("Sparse input is not supported; pass X.toarray().")
    if isinstance(X, Mapping):
        X = Table.of(X)
    if isinstance(X, Table):
        X = X.native
    if isinstance(nw.from_native(X, eager_only=True, pass_through=True), nw.DataFrame):
        table = Table.of(X)
        validate_data(estimator, X, reset=reset, skip_check_array=True)
    else:
        table = Table.of(validate_data(estimator, X, reset=reset, dtype=None, ensure_all_finite="allow-nan"))
    _refuse_empty(table)
    _refuse_infinite(table)
    if reset:
        estimator._columns = table.names
    return _named(table, estimator._columns)


def read_weights(sample_weight: Any, table: Table) -> Float1:
    """Read one non-negative weight per row; ones when there are none."""
    if sample_weight is None:
        return np.ones(len(table))
    weights: Float1 = _check_sample_weight(
        sample_weight, np.empty((len(table), 1)), dtype=np.float64, ensure_non_negative=True
    )
    if not weights.sum() > 0:
        raise InputError("sample_weight is zero for every row; at least one row must count.")
    return weights


def read_target(y: Any, table: Table, who: str) -> Array:
    """Read one target per row, none of them NaN or infinite."""
    if y is None:
        raise InputError(f"{who} requires y to be passed, but the target y is None.")
    target: Array = column_or_1d(y, warn=True)
    if target.dtype.kind == "f" and not np.isfinite(target).all():
        raise InputError("Input y contains infinity or NaN; drop the rows whose target is unknown.")
    if len(target) != len(table):
        raise InputError(f"y must have one value per row; got {len(target)} for {len(table)} rows.")
    return target


def numbers(table: Table, name: str) -> Float1:
    """Read a column of numbers, bools or dates (days since 1970-01-01) as float64, NaN where missing."""
    kind = table.kinds[table.names.index(name)]
    values = table.column(name)
    if kind in ("number", "bool"):
        return values
    if all(value is None for value in values):
        return np.full(len(values), np.nan)
    if kind == "datetime":
        return _days(values)
    raise InputError(
        f"column {name!r} held numbers when the model was fitted; it now holds text, such as {_first(values)}."
    )


def keys(table: Table, name: str) -> Array:
    """Read a column of any kind as categories: their text, and None where missing."""
    values = table.column(name)
    kind = table.kinds[table.names.index(name)]
    if kind == "bool":
        words = np.where(values == 1, "true", "false").astype(object)
        words[np.isnan(values)] = MISSING
        return words
    if kind == "number":
        return np.array([MISSING if np.isnan(value) else f"{value:g}" for value in values], dtype=object)
    return np.array([MISSING if value is None else str(value) for value in values], dtype=object)


def is_numeric(kind: str) -> bool:
    """Whether a column of this kind is cut into ranges; all others are categories."""
    return kind in ("number", "datetime")


def _named(table: Table, names: Names) -> Table:
    """Give the columns, which are in the right order, the names the estimator was fitted on."""
    if table.names == names:
        return table
    if not table.named:
        return table.aligned(names)
    frame = nw.from_native(table.native, eager_only=True)
    return Table.of(frame.rename(dict(zip(frame.columns, names, strict=True))).to_native())


def _days(values: Array) -> Float1:
    stamps = np.array([np.datetime64("NaT") if value is None else value for value in values], dtype="datetime64[us]")
    days = stamps.astype(np.int64) / 86_400e6
    return np.where(np.isnat(stamps), np.nan, days)


def _first(values: Array) -> str:
    return next(repr(value) for value in values if value is not None)


def _refuse_empty(table: Table) -> None:
    if len(table) == 0:
        raise InputError(
            f"Found array with 0 sample(s) (shape=(0, {table.n_columns})) while a minimum of 1 is required."
        )
    if table.n_columns == 0:
        raise InputError(f"Found array with 0 feature(s) (shape=({len(table)}, 0)) while a minimum of 1 is required.")


def _refuse_infinite(table: Table) -> None:
    for name, kind in zip(table.names, table.kinds, strict=True):
        if kind == "number" and np.isinf(table.column(name)).any():
            raise InputError(
                f"column {name!r} has an infinite number (Input X contains infinity); replace it by a missing value."
            )
