"""A bare array: one dtype, columns without names."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from pellucid._base.typing import Array, Bool2, Float1, Int1, Int2, Names
from pellucid._containers.base import Container
from pellucid._containers.cells import Kind, floats_of_objects, kind_of_code, kind_of_objects, objects_of, plain_objects
from pellucid._kernels import _native

if TYPE_CHECKING:
    import pandas as pd


class Matrix:
    """A two-dimensional numpy array."""

    __slots__ = ("_array",)

    labels: Names | None = None

    def __init__(self, array: Array) -> None:
        self._array = array

    @property
    def native(self) -> Array:
        """The array."""
        return self._array

    def __len__(self) -> int:
        return len(self._array)

    def kinds(self, names: Names, what: str) -> tuple[Kind, ...]:
        """By dtype; columns of an object array by their cells."""
        kind = kind_of_code(self._array.dtype.kind, names[0] if names else "", what)
        if kind is not None:
            return (kind,) * len(names)
        return tuple(kind_of_objects(self._array[:, j].tolist(), name, what) for j, name in enumerate(names))

    def floats(self, position: int) -> Float1:
        """Copy one column."""
        values = self._array[:, position]
        return floats_of_objects(values.tolist()) if values.dtype == object else values.astype(np.float64)

    def objects(self, position: int) -> Array:
        """Copy one column."""
        return plain_objects(objects_of(self._array[:, position]))

    def array(self, kinds: tuple[Kind, ...]) -> Array:  # noqa: ARG002 -- frames need them
        """Return the array itself."""
        return self._array

    def pick(self, positions: Sequence[int]) -> Self:
        """Fancy-index the columns."""
        return type(self)(self._array[:, np.asarray(positions, dtype=np.intp)])

    def rows(self, index: Int1) -> Self:
        """Fancy-index the rows."""
        return type(self)(self._array[index])

    def gather(self, index: Int2) -> Self:
        """Fancy-index the cells."""
        return type(self)(gathered(self._array, index))

    def mixed(self, others: range, requests: Sequence[tuple[int, Bool2]]) -> Self:
        """Take cells of rows laid side by side."""
        return type(self)(mixed(self._array, others, requests))

    def adopt(self, other: Container, names: Names) -> Self:
        """Take floats where every column is a number, else objects."""
        return type(self)(other.array(other.kinds(names, "the table")))

    def stack(self, other: Self, names: Names) -> Self:  # noqa: ARG002 -- the other containers name the column
        """Concatenate; text beside numbers becomes objects, never text of numbers."""
        parts = [self._array, other._array]
        if len({part.dtype.kind in "biuf" for part in parts}) == 2 or {part.dtype.kind for part in parts} & set("SUT"):
            parts = [part.astype(object) for part in parts]
        return type(self)(np.concatenate(parts))

    def frame_of(self, columns: Mapping[str, Any]) -> Any:
        """Make a pandas frame."""
        import pandas as pd  # a third party, loaded only to make a frame

        return pd.DataFrame(dict(columns))

    def to_pandas(self, names: Names) -> "pd.DataFrame":
        """Make a pandas frame; object columns get the dtype of their cells."""
        import pandas as pd  # a third party, loaded only to make a frame

        return pd.DataFrame(self._array, columns=list(names)).infer_objects()


GATHERED_CELLS = 1 << 15
"""Cells that are gathered at once: their places fit the processor's cache."""
WORDS = {4: np.uint32, 8: np.uint64}
"""Cells of so many bytes are mixed by the kernel, bit for bit."""


def gathered(array: Array, index: Int2) -> Array:
    """``array[index[i, j], j]``, read along the array's own memory order."""
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        result = np.empty(index.shape, dtype=array.dtype, order="F")
        for j in range(index.shape[1]):
            np.take(array[:, j], index[:, j], out=result[:, j])
        return result
    flat, columns = array.reshape(-1), array.shape[1]
    result = np.empty(index.shape, dtype=array.dtype)
    step = max(1, GATHERED_CELLS // max(1, columns))
    for first in range(0, len(index), step):
        places = np.multiply(index[first : first + step], columns, dtype=np.intp)
        places += np.arange(columns)
        result[first : first + step] = flat.take(places)
    return result


def mixed(array: Array, others: range, requests: Sequence[tuple[int, Bool2]]) -> Array:
    """The cells of `Container.mixed`: each is one of the other row or of the request's row, without an index."""
    counts = [len(shown) * len(others) for _, shown in requests]
    result = np.empty((sum(counts), array.shape[1]), dtype=array.dtype)
    hidden = np.ascontiguousarray(array[others.start : others.stop])
    word = None if array.dtype.hasobject else WORDS.get(array.dtype.itemsize)
    for (row, shown), count, end in zip(requests, counts, accumulate(counts), strict=True):
        part = result[end - count : end]
        own = np.ascontiguousarray(array[row])
        if word is None:
            _take(hidden, own, shown, part)
        else:
            _native.mix(hidden.view(word), own.view(word), np.ascontiguousarray(shown), part.view(word))
    return result


def _take(hidden: Array, own: Array, shown: Bool2, result: Array) -> None:
    """Cells of any type, from the other rows and the request's row side by side."""
    columns = len(own)
    both = np.concatenate([hidden, np.broadcast_to(own, hidden.shape)], axis=1)
    place = (np.arange(columns) + columns * shown).ravel()
    # "clip" writes straight into the result; no place is out of bounds
    np.take(both, place, axis=1, out=result.reshape(len(hidden), -1), mode="clip")
