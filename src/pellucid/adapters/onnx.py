"""ONNX-ML tree ensembles: `TreeEnsembleRegressor` and `TreeEnsembleClassifier` (ai.onnx.ml, versions 1 to 4).

The graph is run by onnxruntime where it is installed, else by the reference evaluator of the onnx
package, which is slow and another implementation than ours, so the proof stays a proof.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid._base.errors import InputError, UnsupportedModelError
from pellucid._base.optional import optional_import
from pellucid._base.typing import Array, Float2, Int1
from pellucid.adapters.forest import NodeTable, join
from pellucid.adapters.reading import Reading, numeric_matrix, target_names
from pellucid.ir import Space, TreeEnsemble
from pellucid.table import Table

MODES = {
    "BRANCH_LEQ": (False, True),
    "BRANCH_LT": (False, False),
    "BRANCH_GT": (True, True),
    "BRANCH_GTE": (True, False),
}
"""Whether a mode's true branch is our right, and whether our left includes the threshold."""
TREES = ("TreeEnsembleRegressor", "TreeEnsembleClassifier")


@dataclass(frozen=True, eq=False)
class OnnxModel:
    """An ONNX graph and what runs it: give `predict` rows, get the graph's named outputs."""

    proto: Any
    run: Callable[[Float2], dict[str, Any]]
    engine: str

    def predict(self, X: Any) -> Array:
        """Return the graph's last output that has numbers for each row."""
        return np.asarray(list(self.run(numeric_matrix(X)).values())[-1])


def load(content: bytes) -> OnnxModel:
    """Read an ONNX file.

    Raises
    ------
    InputError
        When it is damaged or takes anything but one matrix of numbers.
    MissingDependencyError
        When the onnx package is not installed.
    """
    onnx = optional_import("onnx", extra="onnx", purpose="an ONNX model")
    try:
        proto = onnx.load_model_from_string(content)
        onnx.checker.check_model(proto)
    except Exception as error:
        raise InputError(f"it is no whole ONNX model: {type(error).__name__}.") from error
    for node in proto.graph.node:
        if node.op_type in TREES:  # before anything walks them
            _ensemble(_attributes(onnx, node), node.op_type, n_columns=2**31 - 1)
    if len(proto.graph.input) != 1:
        raise UnsupportedModelError(f"the ONNX graph takes {len(proto.graph.input)} inputs; only one matrix is read.")
    return OnnxModel(proto, *_runner(onnx, content, proto))


def _runner(onnx: Any, content: bytes, proto: Any) -> tuple[Callable[[Float2], dict[str, Any]], str]:
    name, kind = proto.graph.input[0].name, proto.graph.input[0].type.tensor_type.elem_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind)
    outputs = [output.name for output in proto.graph.output]
    try:
        import onnxruntime
    except ImportError:
        from onnx import reference

        session, engine = reference.ReferenceEvaluator(proto), "onnx.reference"
    else:
        session, engine = onnxruntime.InferenceSession(content), "onnxruntime"

    def run(rows: Float2) -> dict[str, Any]:
        return dict(zip(outputs, session.run(None, {name: rows.astype(dtype)}), strict=True))

    return run, engine


def read(model: OnnxModel, _reference: Table | None) -> Reading:
    """Read a loaded ONNX model: one tree ensemble between the input and the outputs."""
    onnx = optional_import("onnx", extra="onnx", purpose="an ONNX model")
    graph = model.proto.graph
    nodes = [node for node in graph.node if node.op_type in TREES]
    shape = graph.input[0].type.tensor_type.shape.dim
    width = int(shape[1].dim_value) if len(shape) == 2 else 0
    if len(nodes) != 1 or width < 1:
        raise UnsupportedModelError(
            "the ONNX graph is not one tree ensemble on a matrix of known width. Pass a function that runs it instead."
        )
    (node,) = nodes
    attributes = _attributes(onnx, node)
    structure = _ensemble(attributes, node.op_type, width)
    values = node.output[1 if node.op_type == TREES[1] else 0]
    transform = str(attributes.get("post_transform", "NONE"))
    label = f"ONNX {node.op_type} run by {model.engine}"
    direct = values in {output.name for output in graph.output} and node.input[0] == graph.input[0].name
    why = "" if direct else "other steps stand before or behind its trees"
    if transform != "NONE":
        why = f"its sums pass through {transform} before they come out"
    if node.op_type == TREES[1] and structure.n_outputs == 2 and len(set(attributes.get("class_ids", ()))) == 1:
        why = "its two classes share one sum, in a way that the standard leaves to the runtime"
    names, classes = _names(attributes, node.op_type, structure.n_outputs)
    wanted = values if direct else [output.name for output in graph.output][-1]
    reading = Reading(
        label=label,
        outputs=names,
        classes=classes,
        raw=lambda native: np.asarray(model.run(numeric_matrix(native))[wanted]),
        raw_space=Space.RAW,
        n_features=width,
        structure=structure,
    )
    return reading.without_structure(why) if why else reading


def read_proto(proto: Any, reference: Table | None) -> Reading:
    """Read an `onnx.ModelProto`."""
    return read(load(proto.SerializeToString()), reference)


def _names(attributes: Mapping[str, Any], kind: str, n_outputs: int) -> tuple[tuple[str, ...], Array | None]:
    if kind == TREES[0]:
        return target_names(n_outputs), None
    labels = [text.decode() for text in attributes.get("classlabels_strings", ())]
    labels = labels or list(attributes.get("classlabels_int64s", ()))
    if len(labels) != n_outputs:
        raise InputError(f"the ONNX classifier has {n_outputs} sums for {len(labels)} classes; the model is damaged.")
    return tuple(str(label) for label in labels), np.array(labels)


