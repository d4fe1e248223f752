"""scikit-learn's trees, forests and gradient boosting."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid._base.errors import UnsupportedModelError
from pellucid._base.typing import Array, Float1, Float2
from pellucid.adapters.forest import NodeTable, join
from pellucid.adapters.reading import (
    Reading,
    class_names,
    feed,
    fitted_names,
    fitted_width,
    mirrored_margin,
    output_names,
    require_fitted,
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
    if model.n_outputs_ != 1:
        raise UnsupportedModelError(
            f"{type(model).__name__} predicts {model.n_outputs_} targets at once. Fit one model per target, or pass "
            "a function that returns one of them, such as lambda X: model.predict(X)[:, 0]."
        )
    tables = [tree_nodes(tree.tree_, tree.tree_.value[:, 0, :] / len(trees)) for tree in trees]
    width = tables[0].value.shape[1]
    structure = join(
        tables,
        output=np.zeros(len(trees), dtype=np.int32),
        base=np.zeros(width),
        n_columns=model.n_features_in_,
        less_equal=True,
        input_dtype="float32",
    )
    if not hasattr(model, "classes_"):
        return Reading(outputs=output_names(1), raw=model.predict, structure=structure, **_shared(model))
    return Reading(
        outputs=class_names(model.classes_),
        classes=np.asarray(model.classes_),
        raw=model.predict_proba,
        raw_space=Space.PROBABILITY,
        probability=model.predict_proba,
        structure=structure,
        **_shared(model),
    )


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
    """Read histogram gradient boosting with numeric splits."""
    require_fitted(model, "_predictors")
    reading = _read_boosted(model, logistic=getattr(model, "loss", None) == "log_loss")
    if model.is_categorical_ is not None and np.any(model.is_categorical_):
        return reading.without_structure(
            "it has categorical splits, which are not read yet; encode the categories as numbers in a Pipeline "
            "(OrdinalEncoder) to have its structure read"
        )
    trees = [hist_nodes(tree.nodes) for stage in model._predictors for tree in stage]
    base = np.asarray(model._baseline_prediction, dtype=np.float64).ravel()
    structure = join(
        trees,
        output=np.tile(np.arange(len(base), dtype=np.int32), len(trees) // len(base)),
        base=base,
        n_columns=model.n_features_in_,
        less_equal=True,
    )
    return replace(reading, structure=structure)


def hist_nodes(nodes: Array) -> NodeTable:
    """One tree of histogram gradient boosting."""
    leaf = nodes["is_leaf"].astype(bool)
    return NodeTable(
        left=np.where(leaf, -1, nodes["left"].astype(np.int64)),
        right=np.where(leaf, -1, nodes["right"].astype(np.int64)),
        feature=np.where(leaf, -1, nodes["feature_idx"].astype(np.int64)),
        threshold=np.where(leaf, 0.0, nodes["num_threshold"]),
        missing_left=nodes["missing_go_to_left"].astype(bool) & ~leaf,
        cover=nodes["count"].astype(np.float64),
        value=nodes["value"].astype(np.float64)[:, None],
    )


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
