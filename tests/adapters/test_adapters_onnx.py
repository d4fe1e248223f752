"""ONNX tree ensembles against the onnx package's own evaluator."""

import numpy as np
import pytest
from sklearn import ensemble

from pellucid._base.errors import FileError, PellucidError
from pellucid.adapters import as_model, load_model, prove
from pellucid.table import Table

onnx = pytest.importorskip("onnx")
helper = onnx.helper

ROWS = 120
FIELDS = [
    "treeids",
    "nodeids",
    "featureids",
    "values",
    "modes",
    "truenodeids",
    "falsenodeids",
    "missing_value_tracks_true",
]


def numbers(missing=0.2):
    rng = np.random.default_rng(41)
    X = rng.normal(size=(ROWS, 4)).astype(np.float32).astype(np.float64)
    X[rng.random(X.shape) < missing] = np.nan
    return X


def target(X):
    values = np.nan_to_num(X)
    return values[:, 0] * values[:, 1] + values[:, 2]


def attributes(forest, classes, mode):
    """Nodes and leaves of a forest as ONNX lists them; under GT and GTE the true branch is the right one."""
    nodes = {f"nodes_{key}": [] for key in FIELDS}
    part = "class" if classes else "target"
    leaves = {f"{part}_{key}": [] for key in ("treeids", "nodeids", "ids", "weights")}
    swapped = mode in ("BRANCH_GT", "BRANCH_GTE")
    for t, grown in enumerate(forest.estimators_):
        tree = grown.tree_
        for i in range(tree.node_count):
            leaf = tree.children_left[i] < 0
            left, right = (0, 0) if leaf else (int(tree.children_left[i]), int(tree.children_right[i]))
            missing = not leaf and bool(tree.missing_go_to_left[i])
            cell = (
                *(t, i, max(int(tree.feature[i]), 0), 0.0 if leaf else float(np.float32(tree.threshold[i]))),
                *("LEAF" if leaf else mode, right if swapped else left, left if swapped else right),
                int(missing != swapped) if not leaf else 0,
            )
            for key, value in zip(nodes, cell, strict=True):
                nodes[key].append(value)
            for k, value in enumerate(tree.value[i].ravel() if leaf else ()):
                weight = float(value) / len(forest.estimators_)
                for key, entry in zip(leaves, (t, i, k, weight), strict=True):
                    leaves[key].append(entry)
    ends = {"classlabels_strings": classes} if classes else {"n_targets": max(leaves["target_ids"]) + 1}
    return nodes | leaves | ends


def model_of(options, classes=(), width=4):
    kind = "TreeEnsembleClassifier" if classes else "TreeEnsembleRegressor"
    outputs = ["label", "scores"] if classes else ["scores"]
    node = helper.make_node(kind, ["X"], outputs, domain="ai.onnx.ml", **options)
    n_outputs = len(classes) or options["n_targets"]
    described = [helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, [None, n_outputs])]
    if classes:
        described.insert(0, helper.make_tensor_value_info("label", onnx.TensorProto.STRING, [None]))
    rows = helper.make_tensor_value_info("X", onnx.TensorProto.FLOAT, [None, width])
    graph = helper.make_graph([node], "g", [rows], described)
    sets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=sets, ir_version=8)


def forest(kind, n_trees=3):
    X = numbers()
    shared = {"n_estimators": n_trees, "max_depth": 4, "random_state": 0}
    if kind == "classes":
        return ensemble.RandomForestClassifier(**shared).fit(X, np.digitize(target(X), [-0.5, 0.5]))
    y = target(X) if kind == "one" else np.column_stack([target(X), -(target(X) ** 2)])
    return ensemble.RandomForestRegressor(**shared).fit(X, y)


@pytest.mark.parametrize("mode", ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_GTE"])
@pytest.mark.parametrize("kind", ["one", "several", "classes"])
def test_forests_in_every_mode(kind, mode, tmp_path):
    classes = ["a", "b", "c"] if kind == "classes" else []
    options = attributes(forest(kind), classes, mode)
    (tmp_path / "m.onnx").write_bytes(model_of(options, classes).SerializeToString())
    model = as_model(load_model(tmp_path / "m.onnx"))
    assert model.outputs == {"one": ("prediction",), "several": ("target 0", "target 1"), "classes": tuple("abc")}[kind]
    X = numbers()
    cuts = np.array(options["nodes_values"], dtype=np.float32)
    steps = [np.nextafter(cuts, np.float32(way)) for way in (-np.inf, np.inf)]
    at = np.concatenate([cuts, *steps]).astype(np.float64)
    probes = X[np.arange(len(at)) % ROWS]
    probes[np.arange(len(at)), np.tile(options["nodes_featureids"], 3)] = at
    table = Table.of(np.concatenate([X, probes]))
    gap = np.abs(model.structure.predict(model.encoding.transform(table)) - model.predict(table)).max()
    assert gap <= model.structure.rounding_bound()
    assert "onnx" in model.label.lower()


def test_base_values_and_a_model_in_memory():
    options = attributes(forest("several"), [], "BRANCH_LEQ") | {"base_values": [3.0, -2.0]}
    model = as_model(model_of(options))
    assert model.structure.base.tolist() == [3.0, -2.0]
    table = Table.of(numbers())
    assert prove(model, table) <= model.structure.rounding_bound()


def test_sums_that_pass_through_a_link_are_known_by_their_predictions():
    options = attributes(forest("classes"), ["a", "b", "c"], "BRANCH_LEQ") | {"post_transform": "SOFTMAX"}
    model = as_model(model_of(options, ["a", "b", "c"]))
    assert model.structure is None
    assert "SOFTMAX" in model.why_no_structure
    assert model.predict(Table.of(numbers())).sum(axis=1) == pytest.approx(1, abs=1e-6)


def test_mixed_comparisons_are_refused():
    options = attributes(forest("one"), [], "BRANCH_LEQ")
    options["nodes_modes"][0] = "BRANCH_GT"
    with pytest.raises(PellucidError, match="several kinds of comparison"):
        as_model(model_of(options))


def test_every_number_of_a_small_model_may_be_wrong(tmp_path):
    whole = attributes(forest("one", 1), [], "BRANCH_LEQ")
    n = len(whole["nodes_nodeids"])
    lists = [key for key, values in whole.items() if isinstance(values, list) and isinstance(values[0], int)]
    rows, path, refused = Table.of(numbers()[:3]), tmp_path / "m.onnx", 0
    for key in lists:
        for k in range(0, len(whole[key]), 3):
            for value in (-(2**31), -1, 0, n - 1, n, 2**31 - 1):
                options = whole | {key: [*whole[key][:k], value, *whole[key][k + 1 :]]}
                path.write_bytes(model_of(options).SerializeToString())
                try:
                    model = as_model(load_model(path))
                    model.structure.predict(model.encoding.transform(rows))
                except PellucidError:
                    refused += 1
    assert refused > 100


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x08\x08"])
def test_files_that_are_no_models(content, tmp_path):
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(FileError, match="ONNX"):
        load_model(tmp_path / "m.onnx")
