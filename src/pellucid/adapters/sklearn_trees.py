"""scikit-learn's trees, forests, bagged and isolation trees, and gradient boosting."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid._base.errors import InputError, UnsupportedModelError
from pellucid._base.typing import Array, Bool1, Float1, Float2, Int1
from pellucid.adapters.estimator import read_estimator
from pellucid.adapters.forest import CategorySets, NodeTable, join
from pellucid.adapters.reading import (
    Reading,
    class_names,
    feed,
    fitted_names,
    fitted_width,
    mirrored_margin,
    output_names,
    require_fitted,
    target_names,
)
from pellucid.ir import Space, TreeEnsemble
from pellucid.table import Table

POSITIVE_LOSSES = ("poisson", "gamma")


def read_tree(model: Any, _reference: Table | None) -> Reading:
    """Read one decision tree: class shares or means in its leaves."""
    require_fitted(model, "tree_")
    return _read_averaged(model, [model])


def read_forest(model: Any, _reference: Table | None) -> Reading:
    """Read a forest: the mean over its trees."""
    require_fitted(model, "estimators_")
    return _read_averaged(model, model.estimators_)


def _read_averaged(model: Any, trees: Sequence[Any]) -> Reading:
    tables = [tree_nodes(tree.tree_, _leaf_outputs(tree, model) / len(trees)) for tree in trees]
    return _read_means(model, tables, model.n_outputs_)


def _leaf_outputs(tree: Any, model: Any) -> Float2:
    """What each node says: one value per target, or one share per class of each target."""
    value = tree.tree_.value
    counts = np.atleast_1d(model.n_classes_) if hasattr(model, "classes_") else np.ones(model.n_outputs_, dtype=int)
    return np.concatenate([value[:, k, :count] for k, count in enumerate(counts)], axis=1)


def _read_means(model: Any, tables: list[NodeTable], n_targets: int) -> Reading:
    """Read outputs that are means over trees: values, or shares of classes."""
    mirrored = hasattr(model, "classes_") and n_targets == 1 and _are_two_shares(tables)
    if mirrored:  # the second share says what the first is
        tables = [replace(table, value=table.value[:, 1:]) for table in tables]
    structure = join(
        tables,
        output=np.zeros(len(tables), dtype=np.int32),
        base=np.zeros(tables[0].value.shape[1]),
        n_columns=model.n_features_in_,
        less_equal=True,
        input_dtype="float32",
    )
    if not hasattr(model, "classes_"):
        return Reading(outputs=target_names(n_targets), raw=model.predict, structure=structure, **_shared(model))
    if n_targets == 1:
        return Reading(
            outputs=class_names(model.classes_),
            classes=np.asarray(model.classes_),
            raw=model.predict_proba,
            raw_space=Space.PROBABILITY,
            probability=model.predict_proba,
            structure=structure,
            mirrored=mirrored,
            **_shared(model),
        )

    def probability(native: Any) -> Array:
        return np.concatenate(model.predict_proba(native), axis=1)

    return Reading(
        outputs=tuple(f"target {k}: {label}" for k, own in enumerate(model.classes_) for label in class_names(own)),
        raw=probability,
        raw_space=Space.PROBABILITY,
        probability=probability,
        structure=structure,
        **_shared(model),
    )


def _are_two_shares(tables: list[NodeTable]) -> bool:
    """Whether the leaves say shares of two classes, which add up to the tree's weight in the mean."""
    return tables[0].value.shape[1] == 2 and all(
        np.allclose(table.value.sum(axis=1) * len(tables), 1, rtol=0, atol=1e-14) for table in tables
    )


def read_bagging(model: Any, _reference: Table | None) -> Reading:
    """Read bagged decision trees: the mean over trees that each see some of the columns."""
    require_fitted(model, "estimators_")
    trees, labels = model.estimators_, getattr(model, "classes_", None)
    if not all(hasattr(tree, "tree_") and tree.n_outputs_ == 1 for tree in trees):
        reading = read_estimator(model, _reference)
        return reading.without_structure(f"it averages {type(trees[0]).__name__}s, of which only single trees are read")
    width = 1 if labels is None else len(labels)
    tables = []
    for tree, features in zip(trees, model.estimators_features_, strict=True):
        own = tree.tree_.value[:, 0, :] / len(trees)
        value = np.zeros((len(own), width))
        # A sample of the rows may have missed a class, so the classes that a tree knows are listed.
        value[:, slice(None) if labels is None else np.asarray(tree.classes_, dtype=int)] = own
        tables.append(_on_columns(tree_nodes(tree.tree_, value), features))
    return _read_means(model, tables, 1)


