"""XGBoost: scikit-learn estimators and Boosters, read from the library's own JSON.

XGBoost rounds inputs to float32, compares with ``<``, sends missing values along each node's default
direction and adds leaves in float32 to the link of ``base_score``.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import xgboost

from pellucid._base.errors import InputError, UnsupportedModelError
from pellucid._base.typing import Array, Float1, Float2
from pellucid.adapters.forest import NodeTable, join
from pellucid.adapters.reading import (
    Reading,
    class_names,
    fitted_names,
    mirrored_margin,
    numeric_matrix,
    output_names,
)
from pellucid.ir import LinearForm, Space, TreeEnsemble
from pellucid.table import Table

LOGIT_OBJECTIVES = ("binary:logistic", "reg:logistic")
LOG_OBJECTIVES = ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft")
NO_LEAVES = "the booster has leaves with several outputs (multi_strategy='multi_output_tree'), which are not read yet"
CATEGORIES = (
    "it has categorical splits, which are not read yet; encode the categories as numbers in a Pipeline to have its "
    "structure read"
)


def read_estimator(model: Any, _reference: Table | None) -> Reading:
    """Read an XGBClassifier, XGBRegressor, XGBRanker or a random forest of them."""
    try:
        booster = model.get_booster()
    except Exception as error:  # XGBoost's own NotFittedError
        raise InputError(f"{type(model).__name__} is not fitted yet. Call fit before explaining it.") from error
    missing = float("nan") if model.missing is None else float(model.missing)
    shared: dict[str, Any] = {
        "label": type(model).__name__,
        "names": fitted_names(model),
        "n_features": booster.num_features(),
        "columns": lambda native: _columns(native, missing),
    }
    learner = _learner(booster)
    reading = _outputs(
        getattr(model, "classes_", None),
        raw=lambda X: model.predict(X, output_margin=True),
        probability=getattr(model, "predict_proba", None),
        learner=learner,
        shared=shared,
    )
    best = getattr(model, "best_iteration", None) if hasattr(model, "best_iteration") else None
    return _with_structure(reading, learner, None if best is None else best + 1)


def read_booster(booster: Any, _reference: Table | None) -> Reading:
    """Read a Booster; classes are numbered, as it knows no labels."""
    learner = _learner(booster)
    objective = learner["objective"]["name"]
    matrix = xgboost.DMatrix
    n_classes = 2 if objective.startswith("binary:") else int(learner["learner_model_param"]["num_class"])

    def predict(native: Any) -> Array:
        return np.asarray(booster.predict(matrix(native, enable_categorical=True)))

    def probability(native: Any) -> Array:
        values = predict(native)
        return np.column_stack([1 - values, values]) if n_classes == 2 else values

    reading = _outputs(
        np.arange(n_classes) if n_classes >= 2 else None,
        raw=lambda native: booster.predict(matrix(native, enable_categorical=True), output_margin=True),
        probability=probability if objective in ("binary:logistic", "multi:softprob") else None,
        learner=learner,
        shared={
            "label": "Booster",
            "names": None if booster.feature_names is None else tuple(booster.feature_names),
            "n_features": booster.num_features(),
            "columns": lambda native: _columns(native, float("nan")),
        },
    )
    return _with_structure(reading, learner, None)


def _learner(booster: Any) -> Mapping[str, Any]:
    model: Mapping[str, Any] = json.loads(bytes(booster.save_raw("json")))["learner"]
    return model


def _outputs(
    classes: Any, *, raw: Any, probability: Any, learner: Mapping[str, Any], shared: Mapping[str, Any]
) -> Reading:
    objective = learner["objective"]["name"]
    targets = max(int(learner["learner_model_param"].get("num_target", 1)), 1)
    if classes is not None and targets > 1:
        raise UnsupportedModelError(
            f"{shared['label']} predicts {targets} labels at once. Explain one at a time: pass a function such as "
            "lambda X: model.predict_proba(X)[:, 0]."
        )
    if classes is None:
        return Reading(outputs=output_names(targets), raw=raw, **shared)
    labels = np.asarray(classes)
    binary = len(labels) == 2
    return Reading(
        outputs=class_names(labels),
        classes=labels,
        raw=(lambda X: mirrored_margin(raw(X))) if binary else raw,
        raw_space=Space.LOG_ODDS if binary and objective == "binary:logistic" else Space.RAW,
        probability=probability,
        mirrored=binary,
        **shared,
    )


def _with_structure(reading: Reading, learner: Mapping[str, Any], iterations: int | None) -> Reading:
    """Add what the booster computes, or the reason why it is not read."""
    booster = learner["gradient_booster"]
    n_outputs = 1 if reading.mirrored else len(reading.outputs)
    base = _base(learner, n_outputs)
    if booster["name"] == "gblinear":
        return _linear(reading, booster["model"]["weights"], base)
    if booster["name"] not in ("gbtree", "dart"):
        return reading.without_structure(f"the booster {booster['name']!r} is not known")
    trees = booster["gbtree"]["model"] if booster["name"] == "dart" else booster["model"]
    if any(int(tree["tree_param"]["size_leaf_vector"]) > 1 for tree in trees["trees"]):
        return reading.without_structure(NO_LEAVES)
    if any(tree["categories_nodes"] for tree in trees["trees"]) or "c" in learner["feature_types"]:
        return reading.without_structure(CATEGORIES)
    weights = np.asarray(booster.get("weight_drop", np.ones(len(trees["trees"]))), dtype=np.float64)
    used = len(trees["trees"]) if iterations is None else _trees_in(trees, iterations, n_outputs)
    structure = _ensemble(trees, weights, used, base, int(learner["learner_model_param"]["num_feature"]))
    return replace(reading, structure=structure)


def _trees_in(trees: Mapping[str, Any], iterations: int, n_outputs: int) -> int:
    """Count the trees of the first iterations."""
    if "iteration_indptr" in trees:
        return int(trees["iteration_indptr"][iterations])
    return iterations * n_outputs * max(1, int(trees["gbtree_model_param"]["num_parallel_tree"]))


def _ensemble(trees: Mapping[str, Any], weights: Float1, used: int, base: Float1, n_columns: int) -> TreeEnsemble:
    tables = [_nodes(tree, weight) for tree, weight in zip(trees["trees"][:used], weights, strict=False)]
    return join(
        tables,
        output=np.asarray(trees["tree_info"][:used], dtype=np.int32),
        base=base,
        n_columns=n_columns,
        less_equal=False,
        input_dtype="float32",
        sum_dtype="float32",
    )


def _nodes(tree: Mapping[str, Any], weight: float) -> NodeTable:
    left = np.asarray(tree["left_children"], dtype=np.int64)
    conditions = np.asarray(tree["split_conditions"], dtype=np.float32).astype(np.float64)
    leaf = left < 0
    nodes = NodeTable(
        left=left,
        right=np.asarray(tree["right_children"], dtype=np.int64),
        feature=np.where(leaf, -1, np.asarray(tree["split_indices"], dtype=np.int64)),
        threshold=np.where(leaf, 0.0, conditions),
        missing_left=np.asarray(tree["default_left"]).astype(bool) & ~leaf,
        cover=np.asarray(tree["sum_hessian"], dtype=np.float64),
        value=np.where(leaf, conditions * weight, 0.0)[:, None],
    )
    return nodes.reachable() if int(tree["tree_param"]["num_deleted"]) else nodes


def _base(learner: Mapping[str, Any], n_outputs: int) -> Float1:
    """``base_score`` on the margin's scale, in float32 as XGBoost computes it; a list since 3.1."""
    text = learner["learner_model_param"]["base_score"]
    scores = np.atleast_1d(np.asarray(json.loads(text), dtype=np.float32))
    objective = learner["objective"]["name"]
    if objective in LOGIT_OBJECTIVES:
        scores = -np.log(np.float32(1) / scores - np.float32(1))
    elif objective in LOG_OBJECTIVES:
        scores = np.log(scores)
    return np.broadcast_to(scores.astype(np.float64), (n_outputs,)).copy()


def _linear(reading: Reading, weights: Any, base: Float1) -> Reading:
    table = np.asarray(weights, dtype=np.float64).reshape(-1, len(base))
    # The linear booster adds the first base score to every output, also where there is one for each.
    form = LinearForm(coefficients=table[:-1].T.copy(), intercept=table[-1] + base[0], sum_dtype="float32")
    columns = reading.columns

    def filled(native: Any) -> Float2:
        """Fill missing values with zero: they add nothing to a linear booster."""
        return np.nan_to_num(columns(native), nan=0.0).astype(np.float32).astype(np.float64)

    return replace(reading, structure=form, columns=filled)


def _columns(native: Any, missing: float) -> Float2:
    """Rows as float64, NaN where XGBoost sees a missing value (in a sparse matrix: what is not stored)."""
    if hasattr(native, "tocsr"):
        stored = native.tocsr(copy=True)
        marks = stored.copy()
        marks.data = np.ones_like(stored.data, dtype=np.float64)
        values = np.where(marks.toarray() > 0, stored.toarray().astype(np.float64), np.nan)
    else:
        values = numeric_matrix(native)
    if not np.isnan(missing):
        values = np.where(values.astype(np.float32) == np.float32(missing), np.nan, values)
    return values
