"""The only door for tables: pandas, polars, pyarrow, numpy, scipy.sparse, lists and dicts of columns.

A `Table` keeps the user's own container (so models are fed what they were fitted on and
results come back in the user's own frame type) and adds what the rest of the house needs:
names, kinds, missing values, and gathering of cells from several rows.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np

from pellucid._base.errors import ColumnError, InputError
from pellucid._base.parallel import begun
from pellucid._base.typing import Array, Bool1, Bool2, Float2, Int1, Int2, Names
from pellucid._base.words import did_you_mean
from pellucid._containers import Container, Kind, container_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Kind", "Table", "Vocabulary", "listed", "row_positions"]

Vocabulary: TypeAlias = Mapping[str, tuple[Any, ...]]
"""For each column that is not a number: its values, sorted; a value's code is its position."""

PLAIN_CELLS = 1 << 20
"""Cells of an array that are copied at once for its digest."""

LONG = 1 << 17
"""Cells whose digest takes longer than to begin a thread."""

_NUMBERS = ("number", "bool")


class Table:
    """Rows and named columns, in the container the user gave.

    Make one with `Table.of`; every method returns a new table and the user's data is never changed.

    Attributes
    ----------
    names : tuple of str
        Column names, unique. A bare array has ``x0, x1, …`` and `named` is False.
    kinds : tuple of str
        For each column: number, bool, category, string or datetime.
    n_rows : int
        Number of rows.
    named : bool
        Whether the container had column names of its own.
    by_name : bool
        Whether columns are matched by name: the container has names, or somebody gave them.
    disposable : bool
        Whether the cells were put together for one prediction, whose model may write into them.

    Examples
    --------
    >>> table = Table.of({"age": [31, None], "town": ["Bern", "Basel"]})
    >>> table.kinds
    ('number', 'string')
    >>> table.column("age")
    array([31., nan])
    """

    __slots__ = ("_container", "_positions", "by_name", "disposable", "kinds", "n_rows", "named", "names")

    def __init__(
        self,
        *,
        names: Names,
        kinds: tuple[Kind, ...],
        container: Container,
        by_name: bool = True,
        disposable: bool = False,
    ) -> None:
        self.names = names
        self.kinds = kinds
        self.named = container.labels is not None
        self.n_rows = len(container)
        self._container = container
        self.by_name = by_name
        self.disposable = disposable
        self._positions: dict[str, int] | None = None

    @classmethod
    def of(cls, X: Any, *, names: Sequence[str] | None = None, what: str = "X") -> Self:
        """Make a table of whatever the user has.

        Parameters
        ----------
        X : DataFrame, array, sparse matrix, list of rows or dict of columns
            Two-dimensional: rows by columns. Sparse matrices become dense arrays, lists of dicts and
            dicts of columns pandas frames.
        names : sequence of str, optional
            Names for a container that has none; not used where it has.
        what : str
            The argument's name, for error messages.

        Raises
        ------
        InputError
            When `X` is not two-dimensional, is lazy, or is of a type we do not know.
        ColumnError
            When two columns have the same name.
        """
        if isinstance(X, cls):
            return X
        container = container_of(X, what)
        known = container.labels
        by_name = known is not None or names is not None
        if known is None:
            n_columns = container.native.shape[1]
            known = tuple(f"x{j}" for j in range(n_columns)) if names is None else tuple(map(str, names))
            if len(known) != n_columns:
                raise ColumnError(f"{what} has {n_columns} columns but {len(known)} names were given.")
        _refuse_duplicates(known, what)
        return cls(names=known, kinds=container.kinds(known, what), container=container, by_name=by_name)

    def __len__(self) -> int:
        return self.n_rows

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return len(self.names)

    @property
    def native(self) -> Any:
        """The table in the user's own container (a dense array for a sparse one); do not write to it."""
        return self._container.native

    def column(self, name: str) -> Array:
        """One column, copied: float64 with NaN for numbers and bools, else objects with None for what is missing.

        Times come as Python's own, to the microsecond, and in UTC where they have a zone.
        """
        j = self._position(name)
        return self._container.floats(j) if self.kinds[j] in _NUMBERS else self._container.objects(j)

    def aligned(self, names: Names, *, what: str = "X", owner: str = "the model") -> "Table":
        """Return the table with exactly these columns in this order, matched by name.

        A bare array that nobody has given names must have the right number of columns, and takes the names.

        Raises
        ------
        ColumnError
            When columns are missing or unknown, or the number of unnamed columns differs.
        """
        names = tuple(names)
        if names == self.names and self.by_name:
            return self
        if not self.by_name:
            if self.n_columns != len(names):
                raise ColumnError(
                    f"{what} has {self.n_columns} columns without names, but {owner} has {len(names)}: "
                    f"{listed(names)}. Pass those, in that order."
                )
            return Table(names=names, kinds=self.kinds, container=self._container)
        known, wanted = set(self.names), set(names)
        missing = [name for name in names if name not in known]
        if missing:
            hint = did_you_mean(missing[0], [name for name in self.names if name not in wanted])
            raise ColumnError(
                f"{what} lacks the columns {listed(missing)}, which {owner} has.{hint} "
                "Columns are matched by name; add or rename them."
            )
        extra = [name for name in self.names if name not in wanted]
        if extra:
            raise ColumnError(
                f"{what} has columns that {owner} does not know: {listed(extra)}. Drop them before explaining."
            )
        return self.select(names)

    def select(self, names: Sequence[str]) -> "Table":
        """Return the named columns, in the given order."""
        positions = [self._position(name) for name in names]
        _refuse_duplicates(tuple(names), "the selection")
        return Table(
            names=tuple(names),
            kinds=tuple(self.kinds[j] for j in positions),
            container=self._container.pick(positions),
            by_name=self.by_name,
        )

    def take(self, rows: Int1 | Bool1 | Sequence[int] | Sequence[bool]) -> "Table":
        """Return the rows with these positions (negative ones count from the end), or where a mask is True."""
        return self._with(self._container.rows(row_positions(rows, self.n_rows)))

    def gather(self, index: Int2, *, disposable: bool = False) -> "Table":
        """Return the table whose cell (i, j) is this table's cell (index[i, j], j), with unchanged dtypes.

        The cells are copies; `disposable` says that they may be written into.
        """
        if index.ndim != 2 or index.shape[1] != self.n_columns:
            raise InputError(f"the index must have shape (rows, {self.n_columns}); got {index.shape}.")
        found = self._with(self._container.gather(index))
        found.disposable = disposable
        return found

    def mixed(self, others: range, requests: Sequence[tuple[int, Bool2]]) -> "Table":
        """Return other rows in which some cells are those of one row; the result may be written into.

        Parameters
        ----------
        others : range
            Consecutive rows of this table.
        requests : sequence of (int, bool array of shape (n, columns))
            A row and, in each line, the columns that show it.

        Returns
        -------
        Table
            Request by request, for each of the other rows all lines: ``sum(n) * len(others)`` rows.
        """
        return Table(
            names=self.names,
            kinds=self.kinds,
            container=self._container.mixed(others, requests),
            by_name=self.by_name,
            disposable=True,
        )

    def stack(self, other: "Table") -> "Table":
        """Return this table's rows followed by those of `other`, in this table's container.

        Dtypes stay. Where they differ, numbers are promoted, categories are joined (this table's first,
        unless the other's contain them all), and a column without any value takes the other's dtype.

        Raises
        ------
        ColumnError
            When names differ, or a column's dtypes do not fit together.
        """
        if other.names != self.names:
            other = other.aligned(self.names, what="the second table")
        theirs = other._container
        if type(theirs) is not type(self._container):
            theirs = self._container.adopt(theirs, self.names)
        stacked = self._container.stack(theirs, self.names)
        kinds = stacked.kinds(self.names, "the stacked table")
        return Table(names=self.names, kinds=kinds, container=stacked, by_name=self.by_name)

    def as_array(self) -> Array:
        """Return all cells as one array, which must not be written to.

        A bare array comes as it is; a frame as float64 when every column is a number or bool, with NaN
        where missing, else as objects, with None where missing.
        """
        return self._container.array(self.kinds)

    def as_frame(self) -> "Table":
        """Return the table as a named frame: itself, or a pandas frame of a bare array."""
        return self if self.named else Table.of(self._container.to_pandas(self.names))

    def to_pandas(self) -> "pd.DataFrame":
        """Return the cells as a pandas frame under the table's names, as pandas' own conversion makes it."""
        return self._container.to_pandas(self.names)

    def frame_like(self, columns: Mapping[str, Any]) -> Any:
        """Make a frame of the user's own frame type: polars for polars, …, and pandas for arrays and lists.

        Parameters
        ----------
        columns : mapping of str to sequence
            Columns of equal length.
        """
        return self._container.frame_of(columns)

    def vocabulary(self) -> Vocabulary:
        """Return the values of every column that is not a number, sorted by their text."""
        return {
            name: tuple(
                sorted(
                    (value for value in dict.fromkeys(self.column(name).tolist()) if value is not None),
                    key=lambda value: (str(value), type(value).__name__),
                )
            )
            for name, kind in zip(self.names, self.kinds, strict=True)
            if kind not in _NUMBERS
        }

    def codes(self, vocabulary: Vocabulary) -> Float2:
        """Return the cells as numbers: other columns by their code, -1 where unseen, NaN where missing."""
        result = np.empty((self.n_rows, self.n_columns))
        for j, (name, kind) in enumerate(zip(self.names, self.kinds, strict=True)):
            if name in vocabulary:
                code: dict[Any, float] = {value: float(i) for i, value in enumerate(vocabulary[name])}
                code[None] = np.nan
                result[:, j] = [code.get(value, -1.0) for value in self._container.objects(j).tolist()]
            elif kind in _NUMBERS:
                result[:, j] = self._container.floats(j)
            else:
                raise InputError(f"column {name!r:.80} is not a number and the vocabulary has no values for it.")
        return result

    def digest(self) -> str:
        """Hexadecimal SHA-256 of names and cells: equal for equal data, whatever the container.

        Numbers count as float64; text and categories are the same thing.
        """
        sha = hashlib.sha256(repr((self.names, self.n_rows)).encode("utf-8", "surrogatepass"))
        for kind, cells in zip(self.kinds, self._plain_cells(), strict=True):
            sha.update({"category": "string"}.get(kind, kind).encode())
            sha.update(cells)
        return sha.hexdigest()

    def begin_digest(self, n_jobs: int | None) -> Callable[[], str]:
        """Call what is returned for the digest: where there are threads, one makes that of a long table meanwhile.

        Best begun beside the model's own prediction, which mostly leaves a processor free.
        """
        return begun(self.digest, n_jobs if self.n_rows * self.n_columns >= LONG else None)

    def _plain_cells(self) -> Iterator[Any]:
        """The bytes of each column: equal for equal data."""
        native = self.native
        if isinstance(native, np.ndarray) and native.dtype.kind in "biuf":
            step = max(1, PLAIN_CELLS // max(1, self.n_rows))
            for first in range(0, self.n_columns, step):
                yield from _plain_floats(native[:, first : first + step].T)
            return
        for j, kind in enumerate(self.kinds):
            if kind in _NUMBERS:
                yield _plain_floats(self._container.floats(j))
            else:
                yield repr(self._container.objects(j).tolist()).encode("utf-8", "surrogatepass")

    def _position(self, name: str) -> int:
        if self._positions is None:
            self._positions = {known: j for j, known in enumerate(self.names)}
        if name not in self._positions:
            raise ColumnError(
                f"there is no column {name!r:.80}; there are {listed(self.names)}.{did_you_mean(name, self.names)}"
            )
        return self._positions[name]

    def _with(self, container: Container) -> "Table":
        return Table(names=self.names, kinds=self.kinds, container=container, by_name=self.by_name)

    def __repr__(self) -> str:
        return f"Table({self.n_rows} rows, {self.n_columns} columns: {listed(self.names)})"


def _plain_floats(values: Array) -> Array:
    """Copy numbers as little-endian float64, with one bit pattern for every NaN."""
    plain = np.array(values, dtype="<f8", order="C")
    plain[np.isnan(plain)] = np.nan
    return plain


def row_positions(rows: Any, n_rows: int) -> Int1:
    """Row numbers, negative ones counted from the end, or a mask with one bool per row, as positions.

    Raises
    ------
    InputError
        When a row does not exist, or a mask has another length.
    """
    index = np.atleast_1d(np.asarray(rows))
    if index.size == 0 and index.ndim == 1 and index.dtype != np.bool_:
        return np.empty(0, dtype=np.int64)
    if index.ndim != 1 or index.dtype.kind not in "iub":
        raise InputError(f"rows must be a list of row numbers or a mask of bools; got {rows!r:.80}.")
    if index.dtype == np.bool_:
        if len(index) != n_rows:
            raise InputError(f"a mask of rows needs one bool for each of the {n_rows} rows; got {len(index)}.")
        return np.flatnonzero(index)
    outside = (index < -n_rows) | (index >= n_rows)
    if outside.any():
        raise InputError(f"there is no row {index[outside][0]}; there are {n_rows} rows, counted from 0.")
    index = index.astype(np.int64)
    return np.where(index < 0, index + n_rows, index)


def listed(names: Sequence[str], most: int = 6) -> str:
    """Names in quotes for a sentence: the first few, each cut to a readable length."""
    shown = ", ".join(repr(name if len(name) <= 60 else name[:59] + "…") for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _refuse_duplicates(names: Names, what: str) -> None:
    if len(set(names)) < len(names):
        doubled = sorted(name for name, count in Counter(names).items() if count > 1)
        raise ColumnError(f"{what} has more than one column named {listed(doubled)}; rename them first.")
