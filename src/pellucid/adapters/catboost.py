"""CatBoost with numeric and one-hot features, read from the library's own JSON.

CatBoost rounds inputs to float32 and asks ``x > border``; the answers of an oblivious tree's splits
are the bits of the leaf's number. Missing values answer as ``nan_mode`` says: Min no, Max yes. A
one-hot split asks whether the value of a category has one hash (the lower half of its CityHash64).
"""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pellucid._base.errors import InputError, UnsupportedModelError
from pellucid._base.typing import Array, Bool1, Float1, Float2, Int1
from pellucid.adapters.city_hash import city_hash_64
from pellucid.adapters.forest import CategorySets, NodeTable, join
from pellucid.adapters.reading import PANDAS, Reading, class_names, mirrored_margin, numeric_matrix, output_names
from pellucid.ir import Space, TreeEnsemble
from pellucid.table import Table

UNREADABLE = {
    "ctrs": "statistics of its categories (CTR features), which depend on the order of the training rows",
    "text_features": "text features",
    "embedding_features": "embedding features",
}
MAX_DEPTH = 16
"""CatBoost grows oblivious trees up to this deep."""
LOGISTIC = ("Logloss", "CrossEntropy")
SEVERAL_LABELS = ("MultiLogloss", "MultiCrossEntropy")


def read(model: Any, _reference: Table | None) -> Reading:
    """Read a CatBoostClassifier, CatBoostRegressor, CatBoostRanker or CatBoost."""
    if not model.is_fitted():
        raise InputError(f"{type(model).__name__} is not fitted yet. Call fit before explaining it.")
    content = _json(model)
    reading = _outputs(model, content)
    features = content["features_info"]
    others = [what for kind, what in UNREADABLE.items() if features.get(kind)]
    if others:
        return reading.without_structure(
            f"its trees use {' and '.join(others)}; encode these features as numbers in a Pipeline, or train with "
            "one_hot_max_size above their numbers of levels, to have its structure read"
        )
    hashes = _hashes(content)
    structure = _structure(content, hashes, len(model.feature_names_))
    return replace(reading, structure=structure, columns=_encoder(hashes) if hashes else numeric_matrix)


def structure_of(content: Mapping[str, Any]) -> TreeEnsemble:
    """Read the trees of a parsed JSON model.

    Raises
    ------
    InputError, KeyError, TypeError, ValueError
        When they are damaged, or ask for more than numbers and single categories.
    """
    features = content["features_info"]
    if any(features.get(kind) for kind in UNREADABLE):
        raise InputError("it has CTR, text or embedding features, which are not read from JSON; save it as .cbm.")
    kinds = ("float_features", "categorical_features")
    flat = [int(feature["flat_feature_index"]) for kind in kinds for feature in features.get(kind) or ()]
    if sorted(flat) != list(range(len(flat))):
        raise InputError("its features are not numbered from 0 on.")
    for kind in kinds:
        own = [feature["feature_index"] for feature in features.get(kind) or ()]
        if own != list(range(len(own))):
            raise InputError("its features are not numbered from 0 on.")
    _check_classes(content)
    bins = [
        *((kind, k, border) for kind, own in _own_bins(features, "borders") for k, border in own),
        *((kind, k, value) for kind, own in _own_bins(features, "values") for k, value in own),
    ]
    for split in _splits(content):
        named = "float_feature_index" if split["split_type"] == "FloatFeature" else "cat_feature_index"
        asked = (split["split_type"], split[named], split.get("border", split.get("value")))
        if not 0 <= split["split_index"] < len(bins) or bins[split["split_index"]] != asked:
            raise InputError("a split is not the one that its index says.")
    return _structure(content, _hashes(content), len(flat))


def _check_classes(content: Mapping[str, Any]) -> None:
    """CatBoost looks its labels up by these numbers."""
    classes = content.get("model_info", {}).get("class_params") or {}
    labels, n_outputs = classes.get("class_to_label", []), len(content["scale_and_bias"][1])
    n_classes = len(labels)
    counted = classes.get("classes_count", 0) in (0, n_classes)
    if sorted(labels) != list(range(n_classes)) or not counted or n_classes not in (0, max(n_outputs, 2)):
        raise InputError("its classes are not numbered from 0 on, one for each output.")


def _own_bins(features: Mapping[str, Any], what: str) -> list[tuple[str, list[tuple[int, Any]]]]:
    """Every border or one-hot value in the order in which CatBoost numbers its splits."""
    kind, name = ("FloatFeature", "float_features") if what == "borders" else ("OneHotFeature", "categorical_features")
    return [
        (kind, [(k, value) for value in feature.get(what) or ()]) for k, feature in enumerate(features.get(name) or ())
    ]


