"""Files of XGBoost, LightGBM and CatBoost, checked before the libraries walk them without bounds checks."""

import itertools
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.typing import Int1
from pellucid.adapters import catboost, lightgbm
from pellucid.adapters.forest import MAX_CATEGORY, NodeTable, join

NUMBER_TYPES = range(3, 18)
"""XGBoost's numbers for the types that categories can be of."""
MOST_COLUMNS = 10_000_000
"""A file that claims more is damaged; somebody would make room for them."""
PER_NODE = (
    "right_children",
    "parents",
    "split_indices",
    "split_conditions",
    "default_left",
    "sum_hessian",
    "loss_changes",
)
"""Arrays of an XGBoost tree with one entry per node."""


def refuse_damaged_xgboost(content: Mapping[str, Any]) -> None:
    """Check every number of a parsed JSON or UBJ model by which XGBoost finds its way.

    Raises
    ------
    InputError, KeyError, ValueError, TypeError
        When something points outside its array, or the parts do not fit together.
    """
    learner = content["learner"]
    booster = learner["gradient_booster"]
    n_columns = int(learner["learner_model_param"]["num_feature"])
    n_classes = int(learner["learner_model_param"]["num_class"])
    n_targets = int(learner["learner_model_param"].get("num_target", 1))
    _require(n_classes >= 0 and n_targets >= 1 and min(n_classes, n_targets) <= 1, "it has another number of outputs")
    n_outputs = max(n_classes, n_targets, 1)
    _require(0 <= n_columns <= MOST_COLUMNS, f"it has more than {MOST_COLUMNS} columns, or fewer than none")
    if booster["name"] == "gblinear":
        _require(len(booster["model"]["weights"]) == (n_columns + 1) * n_outputs, "its weights have another number")
        return
    model = booster["gbtree"]["model"] if booster["name"] == "dart" else booster["model"]
    trees = model["trees"]
    _require(int(model["gbtree_model_param"]["num_trees"]) == len(trees), "it has another number of trees")
    _require(len(model["tree_info"]) == len(trees), "a tree has no output")
    _require(all(0 <= int(output) < n_outputs for output in model["tree_info"]), "a tree writes to no output")
    if "weight_drop" in booster:
        _require(len(booster["weight_drop"]) == len(trees), "a tree has no weight")
    _check_objective(learner, n_classes)
    starts = np.asarray(model.get("iteration_indptr", [0, len(trees)]))
    in_order = starts[0] == 0 and starts[-1] == len(trees) and bool(np.all(np.diff(starts) >= 0))
    _require(in_order, "its iterations are not in order")
    scores = json.loads(learner["learner_model_param"]["base_score"])
    _require(not isinstance(scores, list) or len(scores) in (1, n_outputs), "its base scores are not its outputs'")
    widths = {int(tree["tree_param"]["size_leaf_vector"]) for tree in trees}
    vectors = widths == {n_outputs} and n_outputs > 1
    told = n_outputs == 1 if not trees else vectors or max(map(int, model["tree_info"])) + 1 == n_outputs
    _require(told, "its trees do not write to all of its outputs")
    per_iteration = int(model["gbtree_model_param"]["num_parallel_tree"]) * (1 if vectors else n_outputs)
    whole = "iteration_indptr" not in model or bool(np.all(np.diff(starts) == per_iteration))
    _require(whole, "its iterations have another number of trees")
    _check_encoding(model.get("cats", {}), n_columns)
    for number, tree in enumerate(trees):
        _require(int(tree["id"]) == number, "a tree has another number")  # XGBoost stores it at that place
        _check_xgboost_tree(tree, n_columns, n_outputs)


def _check_objective(learner: Mapping[str, Any], n_classes: int) -> None:
    """The objective sizes its answers by its own number of classes."""
    names, types = learner.get("feature_names", []), learner.get("feature_types", [])
    n_columns = int(learner["learner_model_param"]["num_feature"])
    _require(n_columns >= 0 and len(names) in (0, n_columns) and len(types) in (0, n_columns), "it has another width")
    for part in learner["objective"].values():
        if isinstance(part, Mapping) and "num_class" in part:
            _require(int(part["num_class"]) == n_classes, "its objective has another number of classes")


