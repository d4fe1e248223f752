"""What every adapter promises, as one function that raises where the promise is broken."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid._base.typing import Array, Float2
from pellucid.adapters import as_model, prove
from pellucid.ir import LinearForm, Model, Space, TreeEnsemble
from pellucid.table import Table

CHECKED_ROWS = 64


@dataclass(frozen=True, kw_only=True)
class AdapterReport:
    """What was measured.

    Parameters
    ----------
    model : Model
    structured : bool
        Whether the structure was read.
    gap : float
        Largest difference between the structure and the original model.
    resummation : float
        Largest difference between the structure's sum and an exact sum of the same terms, as a
        share of the range of the outputs.
    """

    model: Model
    structured: bool
    gap: float
    resummation: float


def check_adapter(fitted: Any, X: Any) -> AdapterReport:
    """Check what is read of a fitted model on some rows.

    * outputs stand in the order of ``classes_``, and the raw outputs are the library's own;
    * probabilities are the library's own;
    * the structure agrees with the model within its rounding bound, and with an exact re-summation
      within 1e-9 of the range of the outputs;
    * every column belongs to one feature; a row alone has the same bits as in a batch;
    * the order of named columns does not matter.

    Parameters
    ----------
    fitted : object
        A fitted model.
    X : table
        Rows in the container the model was fitted on.

    Raises
    ------
    AssertionError
        With the promise that was broken.
    """
    table = Table.of(X)
    rows = table.take(range(min(CHECKED_ROWS, len(table))))
    model = as_model(fitted, reference=rows)
    raw = model.predict(rows)
    _check_outputs(fitted, model, rows, raw)
    _check_order(model, rows, raw)
    if model.structure is None:
        _require(bool(model.why_no_structure), "a model without structure must say why")
        return AdapterReport(model=model, structured=False, gap=0.0, resummation=0.0)
    gap = prove(model, rows)
    return AdapterReport(model=model, structured=True, gap=gap, resummation=_check_structure(model, rows))


def _require(condition: bool, promise: str) -> None:
    if not condition:
        raise AssertionError(promise)


def _check_outputs(fitted: Any, model: Model, rows: Table, raw: Float2) -> None:
    classes = getattr(fitted, "classes_", None)
    several = isinstance(classes, list) and bool(classes) and isinstance(classes[0], np.ndarray)
    if classes is not None and len(classes):  # CatBoost's regressors have none
        if several:  # one array of classes for each target
            names = tuple(f"target {k}: {label}" for k, own in enumerate(classes) for label in own.tolist())
        else:
            names = tuple(str(label) for label in np.asarray(classes).tolist())
        _require(model.outputs == names, f"outputs must be the classes {names}; got {model.outputs}")
    if model.raw_space is Space.LOG_ODDS:
        implied = 1 / (1 + np.exp(-raw))
        near = np.allclose(implied, model.predict(rows, Space.PROBABILITY), rtol=1e-5, atol=1e-6)
        _require(near, "the logistic function of the raw output must be the probability")
    if model.probability is not None and hasattr(fitted, "predict_proba"):
        native = rows.native if model.features is None else rows.aligned(model.features).native
        theirs = fitted.predict_proba(native)
        theirs = np.concatenate(theirs, axis=1) if several else theirs
        same = np.array_equal(model.predict(rows, Space.PROBABILITY), theirs)
        _require(same, "probabilities must be the library's own")


def _check_order(model: Model, rows: Table, raw: Float2) -> None:
    if model.features is None or not rows.named:
        return
    backwards = rows.select(tuple(reversed(rows.names)))
    _require(np.array_equal(model.predict(backwards), raw), "named columns must be matched by name")


def _check_structure(model: Model, rows: Table) -> float:
    encoding, structure = model.encoding, model.structure
    if encoding is None or structure is None:
        raise AssertionError("a structure needs an encoding")
    columns = encoding.transform(rows)
    n_features = len(model.features) if model.features is not None else rows.n_columns
    fits = encoding.groups.shape == (columns.shape[1],)
    _require(fits, f"groups of shape {encoding.groups.shape} for {columns.shape[1]} columns")
    inside = np.all((encoding.groups >= 0) & (encoding.groups < n_features))
    _require(bool(inside), "every column must belong to a feature")
    batch = structure.predict(columns)
    exact = np.array([_exact(structure, row[None, :]) for row in columns])
    scale = max(float(np.ptp(batch)), float(np.abs(batch).max()), np.finfo(float).tiny)
    resummation = float(np.abs(batch - exact).max()) / scale
    _require(resummation <= 1e-9, f"re-summation differs by {resummation:.2g} of the range")
    if isinstance(structure, TreeEnsemble):
        alone = np.concatenate([structure.predict(row[None, :]) for row in columns])
        _require(np.array_equal(alone, batch), "a row alone must have the same bits as in a batch")
        _require(bool(np.all(structure.cover >= 0)), "covers must not be negative")
    return resummation


def _exact(structure: TreeEnsemble | LinearForm, row: Float2) -> Array:
    """Sum of the terms of one row, correctly rounded."""
    if isinstance(structure, LinearForm):
        return np.array(
            [
                math.fsum([float(offset), *(weights * row[0]).tolist()])
                for weights, offset in zip(structure.coefficients, structure.intercept, strict=True)
            ]
        )
    terms: list[list[float]] = [[float(value)] for value in structure.base]
    for tree in range(structure.n_trees):
        leaf = _walk(structure, row[0], int(structure.roots[tree]))
        for k, value in enumerate(structure.value[leaf]):
            terms[structure.output[tree] + k].append(float(value))
    return np.array([math.fsum(parts) for parts in terms])


def _walk(trees: TreeEnsemble, row: Array, node: int) -> int:
    """Leaf that one row reaches, one node at a time."""
    while trees.feature[node] >= 0:
        x = np.dtype(trees.input_dtype).type(row[trees.feature[node]])
        if np.isnan(x):
            left = bool(trees.missing_left[node])
        elif trees.is_categorical[node]:
            left = _is_listed(trees, node, float(x))
        else:
            threshold = trees.threshold[node]
            left = bool(float(x) <= threshold if trees.less_equal else float(x) < threshold)
        node = int(trees.left[node] if left else trees.right[node])
    return node


def _is_listed(trees: TreeEnsemble, node: int, x: float) -> bool:
    """Whether a categorical node sends a value left, by the set it stands for."""
    if trees.bits is None or trees.bits_begin is None or trees.bits_words is None or trees.other_left is None:
        raise AssertionError("a categorical node needs its set")
    words = trees.bits[trees.bits_begin[node] :][: trees.bits_words[node]].tolist()
    listed = {32 * w + bit for w, word in enumerate(words) for bit in range(32) if word >> bit & 1}
    inside = -1 < x < 32 * len(words)
    return int(x) in listed if inside else bool(trees.other_left[node])
