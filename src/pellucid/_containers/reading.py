"""From whatever the user has to a container, or to a sentence that says what to pass instead."""

from collections.abc import Mapping
from typing import Any

import narwhals as nw
import numpy as np

from pellucid._base.errors import ColumnError, InputError
from pellucid._base.typing import Array
from pellucid._containers.any_frame import AnyFrame
from pellucid._containers.base import Container
from pellucid._containers.matrix import Matrix
from pellucid._containers.pandas_frame import PandasFrame

ACCEPTED = (
    "a pandas, polars or pyarrow frame, a numpy array, a scipy sparse matrix, a list of rows or a dict of columns"
)


def container_of(X: Any, what: str) -> Container:
    """Read `X`; `what` is the argument's name for error messages.

    Raises
    ------
    InputError
        When `X` is not two-dimensional, is lazy, or is of a type we do not know.
    ColumnError
        When two columns have the same name.
    """
    if type(X) is np.ndarray:  # the commonest, and for one row most of what reading costs is asking what it is
        return Matrix(_array(X, what))
    if isinstance(X, Mapping):
        return PandasFrame(_frame_of_columns(X, what))
    if isinstance(X, list | tuple) and any(isinstance(row, Mapping) for row in X):
        return PandasFrame(_frame_of_records(X, what))
    if nw.dependencies.is_pandas_dataframe(X):
        return PandasFrame(X)
    if nw.dependencies.is_into_series(X) or nw.dependencies.is_pandas_index(X):
        raise InputError(f"{what} is one column ({_type(X)}); {what} needs rows and columns. Pass a frame or array.")
    if type(X).__name__ == "RecordBatch" and hasattr(X, "to_struct_array"):
        X = _table_of_batch(X)
    if nw.dependencies.is_into_dataframe(X) or _is_lazy(X):
        return AnyFrame(_eager(X, what))
    return Matrix(_array(X, what))


def _type(X: Any) -> str:
    return f"{type(X).__module__.split('.')[0]} {type(X).__name__}".removeprefix("builtins ")


def _is_lazy(X: Any) -> bool:
    return isinstance(nw.from_native(X, pass_through=True), nw.LazyFrame)


def _eager(X: Any, what: str) -> nw.DataFrame[Any]:
    try:
        frame: nw.DataFrame[Any] | nw.LazyFrame[Any] = nw.from_native(X)
    except nw.exceptions.DuplicateError as error:
        raise ColumnError(f"{what} has columns with the same name; rename them first. {error}") from error
    if isinstance(frame, nw.LazyFrame):
        raise InputError(f"{what} is lazy ({_type(X)}): its rows are not there yet. Call {what}.collect() first.")
    return frame


def _table_of_batch(batch: Any) -> Any:
    import pyarrow as pa  # type: ignore[import-untyped] # the user's own library

    return pa.Table.from_batches([batch])


def _frame_of_columns(columns: Mapping[Any, Any], what: str) -> Any:
    import pandas as pd  # a third party, needed only for dicts of columns

    try:
        return pd.DataFrame(dict(columns))
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{what} is a dict, so its values must be columns, all of one length; {error!s:.200}."
        ) from error


def _frame_of_records(records: Any, what: str) -> Any:
    import pandas as pd  # a third party, needed only for lists of dicts

    if not all(isinstance(row, Mapping) for row in records):
        raise InputError(f"{what} is a list in which some rows are dicts and others are not; make them all dicts.")
    return pd.DataFrame([dict(row) for row in records])


def _array(X: Any, what: str) -> Array:
    if hasattr(X, "tocsr"):
        X = X.toarray()
    if isinstance(X, list | tuple):
        array = _array_of_rows(X, what)
    elif isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        array = _array_of_masked(X)
    elif isinstance(X, np.ndarray) or hasattr(X, "__array__"):
        array = np.asarray(X)
    else:
        raise InputError(f"{what} must be {ACCEPTED}; got {_type(X)}.")
    if array.dtype.names is not None:
        raise InputError(
            f"{what} is a structured array; pass pandas.DataFrame({what}) so that its fields become columns."
        )
    if array.ndim != 2:
        raise InputError(
            f"{what} must have two dimensions (rows, columns); got {array.ndim}. "
            "For one row pass [row]; for one column pass a column name with a frame."
        )
    return array


def _array_of_rows(rows: Any, what: str) -> Array:
    """Read lists of rows: numbers as numbers, and beside text every cell as it came (numpy would turn 1 into '1')."""
    try:
        array = np.asarray(rows)
    except (ValueError, TypeError) as error:
        raise InputError(f"{what} is a list whose rows differ in length or shape; make them all the same.") from error
    if array.dtype.kind in "SU" and array.ndim == 2:
        cells = np.empty(array.shape, dtype=object)
        for i, row in enumerate(rows):
            cells[i] = list(row)
        return cells
    return array


def _array_of_masked(X: Any) -> Array:
    """Masked cells are missing: NaN in floats, None in anything that cannot hold NaN."""
    if X.dtype.kind == "f":
        return np.asarray(X.filled(np.nan))
    cells = np.asarray(X.data).astype(object)
    cells[np.ma.getmaskarray(X)] = None
    return cells
