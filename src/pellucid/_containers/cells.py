"""Single cells: what kind they are, which are missing, and their plain Python form."""

import datetime
import decimal
import numbers
from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.typing import Array, Float1

Kind: TypeAlias = Literal["number", "bool", "category", "string", "datetime"]

_PLAIN = {str, int, float, bool, type(None)}
_TIMES = (datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64)


def is_missing(value: Any) -> bool:
    """Whether a cell is None, NaN, NaT or NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    # NaN is what is not equal to itself
    return isinstance(value, float | np.generic | decimal.Decimal) and bool(value != value)  # noqa: PLR0124


def kind_of_code(code: str, name: str, what: str) -> Kind | None:
    """Kind that a one-letter dtype code (``dtype.kind``) stands for; None where the cells must be looked at."""
    if code in "iuf":
        return "number"
    if code == "b":
        return "bool"
    if code in "mM":
        return "datetime"
    if code in "SUT":
        return "string"
    if code == "c":
        raise InputError(
            f"column {name!r:.80} of {what} has complex numbers; give real and imaginary parts as two columns."
        )
    return None


def kind_of_objects(cells: Iterable[Any], name: str, what: str) -> Kind:
    """Kind of a column of Python objects, by looking at every cell."""
    values = list(cells)
    types = set(map(type, values))
    for kind in types:
        if kind.__hash__ is None or issubclass(kind, complex | np.complexfloating):
            raise InputError(
                f"column {name!r:.80} of {what} holds cells of type {kind.__name__}; "
                "a cell must be one number, bool, text, category or date."
            )
    if not types <= {str, bool}:
        types = {type(value) for value in values if not is_missing(value)}
    if not types:
        return "number"
    if all(issubclass(kind, bool | np.bool_) for kind in types):
        return "bool"
    if all(issubclass(kind, numbers.Real | decimal.Decimal | np.bool_) for kind in types):
        return "number"
    return "datetime" if all(issubclass(kind, _TIMES) for kind in types) else "string"


def plain_objects(cells: Iterable[Any]) -> Array:
    """Cells as Python's own types, None where missing: the same from every container.

    Times are exact to the microsecond; times with a zone are given in UTC.
    """
    values = list(cells)
    types = set(map(type, values))
    if not types <= _PLAIN:
        values = [None if is_missing(value) else _plain(value) for value in values]
    elif float in types:
        values = [None if is_missing(value) else value for value in values]
    result = np.empty(len(values), dtype=object)
    result[:] = values
    return result


def _plain(value: Any) -> Any:
    if isinstance(value, np.datetime64):
        day = np.datetime_data(value)[0] in ("D", "W", "M", "Y")
        return value.astype("datetime64[D]" if day else "datetime64[us]").item()
    if isinstance(value, np.timedelta64):
        return value.astype("timedelta64[us]").item()
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, "to_pytimedelta"):
        return value.to_pytimedelta()
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime(warn=False)
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return value.astimezone(datetime.UTC)
    # `fold` only tells apart two times of a zone, and there is none
    return value.replace(fold=0) if isinstance(value, datetime.datetime | datetime.time) else value


def floats_of_objects(cells: Iterable[Any]) -> Float1:
    """Number-like Python objects as float64, NaN where missing."""
    try:
        return np.array([np.nan if is_missing(value) else float(value) for value in cells], dtype=np.float64)
    except OverflowError as error:
        raise InputError(f"a number is too large for float64 (above 1.8e308): {error}.") from error


def objects_of(values: Array) -> list[Any]:
    """Return a vector's cells as a list, keeping datetimes as numpy scalars so that no unit is lost."""
    return list(values) if values.dtype.kind in "mM" else values.tolist()
