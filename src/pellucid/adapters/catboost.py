"""CatBoost with numeric features, read from the library's own JSON.

CatBoost rounds inputs to float32 and asks ``x > border``; the answers of an oblivious tree's splits
are the bits of the leaf's number. Missing values answer as ``nan_mode`` says: Min no, Max yes.
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pellucid._base.errors import InputError, UnsupportedModelError
from pellucid._base.typing import Array, Float2
from pellucid.adapters.forest import NodeTable, join
from pellucid.adapters.reading import PANDAS, Reading, class_names, mirrored_margin, numeric_matrix, output_names
from pellucid.ir import Space, TreeEnsemble
from pellucid.table import Table

OTHER_FEATURES = ("categorical_features", "text_features", "embedding_features", "ctrs")
LOGISTIC = ("Logloss", "CrossEntropy")
SEVERAL_LABELS = ("MultiLogloss", "MultiCrossEntropy")


def read(model: Any, _reference: Table | None) -> Reading:
    """Read a CatBoostClassifier, CatBoostRegressor, CatBoostRanker or CatBoost."""
    if not model.is_fitted():
        raise InputError(f"{type(model).__name__} is not fitted yet. Call fit before explaining it.")
    content = _json(model)
    reading = _outputs(model, content)
    features = content["features_info"]
    others = [kind for kind in OTHER_FEATURES if features.get(kind)]
    if others:
        return reading.without_structure(
            "it has categorical, text or embedding features, which are not read yet; encode them as numbers in a "
            "Pipeline to have its structure read"
        )
    if "oblivious_trees" in content:
        tables = [_oblivious(tree, content) for tree in content["oblivious_trees"]]
    else:
        tables = [_binary(tree, content) for tree in content["trees"]]
    return replace(reading, structure=_ensemble(tables, content, len(model.feature_names_)))


def _json(model: Any) -> Mapping[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        content: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _outputs(model: Any, content: Mapping[str, Any]) -> Reading:
    names = tuple(model.feature_names_)
    unnamed = names == tuple(str(j) for j in range(len(names)))
    shared: dict[str, Any] = {
        "label": type(model).__name__,
        "names": None if unnamed else names,
        "n_features": len(names),
        "columns": numeric_matrix,
        "frames": PANDAS,
    }

    def raw(native: Any) -> Array:
        if type(model).__name__ == "CatBoostRanker":  # whose predict has no other type than raw
            return np.asarray(model.predict(native))
        return np.asarray(model.predict(native, prediction_type="RawFormulaVal"))

    classes = np.asarray(model.classes_)
    loss = content["model_info"].get("params", {}).get("loss_function", {}).get("type")
    if loss in SEVERAL_LABELS:
        raise UnsupportedModelError(
            f"{type(model).__name__} with the loss {loss} predicts several labels at once. Explain one at a time: pass "
            "a function such as lambda X: model.predict(X, prediction_type='Probability')[:, 0]."
        )
    if not len(classes):
        return Reading(outputs=output_names(len(content["scale_and_bias"][1])), raw=raw, **shared)
    binary = len(classes) == 2
    return Reading(
        outputs=class_names(classes),
        classes=classes,
        raw=(lambda X: mirrored_margin(raw(X))) if binary else raw,
        raw_space=Space.LOG_ODDS if binary and loss in LOGISTIC else Space.RAW,
        probability=lambda native: model.predict(native, prediction_type="Probability"),
        mirrored=binary,
        **shared,
    )


def _ensemble(tables: list[NodeTable], content: Mapping[str, Any], n_columns: int) -> TreeEnsemble:
    scale, bias = content["scale_and_bias"]
    tables = [replace(table, value=table.value * scale) for table in tables]
    return join(
        tables,
        output=np.zeros(len(tables), dtype=np.int32),
        base=np.asarray(bias, dtype=np.float64),
        n_columns=n_columns,
        less_equal=True,
        input_dtype="float32",
    )


def _split(split: Mapping[str, Any], content: Mapping[str, Any]) -> tuple[int, float, bool]:
    """Column, threshold and whether a missing value goes left (does not exceed the border)."""
    if split["split_type"] != "FloatFeature":
        raise InputError(f"a split of the type {split['split_type']} has no numeric feature; the model is damaged.")
    feature = content["features_info"]["float_features"][split["float_feature_index"]]
    missing_left = feature["nan_value_treatment"] != "AsTrue"
    return feature["flat_feature_index"], float(np.float32(split["border"])), missing_left


def _oblivious(tree: Mapping[str, Any], content: Mapping[str, Any]) -> NodeTable:
    """Balanced tree in level order: level k asks split ``depth - 1 - k``, so leaves come in their own order."""
    splits = [_split(split, content) for split in reversed(tree["splits"] or [])]
    depth, n_leaves = len(splits), 2 ** len(splits)
    n_inner = n_leaves - 1
    level = np.concatenate([np.full(2**k, k) for k in range(depth)]).astype(int) if depth else np.empty(0, dtype=int)
    own = np.arange(n_inner)
    absent = np.full(n_leaves, -1)
    weights = np.asarray(tree["leaf_weights"], dtype=np.float64)
    cover = [weights]
    while len(cover[0]) > 1:
        cover.insert(0, cover[0].reshape(-1, 2).sum(axis=1))
    values = np.asarray(tree["leaf_values"], dtype=np.float64).reshape(n_leaves, -1)
    return NodeTable(
        left=np.concatenate([2 * own + 1, absent]),
        right=np.concatenate([2 * own + 2, absent]),
        feature=np.concatenate([np.array([split[0] for split in splits], dtype=int)[level], absent]),
        threshold=np.concatenate([np.array([split[1] for split in splits], dtype=float)[level], np.zeros(n_leaves)]),
        missing_left=np.concatenate(
            [np.array([split[2] for split in splits], dtype=bool)[level], np.zeros(n_leaves, dtype=bool)]
        ),
        cover=np.concatenate(cover),
        value=np.concatenate([np.zeros((n_inner, values.shape[1])), values]),
    )


def _binary(tree: Mapping[str, Any], content: Mapping[str, Any]) -> NodeTable:
    """Trees of the policies Depthwise and Lossguide, numbered as they are met."""
    nodes: list[Mapping[str, Any]] = [tree]
    children: list[tuple[int, int]] = []
    splits: list[tuple[int, float, bool]] = []
    for node in nodes:  # grows while it is walked
        if "split" not in node:
            children.append((-1, -1))
            splits.append((-1, 0.0, False))
            continue
        children.append((len(nodes), len(nodes) + 1))
        splits.append(_split(node["split"], content))
        nodes += [node["left"], node["right"]]
    values = [np.atleast_1d(node.get("value", 0.0)) for node in nodes]
    width = max(len(value) for value in values)
    return NodeTable(
        left=np.array([pair[0] for pair in children]),
        right=np.array([pair[1] for pair in children]),
        feature=np.array([split[0] for split in splits]),
        threshold=np.array([split[1] for split in splits], dtype=np.float64),
        missing_left=np.array([split[2] for split in splits], dtype=bool),
        cover=_covers(nodes, children),
        value=np.stack([np.broadcast_to(value, (width,)) for value in values]).astype(np.float64),
    )


def _covers(nodes: list[Mapping[str, Any]], children: list[tuple[int, int]]) -> Array:
    """Leaf weights, added from the leaves up; children always come after their parent."""
    cover: Float2 = np.zeros(len(nodes))
    for i in range(len(nodes) - 1, -1, -1):
        left, right = children[i]
        cover[i] = float(nodes[i].get("weight", 0.0)) if left < 0 else cover[left] + cover[right]
    return cover
