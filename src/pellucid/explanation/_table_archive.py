"""A table as JSON values and arrays, and back: a frame comes back as pandas, an array as numpy."""

import datetime
import decimal
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np

from pellucid._base.errors import FileError
from pellucid._base.typing import Array
from pellucid._containers import Kind, container_of
from pellucid._containers.cells import plain_objects
from pellucid._containers.pandas_frame import index_of
from pellucid.table import Table

_TEXT_DTYPES = ("str", "string", "object")
_MASKED = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float32", "Float64", "boolean")


def described_table(table: Table | None) -> Any:
    """Turn a table into dicts, lists, plain values and arrays.

    Row labels are not kept. Sparse, Arrow and other special columns become their plain pandas kin with the
    same cells.

    Raises
    ------
    FileError
        When a cell is of a type that has no form in JSON.
    """
    if table is None:
        return None
    common = {"names": list(table.names), "kinds": list(table.kinds), "by_name": table.by_name}
    native = table.native
    if not isinstance(native, np.ndarray):
        frame = table.to_pandas()
        columns = [_described_column(frame.iloc[:, j].array, name) for j, name in enumerate(table.names)]
        return {**common, "rows": len(table), "columns": columns}
    if native.dtype != object:
        return {**common, "array": np.asarray(native)}
    cells = [described_cells(plain_objects(native[:, j].tolist()), name) for j, name in enumerate(table.names)]
    return {**common, "rows": len(table), "cells": cells}


def restored_table(described: Any) -> Table | None:
    """Make the table again; FileError where the description contradicts itself."""
    if described is None:
        return None
    names, kinds = tuple(described["names"]), tuple(described["kinds"])
    if "array" in described:
        native = described["array"]
    elif "cells" in described:
        native = _object_matrix([restored_cells(cells) for cells in described["cells"]], described["rows"])
    else:
        native = _restored_frame(names, described["columns"], described["rows"])
    container = container_of(native, "the saved table")
    derived = container.kinds(names, "the saved table")
    width = container.native.shape[1]
    if not len(names) == len(kinds) == width or not set(kinds) <= set(get_args(Kind)) or len(set(names)) != width:
        raise FileError("names, kinds and columns of its table do not match")
    for saved, found in zip(kinds, derived, strict=True):
        if saved in ("number", "bool") and found not in ("number", "bool"):
            raise FileError("a column of its table is not of the kind it says")
    return Table(names=names, kinds=kinds, container=container, by_name=bool(described["by_name"]))


def _object_matrix(columns: Sequence[list[Any]], n_rows: int) -> Array:
    matrix = np.empty((n_rows, len(columns)), dtype=object)
    for j, cells in enumerate(columns):
        matrix[:, j] = cells
    return matrix


def _described_column(array: Any, name: str) -> dict[str, Any]:
    import pandas as pd  # the frame's own library

    if isinstance(array.dtype, pd.SparseDtype):
        array = pd.Series(np.asarray(array)).array
    elif isinstance(array.dtype, pd.ArrowDtype):
        array = _without_arrow(array)
    dtype = array.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        categories = described_cells(plain_objects(array.categories.astype(object)), name)
        return {"codes": np.asarray(array.codes), "categories": categories, "ordered": bool(array.ordered)}
    if str(dtype) in _MASKED:
        values = array.to_numpy(dtype=dtype.numpy_dtype, na_value=dtype.numpy_dtype.type(0))
        return {"masked": str(dtype), "values": values, "missing": np.asarray(array.isna())}
    if isinstance(dtype, pd.DatetimeTZDtype):
        utc = array.tz_convert("UTC").tz_localize(None)
        return {"values": utc.to_numpy(), "zone": str(dtype.tz)}
    if dtype.kind in "biufmM":
        return {"values": np.asarray(array)}
    kept = str(dtype) if str(dtype) in _TEXT_DTYPES else "object"
    return {"dtype": kept, "cells": described_cells(plain_objects(array.astype(object)), name)}


