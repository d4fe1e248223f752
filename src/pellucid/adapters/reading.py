"""What an adapter reads from a library's object, and how that becomes an `ir.Model`.

A `Reading` speaks of rows in the container that the library was fitted on; the `ir.Model` made of
it speaks of tables. Wrappers such as pipelines compose readings, so the innermost model is always
handed exactly what it would get without us (a sparse matrix stays sparse).
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import narwhals as nw
import numpy as np

from pellucid._base.errors import ColumnError, InputError, ModelError, PellucidError
from pellucid._base.typing import Array, Float2, Int1, Names
from pellucid.ir import Encoding, LinearForm, Model, Space, TreeEnsemble
from pellucid.table import Table

ANY_FRAME = ("pandas", "polars")
PANDAS = ("pandas",)


def numeric_matrix(native: Any) -> Float2:
    """Rows in any container as a float64 matrix, NaN where missing.

    Raises
    ------
    InputError
        When a column has something that is not a number.
    """
    if isinstance(native, np.ndarray) and native.ndim == 2 and native.dtype.kind in "fiub":
        return np.ascontiguousarray(native, dtype=np.float64)
    table = Table.of(native)
    result = np.empty((table.n_rows, table.n_columns))
    for j, name in enumerate(table.names):
        values = table.column(name)
        try:
            result[:, j] = [np.nan if v is None else v for v in values] if values.dtype == object else values
        except (TypeError, ValueError) as error:
            kind = table.kinds[j]
            example = next(value for value in values if not _is_number(value))
            raise InputError(
                f"column {name!r:.80} must hold numbers for this model; it holds {example!r:.60} (a {kind}). Pass it "
                "as the model was fitted, or put an encoder before the model in a Pipeline."
            ) from error
    return result


def _is_number(value: Any) -> bool:
    try:
        float(np.nan if value is None else value)
    except (TypeError, ValueError):
        return False
    return True


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """One fitted object as its library calls it.

    Parameters
    ----------
    label : str
        What to call the model in a sentence.
    outputs : tuple of str
    raw, probability : callable
        Rows in the library's container to outputs; see `ir.Model`.
    names : tuple of str or None
        Columns it was fitted on; None when it was fitted on a bare array.
    n_features : int or None
        Number of columns it was fitted on, where it says.
    columns : callable
        Rows in the library's container to the float64 columns that the structure reads.
    groups : int array or None
        Raw feature each of those columns is made of; None when they are the features themselves.
    frames : tuple of str or None
        Frame libraries it can be fed; other frames are handed over as pandas. None: any, as they are.
    """

    label: str
    outputs: Names
    raw: Callable[[Any], Array]
    raw_space: Space = Space.RAW
    probability: Callable[[Any], Array] | None = None
    classes: Array | None = None
    names: Names | None = None
    n_features: int | None = None
    structure: TreeEnsemble | LinearForm | None = None
    columns: Callable[[Any], Float2] = numeric_matrix
    groups: Int1 | None = None
    mirrored: bool = False
    why_no_structure: str = "the model is only known by its predictions"
    frames: tuple[str, ...] | None = ANY_FRAME

    def without_structure(self, why: str) -> "Reading":
        """Return the same model as a black box, with the sentence that says why."""
        return replace(self, structure=None, groups=None, mirrored=False, why_no_structure=why)


def feed(table: Table, reading: Reading) -> Any:
    """Rows in the container that the model was fitted on."""
    if reading.names is not None:
        table = table.aligned(reading.names)
        if not table.named:
            table = Table.of(_plain(table.as_array()), names=reading.names).as_frame()
        return _frame(table, reading.frames)
    if reading.n_features is None:
        return table.native
    if table.n_columns != reading.n_features:
        raise ColumnError(
            f"X has {table.n_columns} columns, but {reading.label} was fitted on {reading.n_features} columns "
            "without names. Pass the same columns in the same order."
        )
    return _plain(table.as_array())


def _plain(array: Array) -> Array:
    """Return the array in a number format that every library reads rightly.

    XGBoost 3.2 reads the bytes of a big-endian array in the wrong order without a word, and
    scikit-learn's scalers would compute in float16.
    """
    if array.dtype.kind in "fiu" and (array.dtype == np.float16 or not array.dtype.isnative):
        return np.asarray(array, dtype=np.float64)
    return array


def _frame(table: Table, frames: tuple[str, ...] | None) -> Any:
    if frames is None:
        return table.native
    frame = nw.from_native(table.native, eager_only=True)
    if str(frame.implementation) not in frames:
        try:
            return frame.to_pandas()
        except ImportError:  # polars needs pyarrow for this; a column at a time needs nothing
            return Table.of({name: table.column(name) for name in table.names}).native
    return _dense(table) if frame.implementation.is_pandas() else table.native


def _dense(table: Table) -> Any:
    """Hand over pandas columns of numbers in sparse, Arrow, nullable or object dtypes as float64, which all take."""
    native = table.native
    special = {
        label: table.column(name)
        for label, name, kind, dtype in zip(native.columns, table.names, table.kinds, native.dtypes, strict=True)
        if kind == "number" and (not isinstance(dtype, np.dtype) or dtype == np.dtype(object))
    }
    return native.assign(**special) if special else native


def finish(reading: Reading) -> Model:
    """Make the `ir.Model` of a reading."""
    encoding = None
    if reading.structure is not None:
        n = reading.n_features if reading.n_features is not None else _n_columns(reading.structure)
        groups = np.arange(n, dtype=np.int64) if reading.groups is None else reading.groups
        encoding = Encoding(transform=_encoded(reading, reading.structure), groups=groups)
    return Model(
        label=reading.label,
        outputs=reading.outputs,
        raw=_guarded(reading, reading.raw),
        raw_space=reading.raw_space,
        probability=None if reading.probability is None else _guarded(reading, reading.probability),
        classes=reading.classes,
        features=reading.names,
        structure=reading.structure,
        encoding=encoding,
        mirrored=reading.mirrored,
        why_no_structure=reading.why_no_structure if reading.structure is None else "",
    )


def _n_columns(structure: TreeEnsemble | LinearForm) -> int:
    return structure.n_columns if isinstance(structure, TreeEnsemble) else structure.coefficients.shape[1]


def _guarded(reading: Reading, function: Callable[[Any], Array]) -> Callable[[Table], Array]:
    """Feed tables to `function`, and say whose error it is when it fails."""

    def called(table: Table) -> Array:
        result: Array = call(reading.label, function, feed(table, reading), disposable=table.disposable)
        return result

    return called


def _encoded(reading: Reading, structure: TreeEnsemble | LinearForm) -> Callable[[Table], Float2]:
    """Columns of a table; no rows have no columns' values, and most libraries refuse to encode them."""
    encode = _guarded(reading, reading.columns)
    width = _n_columns(structure)
    return lambda table: encode(table) if len(table) else np.empty((0, width))


