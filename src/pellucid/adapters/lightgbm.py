"""LightGBM: scikit-learn estimators and Boosters, read from the library's own text format.

LightGBM compares with ``<=`` in float64. Each node has a missing type: under "NaN" a missing value
goes the default way; under "None" it counts as zero; under "Zero" zero itself is missing too
(``NumericalDecision`` in LightGBM's ``tree.h``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pellucid._base.errors import InputError, UnsupportedModelError
from pellucid._base.typing import Array, Bool1, Float2, Int1
from pellucid.adapters.forest import NodeTable, join
from pellucid.adapters.reading import PANDAS, Reading, class_names, mirrored_margin, numeric_matrix, output_names
from pellucid.ir import Space
from pellucid.table import Table

CATEGORICAL_BIT, DEFAULT_LEFT_BIT, MISSING_SHIFT = 1, 2, 2
MISSING_NONE, MISSING_ZERO, MISSING_NAN = 0, 1, 2
ZERO = float(np.float32(1e-35))
"""LightGBM's kZeroThreshold, a float32, which is a little above 1e-35."""
# Everything a tree of constant leaves and numeric splits may say; other keys (linear leaves,
# categories) mean something that this reading does not know.
TREE_KEYS = frozenset(
    {
        "num_leaves",
        "num_cat",
        "split_feature",
        "split_gain",
        "threshold",
        "decision_type",
        "left_child",
        "right_child",
        "leaf_value",
        "leaf_weight",
        "leaf_count",
        "internal_value",
        "internal_weight",
        "internal_count",
        "is_linear",
        "shrinkage",
    }
)
CATEGORIES = (
    "it has categorical splits, which are not read yet; encode the categories as numbers in a Pipeline to have its "
    "structure read"
)


class UnreadableTreesError(Exception):
    """The text says something that a `TreeEnsemble` cannot; the message is the reason."""


def read_estimator(model: Any, reference: Table | None) -> Reading:
    """Read an LGBMClassifier, LGBMRegressor or LGBMRanker."""
    if not getattr(model, "fitted_", False):
        raise InputError(f"{type(model).__name__} is not fitted yet. Call fit before explaining it.")
    names = tuple(model.feature_name_) if hasattr(model, "feature_names_in_") else None
    return _read(
        model.booster_,
        classes=getattr(model, "classes_", None),
        raw=lambda X: model.predict(X, raw_score=True),
        probability=getattr(model, "predict_proba", None),
        label=type(model).__name__,
        names=_original(names, reference),
    )


def read_booster(booster: Any, reference: Table | None) -> Reading:
    """Read a Booster; classes are numbered, as it knows no labels."""
    text = booster.model_to_string(num_iteration=1)
    header = sections(text)[0]
    objective = header.get("objective", "")
    n_classes = 2 if objective.startswith(("binary", "cross_entropy ")) else int(header["num_class"])
    names = tuple(booster.feature_name())
    unnamed = names == tuple(f"Column_{j}" for j in range(len(names)))

    def probability(native: Any) -> Array:
        values = np.asarray(booster.predict(native))
        return np.column_stack([1 - values, values]) if n_classes == 2 else values

    return _read(
        booster,
        classes=np.arange(n_classes) if n_classes >= 2 else None,
        raw=lambda X: booster.predict(X, raw_score=True),
        probability=probability if n_classes >= 2 else None,
        label="Booster",
        names=None if unnamed else _original(names, reference),
    )


def _original(names: tuple[str, ...] | None, reference: Table | None) -> tuple[str, ...] | None:
    """Names as the user wrote them: LightGBM replaces white space by underscores."""
    if names is None or reference is None or not reference.named:
        return names
    written = {"_".join(name.split(" ")): name for name in reference.names}
    return tuple(written.get(name, name) for name in names)


def _read(
    booster: Any, *, classes: Any, raw: Any, probability: Any, label: str, names: tuple[str, ...] | None
) -> Reading:
    shared: dict[str, Any] = {
        "label": label,
        "names": names,
        "n_features": booster.num_feature(),
        "columns": _numbers_only if booster.pandas_categorical else _columns,
        "frames": PANDAS,
    }
    header, *trees = sections(booster.model_to_string())
    per_iteration = int(header["num_tree_per_iteration"])
    # boosting="rf" predicts the mean over the iterations, but its raw_score is their sum.
    iterations = len(trees) // per_iteration if "average_output" in header else 1

    def margin(native: Any) -> Array:
        return np.asarray(raw(native)) / iterations

    if classes is None:
        reading = Reading(outputs=output_names(per_iteration), raw=margin, **shared)
    else:
        labels = np.asarray(classes)
        if len(labels) == 1:
            raise UnsupportedModelError(f"{label} was fitted on the one class {labels[0]!r}; nothing is to explain.")
        binary = len(labels) == 2
        logistic = header.get("objective", "").split(" ")[:2] == ["binary", "sigmoid:1"]
        reading = Reading(
            outputs=class_names(labels),
            classes=labels,
            raw=(lambda X: mirrored_margin(margin(X))) if binary else margin,
            raw_space=Space.LOG_ODDS if binary and logistic else Space.RAW,
            probability=probability,
            mirrored=binary,
            **shared,
        )
    try:
        return _with_structure(reading, header, trees, iterations)
    except UnreadableTreesError as error:
        return reading.without_structure(str(error))