def _check_encoding(cats: Mapping[str, Any], n_columns: int) -> None:
    """Names of categories, cut out of one text by offsets; XGBoost sorts and searches them."""
    encodings = cats.get("enc", [])
    if not len(encodings):
        return
    segments, order = np.asarray(cats["feature_segments"]), np.asarray(cats["sorted_idx"])
    counts = []
    for enc in encodings:
        ends = np.asarray(enc.get("offsets", []))
        if "offsets" not in enc:
            counts.append(len(enc["values"]))
            _require(int(enc["type"]) in NUMBER_TYPES, "its categories are of an unknown type")
            continue
        counts.append(max(len(ends) - 1, 0))
        within = not len(ends) or (ends[0] == 0 and ends[-1] <= len(enc["values"]) and bool(np.all(np.diff(ends) >= 0)))
        _require(within, "the name of a category lies outside its text")
    starts = np.concatenate([[0], np.cumsum(counts)])
    _require(len(encodings) == n_columns and np.array_equal(segments, starts), "its categories are not its features'")
    _require(len(order) == starts[-1], "its categories are not in order")
    for begin, end in itertools.pairwise(starts):
        _require(np.array_equal(np.sort(order[begin:end]), np.arange(end - begin)), "its categories are not in order")


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise InputError(otherwise)


def _check_xgboost_tree(tree: Mapping[str, Any], n_columns: int, n_outputs: int) -> None:
    left, right, parents = (np.asarray(tree[key]) for key in ("left_children", "right_children", "parents"))
    n = len(left)
    _require(int(tree["tree_param"]["num_nodes"]) == n, "a tree has another number of nodes")
    _require(int(tree["tree_param"]["num_feature"]) in (0, n_columns), "a tree has another number of columns")
    _require(0 <= int(tree["tree_param"]["num_deleted"]) < max(n, 1), "a tree has lost all its nodes")
    _require(all(len(tree[key]) == n for key in PER_NODE), "the arrays of a tree differ in length")
    kinds = np.asarray(tree.get("split_type", np.zeros(n)))
    _require(len(kinds) == n and bool(np.all((kinds == 0) | (kinds == 1))), "it has splits of an unknown kind")
    leaf = left < 0
    width = int(tree["tree_param"]["size_leaf_vector"])
    _require(len(tree["base_weights"]) == max(width, 1) * n, "its leaves have another width")
    vectors = width == n_outputs and len(tree.get("leaf_weights", ())) == width * leaf.sum()
    _require(width in (0, 1) or vectors, "its leaves have another width")
    if width > 1:
        rows = right[leaf]
        _require(bool(np.all((rows >= 0) & (rows < leaf.sum()))), "a leaf points to values that are not there")
    table = NodeTable(
        left=left,
        right=np.where(leaf, -1, right),
        feature=np.where(leaf, -1, np.asarray(tree["split_indices"])),
        threshold=np.zeros(n),
        missing_left=np.zeros(n, dtype=bool),
        cover=np.zeros(n),
        value=np.zeros((n, 1)),
    ).reachable()
    _one_tree(table, n_columns)
    inner = np.flatnonzero(~leaf)
    _require(np.array_equal(parents[left[inner]], inner), "a node has another parent")
    _require(np.array_equal(parents[right[inner]], inner), "a node has another parent")
    sizes, segments = np.asarray(tree["categories_sizes"]), np.asarray(tree["categories_segments"])
    nodes, n_categories = np.asarray(tree["categories_nodes"]), len(tree["categories"])
    _require(len(sizes) == len(segments) == len(nodes), "its categories have another number")
    if len(nodes):
        inside = nodes.min() >= 0 and nodes.max() < n and sizes.min() >= 0 and segments.min() >= 0
        _require(inside and bool(np.all(segments + sizes <= n_categories)), "a category lies outside its table")
        chosen = np.asarray(tree["categories"])
        _require(bool(np.all((chosen >= 0) & (chosen < MAX_CATEGORY))), "a category is no category")
    _require(np.array_equal(np.sort(nodes), np.flatnonzero((kinds == 1) & ~leaf)), "a split has no categories")


def _one_tree(table: NodeTable, n_columns: int) -> None:
    join([table], output=np.zeros(1, dtype=np.int32), base=np.zeros(1), n_columns=n_columns, less_equal=True)