def call(label: str, function: Callable[[Any], Any], native: Any, *, disposable: bool = False) -> Any:
    """Apply a function of the library to rows; its own errors become a `ModelError` with the model's name.

    The function gets a copy to write into, unless the rows are `disposable`.
    """
    try:
        return function(native if disposable else own_copy(native))
    except PellucidError:
        raise
    except Exception as error:
        if type(error).__name__ == "NotFittedError":
            raise InputError(f"{label} is not fitted yet. Call fit before explaining it.") from error
        n_rows = native.shape[0] if hasattr(native, "shape") else len(native)
        raise ModelError(
            f"{label} could not take {'this row' if n_rows == 1 else f'these {n_rows} rows'}: {said(error)} "
            "Pass rows with the columns, dtypes and kinds of values that it was fitted on."
        ) from error


def own_copy(native: Any) -> Any:
    """Copy rows, for steps such as ``StandardScaler(copy=False)`` that write into what they are given."""
    return native.copy() if hasattr(native, "copy") else copy.copy(native)


def said(error: Exception) -> str:
    """Kind and first lines of a library's error as one sentence; what follows are its traces and essays."""
    lines = str(error).partition("Stack trace:")[0].strip().splitlines()[:2]
    words = ": ".join(filter(None, [type(error).__name__, " ".join(lines)]))
    words = words if len(words) <= 300 else words[:299] + "…"
    return words if words.endswith((".", "!", "?", "…")) else f"{words}."


def class_names(classes: Array) -> Names:
    """Output names of a classifier, in the model's own order."""
    return tuple(str(label) for label in np.asarray(classes).tolist())


def output_names(n_outputs: int) -> Names:
    """Output names of a regression."""
    return ("prediction",) if n_outputs == 1 else tuple(f"output {k}" for k in range(n_outputs))


def target_names(n_targets: int) -> Names:
    """Output names of a regression of several targets at once."""
    return ("prediction",) if n_targets == 1 else tuple(f"target {k}" for k in range(n_targets))


def mirrored_margin(margin: Array) -> Array:
    """Both outputs of a binary margin: ``(-m, m)``."""
    column = np.asarray(margin, dtype=np.float64).reshape(-1, 1)
    return np.concatenate([-column, column], axis=1)


def fitted_names(model: Any) -> Names | None:
    """Column names a scikit-learn style estimator was fitted on, or None."""
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else tuple(str(name) for name in names)


def fitted_width(model: Any) -> int | None:
    """Count the columns a scikit-learn style estimator was fitted on, where it says."""
    width = getattr(model, "n_features_in_", None)
    return None if width is None else int(width)


def require_fitted(model: Any, attribute: str) -> None:
    """Refuse an estimator that has not been fitted."""
    if not hasattr(model, attribute):
        raise InputError(f"{type(model).__name__} is not fitted yet. Call fit before explaining it.")