def _with_structure(
    reading: Reading, header: Mapping[str, str], trees: Sequence[Mapping[str, str]], iterations: int
) -> Reading:
    parsed = [_parse(tree) for tree in trees]
    n_columns = int(header["max_feature_idx"]) + 1
    zero_missing = _zero_is_missing(parsed, n_columns)
    per_iteration = int(header["num_tree_per_iteration"])
    structure = join(
        [_nodes(tree, 1 / iterations) for tree in parsed],
        output=np.arange(len(parsed), dtype=np.int32) % per_iteration,
        base=np.zeros(per_iteration),
        n_columns=n_columns,
        less_equal=True,
    )
    columns = reading.columns
    if not zero_missing.any():
        return replace(reading, structure=structure)

    def marked(native: Any) -> Float2:
        values = columns(native)
        return np.where(zero_missing & (np.abs(values) <= ZERO), np.nan, values)

    return replace(reading, structure=structure, columns=marked)


def sections(text: str) -> list[dict[str, str]]:
    """Header and trees of the text format, each as key and value."""
    body = text.split("end of trees", 1)[0]
    header, *trees = body.split("\nTree=")
    return [_pairs(header)] + [_pairs(tree.split("\n", 1)[1]) for tree in trees]


def _pairs(section: str) -> dict[str, str]:
    lines = (line.partition("=") for line in section.splitlines() if line.strip())
    return {key: value for key, _, value in lines}


@dataclass(frozen=True, kw_only=True, eq=False)
class TextTree:
    """One tree as LightGBM numbers it: inner nodes from 0, leaves apart (``~leaf`` as a child)."""

    feature: Int1
    threshold: Array
    decision: Int1
    left: Int1
    right: Int1
    leaf_value: Array
    leaf_count: Array
    inner_count: Array


def _parse(tree: Mapping[str, str]) -> TextTree:
    unknown = sorted(set(tree) - TREE_KEYS)
    if tree.get("is_linear", "0") != "0":
        raise UnreadableTreesError("it has linear models in its leaves (linear_tree=True), which are not read yet")
    if int(tree.get("num_cat", "0")):
        raise UnreadableTreesError(CATEGORIES)
    if unknown:
        raise UnreadableTreesError(f"its trees have parts that are not known: {', '.join(unknown)}")

    def numbers(key: str, dtype: Any) -> Array:
        return np.array(tree.get(key, "").split(), dtype=dtype)

    leaves = numbers("leaf_value", np.float64)
    return TextTree(
        feature=numbers("split_feature", np.int64),
        threshold=numbers("threshold", np.float64),
        decision=numbers("decision_type", np.int64),
        left=numbers("left_child", np.int64),
        right=numbers("right_child", np.int64),
        leaf_value=leaves,
        leaf_count=numbers("leaf_count", np.float64) if "leaf_count" in tree else np.ones(len(leaves)),
        inner_count=numbers("internal_count", np.float64),
    )


def _zero_is_missing(trees: Sequence[TextTree], n_columns: int) -> Bool1:
    """Columns in which zero is missing; a column must say so in all its splits or in none."""
    feature = np.concatenate([tree.feature for tree in trees])
    decision = np.concatenate([tree.decision for tree in trees])
    if np.any(decision & CATEGORICAL_BIT):
        raise UnreadableTreesError(CATEGORIES)
    zero = (decision >> MISSING_SHIFT) & 3 == MISSING_ZERO
    marked = np.zeros(n_columns, dtype=bool)
    marked[feature[zero]] = True
    if np.any(marked[feature[~zero]]):
        raise UnreadableTreesError("zero is missing in some splits of a column and a number in others")
    return marked


def _nodes(tree: TextTree, scale: float) -> NodeTable:
    n_inner, n_leaves = len(tree.feature), len(tree.leaf_value)
    missing_type = (tree.decision >> MISSING_SHIFT) & 3
    default_left = (tree.decision & DEFAULT_LEFT_BIT) > 0
    # Under missing type None a missing value is compared as zero.
    missing_left = np.where(missing_type == MISSING_NONE, tree.threshold >= 0, default_left)

    def children(side: Int1) -> Int1:
        return np.where(side < 0, n_inner + ~side, side)

    absent = np.full(n_leaves, -1, dtype=np.int64)
    count = tree.leaf_count if len(tree.leaf_count) == n_leaves else np.ones(n_leaves)
    return NodeTable(
        left=np.concatenate([children(tree.left), absent]),
        right=np.concatenate([children(tree.right), absent]),
        feature=np.concatenate([tree.feature, absent]),
        threshold=np.concatenate([tree.threshold, np.zeros(n_leaves)]),
        missing_left=np.concatenate([missing_left, np.zeros(n_leaves, dtype=bool)]),
        cover=np.concatenate([tree.inner_count, count]),
        value=np.concatenate([np.zeros(n_inner), tree.leaf_value * scale])[:, None],
    )


def _numbers_only(native: Any) -> Float2:
    """Rows for trees without categorical splits: nothing reads the columns of categories, so they are zero."""
    if hasattr(native, "select_dtypes"):
        native = native.copy(deep=False)
        for label in native.select_dtypes("category").columns:
            native[label] = 0.0
    return _columns(native)


def _columns(native: Any) -> Float2:
    """Rows as LightGBM casts them: arrays of anything but floats become float32."""
    if isinstance(native, np.ndarray) and native.dtype not in (np.float32, np.float64):
        return numeric_matrix(native).astype(np.float32).astype(np.float64)
    return numeric_matrix(native.toarray() if hasattr(native, "tocsr") else native)