def _on_columns(nodes: NodeTable, features: Any) -> NodeTable:
    """Renumber the columns of a tree that was shown only these of the ensemble's."""
    columns = np.asarray(features, dtype=np.int64)
    return replace(nodes, feature=np.where(nodes.feature < 0, -1, columns[np.maximum(nodes.feature, 0)]))


def read_isolation_forest(model: Any, _reference: Table | None) -> Reading:
    """Read the mean path length h of an isolation forest, of which ``score_samples`` is ``-2 ** (-h / c)``.

    h adds up over trees, the score does not; both order rows in the same way. c is the mean path
    length of an unsuccessful search among `max_samples_` values (Liu, Ting, Zhou 2008, equation 1).
    """
    require_fitted(model, "estimators_")
    (scale,) = _search_length(np.array([model.max_samples_]))
    if not scale > 0:
        raise UnsupportedModelError(
            "the IsolationForest was fitted with max_samples=1, so all rows have the same score. Fit it with more."
        )
    n_trees = len(model.estimators_)
    tables = []
    for tree, features in zip(model.estimators_, model.estimators_features_, strict=True):
        length = tree.tree_.compute_node_depths() - 1 + _search_length(tree.tree_.n_node_samples)
        tables.append(_on_columns(tree_nodes(tree.tree_, length[:, None] / n_trees), features))
    structure = join(
        tables,
        output=np.zeros(n_trees, dtype=np.int32),
        base=np.zeros(1),
        n_columns=model.n_features_in_,
        less_equal=True,
        input_dtype="float32",
    )
    return Reading(
        outputs=("path length",),
        raw=lambda native: -np.log2(-model.score_samples(native)) * scale,
        structure=structure,
        **_shared(model),
    )


def _search_length(n: Array) -> Float1:
    """Mean path length of an unsuccessful search in a binary tree of n values: ``2 H(n-1) - 2 (n-1) / n``."""
    count = np.maximum(np.asarray(n, dtype=np.float64), 2.0)
    harmonic = np.where(count > 2, np.log(count - 1) + np.euler_gamma, 1.0)
    return np.where(np.asarray(n) > 1, 2 * harmonic - 2 * (count - 1) / count, 0.0)


def read_gradient_boosting(model: Any, _reference: Table | None) -> Reading:
    """Read margins of gradient boosting: the first guess plus learning_rate times each tree."""
    require_fitted(model, "estimators_")
    reading = _read_boosted(model, logistic=getattr(model, "loss", None) == "log_loss")
    if isinstance(model.init_, str) or type(model.init_).__name__ in ("DummyClassifier", "DummyRegressor"):
        return replace(reading, structure=_boosted_structure(model, reading))
    return reading.without_structure(
        f"its first guess comes from a {type(model.init_).__name__} (init=), which is not a constant"
    )


def _boosted_structure(model: Any, reading: Reading) -> TreeEnsemble:
    trees, outputs = [], []
    for stage in model.estimators_:
        for k, tree in enumerate(stage):
            trees.append(tree_nodes(tree.tree_, model.learning_rate * tree.tree_.value[:, 0, :]))
            outputs.append(k)
    width = model.estimators_.shape[1]

    def with_base(base: Float1) -> TreeEnsemble:
        return join(
            trees,
            output=np.array(outputs, dtype=np.int32),
            base=base,
            n_columns=model.n_features_in_,
            less_equal=True,
            input_dtype="float32",
        )

    # The constant first guess is what the model says of any row, minus the trees.
    without_base = with_base(np.zeros(width))
    probe = np.zeros((1, model.n_features_in_))
    said = np.asarray(reading.raw(_named_rows(probe, reading))).reshape(1, -1)[:, -width:]
    return replace(without_base, base=(said - without_base.predict(probe))[0])


def _named_rows(rows: Float2, reading: Reading) -> Any:
    table = Table.of(rows, names=reading.names)
    return feed(table, reading)


