"""A pandas frame, with its dtypes, its labels and its own missing values."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from pellucid._base.errors import ColumnError
from pellucid._base.typing import Array, Bool2, Float1, Int1, Int2, Names
from pellucid._containers.base import Container, array_of_columns, mixed_index
from pellucid._containers.cells import Kind, floats_of_objects, kind_of_code, kind_of_objects, objects_of, plain_objects
from pellucid._containers.matrix import gathered, mixed

if TYPE_CHECKING:
    import pandas as pd


class PandasFrame:
    """A pandas frame; its column arrays are looked up once."""

    __slots__ = ("_arrays", "_block", "_frame")

    def __init__(self, frame: "pd.DataFrame") -> None:
        self._frame = frame
        self._arrays: list[Any] | None = None
        self._block: Array | None = None

    @property
    def labels(self) -> Names:
        """Column labels as text."""
        return tuple(map(str, self._frame.columns))

    @property
    def native(self) -> "pd.DataFrame":
        """The frame."""
        return self._frame

    def __len__(self) -> int:
        return len(self._frame)

    def arrays(self) -> list[Any]:
        """Look up the columns' own arrays, in order: numpy's where the dtype is numpy's."""
        if self._arrays is None:
            self._arrays = [_array_of(column) for _, column in self._frame.items()]
        return self._arrays

    def kinds(self, names: Names, what: str) -> tuple[Kind, ...]:
        """By dtype; object columns by their cells."""
        return tuple(_kind(array, name, what) for array, name in zip(self.arrays(), names, strict=True))

    def floats(self, position: int) -> Float1:
        """Copy one column."""
        array = self.arrays()[position]
        if array.dtype == object:
            return floats_of_objects(array)
        if isinstance(array.dtype, np.dtype) or hasattr(array, "sp_values"):
            return np.array(array, dtype=np.float64)
        return np.array(array.to_numpy(dtype=np.float64, na_value=np.nan))

    def objects(self, position: int) -> Array:
        """Copy one column."""
        array = self.arrays()[position]
        return plain_objects(objects_of(array) if isinstance(array, np.ndarray) else array.astype(object))

    def array(self, kinds: tuple[Kind, ...]) -> Array:
        """Convert block by block where all columns are numpy's, else column by column."""
        if all(isinstance(dtype, np.dtype) and dtype.kind in "biuf" for dtype in self._frame.dtypes):
            return np.array(self._frame.to_numpy(dtype=np.float64))
        return array_of_columns(self, kinds)

    def pick(self, positions: Sequence[int]) -> Self:
        """Columns by position."""
        return type(self)(self._frame.iloc[:, list(positions)])

    def rows(self, index: Int1) -> Self:
        """Rows by position, with their labels."""
        return type(self)(self._frame.iloc[index])

    def gather(self, index: Int2) -> Self:
        """One fancy index where all columns are one numpy array, else one take per column."""
        block = self._as_block()
        if block is not None:
            return self._framed(gathered(block, index))
        columns = {j: array.take(index[:, j]) for j, array in enumerate(self.arrays())}
        return type(self)(self._like(columns, len(index)))

    def mixed(self, others: range, requests: Sequence[tuple[int, Bool2]]) -> Self:
        """As a matrix where all columns are one numpy array, else by the index of every cell."""
        block = self._as_block()
        return (
            self.gather(mixed_index(others, requests))
            if block is None
            else self._framed(mixed(block, others, requests))
        )

    def _as_block(self) -> Array | None:
        """All cells where they are numbers of one numpy dtype."""
        if self._block is None and self._frame.shape[1]:
            first = self._frame.dtypes.iloc[0]
            whole = isinstance(first, np.dtype) and first.kind in "biuf" and (self._frame.dtypes == first).all()
            self._block = self._frame.to_numpy() if whole else np.empty(0)
        return self._block if self._block is not None and self._block.size else None

    def _framed(self, block: Array) -> Self:
        import pandas as pd  # the user's own frame library

        return type(self)(pd.DataFrame(block, columns=self._frame.columns, copy=False))

    def _like(self, columns: Mapping[int, Any], n_rows: int) -> "pd.DataFrame":
        """Make a frame of these arrays under this frame's labels, with fresh row labels and untouched dtypes."""
        import pandas as pd  # the user's own frame library

        index = pd.RangeIndex(n_rows)
        # A Series keeps an object array as it is; the frame's constructor would guess a dtype.
        series = {j: pd.Series(array, index=index, dtype=array.dtype, copy=False) for j, array in columns.items()}
        result = pd.DataFrame(series, index=index, copy=False)
        result.columns = self._frame.columns
        return result

    def adopt(self, other: Container, names: Names) -> Self:
        """Through pandas."""
        return type(self)(other.to_pandas(names))

    def stack(self, other: Self, names: Names) -> Self:
        """Concatenate column by column, after the dtypes have been made to agree."""
        import pandas as pd  # the user's own frame library

        if list(self._frame.dtypes) == list(other._frame.dtypes):
            theirs = other._frame.set_axis(self._frame.columns, axis=1)
            return type(self)(pd.concat([self._frame, theirs], ignore_index=True))
        pairs = zip(self.arrays(), other.arrays(), names, strict=True)
        columns = {j: _joined(mine, theirs, name) for j, (mine, theirs, name) in enumerate(pairs)}
        return type(self)(self._like(columns, len(self) + len(other)))

    def frame_of(self, columns: Mapping[str, Any]) -> "pd.DataFrame":
        """Make a pandas frame."""
        import pandas as pd  # the user's own frame library

        return pd.DataFrame(dict(columns))

    def to_pandas(self, names: Names) -> "pd.DataFrame":
        """Return the frame under these names."""
        return self._frame.set_axis(index_of(names), axis=1)


