"""Who belongs to which group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.typing import Array, Bool1, Int1, Names
from pellucid.table import Table

MISSING = "(missing)"
MOST_NUMBERS = 12
"""A numeric column with more distinct values is a quantity rather than a group."""
FLOOR = 10
"""Groups with fewer rows are withheld unless the caller says otherwise."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Grouping:
    """Every row's group, by one sensitive column or by the intersection of all.

    Parameters
    ----------
    name : str
        The column's name; for the intersection the names joined by " × ".
    columns : tuple of str
    labels : tuple of str
        Groups that occur, sorted; "(missing)" is one of them where a value is missing.
    parts : tuple of tuple of str
        For each group: its value of each column.
    codes : int64 array of shape (rows,)
        Position of each row's group in `labels`.
    """

    name: str
    columns: Names
    labels: Names
    parts: tuple[Names, ...]
    codes: Int1

    def rows(self, label: str) -> Bool1:
        """Which rows belong to the group."""
        return np.asarray(self.codes == self.labels.index(label))

    def sizes(self) -> dict[str, int]:
        """Rows of each group."""
        counts = np.bincount(self.codes, minlength=len(self.labels))
        return {label: int(count) for label, count in zip(self.labels, counts, strict=True)}

    def of(self, rows: Bool1) -> "Grouping":
        """Return the part with these rows; groups that do not occur in it are left out."""
        present = np.unique(self.codes[rows])
        return Grouping(
            name=self.name,
            columns=self.columns,
            labels=tuple(self.labels[code] for code in present),
            parts=tuple(self.parts[code] for code in present),
            codes=np.searchsorted(present, self.codes[rows]).astype(np.int64),
        )


def read_groupings(sensitive_features: Any, n_rows: int) -> tuple[Grouping, ...]:
    """Read sensitive columns: each alone, and their intersection where there are several.

    Parameters
    ----------
    sensitive_features : table, series, array or list
        One or more columns with one value per row; a missing value is a group of its own.
    n_rows : int
        Rows that are expected.
    """
    return groupings_of(*read_texts(sensitive_features, n_rows, what="sensitive_features"))


def read_texts(columns: Any, n_rows: int, *, what: str) -> tuple[Names, list[list[str]]]:
    """Read columns of groups: their names, and every row's group as text."""
    table = _table_of(columns, what)
    if len(table) != n_rows:
        raise InputError(f"{what} must have one row per prediction: expected {n_rows}, got {len(table)}.")
    if n_rows == 0:
        raise InputError("there are no rows to compare groups on; pass at least one.")
    return table.names, [_texts(table, name) for name in table.names]


def groupings_of(names: Names, texts: Sequence[Sequence[str]]) -> tuple[Grouping, ...]:
    """Group rows by each column of texts alone, and by their intersection where there are several."""
    alone = [_grouping((name,), [text]) for name, text in zip(names, texts, strict=True)]
    return tuple(alone) if len(alone) < 2 else (*alone, _grouping(names, texts))


def crossed(first: Grouping, second: Grouping) -> Grouping:
    """Group rows by the groups of both, as if each were one column."""
    texts = [[one.labels[code] for code in one.codes] for one in (first, second)]
    return _grouping((first.name, second.name), texts)


def pairs(groups: int) -> int:
    """Count the pairs that so many groups form."""
    return groups * (groups - 1) // 2


def _table_of(columns: Any, what: str) -> Table:
    if columns is None:
        raise InputError(f"{what} is needed: one or more columns with the group of each row.")
    if isinstance(columns, Table | Mapping) or getattr(columns, "ndim", 1) == 2:
        return Table.of(columns, what=what)
    if hasattr(columns, "columns") or hasattr(columns, "column_names"):
        return Table.of(columns, what=what)
    name = getattr(columns, "name", None)
    values = columns if hasattr(columns, "dtype") else _objects(columns, what)
    return Table.of(np.asarray(values).reshape(-1, 1), names=["group" if name is None else str(name)], what=what)


def _objects(values: Any, what: str) -> Array:
    items = list(values)
    if items and isinstance(items[0], list | tuple | np.ndarray):
        raise InputError(f"{what} as rows of several values have no column names; pass a dict or a frame.")
    result = np.empty(len(items), dtype=object)
    result[:] = items
    return result


def _texts(table: Table, name: str) -> list[str]:
    values = table.column(name)
    if table.kinds[table.names.index(name)] not in ("number", "bool"):
        return [MISSING if value is None else str(value) for value in values]
    distinct = np.unique(values[~np.isnan(values)])
    if len(distinct) > MOST_NUMBERS:
        raise InputError(
            f"the sensitive column {name!r} is a number with {len(distinct)} different values, so it makes no groups. "
            f"Bin it first, for example with pandas.cut({name}, [0, 40, 62, 120])."
        )
    if table.kinds[table.names.index(name)] == "bool":
        return [MISSING if np.isnan(value) else str(bool(value)) for value in values]
    return [MISSING if np.isnan(value) else f"{value:.15g}" for value in values]


def _grouping(columns: Names, texts: Sequence[Sequence[str]]) -> Grouping:
    rows = list(zip(*texts, strict=True))
    parts = tuple(sorted(set(rows)))
    position = {part: code for code, part in enumerate(parts)}
    labels = tuple(" × ".join(part) for part in parts)
    if len(set(labels)) < len(labels):  # a value holds the sign that joins values: quote them
        labels = tuple(" × ".join(map(repr, part)) for part in parts)
    codes = np.array([position[row] for row in rows], dtype=np.int64)
    return Grouping(name=" × ".join(columns), columns=columns, labels=labels, parts=parts, codes=codes)
