"""Simple statements about a row, such as “age is above 40 up to 62”, that cut a table into parts."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pellucid._base.numbers import MINUS
from pellucid._base.typing import Array, Bool1
from pellucid.table import Table

MOST_VALUES = 12
"""Categories of one column that get a statement each, the commonest first."""
PARTS = (0.25, 0.5, 0.75)
"""Numbers with many values are cut at their quartiles."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Condition:
    """One statement about one column, and the rows it holds for.

    Parameters
    ----------
    feature : str
    words : str
        The statement, such as "‘age’ is above 40 up to 62".
    rows : bool array of shape (rows,)
    """

    feature: str
    words: str
    rows: Bool1


def conditions_of(table: Table, min_rows: int) -> tuple[Condition, ...]:
    """Return the statements that hold for at least `min_rows` rows, and not for as few others.

    They are made from the columns alone, never from what is measured in them, so a test of each is honest.
    """
    found = [each for name in table.names for each in _of_column(table, name)]
    return tuple(each for each in found if min_rows <= each.rows.sum() <= len(table) - min_rows)


def _of_column(table: Table, name: str) -> Iterator[Condition]:
    values = table.column(name)
    if values.dtype.kind == "f":
        missing = np.isnan(values)
        yield from _of_numbers(name, values, missing)
    else:
        missing = np.array([value is None for value in values.tolist()], dtype=bool)
        texts = np.array([str(value) for value in values.tolist()], dtype=object)
        known, counts = np.unique(texts[~missing].astype(str), return_counts=True)
        for value in known[np.argsort(-counts, kind="stable")][:MOST_VALUES]:
            yield Condition(feature=name, words=f"‘{name}’ is ‘{value}’", rows=(texts == value) & ~missing)
    if missing.any():
        yield Condition(feature=name, words=f"‘{name}’ is missing", rows=missing)


def _of_numbers(name: str, values: Array, missing: Bool1) -> Iterator[Condition]:
    present = values[~missing]
    distinct = np.unique(present)
    if len(distinct) <= MOST_VALUES:
        for value in distinct:
            yield Condition(feature=name, words=f"‘{name}’ is {_text(value, 6)}", rows=values == value)
        return
    cuts = [-np.inf, *np.unique(np.quantile(present, PARTS)), np.inf]
    for low, high in pairwise(cuts):
        parts = [f"above {_text(low, 4)}"] if np.isfinite(low) else []
        parts += [f"up to {_text(high, 4)}"] if np.isfinite(high) else []
        yield Condition(feature=name, words=f"‘{name}’ is {' '.join(parts)}", rows=(values > low) & (values <= high))


def _text(value: float, digits: int) -> str:
    return f"{value:.{digits}g}".replace("-", MINUS)
