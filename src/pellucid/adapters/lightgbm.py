"""LightGBM: scikit-learn estimators and Boosters, read from the library's own text format.

LightGBM compares with ``<=`` in float64. Each node has a missing type: under "NaN" a missing value
goes the default way; under "None" it counts as zero; under "Zero" zero itself is missing too
(``NumericalDecision`` in LightGBM's ``tree.h``). A categorical node has a set of categories that go
left; everything else, missing values included, goes right (``CategoricalDecision``).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pellucid._base.errors import InputError, UnsupportedModelError
from pellucid._base.typing import Array, Bool1, Float2, Int1
from pellucid.adapters.categories import coded, is_categorical
from pellucid.adapters.forest import CategorySets, NodeTable, join
from pellucid.adapters.reading import PANDAS, Reading, class_names, mirrored_margin, numeric_matrix, output_names
from pellucid.ir import Space
from pellucid.table import Table

CATEGORICAL_BIT, DEFAULT_LEFT_BIT, MISSING_SHIFT = 1, 2, 2
MISSING_NONE, MISSING_ZERO, MISSING_NAN = 0, 1, 2
ZERO = float(np.float32(1e-35))
"""LightGBM's kZeroThreshold, a float32 a little above 1e-35: what is not beyond it, it takes for zero."""
# Everything a tree of constant leaves may say; other keys (linear leaves) mean something that this
# reading does not know.
TREE_KEYS = frozenset(
    {
        "num_leaves",
        "num_cat",
        "cat_boundaries",
        "cat_threshold",
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
        "frames": PANDAS,
    }
    text = booster.model_to_string()
    shared["columns"] = _encoder(text)
    header, *trees = sections(text)
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
    forest = _parse(trees)
    n_columns = int(header["max_feature_idx"]) + 1
    zero_missing = _zero_is_missing(forest, n_columns)
    per_iteration = int(header["num_tree_per_iteration"])
    structure = join(
        [_nodes(forest, 1 / iterations)],
        output=np.arange(len(trees), dtype=np.int32) % per_iteration,
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
class TextForest:
    """All trees behind one another; LightGBM numbers a tree's inner nodes from 0, and leaves apart (``~leaf``)."""

    n_inner: Int1
    n_leaves: Int1
    feature: Int1
    threshold: Array
    decision: Int1
    left: Int1
    right: Int1
    leaf_value: Array
    leaf_count: Array
    inner_count: Array
    boundaries: Int1
    n_categorical: Int1
    words: Int1


def _parse(trees: Sequence[Mapping[str, str]]) -> TextForest:
    if not trees:
        raise InputError("the model has no trees. Fit it with at least one.")
    if any(tree.get("is_linear", "0") != "0" for tree in trees):
        raise UnreadableTreesError("it has linear models in its leaves (linear_tree=True), which are not read yet")
    unknown = sorted(set().union(*trees) - TREE_KEYS)
    if unknown:
        raise UnreadableTreesError(f"its trees have parts that are not known: {', '.join(unknown)}")

    def numbers(key: str, dtype: Any) -> Array:
        return np.array(" ".join(tree.get(key, "") for tree in trees).split(), dtype=dtype)

    leaf_value = numbers("leaf_value", np.float64)
    n_leaves = np.array([int(tree["num_leaves"]) for tree in trees], dtype=np.int64)
    leaf_count = numbers("leaf_count", np.float64)
    if len(leaf_count) != len(leaf_value):  # a tree that is a constant does not count its rows
        own = [tree.get("leaf_count") or " ".join(["1"] * int(tree["num_leaves"])) for tree in trees]
        leaf_count = np.array(" ".join(own).split(), dtype=np.float64)
    forest = TextForest(
        n_inner=n_leaves - 1,
        n_leaves=n_leaves,
        feature=numbers("split_feature", np.int64),
        threshold=numbers("threshold", np.float64),
        decision=numbers("decision_type", np.int64),
        left=numbers("left_child", np.int64),
        right=numbers("right_child", np.int64),
        leaf_value=leaf_value,
        leaf_count=leaf_count,
        inner_count=numbers("internal_count", np.float64),
        boundaries=numbers("cat_boundaries", np.int64),
        n_categorical=np.array([int(tree.get("num_cat", "0")) for tree in trees], dtype=np.int64),
        words=numbers("cat_threshold", np.int64),
    )
    _check_lengths(forest)
    return forest


def _check_lengths(forest: TextForest) -> None:
    inner = (forest.feature, forest.threshold, forest.decision, forest.left, forest.right, forest.inner_count)
    leaves = (forest.leaf_value, forest.leaf_count)
    whole = all(len(array) == forest.n_inner.sum() for array in inner)
    whole = whole and all(len(array) == forest.n_leaves.sum() for array in leaves) and bool(np.all(forest.n_leaves > 0))
    if not whole or len(forest.boundaries) != (forest.n_categorical + (forest.n_categorical > 0)).sum():
        raise InputError("the arrays of a tree differ in length; the model is damaged.")


def _zero_is_missing(forest: TextForest, n_columns: int) -> Bool1:
    """Columns in which zero is missing; a column must say so in all its numeric splits or in none."""
    numeric = (forest.decision & CATEGORICAL_BIT) == 0
    zero = numeric & ((forest.decision >> MISSING_SHIFT) & 3 == MISSING_ZERO)
    if np.any(forest.feature < 0) or np.any(forest.feature >= n_columns):
        raise InputError("a split reads a column that is not there; the model is damaged.")
    marked = np.zeros(n_columns, dtype=bool)
    marked[forest.feature[zero]] = True
    if np.any(marked[forest.feature[~zero]]):
        raise UnreadableTreesError("zero is missing in some splits of a column and a number in others")
    return marked


def _nodes(forest: TextForest, scale: float) -> NodeTable:
    """Nodes tree by tree: the inner ones, then the leaves."""
    first = np.cumsum(forest.n_inner + forest.n_leaves) - (forest.n_inner + forest.n_leaves)
    inner, start_of_leaves, shift = _places(first, forest)
    leaf = np.repeat(start_of_leaves, forest.n_leaves) + _counted(forest.n_leaves)
    n_nodes = len(inner) + len(leaf)
    categorical = (forest.decision & CATEGORICAL_BIT) > 0
    missing_type = (forest.decision >> MISSING_SHIFT) & 3
    default_left = (forest.decision & DEFAULT_LEFT_BIT) > 0
    # Under missing type None a missing value is compared as zero.
    missing_left = np.where(missing_type == MISSING_NONE, forest.threshold >= 0, default_left) & ~categorical

    def spread(of_inner: Array, of_leaves: Any, dtype: Any) -> Array:
        result = np.empty(n_nodes, dtype=dtype)
        result[inner], result[leaf] = of_inner, of_leaves
        return result

    def children(side: Int1) -> Array:
        beyond = np.where(side < 0, ~side >= np.repeat(forest.n_leaves, forest.n_inner), False)
        if np.any(beyond) or np.any(side >= np.repeat(forest.n_inner, forest.n_inner)):
            raise InputError("a tree points to a node outside itself; the model is damaged.")
        own = np.where(side < 0, np.repeat(start_of_leaves, forest.n_inner) + ~side, shift + side)
        return spread(own, -1, np.int64)

    return NodeTable(
        left=children(forest.left),
        right=children(forest.right),
        feature=spread(forest.feature, -1, np.int64),
        threshold=spread(np.where(categorical, 0.0, forest.threshold), 0.0, np.float64),
        missing_left=spread(missing_left, False, bool),
        cover=spread(forest.inner_count, forest.leaf_count, np.float64),
        value=spread(np.zeros(len(inner)), forest.leaf_value * scale, np.float64)[:, None],
        roots=first,
        sets=_sets(forest, inner, categorical, n_nodes),
    )


def _counted(sizes: Int1) -> Int1:
    """0, 1, … within each of the runs of these lengths."""
    return np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)


def _places(first: Int1, forest: TextForest) -> tuple[Int1, Int1, Int1]:
    """Place of every inner node, of each tree's first leaf, and each inner node's shift."""
    shift = np.repeat(first, forest.n_inner)
    return shift + _counted(forest.n_inner), first + forest.n_inner, shift


def _sets(forest: TextForest, inner: Int1, categorical: Bool1, n_nodes: int) -> CategorySets:
    """Sets of the categorical nodes: `threshold` is the number of the set within its tree."""
    nodes = np.flatnonzero(categorical)
    if not len(nodes):
        return CategorySets.none(n_nodes)
    tree = np.repeat(np.arange(len(forest.n_inner)), forest.n_inner)[nodes]
    number = forest.threshold[nodes].astype(np.int64)
    if np.any(number < 0) or np.any(number >= forest.n_categorical[tree]):
        raise InputError("a categorical split has no set of categories; the model is damaged.")
    edges = forest.n_categorical + (forest.n_categorical > 0)
    at = (np.cumsum(edges) - edges)[tree] + number
    last = np.cumsum(edges)[forest.n_categorical > 0] - 1
    total = np.zeros(len(edges), dtype=np.int64)
    total[forest.n_categorical > 0] = forest.boundaries[last]
    begin = (np.cumsum(total) - total)[tree] + forest.boundaries[at]
    words = forest.boundaries[at + 1] - forest.boundaries[at]
    inside = np.all(words >= 0) and np.all(begin >= 0) and np.all(begin + words <= len(forest.words))
    if not inside or total.sum() != len(forest.words) or np.any(forest.words < 0) or np.any(forest.words >= 2**32):
        raise InputError("a set of categories lies outside its table; the model is damaged.")
    size = np.maximum(words, 1)  # an empty set is a word without bits
    bits = np.zeros(size.sum(), dtype=np.uint32)
    start = np.cumsum(size) - size
    bits[np.repeat(start, words) + _counted(words)] = forest.words[np.repeat(begin, words) + _counted(words)]
    return CategorySets.of_words(n_nodes, inner[nodes], bits, size)


def _encoder(text: str) -> Callable[[Any], Float2]:
    """How rows become columns: a frame's categorical columns by the categories of the frame it was trained on."""
    known = _pandas_categories(text)

    def encode(native: Any) -> Float2:
        own = [j for j, is_one in enumerate(is_categorical(native)) if is_one]
        if not own:
            return _columns(native)
        if len(own) != len(known):
            raise InputError(
                f"X has {len(own)} columns of categories, but the model was trained on a frame with {len(known)}. "
                "Give the columns the dtypes they had in training."
            )
        return coded(native, dict(zip(own, known, strict=True)))

    return encode


def _pandas_categories(text: str) -> list[list[Any]]:
    """Read the training frame's categories, which LightGBM writes in the last line; none for arrays."""
    _, found, line = text.rpartition("\npandas_categorical:")
    categories = json.loads(line.strip() or "null") if found else None
    return categories or []


def _columns(native: Any) -> Float2:
    """Rows as LightGBM casts them: arrays of anything but floats become float32, and specks become zero."""
    if isinstance(native, np.ndarray) and native.dtype not in (np.float32, np.float64):
        values = numeric_matrix(native).astype(np.float32).astype(np.float64)
    else:
        values = numeric_matrix(native.toarray() if hasattr(native, "tocsr") else native)
    return np.where(np.abs(values) <= ZERO, 0.0, values)
