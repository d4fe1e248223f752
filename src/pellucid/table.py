"""The only door for tables: pandas, polars, pyarrow, numpy, scipy.sparse, lists and dicts of columns.

A `Table` keeps the user's own container (so models are fed what they were fitted on and
results come back in the user's own frame type) and adds what the rest of the house needs:
names, kinds, missing values, and gathering of cells from several rows.
"""

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, TypeAlias

import narwhals as nw
import numpy as np

from pellucid._base.errors import ColumnError, InputError
from pellucid._base.typing import Array, Float2, Int1, Int2, Names

Kind: TypeAlias = Literal["number", "bool", "category", "string", "datetime"]
Vocabulary: TypeAlias = Mapping[str, tuple[Any, ...]]
"""For each column that is not a number: its values, sorted; a value's code is its position."""


class Table:
    """Rows and named columns, in the container the user gave.

    Make one with `Table.of`; every method returns a new table.

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
    """

    __slots__ = ("_frame", "_matrix", "kinds", "n_rows", "named", "names")

    def __init__(
        self, *, names: Names, kinds: tuple[Kind, ...], frame: nw.DataFrame[Any] | None, matrix: Array | None
    ) -> None:
        self.names = names
        self.kinds = kinds
        self.named = frame is not None
        self._frame = frame
        self._matrix = matrix
        self.n_rows = len(frame) if frame is not None else len(matrix)  # type: ignore[arg-type]

    @classmethod
    def of(cls, X: Any, *, names: Sequence[str] | None = None, what: str = "X") -> Self:
        """Make a table of whatever the user has.

        Parameters
        ----------
        X : DataFrame, array, sparse matrix, list of rows or dict of columns
            Two-dimensional: rows by columns.
        names : sequence of str, optional
            Names for a container that has none.
        what : str
            The argument's name, for error messages.

        Raises
        ------
        InputError
            When `X` is not two-dimensional.
        ColumnError
            When two columns have the same name.
        """
        if isinstance(X, cls):
            return X
        if isinstance(X, Mapping):
            X = _frame_of_columns(X, what)
        native = nw.from_native(X, eager_only=True, pass_through=True)
        if isinstance(native, nw.DataFrame):
            return cls._of_frame(native, what)
        return cls._of_matrix(X, names, what)

    @classmethod
    def _of_frame(cls, frame: nw.DataFrame[Any], what: str) -> Self:
        names = tuple(str(name) for name in frame.columns)
        _refuse_duplicates(names, what)
        kinds = tuple(_kind_of_dtype(dtype) for dtype in frame.schema.values())
        return cls(names=names, kinds=kinds, frame=frame, matrix=None)

    @classmethod
    def _of_matrix(cls, X: Any, names: Sequence[str] | None, what: str) -> Self:
        if hasattr(X, "tocsr"):
            X = X.toarray()
        matrix = np.asarray(X)
        if matrix.ndim != 2:
            raise InputError(
                f"{what} must have two dimensions (rows, columns); got {matrix.ndim}. "
                "For one row pass [row]; for one column pass a column name with a frame."
            )
        if names is None:
            names = [f"x{j}" for j in range(matrix.shape[1])]
        if len(names) != matrix.shape[1]:
            raise ColumnError(f"{what} has {matrix.shape[1]} columns but {len(names)} names were given.")
        _refuse_duplicates(tuple(names), what)
        kinds = tuple(_kind_of_array(matrix[:, j]) for j in range(matrix.shape[1]))
        return cls(names=tuple(names), kinds=kinds, frame=None, matrix=matrix)

    def __len__(self) -> int:
        return self.n_rows

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return len(self.names)

    @property
    def native(self) -> Any:
        """The table in the user's own container."""
        return self._frame.to_native() if self._frame is not None else self._matrix

    def column(self, name: str) -> Array:
        """One column: float64 with NaN for numbers and bools, else objects with None for what is missing."""
        j = self.names.index(name)
        values = self._frame[:, j].to_numpy() if self._frame is not None else self._matrix[:, j]  # type: ignore[index]
        if self.kinds[j] in ("number", "bool"):
            return _floats(values)
        values = np.array(values, dtype=object)
        values[_missing(values)] = None
        return values

    def aligned(self, names: Names, *, what: str = "X") -> "Table":
        """Return the table with exactly these columns in this order, matched by name.

        A table without names of its own must have the right number of columns, and takes the names.
        """
        if not self.named:
            if self.n_columns != len(names):
                raise ColumnError(
                    f"{what} has {self.n_columns} columns without names, but the model expects {len(names)}: "
                    f"{_listed(names)}."
                )
            return Table(names=names, kinds=self.kinds, frame=None, matrix=self._matrix)
        missing = [name for name in names if name not in self.names]
        if missing:
            near = difflib.get_close_matches(missing[0], self.names, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ColumnError(f"{what} lacks the columns {_listed(missing)}, which the model expects.{hint}")
        extra = [name for name in self.names if name not in names]
        if extra:
            raise ColumnError(
                f"{what} has columns the model does not know: {_listed(extra)}. Drop them before explaining."
            )
        return self if names == self.names else self.select(names)

    def select(self, names: Sequence[str]) -> "Table":
        """Return the named columns, in the given order."""
        positions = [self.names.index(name) for name in names]
        return Table(
            names=tuple(names),
            kinds=tuple(self.kinds[j] for j in positions),
            frame=self._frame[:, positions] if self._frame is not None else None,
            matrix=self._matrix[:, positions] if self._matrix is not None else None,
        )

    def take(self, rows: Int1 | Sequence[int]) -> "Table":
        """Return the rows with these positions."""
        index = np.asarray(rows, dtype=np.int64)
        if self._frame is not None:
            return self._with(frame=self._frame[index.tolist()])
        return self._with(matrix=self._matrix[index])  # type: ignore[index]

    def gather(self, index: Int2) -> "Table":
        """Return the table whose cell (i, j) is this table's cell (index[i, j], j), with unchanged dtypes."""
        if self._frame is None:
            return self._with(matrix=self._matrix[index, np.arange(self.n_columns)])  # type: ignore[index]
        return self._with(frame=_gather_frame(self._frame, index))

    def stack(self, other: "Table") -> "Table":
        """Return this table's rows followed by those of `other`, which has the same columns."""
        if self._frame is not None and other._frame is not None:
            return self._with(frame=nw.concat([self._frame, other._frame], how="vertical"))
        if self._frame is None and other._frame is None:
            return self._with(matrix=np.concatenate([self._matrix, other._matrix]))  # type: ignore[list-item]
        return self.as_frame().stack(other.as_frame())

    def as_array(self) -> Array:
        """The cells as one array: float64 when every column is a number or bool, else objects."""
        if self._matrix is not None:
            return self._matrix
        columns = [self.column(name) for name in self.names]
        numeric = all(kind in ("number", "bool") for kind in self.kinds)
        return np.column_stack(columns) if numeric else np.array([*map(list, columns)], dtype=object).T

    def as_frame(self) -> "Table":
        """The table as a named frame: itself, or a pandas frame of a bare array."""
        if self._frame is not None:
            return self
        import pandas as pd  # a third party, needed only where a bare array meets a model with names

        return Table.of(pd.DataFrame(self._matrix, columns=list(self.names)).infer_objects())

    def vocabulary(self) -> Vocabulary:
        """The values of every column that is not a number, sorted by their text."""
        return {
            name: tuple(sorted({value for value in self.column(name) if value is not None}, key=str))
            for name, kind in zip(self.names, self.kinds, strict=True)
            if kind not in ("number", "bool")
        }

    def codes(self, vocabulary: Vocabulary) -> Float2:
        """The cells as numbers: other columns by their code, -1 where unseen, NaN where missing."""
        result = np.empty((self.n_rows, self.n_columns))
        for j, name in enumerate(self.names):
            values = self.column(name)
            if name in vocabulary:
                code = {value: float(i) for i, value in enumerate(vocabulary[name])}
                values = np.array([np.nan if v is None else code.get(v, -1.0) for v in values], dtype=float)
            result[:, j] = values
        return result

    def digest(self) -> str:
        """Hexadecimal SHA-256 of names, kinds and cells, independent of the container."""
        sha = hashlib.sha256(repr((self.names, self.kinds)).encode())
        for name, kind in zip(self.names, self.kinds, strict=True):
            values = self.column(name)
            sha.update(values.tobytes() if kind in ("number", "bool") else repr(values.tolist()).encode())
        return sha.hexdigest()

    def _with(self, *, frame: nw.DataFrame[Any] | None = None, matrix: Array | None = None) -> "Table":
        return Table(names=self.names, kinds=self.kinds, frame=frame, matrix=matrix)

    def __repr__(self) -> str:
        return f"Table({self.n_rows} rows, {self.n_columns} columns: {_listed(self.names)})"


def _frame_of_columns(columns: Mapping[str, Any], what: str) -> Any:
    import pandas as pd  # a third party, needed only for dicts of columns

    try:
        return pd.DataFrame(dict(columns))
    except ValueError as error:
        raise InputError(f"{what} is a dict of columns, so all must have the same length: {error}.") from error


def _gather_frame(frame: nw.DataFrame[Any], index: Int2) -> nw.DataFrame[Any]:
    native = frame.to_native()
    if frame.implementation.is_pandas():
        import pandas as pd  # the user's own frame library

        columns = {name: native[name].array.take(index[:, j]) for j, name in enumerate(native.columns)}
        return nw.from_native(pd.DataFrame(columns, columns=native.columns), eager_only=True)
    gathered = [frame[:, j][index[:, j].tolist()] for j in range(index.shape[1])]
    return gathered[0].to_frame().with_columns(*gathered[1:])


def _kind_of_dtype(dtype: Any) -> Kind:
    if dtype == nw.Boolean:
        return "bool"
    if dtype.is_numeric():
        return "number"
    if dtype in (nw.Categorical, nw.Enum):
        return "category"
    if dtype.is_temporal():
        return "datetime"
    return "string"


def _kind_of_array(values: Array) -> Kind:
    if values.dtype == np.bool_:
        return "bool"
    if np.issubdtype(values.dtype, np.number):
        return "number"
    if np.issubdtype(values.dtype, np.datetime64):
        return "datetime"
    present = [value for value in values.tolist() if not _is_missing(value)]
    if present and all(isinstance(value, bool | np.bool_) for value in present):
        return "bool"
    if all(isinstance(value, int | float | np.number) for value in present):
        return "number"
    return "string"


def _is_missing(value: Any) -> bool:
    return value is None or value != value or str(value) in ("<NA>", "NaT")


def _missing(values: Array) -> Array:
    return np.fromiter((_is_missing(value) for value in values.tolist()), dtype=bool, count=len(values))


def _floats(values: Array) -> Array:
    if values.dtype == object:
        return np.array([np.nan if _is_missing(value) else float(value) for value in values.tolist()], dtype=float)
    return np.ascontiguousarray(values, dtype=np.float64)


def _refuse_duplicates(names: Names, what: str) -> None:
    doubled = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if doubled:
        raise ColumnError(f"{what} has more than one column named {_listed(doubled)}; rename them first.")


def _listed(names: Sequence[str], most: int = 6) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