def index_of(names: Sequence[str]) -> "pd.Index[Any]":
    """Return names as pandas' own kind of text, or as objects where one has half of a character pair."""
    import pandas as pd  # the user's own frame library

    try:
        return pd.Index(list(names))
    except UnicodeEncodeError:
        return pd.Index(list(names), dtype=object)


def _array_of(column: "pd.Series[Any]") -> Any:
    return column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array


def _kind(array: Any, name: str, what: str) -> Kind:
    import pandas as pd  # the user's own frame library

    if isinstance(array.dtype, pd.CategoricalDtype) or str(array.dtype).startswith("dictionary<"):
        return "category"
    if isinstance(array.dtype, pd.StringDtype):
        return "string"
    kind = kind_of_code(array.dtype.kind, name, what)
    return kind or kind_of_objects(array.astype(object), name, what)


def _joined(mine: Any, theirs: Any, name: str) -> Any:
    """Join two columns without a change of meaning, or refuse."""
    import pandas as pd  # the user's own frame library

    if object in (mine.dtype, theirs.dtype):
        if pd.isna(mine).all():
            mine = pd.array([None] * len(mine), dtype=theirs.dtype)
        elif pd.isna(theirs).all():
            theirs = pd.array([None] * len(theirs), dtype=mine.dtype)
    kinds = _kind(mine, name, "the first table"), _kind(theirs, name, "the second table")
    if mine.dtype != theirs.dtype and kinds == ("category", "category"):
        dtype = _joined_categories(mine.dtype, theirs.dtype, name)
        mine, theirs = mine.astype(dtype), theirs.astype(dtype)
    elif kinds == ("bool", "number"):
        mine = mine.astype(theirs.dtype)
    elif kinds == ("number", "bool"):
        theirs = theirs.astype(mine.dtype)
    elif kinds[0] != kinds[1]:
        raise _unlike(mine, theirs, name)
    result = pd.concat([pd.Series(mine, dtype=mine.dtype), pd.Series(theirs, dtype=theirs.dtype)])
    if result.dtype == object and object not in (mine.dtype, theirs.dtype):
        # pandas finds no common dtype for nullable beside Arrow or sparse numbers
        if kinds[0] != "number":
            raise _unlike(mine, theirs, name)
        result = result.astype("Float64")
    return _array_of(result)


def _joined_categories(mine: Any, theirs: Any, name: str) -> Any:
    """Choose the larger categorical dtype, or for unordered ones the union: mine first."""
    import pandas as pd  # the user's own frame library

    for large, small in ((mine, theirs), (theirs, mine)):
        known = set(small.categories)
        if known <= set(large.categories) and large.ordered == small.ordered:
            kept = [value for value in large.categories if value in known]
            if not large.ordered or kept == list(small.categories):
                return large
    if mine.ordered or theirs.ordered:
        raise ColumnError(
            f"column {name!r:.80} has ordered categories that differ between the two tables: "
            f"{list(mine.categories)!r:.120} and {list(theirs.categories)!r:.120}. Give both the same categories."
        )
    return pd.CategoricalDtype(mine.categories.append(theirs.categories.difference(mine.categories, sort=False)))


def _unlike(mine: Any, theirs: Any, name: str) -> ColumnError:
    return ColumnError(
        f"column {name!r:.80} is {mine.dtype} in one table and {theirs.dtype} in the other; give both the same dtype."
    )
