"""Columns of categories as the numbers under which a boosting library knows them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.typing import Array, Float1, Float2
from pellucid.adapters.reading import numeric_matrix
from pellucid.table import Table


def is_categorical(native: Any) -> list[bool]:
    """Which columns of a frame are of a categorical dtype; none of an array's are."""
    return [kind == "category" for kind in Table.of(native).kinds] if hasattr(native, "columns") else []


def coded(
    native: Any,
    levels: Mapping[int, Sequence[Any] | None],
    *,
    unseen: str = "missing",
    spelled: Callable[[Sequence[Any], Sequence[Any] | None], Sequence[Any]] = lambda names, _known: names,
) -> Float2:
    """Rows as float64, with the position of each level instead of the level.

    Parameters
    ----------
    native : table
    levels : mapping
        Position of a column to the levels that the model numbered; None takes a pandas column's own order.
    unseen : {"missing", "refuse"}
        What a value does that is none of the levels.
    spelled : callable
        What the library makes of a pandas column's categories before it looks them up among the levels.

    Raises
    ------
    InputError
        When a value is unknown and `unseen` is "refuse".
    """
    table = Table.of(native)
    others = [name for j, name in enumerate(table.names) if j not in levels]
    result = np.empty((table.n_rows, table.n_columns))
    plain = [j for j in range(table.n_columns) if j not in levels]
    result[:, plain] = numeric_matrix(table.select(others).native) if others else np.empty((table.n_rows, 0))
    for j, known in levels.items():
        name = table.names[j]
        own = native.iloc[:, j].cat if hasattr(native, "iloc") and hasattr(native.iloc[:, j], "cat") else None
        if own is not None:  # a column of few levels needs no look at its cells
            names = spelled(own.categories.tolist(), known)
            image = _positions(names, names if known is None else known)
            codes = own.codes.to_numpy()
            values = np.where(codes < 0, np.nan, np.append(image, np.nan)[codes])
            strange = (codes >= 0) & np.isnan(values)
        else:
            cells = table.column(name)
            values = _positions(cells, list(known or ()))
            strange = np.isnan(values) & np.array([cell is not None and cell == cell for cell in cells], dtype=bool)  # noqa: PLR0124
        if unseen == "refuse" and np.any(strange):
            row = int(np.argmax(strange))
            raise InputError(
                f"column {name!r:.80} has the category {table.column(name)[row]!r:.60} at row {row}, which the model "
                "has not seen. Drop these rows or make the value missing."
            )
        result[:, j] = values
    return result


def _positions(values: Sequence[Any] | Array, levels: Sequence[Any]) -> Float1:
    place = {level: k for k, level in enumerate(levels)}
    return np.array([place.get(value, np.nan) for value in values], dtype=np.float64)
