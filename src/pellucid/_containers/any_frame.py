"""Every other eager frame that narwhals knows: polars, pyarrow and their like."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import narwhals as nw
import numpy as np

from pellucid._base.errors import ColumnError, InputError
from pellucid._base.typing import Array, Bool2, Float1, Int1, Int2, Names
from pellucid._containers.base import Container, array_of_columns, mixed_index
from pellucid._containers.cells import Kind, floats_of_objects, kind_of_objects, plain_objects

if TYPE_CHECKING:
    import pandas as pd


class AnyFrame:
    """A frame behind narwhals."""

    __slots__ = ("_columns", "_frame")

    def __init__(self, frame: nw.DataFrame[Any]) -> None:
        self._frame = frame
        self._columns: list[nw.Series[Any]] | None = None

    @property
    def labels(self) -> Names:
        """Column names."""
        return tuple(self._frame.columns)

    @property
    def native(self) -> Any:
        """The frame."""
        return self._frame.to_native()

    def __len__(self) -> int:
        return len(self._frame)

    def columns(self) -> list[nw.Series[Any]]:
        """Look up the columns, in order."""
        if self._columns is None:
            self._columns = list(self._frame.iter_columns())
        return self._columns

    def kinds(self, names: Names, what: str) -> tuple[Kind, ...]:
        """By dtype; columns of Python objects by their cells."""
        return tuple(_kind(column, name, what) for column, name in zip(self.columns(), names, strict=True))

    def floats(self, position: int) -> Float1:
        """Copy one column."""
        column = self.columns()[position]
        if column.dtype.is_float() or column.dtype == nw.Boolean:
            return np.array(column.cast(nw.Float64).to_numpy(), dtype=np.float64)
        if column.dtype.is_integer() and column.null_count() == 0:
            return column.to_numpy().astype(np.float64)
        # Arrow refuses to cast integers above 2**53 and decimals; Python rounds them to the nearest.
        return floats_of_objects(column.to_list())

    def objects(self, position: int) -> Array:
        """Copy one column."""
        return plain_objects(self.columns()[position].to_list())

    def array(self, kinds: tuple[Kind, ...]) -> Array:
        """Convert column by column."""
        return array_of_columns(self, kinds)

    def pick(self, positions: Sequence[int]) -> Self:
        """Columns by position."""
        return type(self)(self._frame.select(*[self._frame.columns[j] for j in positions]))

    def rows(self, index: Int1) -> Self:
        """Rows by position."""
        return type(self)(self._frame[index] if len(index) else self._frame.head(0))

    def gather(self, index: Int2) -> Self:
        """One take per column."""
        if not index.size:
            return self.rows(index[:, 0] if index.shape[1] else np.empty(0, dtype=np.int64))
        return type(self)(_frame_of([column[index[:, j]] for j, column in enumerate(self.columns())]))

    def mixed(self, others: range, requests: Sequence[tuple[int, Bool2]]) -> Self:
        """By the index of every cell."""
        return self.gather(mixed_index(others, requests))

    def adopt(self, other: Container, names: Names) -> Self:
        """Through pandas."""
        frame = nw.from_native(other.to_pandas(names), eager_only=True)
        if self._frame.implementation.is_polars():
            return type(self)(nw.from_native(frame.to_polars(), eager_only=True))
        if self._frame.implementation.is_pyarrow():
            return type(self)(nw.from_native(frame.to_arrow(), eager_only=True))
        raise InputError(
            f"a {self._frame.implementation} frame cannot be put together with another container; "
            "give both tables in the same type."
        )

    def stack(self, other: Self, names: Names) -> Self:
        """Concatenate, after the dtypes have been made to agree."""
        if other._frame.implementation is not self._frame.implementation:
            other = self.adopt(other, names)
        pairs = [_agreed(*pair) for pair in zip(self.columns(), other.columns(), names, strict=True)]
        if not pairs:
            return self
        try:
            parts = [_frame_of([pair[side] for pair in pairs]) for side in (0, 1)]
            return type(self)(nw.concat(parts, how="vertical"))
        except Exception as error:  # each library has its own class for columns that do not fit
            raise ColumnError(f"the two tables cannot be stacked: {error}. Give both the same dtypes.") from error

    def frame_of(self, columns: Mapping[str, Any]) -> Any:
        """Make a frame of the same library."""
        backend = self._frame.implementation
        return nw.from_dict(dict(columns), backend=backend).to_native() if columns else self._frame.to_native()

    def to_pandas(self, names: Names) -> "pd.DataFrame":
        """Make a pandas frame under these names."""
        return self._frame.to_pandas().set_axis(list(names), axis=1)


def _frame_of(columns: list[nw.Series[Any]]) -> nw.DataFrame[Any]:
    return columns[0].to_frame().with_columns(*columns[1:])


def _kind(column: nw.Series[Any], name: str, what: str) -> Kind:
    dtype = column.dtype
    if dtype == nw.Boolean:
        return "bool"
    if dtype.is_numeric():
        return "number"
    if dtype in (nw.Categorical, nw.Enum):
        return "category"
    if dtype.is_temporal():
        return "datetime"
    return "string" if dtype == nw.String else kind_of_objects(column.to_list(), name, what)


def _agreed(mine: nw.Series[Any], theirs: nw.Series[Any], name: str) -> tuple[nw.Series[Any], nw.Series[Any]]:
    """Both columns with one dtype, where no meaning changes."""
    if mine.dtype == theirs.dtype:
        return mine, theirs
    if theirs.null_count() == len(theirs):
        return mine, theirs.cast(mine.dtype)
    if mine.null_count() == len(mine):
        return mine.cast(theirs.dtype), theirs
    number = [dtype.is_numeric() or dtype == nw.Boolean for dtype in (mine.dtype, theirs.dtype)]
    if all(number):
        return mine.cast(nw.Float64), theirs.cast(nw.Float64)
    raise ColumnError(
        f"column {name!r:.80} is {mine.dtype!s:.80} in one table and {theirs.dtype!s:.80} in the other; "
        "give both the same dtype."
    )
