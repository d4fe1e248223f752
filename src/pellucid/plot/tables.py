"""The tables behind pictures: columns of equal length, and their rows as Vega data."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import altair as alt

from pellucid._base.errors import InputError
from pellucid._base.typing import Names
from pellucid.explanation.explanation import named_positions

Columns: TypeAlias = Mapping[str, Sequence[Any]]
"""Columns of equal length by name."""


def need(table: Columns, kind: str, *columns: str) -> int:
    """Return the number of rows of a table that has these columns, all of one length.

    Raises
    ------
    InputError
        When a column is missing or the lengths differ.
    """
    missing = [name for name in columns if name not in table]
    if missing:
        raise InputError(
            f"a {kind!r} picture needs the columns {', '.join(columns)}; the table lacks {', '.join(missing)}."
        )
    lengths = {name: len(column) for name, column in table.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"the columns of a table must be equally long; got {lengths}.")
    return next(iter(lengths.values()), 0)


def column(table: Columns, name: str, rows: int) -> list[Any]:
    """Return a column as a list, of None where the table has no such column."""
    return list(table[name]) if name in table else [None] * rows


def data(columns: Columns) -> alt.Data:
    """Return the table as inline data: user text only ever stands in values, never in field names."""
    names = list(columns)
    rows = [dict(zip(names, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    return alt.Data(values=rows)  # type: ignore[no-untyped-call]


def one_output(outputs: Names, output: str | int | None) -> int:
    """Position of the output to draw: the named one, the only one, or the second of two classes."""
    if output is not None:
        return named_positions(output, outputs, "output")[0]
    if len(outputs) <= 2:
        return len(outputs) - 1
    known = ", ".join(map(repr, outputs[:12]))
    raise InputError(f"a picture shows one output; choose it with output=, one of {known}.")


def check_row(row: int, rows: int) -> None:
    """Refuse a row that was not explained."""
    if not 0 <= row < rows:
        raise InputError(f"row must be the position of one of the {rows} explained rows, from 0; got {row}.")