def _without_arrow(array: Any) -> Any:
    """Give an Arrow-backed column as the nearest column of pandas' own."""
    import pandas as pd  # the frame's own library

    kind = array.dtype.kind
    if kind in "iub":
        name = array.dtype.numpy_dtype.name
        return array.astype({"bool": "boolean"}.get(name, name.capitalize().replace("Ui", "UI")))
    if kind == "f" or array.dtype.type is decimal.Decimal:
        return array.astype("Float64")
    if str(array.dtype).startswith("dictionary<"):
        return pd.Categorical(array.astype(object))
    if kind in "mM":
        return pd.Series(array.astype(object)).array
    cells = plain_objects(array.astype(object))
    text = all(value is None or isinstance(value, str) for value in cells)
    return pd.array(cells, dtype="string") if text else pd.Series(cells, dtype=object).array


def _restored_frame(names: Sequence[str], columns: Sequence[dict[str, Any]], n_rows: int) -> Any:
    import pandas as pd  # the frame's own library

    index = pd.RangeIndex(n_rows)
    if len(columns) != len(names):
        raise FileError("its table has another number of columns than names")
    restored = {}
    for j, column in enumerate(columns):
        array = _restored_column(column)
        if len(array) != n_rows:
            raise FileError("a column of its table is longer or shorter than the others")
        restored[j] = pd.Series(array, index=index, dtype=array.dtype)
    frame = pd.DataFrame(restored, index=index)
    frame.columns = index_of(names)
    return frame


def _restored_column(column: dict[str, Any]) -> Any:
    import pandas as pd  # the frame's own library

    if "codes" in column:
        categories = pd.Index(restored_cells(column["categories"]))
        return pd.Categorical.from_codes(column["codes"], categories=categories, ordered=column["ordered"])
    if "masked" in column:
        if column["masked"] not in _MASKED:
            raise FileError("a column of its table has an unknown dtype")
        result = pd.array(column["values"], dtype=column["masked"])
        result[np.array(column["missing"], dtype=bool)] = pd.NA
        return result
    if "zone" in column:
        return pd.DatetimeIndex(column["values"]).tz_localize("UTC").tz_convert(column["zone"]).array
    if "values" in column:
        return np.array(column["values"])
    if column["dtype"] not in _TEXT_DTYPES:
        raise FileError("a column of its table has an unknown dtype")
    cells = plain_objects(restored_cells(column["cells"]))
    return cells if column["dtype"] == "object" else pd.array(cells, dtype=column["dtype"])


_WRITERS: tuple[tuple[type, str, Any], ...] = (
    (datetime.datetime, "datetime", datetime.datetime.isoformat),
    (datetime.date, "date", datetime.date.isoformat),
    (datetime.time, "time", datetime.time.isoformat),
    (datetime.timedelta, "microseconds", lambda value: value // datetime.timedelta(microseconds=1)),
    (decimal.Decimal, "decimal", str),
    (bytes, "bytes", bytes.hex),
)
_READERS: dict[str, Any] = {
    "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "microseconds": lambda value: datetime.timedelta(microseconds=value),
    "decimal": decimal.Decimal,
    "bytes": bytes.fromhex,
}


def described_cells(cells: Array, name: str) -> list[Any]:
    """Plain cells as JSON values; those JSON does not know as ``{type: text}``."""
    return [value if _is_json(value) else _described_cell(value, name) for value in cells.tolist()]


def _is_json(value: Any) -> bool:
    return value is None or type(value) in (str, bool, int, float)


def _described_cell(value: Any, name: str) -> dict[str, Any]:
    for kind, tag, write in _WRITERS:
        if type(value) is kind:
            return {tag: write(value)}
    raise FileError(
        f"column {name!r:.80} has cells of type {type(value).__name__}, which have no form in a saved file; "
        "turn them into text first."
    )


def restored_cells(cells: Sequence[Any]) -> list[Any]:
    return [_READERS[next(iter(cell))](*cell.values()) if isinstance(cell, dict) else cell for cell in cells]