def refuse_damaged_lightgbm(text: str) -> None:
    """Check every number of a text model by which LightGBM finds its way; raises as its XGBoost twin."""
    header, *trees = lightgbm.sections(text)
    n_columns = int(header["max_feature_idx"]) + 1
    names = header["feature_names"].split(" ")
    _require(len(names) == n_columns == len(header["feature_infos"].split(" ")), "it has another number of features")
    per_iteration = int(header["num_tree_per_iteration"])
    whole = per_iteration > 0 and len(trees) % per_iteration == 0
    _require(whole and int(header["num_class"]) == per_iteration, "its trees do not fill whole iterations")
    said = [word.partition(":")[2] for word in header.get("objective", "").split() if word.startswith("num_class:")]
    _require(all(int(number) == per_iteration for number in said), "its objective has another number of classes")
    _check_sizes(text, header.get("tree_sizes", ""), len(trees))
    for tree in trees:
        _check_lightgbm_tree(tree, n_columns)


def _check_sizes(text: str, sizes: str, n_trees: int) -> None:
    """LightGBM jumps from tree to tree by their sizes in bytes."""
    content = text.encode()
    at = content.find(b"Tree=0")
    lengths = [int(size) for size in sizes.split()]
    _require(len(lengths) == n_trees, "it has another number of trees")
    for number, length in enumerate(lengths):
        _require(content.startswith(f"Tree={number}\n".encode(), at), "a tree is not where its size says")
        at += length
    _require(content[at : at + 12] == b"end of trees" or not lengths, "a tree is not where its size says")


def _check_lightgbm_tree(tree: Mapping[str, str], n_columns: int) -> None:
    def numbers(key: str, dtype: Any = np.int64) -> Any:
        return np.array(tree.get(key, "").split(), dtype=dtype)

    n_leaves = int(tree["num_leaves"])
    n_inner = n_leaves - 1
    left, right = numbers("left_child"), numbers("right_child")
    per_node = ("split_feature", "threshold", "decision_type", "right_child", "internal_value", "internal_count")
    lengths = [len(tree.get(key, "").split()) for key in per_node]
    _require(n_leaves > 0 and lengths == [len(left)] * len(per_node), "the arrays of a tree differ in length")
    _require(len(left) == n_inner and len(tree["leaf_value"].split()) == n_leaves, "a tree has another size")

    def children(side: Int1) -> Int1:
        return np.where(side < 0, n_inner + ~side, side)

    absent = np.full(n_leaves, -1)
    size = n_inner + n_leaves
    _one_tree(
        NodeTable(
            left=np.concatenate([children(left), absent]),
            right=np.concatenate([children(right), absent]),
            feature=np.concatenate([numbers("split_feature"), absent]),
            threshold=np.zeros(size),
            missing_left=np.zeros(size, dtype=bool),
            cover=np.zeros(size),
            value=np.zeros((size, 1)),
        ),
        n_columns,
    )
    _require(bool(np.all(numbers("split_feature") >= 0)), "a split reads no column")
    _check_categories(numbers, int(tree.get("num_cat", "0")))
    if tree.get("is_linear", "0") != "0":
        used = int(numbers("num_features").sum())
        features = numbers("leaf_features")
        fits = len(numbers("num_features")) == len(numbers("leaf_const", float)) == n_leaves
        fits = fits and len(features) == len(numbers("leaf_coeff", float)) == used
        _require(fits and bool(np.all((features >= 0) & (features < n_columns))), "a linear leaf has another size")


def _check_categories(numbers: Any, n_categorical: int) -> None:
    categorical = (numbers("decision_type") & lightgbm.CATEGORICAL_BIT) > 0
    places = numbers("threshold", float)[categorical]
    _require(bool(np.all((places >= 0) & (places < n_categorical))), "a categorical split has no table")
    if n_categorical:
        edges = numbers("cat_boundaries")
        ordered = len(edges) == n_categorical + 1 and edges[0] == 0 and bool(np.all(np.diff(edges) >= 0))
        _require(ordered and edges[-1] == len(numbers("cat_threshold")), "a category lies outside its table")


def refuse_damaged_catboost(content: Mapping[str, Any]) -> None:
    """Check every number of a parsed JSON model by which CatBoost finds its way; raises as its XGBoost twin."""
    catboost.structure_of(content)