def read_hist_gradient_boosting(model: Any, _reference: Table | None) -> Reading:
    """Read histogram gradient boosting; its categories are numbered by its own ordinal encoder."""
    require_fitted(model, "_predictors")
    reading = _read_boosted(model, logistic=getattr(model, "loss", None) == "log_loss")
    trees = [tree for stage in model._predictors for tree in stage]
    base = np.asarray(model._baseline_prediction, dtype=np.float64).ravel()
    structure = join(
        [hist_nodes(trees)],
        output=np.tile(np.arange(len(base), dtype=np.int32), len(trees) // len(base)),
        base=base,
        n_columns=model.n_features_in_,
        less_equal=True,
    )
    if model._preprocessor is None:
        return replace(reading, structure=structure)
    # The encoder puts the categorical columns first; what it does not know becomes missing.
    categorical = np.asarray(model.is_categorical_, dtype=bool)
    return replace(
        reading,
        structure=structure,
        columns=lambda native: np.asarray(model._preprocessor.transform(native), dtype=np.float64),
        groups=np.concatenate([np.flatnonzero(categorical), np.flatnonzero(~categorical)]),
    )


def hist_nodes(trees: Sequence[Any]) -> NodeTable:
    """Trees of histogram gradient boosting, behind one another."""
    nodes = np.concatenate([tree.nodes for tree in trees])
    sizes = np.array([len(tree.nodes) for tree in trees])
    first = np.cumsum(sizes) - sizes
    shift = np.repeat(first, sizes)
    leaf = nodes["is_leaf"].astype(bool)
    categorical = nodes["is_categorical"].astype(bool) & ~leaf

    def children(side: str) -> Array:
        # In the numbers of its own tree a child must be one of its nodes; shifted, it could be another tree's.
        own = nodes[side].astype(np.int64)
        if np.any(~leaf & (own >= np.repeat(sizes, sizes))):
            raise InputError("a tree points to a node outside itself; the model is damaged.")
        return np.where(leaf, -1, own + shift)

    return NodeTable(
        left=children("left"),
        right=children("right"),
        feature=np.where(leaf, -1, nodes["feature_idx"].astype(np.int64)),
        threshold=np.where(leaf | categorical, 0.0, nodes["num_threshold"]),
        missing_left=nodes["missing_go_to_left"].astype(bool) & ~leaf,
        cover=nodes["count"].astype(np.float64),
        value=nodes["value"].astype(np.float64)[:, None],
        roots=first,
        sets=_hist_sets(trees, nodes, sizes, categorical) if categorical.any() else None,
    )


def _hist_sets(trees: Sequence[Any], nodes: Array, sizes: Int1, categorical: Bool1) -> CategorySets:
    """Categories that go left, as each tree's table of 256 bits per categorical split has them."""
    counts = np.array([len(tree.raw_left_cat_bitsets) for tree in trees])
    of_tree = np.repeat(np.arange(len(trees)), sizes)[categorical]
    own = nodes["bitset_idx"].astype(np.int64)[categorical]
    if np.any(own >= counts[of_tree]):
        raise InputError("a categorical split points outside its table of categories; the model is damaged.")
    tables = np.concatenate([np.asarray(tree.raw_left_cat_bitsets, dtype=np.uint32).reshape(-1, 8) for tree in trees])
    bits = tables[(np.cumsum(counts) - counts)[of_tree] + own]
    words = np.full(len(bits), 8, dtype=np.int64)
    return CategorySets.of_words(len(nodes), np.flatnonzero(categorical), bits.ravel(), words)


def _read_boosted(model: Any, *, logistic: bool) -> Reading:
    """Read outputs and margins that both kinds of gradient boosting share."""
    if not hasattr(model, "classes_"):
        positive = model.loss in POSITIVE_LOSSES
        # poisson and gamma models sum on the log scale; that sum is the margin.
        raw = (lambda X: np.log(model.predict(X))) if positive else model.predict
        return Reading(outputs=output_names(1), raw=raw, **_shared(model))
    classes = np.asarray(model.classes_)
    binary = len(classes) == 2
    return Reading(
        outputs=class_names(classes),
        classes=classes,
        raw=(lambda X: mirrored_margin(model.decision_function(X))) if binary else model.decision_function,
        raw_space=Space.LOG_ODDS if binary and logistic else Space.RAW,
        probability=model.predict_proba,
        mirrored=binary,
        **_shared(model),
    )


def tree_nodes(tree: Any, value: Float2) -> NodeTable:
    """One tree of scikit-learn, with what its leaves add."""
    leaf = tree.children_left < 0
    return NodeTable(
        left=tree.children_left,
        right=tree.children_right,
        feature=np.where(leaf, -1, tree.feature),
        threshold=np.where(leaf, 0.0, tree.threshold),
        missing_left=tree.missing_go_to_left.astype(bool) & ~leaf,
        cover=tree.weighted_n_node_samples,
        value=value,
    )


def _shared(model: Any) -> dict[str, Any]:
    return {"label": type(model).__name__, "names": fitted_names(model), "n_features": fitted_width(model)}