def _attributes(onnx: Any, node: Any) -> dict[str, Any]:
    result = {}
    for attribute in node.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        if attribute.name.endswith("_as_tensor"):
            value, name = onnx.numpy_helper.to_array(value), attribute.name.removesuffix("_as_tensor")
        else:
            name = attribute.name
        result[name] = value.decode() if isinstance(value, bytes) else value
    return result


def _ensemble(attributes: Mapping[str, Any], kind: str, n_columns: int) -> TreeEnsemble:
    """Lists of nodes, named by tree and number, as one table."""

    def column(name: str, dtype: Any, default: Any = None) -> Array:
        values = np.asarray(attributes.get(name, [] if default is None else default), dtype=dtype)
        if len(values) != len(modes):
            raise InputError(f"{name} has {len(values)} entries for {len(modes)} nodes; the model is damaged.")
        return values

    modes = [mode.decode() if isinstance(mode, bytes) else mode for mode in attributes.get("nodes_modes", ())]
    leaf = np.array([mode == "LEAF" for mode in modes], dtype=bool)
    used = {mode for mode in modes if mode != "LEAF"}
    if not used <= set(MODES):
        raise UnsupportedModelError(f"the ONNX trees split by {sorted(used - set(MODES))[0]}, which is not read yet.")
    flips = {MODES[mode] for mode in used}
    if len(flips) > 1:
        raise UnsupportedModelError("the ONNX trees mix several kinds of comparison, which is not read yet.")
    swapped, less_equal = flips.pop() if flips else (False, True)
    place, roots, tree = _places(column("nodes_treeids", np.int64), column("nodes_nodeids", np.int64))
    true = place(tree, column("nodes_truenodeids", np.int64), leaf)
    false = place(tree, column("nodes_falsenodeids", np.int64), leaf)
    missing_true = column("nodes_missing_value_tracks_true", bool, np.zeros(len(modes), dtype=bool))
    left, right = (false, true) if swapped else (true, false)
    value, base = _values(attributes, kind, place, leaf)
    table = NodeTable(
        left=left,
        right=right,
        feature=np.where(leaf, -1, column("nodes_featureids", np.int64)),
        threshold=np.where(leaf, 0.0, column("nodes_values", np.float64)),
        missing_left=(missing_true != swapped) & ~leaf,
        cover=np.zeros(len(modes)),
        value=value,
        roots=roots,
    )
    if np.any(table.feature[~leaf] < 0):
        raise InputError("a split reads no column; the model is damaged.")
    return join(
        [table],
        output=np.zeros(len(roots), dtype=np.int32),
        base=base,
        n_columns=n_columns,
        less_equal=less_equal,
        input_dtype="float32",
        sum_dtype="float32",
    )


def _places(trees: Int1, numbers: Int1) -> tuple[Callable[..., Int1], Int1, Int1]:
    """Where a (tree, number) stands in the lists; the roots, which are the first of each tree; and the trees."""
    known = {pair: k for k, pair in enumerate(zip(trees.tolist(), numbers.tolist(), strict=True))}
    if len(known) < len(trees):
        raise InputError("two nodes of a tree have one number; the model is damaged.")
    roots = np.sort(np.unique(trees, return_index=True)[1])

    def place(tree: Int1, number: Int1, skipped: Array | None = None) -> Int1:
        skip = np.zeros(len(tree), dtype=bool) if skipped is None else skipped
        found = [
            -1 if absent else known.get(pair, -2)
            for absent, pair in zip(skip.tolist(), zip(tree.tolist(), number.tolist(), strict=True), strict=True)
        ]
        if -2 in found:
            raise InputError("a tree points to a node that is not there; the model is damaged.")
        return np.array(found, dtype=np.int64)

    return place, roots, trees


def _values(attributes: Mapping[str, Any], kind: str, place: Callable[..., Int1], leaf: Array) -> tuple[Float2, Array]:
    """What each leaf adds to each output, and the base."""
    part = "target" if kind == TREES[0] else "class"
    ids = np.asarray(attributes.get(f"{part}_ids", ()), dtype=np.int64)
    weights = np.asarray(attributes.get(f"{part}_weights", ()), dtype=np.float64)
    trees = np.asarray(attributes.get(f"{part}_treeids", ()), dtype=np.int64)
    nodes = np.asarray(attributes.get(f"{part}_nodeids", ()), dtype=np.int64)
    if not len(ids) == len(weights) == len(trees) == len(nodes):
        raise InputError("the lists of the leaves' values differ in length; the model is damaged.")
    if kind == TREES[0]:
        n_outputs = int(attributes.get("n_targets", 1))
        n_trees = len(np.unique(trees))
        function = attributes.get("aggregate_function", "SUM")
        if function not in ("SUM", "AVERAGE"):
            raise UnsupportedModelError(f"the ONNX trees are aggregated by {function}; only sums and means are read.")
        weights = weights / n_trees if function == "AVERAGE" else weights
    else:
        n_outputs = max(len(attributes.get("classlabels_strings", ())), len(attributes.get("classlabels_int64s", ())))
    if not 0 < n_outputs <= max(len(ids), 1) * 2**10 or np.any(ids < 0) or np.any(ids >= n_outputs):
        raise InputError("a leaf writes to an output that is not there; the model is damaged.")
    at = place(trees, nodes)
    if np.any(~leaf[at]):
        raise InputError("a split has a value; the model is damaged.")
    value = np.zeros((len(leaf), n_outputs))
    np.add.at(value, (at, ids), weights)
    base = np.asarray(attributes.get("base_values", np.zeros(n_outputs)), dtype=np.float64)
    if len(base) not in (0, n_outputs):
        raise InputError("the base values are not one for each output; the model is damaged.")
    return value, base if len(base) else np.zeros(n_outputs)