def _splits(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if "oblivious_trees" in content:
        return [split for tree in content["oblivious_trees"] for split in tree["splits"] or ()]
    nodes = list(content["trees"])
    for node in nodes:  # grows while it is walked
        nodes += [node[side] for side in ("left", "right") if side in node]
    return [node["split"] for node in nodes if "split" in node]


def _structure(content: Mapping[str, Any], hashes: Mapping[int, tuple[int, ...]], n_columns: int) -> TreeEnsemble:
    if "oblivious_trees" in content:
        tables = _oblivious(content["oblivious_trees"], content, hashes)
    else:
        tables = [_binary(tree, content, hashes) for tree in content["trees"]]
    return _ensemble(tables, content, n_columns)


def _hashes(content: Mapping[str, Any]) -> dict[int, tuple[int, ...]]:
    """For each categorical column, the hashes that its splits ask for."""
    return {
        int(feature["flat_feature_index"]): tuple(int(value) for value in feature.get("values", ()))
        for feature in content["features_info"].get("categorical_features") or ()
    }


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
        output=np.zeros(sum(len(table.roots) for table in tables), dtype=np.int32),
        base=np.asarray(bias, dtype=np.float64),
        n_columns=n_columns,
        less_equal=True,
        input_dtype="float32",
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Splits:
    """Questions in a row: a number's threshold, or for `category` >= 0 a one-hot value's place among its hashes."""

    feature: Int1
    threshold: Float1
    missing_left: Bool1
    category: Int1

    @classmethod
    def of(
        cls, splits: Sequence[Mapping[str, Any]], content: Mapping[str, Any], hashes: Mapping[int, tuple[int, ...]]
    ) -> "Splits":
        """Read splits as CatBoost writes them; a number goes left when it does not exceed the border."""
        floats = content["features_info"].get("float_features", ())
        categorical = content["features_info"].get("categorical_features", ())
        rows = []
        for split in splits:
            if split["split_type"] == "FloatFeature":
                feature = _at(floats, split["float_feature_index"])
                missing_left = feature["nan_value_treatment"] != "AsTrue"
                rows.append((feature["flat_feature_index"], float(np.float32(split["border"])), missing_left, -1))
            elif split["split_type"] == "OneHotFeature":
                column = int(_at(categorical, split["cat_feature_index"])["flat_feature_index"])
                if split["value"] not in hashes[column]:
                    raise InputError("a one-hot split asks for a value that its feature does not list; damaged model.")
                rows.append((column, 0.0, True, hashes[column].index(split["value"])))
            else:
                raise InputError(f"a split of the type {split['split_type']} has no numeric feature; damaged model.")
        table = np.array(rows, dtype=np.float64).reshape(-1, 4)
        return cls(
            feature=table[:, 0].astype(np.int64),
            threshold=table[:, 1],
            missing_left=table[:, 2] > 0,
            category=table[:, 3].astype(np.int64),
        )

    def take(self, index: Array) -> "Splits":
        """Return some of them; -1 is a leaf, which asks nothing."""
        leaf = index < 0
        if not len(self.feature):
            absent = np.full(len(index), -1)
            return Splits(feature=absent, threshold=np.zeros(len(index)), missing_left=leaf & ~leaf, category=absent)
        return Splits(
            feature=np.where(leaf, -1, self.feature[index]),
            threshold=np.where(leaf, 0.0, self.threshold[index]),
            missing_left=self.missing_left[index] & ~leaf,
            category=np.where(leaf, -1, self.category[index]),
        )

    def fields(self) -> dict[str, Any]:
        """Return what a `NodeTable` wants; the one listed category goes right."""
        nodes = np.flatnonzero(self.category >= 0)
        sets = CategorySets.all_but(len(self.feature), nodes, np.arange(len(nodes)), self.category[nodes])
        return {
            "feature": self.feature,
            "threshold": self.threshold,
            "missing_left": self.missing_left,
            "sets": sets if len(nodes) else None,
        }


def _at(features: Sequence[Any], index: int) -> Any:
    if not 0 <= index < len(features):
        raise InputError(f"a split reads feature {index}, which is not there; the model is damaged.")
    return features[index]


def _oblivious(
    trees: Sequence[Mapping[str, Any]], content: Mapping[str, Any], hashes: Mapping[int, tuple[int, ...]]
) -> list[NodeTable]:
    """Trees in runs of equal depth."""
    depths = [len(tree["splits"] or ()) for tree in trees]
    ends = [k for k in range(1, len(trees) + 1) if k == len(trees) or depths[k] != depths[k - 1]]
    runs = zip([0, *ends[:-1]], ends, strict=True)
    return [_of_one_depth(trees[begin:end], depths[begin], content, hashes) for begin, end in runs]


def _of_one_depth(
    trees: Sequence[Mapping[str, Any]], depth: int, content: Mapping[str, Any], hashes: Mapping[int, tuple[int, ...]]
) -> NodeTable:
    """Balanced trees in level order: level k asks split ``depth - 1 - k``, so leaves come in their own order."""
    if depth > MAX_DEPTH:
        raise InputError(f"an oblivious tree has {depth} splits, more than {MAX_DEPTH}; the model is damaged.")
    n, n_leaves = len(trees), 2**depth
    size = 2 * n_leaves - 1
    splits = Splits.of([split for tree in trees for split in reversed(tree["splits"] or ())], content, hashes)
    level = np.concatenate([*(np.full(2**k, k) for k in range(depth)), np.full(n_leaves, -1)]).astype(np.int64)
    asked = np.where(level < 0, -1, np.arange(n)[:, None] * depth + level).ravel()
    values = np.array([tree["leaf_values"] for tree in trees], dtype=np.float64)
    weights = np.array([tree["leaf_weights"] for tree in trees], dtype=np.float64)
    width = values.size // (n * n_leaves)
    if values.size != n * n_leaves * max(width, 1) or weights.size != n * n_leaves:
        raise InputError("a tree has another number of leaves than its splits make; the model is damaged.")
    cover = [weights]
    while cover[0].shape[1] > 1:
        cover.insert(0, cover[0].reshape(n, -1, 2).sum(axis=2))
    value = np.zeros((n, size, width))
    value[:, n_leaves - 1 :] = values.reshape(n, n_leaves, width)
    first = np.arange(n)[:, None] * size
    own = np.arange(size)
    return NodeTable(
        left=np.where(own < n_leaves - 1, 2 * own + 1 + first, -1).ravel(),
        right=np.where(own < n_leaves - 1, 2 * own + 2 + first, -1).ravel(),
        cover=np.concatenate(cover, axis=1).ravel(),
        value=value.reshape(n * size, width),
        roots=first[:, 0],
        **splits.take(asked).fields(),
    )


def _binary(tree: Mapping[str, Any], content: Mapping[str, Any], hashes: Mapping[int, tuple[int, ...]]) -> NodeTable:
    """One tree of the policies Depthwise and Lossguide, numbered as its nodes are met."""
    nodes: list[Mapping[str, Any]] = [tree]
    children: list[tuple[int, int]] = []
    asked: list[int] = []
    splits: list[Mapping[str, Any]] = []
    for node in nodes:  # grows while it is walked
        if "split" not in node:
            children.append((-1, -1))
            asked.append(-1)
            continue
        children.append((len(nodes), len(nodes) + 1))
        asked.append(len(splits))
        splits.append(node["split"])
        nodes += [node["left"], node["right"]]
    values = [np.atleast_1d(node.get("value", 0.0)) for node in nodes]
    width = max(len(value) for value in values)
    return NodeTable(
        left=np.array([pair[0] for pair in children]),
        right=np.array([pair[1] for pair in children]),
        cover=_covers(nodes, children),
        value=np.stack([np.broadcast_to(value, (width,)) for value in values]).astype(np.float64),
        **Splits.of(splits, content, hashes).take(np.array(asked)).fields(),
    )


def _encoder(hashes: Mapping[int, tuple[int, ...]]) -> Callable[[Any], Float2]:
    """How rows become columns: a category is the place of its hash among those that splits ask for, else -1."""

    def encode(native: Any) -> Float2:
        table = Table.of(native)
        result = np.empty((table.n_rows, table.n_columns))
        plain = [j for j in range(table.n_columns) if j not in hashes]
        if plain:
            result[:, plain] = numeric_matrix(table.select([table.names[j] for j in plain]).native)
        for j, known in hashes.items():
            place = {value: k for k, value in enumerate(known)}
            cells = [_spelled(cell) for cell in table.column(table.names[j]).tolist()]
            number = {cell: place.get(_hash(cell), -1) for cell in set(cells)}
            result[:, j] = [number[cell] for cell in cells]
        return result

    return encode


def _spelled(cell: Any) -> str:
    """A category as CatBoost writes it before it takes the hash; whole numbers without a point."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, float) and not cell.is_integer():
        return str(cell)
    return str(int(cell)) if isinstance(cell, bool | int | float) else str(cell)


def _hash(text: str) -> int:
    """Return the lower 32 bits, signed as CatBoost's JSON has them."""
    low = city_hash_64(text.encode()) & 0xFFFFFFFF
    return low - (1 << 32) if low >= 1 << 31 else low


def _covers(nodes: list[Mapping[str, Any]], children: list[tuple[int, int]]) -> Array:
    """Leaf weights, added from the leaves up; children always come after their parent."""
    cover: Float2 = np.zeros(len(nodes))
    for i in range(len(nodes) - 1, -1, -1):
        left, right = children[i]
        cover[i] = float(nodes[i].get("weight", 0.0)) if left < 0 else cover[left] + cover[right]
    return cover
