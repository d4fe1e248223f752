"""What a container must do, whoever made it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from pellucid._base.typing import Array, Bool2, Float1, Int1, Int2, Names
from pellucid._containers.cells import Kind

if TYPE_CHECKING:
    import pandas as pd


class Container(Protocol):
    """Rows and columns by position; every method returns new data and leaves its own alone."""

    @property
    def labels(self) -> Names | None:
        """Names of the columns as text, or None where the container has none."""
        ...

    @property
    def native(self) -> Any:
        """The user's own object, or a part of it of the same type."""
        ...

    def __len__(self) -> int: ...

    def kinds(self, names: Names, what: str) -> tuple[Kind, ...]:
        """Name the kind of each column; InputError where cells are not single values."""
        ...

    def floats(self, position: int) -> Float1:
        """Return one column of numbers or bools as a new float64 array, NaN where missing."""
        ...

    def objects(self, position: int) -> Array:
        """Return one column as plain Python values, None where missing."""
        ...

    def array(self, kinds: tuple[Kind, ...]) -> Array:
        """Return all cells: a bare array as it is, a frame as float64 or, with other kinds in it, objects."""
        ...

    def pick(self, positions: Sequence[int]) -> Self:
        """Return the columns at these positions."""
        ...

    def rows(self, index: Int1) -> Self:
        """Return the rows at these positions."""
        ...

    def gather(self, index: Int2) -> Self:
        """Return the table whose cell (i, j) is this container's cell (index[i, j], j)."""
        ...

    def mixed(self, others: range, requests: Sequence[tuple[int, Bool2]]) -> Self:
        """Return, for each request and each of the other rows, that row with some cells of the request's row."""
        ...

    def adopt(self, other: "Container", names: Names) -> Self:
        """Return the cells of `other` in a container of this type."""
        ...

    def stack(self, other: Self, names: Names) -> Self:
        """Return these rows, then those of `other`; ColumnError where a column's types do not fit together."""
        ...

    def frame_of(self, columns: Mapping[str, Any]) -> Any:
        """Make a native frame of the user's own frame type (pandas for bare arrays)."""
        ...

    def to_pandas(self, names: Names) -> "pd.DataFrame":
        """Return the cells as a pandas frame."""
        ...


def array_of_columns(container: Container, kinds: tuple[Kind, ...]) -> Array:
    """Put a frame's columns into one array: float64 when all are numbers or bools, else objects."""
    numeric = [kind in ("number", "bool") for kind in kinds]
    result = np.empty((len(container), len(kinds)), dtype=np.float64 if all(numeric) else object, order="F")
    for j, number in enumerate(numeric):
        result[:, j] = container.floats(j) if number else container.objects(j)
    return result


def mixed_index(others: range, requests: Sequence[tuple[int, Bool2]]) -> Int2:
    """The row that each cell of `Container.mixed` comes from."""
    place = np.asarray(others)[:, None, None]
    return np.concatenate([np.where(shown, row, place).reshape(-1, shown.shape[1]) for row, shown in requests])
