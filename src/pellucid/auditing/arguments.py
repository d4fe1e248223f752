"""Reading what the caller passed to an audit: every argument is checked here, with a sentence."""

from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np

from pellucid._base.errors import ColumnError, InputError
from pellucid._base.typing import Array, Float1, Int1
from pellucid._base.words import counted
from pellucid.auditing.words import is_missing, listed
from pellucid.table import Table

FEWEST_ROWS = 20


def read_target(y: Any, n_rows: int, *, what: str = "y") -> Array:
    """Return the target as an array of numbers or of label objects, one per row, none missing, not constant."""
    values = np.asarray(y)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise InputError(f"{what} must have one value per row; got shape {values.shape}. Audit one target at a time.")
    if len(values) != n_rows:
        raise InputError(f"{what} must have one value per row of its table; got {len(values)} for {n_rows} rows.")
    missing = np.array([is_missing(v) for v in values.tolist()], dtype=bool)
    if missing.any():
        raise InputError(
            f"{what} is missing in {counted(int(missing.sum()), 'row')}, first at row {int(missing.argmax())}. "
            "Drop the rows without a target."
        )
    if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
        raise InputError(f"{what} has infinite values, first at row {int(np.argmin(np.isfinite(values)))}.")
    distinct = set(values.tolist())
    if len(distinct) < 2:
        raise InputError(f"{what} is constant (always {next(iter(distinct), None)!r}): there is nothing to predict.")
    if values.dtype.kind not in "bifuO":
        values = values.astype(object)
    return values


def refuse_few_rows(n_rows: int) -> None:
    """Refuse an audit of a handful of rows, which would say nothing that holds."""
    if n_rows < FEWEST_ROWS:
        raise InputError(
            f"an audit needs at least {FEWEST_ROWS} rows, because with fewer no figure means anything; got {n_rows}."
        )


def read_sensitive(sensitive: Any, X: Table) -> dict[str, Array]:
    """Sensitive features by name, one value per row: named columns of `X`, or columns given beside it."""
    if sensitive is None:
        return {}
    if isinstance(sensitive, str):
        sensitive = [sensitive]
    if isinstance(sensitive, Sequence) and all(isinstance(item, str) for item in sensitive):
        unknown = [name for name in sensitive if name not in X.names]
        if unknown:
            raise ColumnError(
                f"sensitive_features names columns that X does not have: {listed(unknown)}. "
                f"X has {listed(X.names, 12)}."
            )
        return {name: _labels(X, name) for name in sensitive}
    table = Table.of(_columns(sensitive), what="sensitive_features")
    if len(table) != len(X):
        raise InputError(f"sensitive_features must have one row per row of X; got {len(table)} for {len(X)}.")
    return {name: _labels(table, name) for name in table.names}


def _labels(table: Table, name: str) -> Array:
    """One column; True and False stay words."""
    values = table.column(name)
    if table.kinds[table.names.index(name)] != "bool":
        return values
    return np.array([None if np.isnan(value) else str(bool(value)) for value in values], dtype=object)


def _columns(sensitive: Any) -> Any:
    """Return a single column becomes a table with one."""
    native = nw.from_native(sensitive, allow_series=True, pass_through=True)
    if isinstance(native, nw.Series):
        return {str(native.name or "group"): native.to_numpy()}
    if isinstance(sensitive, np.ndarray) and sensitive.ndim == 1:
        return {"group": sensitive}
    if isinstance(sensitive, Mapping) or hasattr(sensitive, "shape") or isinstance(native, nw.DataFrame):
        return sensitive
    raise InputError(
        "sensitive_features must be names of columns of X, or a table (frame, dict of columns) with one row per row "
        f"of X; got {type(sensitive).__name__}."
    )


def read_weight(weight: Any, n_rows: int) -> Float1 | None:
    """Sample weights: one per row, finite, not negative, not all zero."""
    if weight is None:
        return None
    try:
        values = np.asarray(weight, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"sample_weight must have numbers; {error}.") from error
    if values.shape != (n_rows,):
        raise InputError(f"sample_weight must have one value per row; got shape {values.shape} for {n_rows} rows.")
    if not np.isfinite(values).all() or (values < 0).any() or not values.any():
        raise InputError("sample_weight must be finite, not negative, and not zero everywhere.")
    return values


def read_rows(rows: Any, n_rows: int) -> str | Int1 | None:
    """Rows whose decisions are explained: None, "typical" or row numbers."""
    if rows is None or (isinstance(rows, str) and rows == "typical"):
        return rows
    if isinstance(rows, str) or not isinstance(rows, Sequence | np.ndarray):
        raise InputError(f"rows must be None, 'typical' or a list of row numbers; got {rows!r}.")
    numbers = list(np.asarray(rows).tolist())
    for item in numbers:
        if isinstance(item, bool) or not isinstance(item, int):
            raise InputError(f"rows must be whole row numbers; got {item!r}.")
        if not 0 <= item < n_rows:
            raise InputError(f"there is no row {item}: X has {n_rows} rows, numbered from 0 to {n_rows - 1}.")
    if not numbers:
        raise InputError("rows is empty: pass row numbers, 'typical', or None for no single decisions.")
    return np.array(list(dict.fromkeys(numbers)), dtype=np.int64)


def read_favorable(favorable: Any, classes: Array | None) -> Any:
    """Return the label that is good for the person; numbers from a command line match by their text."""
    if favorable is None:
        return None
    if classes is None:
        raise InputError("favorable= names a class, but the target is a number. Leave it out.")
    labels = classes.tolist()
    if favorable in labels:
        return labels[labels.index(favorable)]
    by_text = [label for label in labels if str(label) == str(favorable)]
    if len(by_text) != 1:
        raise InputError(f"favorable={favorable!r} is not a class of the target: {listed(labels, 12)}.")
    return by_text[0]


def read_threshold(threshold: Any, classes: Array | None, *, probable: bool) -> float | None:
    """Cut-off on the score of the second class; between 0 and 1 where scores are probabilities (`probable`)."""
    if threshold is None:
        return None
    if classes is None or len(classes) != 2:
        raise InputError("threshold= cuts the score of two classes; this target does not have two.")
    if isinstance(threshold, bool) or not isinstance(threshold, int | float | np.number) or not np.isfinite(threshold):
        raise InputError(f"threshold must be a finite number; got {threshold!r}.")
    if probable and not 0 <= threshold <= 1:
        raise InputError(f"threshold must lie between 0 and 1, as the model gives probabilities; got {threshold!r}.")
    return float(threshold)


def read_seed(random_state: Any) -> int:
    """Return a whole number, so that the audit can be made again."""
    if isinstance(random_state, bool) or not isinstance(random_state, int | np.integer):
        raise InputError(f"random_state must be a whole number; got {random_state!r}.")
    return int(random_state)
