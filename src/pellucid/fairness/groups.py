"""Who belongs to which group, and which groups are too small to be shown."""

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


def read_groupings(sensitive_features: Any, n_rows: int) -> tuple[Grouping, ...]:
    """Read sensitive columns: each alone, and their intersection where there are several.

    Parameters
    ----------
    sensitive_features : table, series, array or list
        One or more columns with one value per row; a missing value is a group of its own.
    n_rows : int
        Rows that are expected.
    """
    table = _table_of(sensitive_features)
    if len(table) != n_rows:
        raise InputError(f"sensitive_features must have one row per prediction: expected {n_rows}, got {len(table)}.")
    if n_rows == 0:
        raise InputError("there are no rows to compare groups on; pass at least one.")
    texts = [_texts(table, name) for name in table.names]
    alone = [_grouping((name,), [text]) for name, text in zip(table.names, texts, strict=True)]
    return tuple(alone) if len(alone) == 1 else (*alone, _grouping(table.names, texts))


def withheld_groups(grouping: Grouping, floor: int) -> frozenset[str]:
    """Find the groups whose figures must not be shown.

    A group below `floor` rows is withheld, and then the next smallest, until the withheld ones are at least two and
    together have at least `floor` rows: otherwise the total minus the others would give the small group away. In an
    intersection the same holds within every value of every single column, whose totals are shown too, and nothing is
    shown of a value that is itself withheld.
    """
    sizes = grouping.sizes()
    hidden: set[str] = set()
    totals = [grouping.labels]
    if len(grouping.columns) > 1:
        for members_of in _by_value(grouping):
            whole = {value: sum(sizes[label] for label in members) for value, members in members_of.items()}
            concealed = _hide(whole, set(), [tuple(whole)], floor)
            hidden.update(label for value in concealed for label in members_of[value])
            totals += [members for value, members in members_of.items() if value not in concealed]
    return frozenset(_hide(sizes, hidden, totals, floor))


def _by_value(grouping: Grouping) -> list[dict[str, Names]]:
    """For each column of an intersection: its values, and the groups that have them."""
    found: list[dict[str, Names]] = []
    for position in range(len(grouping.columns)):
        members: dict[str, Names] = {}
        for label, part in zip(grouping.labels, grouping.parts, strict=True):
            members[part[position]] = (*members.get(part[position], ()), label)
        found.append(members)
    return found


def _hide(sizes: Mapping[str, int], hidden: set[str], totals: Sequence[Names], floor: int) -> set[str]:
    """Add groups to `hidden` until no total minus its shown groups leaves fewer than two groups or `floor` rows."""
    hidden = hidden | {label for label, size in sizes.items() if size < floor}
    changed = bool(hidden)
    while changed:
        changed = False
        for members in totals:
            inside = hidden & set(members)
            others = sorted((label for label in members if label not in hidden), key=lambda g: (sizes[g], g))
            exposed = inside and (len(inside) == 1 or sum(sizes[label] for label in inside) < floor)
            if exposed and others:
                hidden.add(others[0])
                changed = True
    return hidden


def pairs(groups: int) -> int:
    """Count the pairs that so many groups form."""
    return groups * (groups - 1) // 2


def _table_of(sensitive_features: Any) -> Table:
    if sensitive_features is None:
        raise InputError("sensitive_features is needed: one or more columns with the group of each row.")
    if isinstance(sensitive_features, Table | Mapping) or getattr(sensitive_features, "ndim", 1) == 2:
        return Table.of(sensitive_features, what="sensitive_features")
    if hasattr(sensitive_features, "columns") or hasattr(sensitive_features, "column_names"):
        return Table.of(sensitive_features, what="sensitive_features")
    name = getattr(sensitive_features, "name", None)
    values = sensitive_features if hasattr(sensitive_features, "dtype") else _objects(sensitive_features)
    return Table.of(
        np.asarray(values).reshape(-1, 1), names=["group" if name is None else str(name)], what="sensitive_features"
    )


def _objects(values: Any) -> Array:
    items = list(values)
    if items and isinstance(items[0], list | tuple | np.ndarray):
        raise InputError("sensitive_features as rows of several values have no column names; pass a dict or a frame.")
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
