"""Which input column each column of a fitted transformer comes from.

Known transformers say so by their own attributes. Others are observed: input columns are exchanged
between rows and the output columns that change are noted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid._base.typing import Array, Int1, Int2, Names
from pellucid.adapters.reading import own_copy
from pellucid.table import Table

UNSEEN = -1
"""Origin of a column that did not change in any experiment."""
EXPERIMENT_ROWS = 64
EXPERIMENT_CELLS = 4_000_000


class MixedColumnsError(Exception):
    """A step makes columns out of several input columns; the message names the step."""


ONE_TO_ONE = frozenset(
    {
        "Binarizer",
        "MaxAbsScaler",
        "MinMaxScaler",
        "OrdinalEncoder",
        "PowerTransformer",
        "QuantileTransformer",
        "RobustScaler",
        "StandardScaler",
    }
)
# These may use one column to fill or scale another even where an experiment does not show it.
MIXING = frozenset(
    {
        "AdditiveChi2Sampler",
        "FactorAnalysis",
        "FastICA",
        "IterativeImputer",
        "KNNImputer",
        "KernelPCA",
        "NMF",
        "Normalizer",
        "Nystroem",
        "PCA",
        "PolynomialFeatures",
        "RBFSampler",
        "SparsePCA",
        "TruncatedSVD",
    }
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """What enters a step: how many columns, their names, and some rows of them where there are any.

    `sample` is in the container in which the step gets it; None when no reference rows were given.
    """

    n_columns: int
    names: Names | None
    sample: Any


def is_absent(step: Any) -> bool:
    """Whether a step does nothing."""
    return step is None or (isinstance(step, str) and step == "passthrough")


def after(step: Any, rows: Rows, n_columns: int) -> Rows:
    """Return what leaves the step."""
    sample = rows.sample if rows.sample is None or is_absent(step) else step.transform(own_copy(rows.sample))
    names = None if sample is None or not hasattr(sample, "columns") else tuple(str(c) for c in sample.columns)
    return Rows(n_columns=n_columns, names=names, sample=sample)


def origins(step: Any, rows: Rows, label: str) -> Int1:
    """Input column of every output column of a fitted step.

    Raises
    ------
    MixedColumnsError
        When an output column depends on several inputs, or it cannot be told which.
    """
    if is_absent(step):
        return np.arange(rows.n_columns)
    name = type(step).__name__
    if rows.n_columns == 1 and rows.sample is not None and name not in ("Pipeline", "ColumnTransformer"):
        return np.zeros(_width(step.transform(own_copy(rows.sample))), dtype=np.int64)
    if name in MIXING:
        raise MixedColumnsError(f"the step {label!r} ({name}) makes columns out of several features")
    if name in ONE_TO_ONE or (name == "FunctionTransformer" and step.func is None):
        return np.arange(rows.n_columns)
    if name in RULES:
        return RULES[name](step, rows, label)
    if hasattr(step, "get_support"):
        return np.asarray(step.get_support(indices=True), dtype=np.int64)
    return _observed(step, rows, label)


def _width(native: Any) -> int:
    shape = np.shape(native) if not hasattr(native, "shape") else native.shape
    return 1 if len(shape) == 1 else int(shape[1])


def _pipeline(step: Any, rows: Rows, label: str) -> Int1:
    result = np.arange(rows.n_columns)
    for name, inner in step.steps:
        inner_origins = origins(inner, rows, f"{label}.{name}" if label else name)
        result = result[inner_origins]
        rows = after(inner, rows, len(inner_origins))
    return result


def _one_hot(step: Any, rows: Rows, _label: str) -> Int1:
    rare = getattr(step, "infrequent_categories_", None) or [None] * rows.n_columns
    dropped = step.drop_idx_ if step.drop_idx_ is not None else [None] * rows.n_columns
    counts = []
    for categories, infrequent, drop in zip(step.categories_, rare, dropped, strict=True):
        merged = 0 if infrequent is None or not len(infrequent) else len(infrequent) - 1
        counts.append(len(categories) - merged - (drop is not None))
    return np.repeat(np.arange(rows.n_columns), counts)


def _binned(step: Any, rows: Rows, _label: str) -> Int1:
    columns = np.arange(rows.n_columns)
    return columns if step.encode == "ordinal" else np.repeat(columns, step.n_bins_)


def _imputed(step: Any, rows: Rows, _label: str) -> Int1:
    columns = np.arange(rows.n_columns)
    if not step.keep_empty_features and step.strategy != "constant":
        empty = np.array([isinstance(value, float | np.floating) and np.isnan(value) for value in step.statistics_])
        columns = columns[~empty]
    indicator = getattr(step, "indicator_", None)
    return columns if indicator is None else np.concatenate([columns, indicator.features_])


def _indicated(step: Any, _rows: Rows, _label: str) -> Int1:
    return np.asarray(step.features_, dtype=np.int64)


def _blocks(step: Any, rows: Rows, label: str) -> Int1:
    """Trace transformers that make equally many columns of each feature, side by side."""
    width = len(step.get_feature_names_out())
    if width % rows.n_columns:
        return _observed(step, rows, label)
    return np.repeat(np.arange(rows.n_columns), width // rows.n_columns)


def _union(step: Any, rows: Rows, label: str) -> Int1:
    parts = [origins(inner, rows, f"{label}.{name}") for name, inner in step.transformer_list if inner != "drop"]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)


def _column_transformer(step: Any, rows: Rows, label: str) -> Int1:
    width = max((part.stop for part in step.output_indices_.values()), default=0)
    result = np.full(width, UNSEEN, dtype=np.int64)
    names = tuple(str(n) for n in step.feature_names_in_) if hasattr(step, "feature_names_in_") else None
    for name, inner, columns in step.transformers_:
        part = step.output_indices_.get(name, slice(0, 0))
        if part.stop == part.start or (isinstance(inner, str) and inner == "drop"):
            continue
        chosen = _positions(columns, names, rows.n_columns)
        scalar = isinstance(columns, str | int | np.integer)
        inside = Rows(
            n_columns=len(chosen),
            names=None if names is None else tuple(names[j] for j in chosen),
            sample=_selected(rows.sample, chosen, scalar=scalar),
        )
        result[part] = chosen[origins(inner, inside, f"{label}.{name}")]
    return result


def _positions(columns: Any, names: Names | None, n_columns: int) -> Int1:
    """Positions that a column selection of a fitted ColumnTransformer means."""
    everything = np.arange(n_columns)
    if isinstance(columns, slice):
        if isinstance(columns.start, str) or isinstance(columns.stop, str):  # labels include the last
            order = list(names or ())
            start = 0 if columns.start is None else order.index(columns.start)
            stop = n_columns if columns.stop is None else order.index(columns.stop) + 1
            columns = slice(start, stop, columns.step)
        within: Int1 = everything[columns]
        return within
    wanted = [columns] if isinstance(columns, str | int | np.integer) else list(columns)
    if wanted and all(isinstance(item, bool | np.bool_) for item in wanted):
        return np.flatnonzero(np.array(wanted, dtype=bool))
    order = list(names or ())
    return np.array([order.index(str(w)) if isinstance(w, str) else everything[int(w)] for w in wanted], dtype=np.int64)


def _selected(sample: Any, chosen: Int1, *, scalar: bool) -> Any:
    if sample is None:
        return None
    table = Table.of(sample)
    if scalar:
        native = table.select([table.names[chosen[0]]]).native
        return native[:, 0] if isinstance(native, np.ndarray) else native[native.columns[0]]
    return table.select([table.names[j] for j in chosen]).native


RULES: dict[str, Callable[[Any, Rows, str], Int1]] = {
    "ColumnTransformer": _column_transformer,
    "FeatureUnion": _union,
    "KBinsDiscretizer": _binned,
    "MissingIndicator": _indicated,
    "OneHotEncoder": _one_hot,
    "Pipeline": _pipeline,
    "SimpleImputer": _imputed,
    "SplineTransformer": _blocks,
    "TargetEncoder": _blocks,
}


def _observed(step: Any, rows: Rows, label: str) -> Int1:
    """Origins seen in an experiment; a step that keeps the number of columns may have silent ones."""
    name = type(step).__name__
    if rows.sample is None or len(Table.of(rows.sample)) < 2:
        raise MixedColumnsError(
            f"it is not known which features the step {label!r} ({name}) makes its columns of; pass a background of "
            "a few rows to find out"
        )
    seen = observe(step.transform, Table.of(rows.sample))
    if len(seen) == rows.n_columns:
        seen = np.where(seen == UNSEEN, np.arange(rows.n_columns), seen)
    if np.any(seen < 0):
        raise MixedColumnsError(f"the step {label!r} ({name}) makes columns out of several features")
    return seen


MIXED = -2
"""Origin of a column that changed with more than one input."""


def observe(transform: Callable[[Any], Any], sample: Table) -> Int1:
    """Origin of every output column by experiment: a column number, `UNSEEN` or `MIXED`.

    Columns whose number has bit b set are exchanged between the rows, then those whose bit b is
    clear. A column made of one input changes in exactly one experiment of each pair, and these
    spell its number; a column made of two inputs changes in both experiments of some pair.
    """
    index, n_bits = _designs(sample)
    n_rows = index.shape[1]
    moved = sample.gather(index.reshape(-1, sample.n_columns))
    try:
        outputs = _cells(transform(moved.native)).reshape(len(index), n_rows, -1)
    except Exception as error:
        raise MixedColumnsError(f"its columns could not be traced: {type(error).__name__}: {error}") from error
    changed = np.any(outputs[1:] != outputs[:1], axis=1).reshape(n_bits, 2, -1)
    with_bit, without_bit = changed[:, 0], changed[:, 1]
    number = (with_bit * (2 ** np.arange(n_bits))[:, None]).sum(axis=0)
    result = np.where(np.any(with_bit & without_bit, axis=0), MIXED, number)
    # A silent column never changes; one that changes in some pairs only is moved by rows, not by cells.
    silent = ~np.any(with_bit | without_bit, axis=0)
    partly = ~silent & ~np.all(with_bit | without_bit, axis=0)
    result = np.where(partly | (number >= sample.n_columns), MIXED, result)
    traced: Int1 = np.where(silent, UNSEEN, result).astype(np.int64)
    return traced


def _designs(sample: Table) -> tuple[Array, int]:
    """Row indices (1 + 2·bits, rows, columns): nothing moved, then a pair of experiments per bit."""
    n_columns = sample.n_columns
    n_bits = max(1, int(n_columns - 1).bit_length())
    n_rows = max(2, min(EXPERIMENT_ROWS, len(sample), EXPERIMENT_CELLS // (n_columns * (1 + 2 * n_bits))))
    home: Int2 = np.repeat(np.arange(n_rows)[:, None], n_columns, axis=1)
    away = np.roll(home, 1, axis=0)
    designs = [home]
    for bit in range(n_bits):
        has = (np.arange(n_columns) >> bit & 1).astype(bool)
        designs += [np.where(has, away, home), np.where(has, home, away)]
    return np.stack(designs), n_bits


def _cells(native: Any) -> Array:
    """Cells as objects that compare equal when they are the same, missing values included."""
    if isinstance(native, np.ndarray) and native.ndim == 1:
        native = native[:, None]
    table = Table.of(native)
    codes = np.empty((table.n_rows, table.n_columns), dtype=np.int64)
    for j, name in enumerate(table.names):
        values = table.column(name)
        if values.dtype == object:
            values = np.array([repr(value) for value in values.tolist()])
        codes[:, j] = np.unique(values, return_inverse=True)[1]
    return codes
