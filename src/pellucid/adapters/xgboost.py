"""XGBoost: scikit-learn estimators and Boosters, read from the library's own binary JSON.

XGBoost rounds inputs to float32, compares with ``<``, sends missing values along each node's default
direction and adds leaves in float32 to the link of ``base_score``. A categorical node lists the
categories that go right; any other value goes left (``common::Decision`` in XGBoost's
``categorical.h``).
"""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xgboost

from pellucid._base.errors import InputError, UnsupportedModelError
from pellucid._base.typing import Array, Float1, Float2, Int1
from pellucid.adapters import ubj
from pellucid.adapters.categories import coded, is_categorical
from pellucid.adapters.forest import CategorySets, NodeTable, join
from pellucid.adapters.reading import (
    Reading,
    class_names,
    fitted_names,
    mirrored_margin,
    numeric_matrix,
    target_names,
)
from pellucid.ir import LinearForm, Space, TreeEnsemble
from pellucid.table import Table

LOGIT_OBJECTIVES = ("binary:logistic", "reg:logistic")
LOG_OBJECTIVES = ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft")


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
    }
    learner = _learner(booster)
    shared["columns"] = _encoder(learner, missing)
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
    n_classes = 2 if objective.startswith("binary:") else int(learner["learner_model_param"]["num_class"])

    def matrix(native: Any) -> Any:
        types = None if hasattr(native, "columns") or not booster.feature_types else booster.feature_types
        return xgboost.DMatrix(native, enable_categorical=True, feature_types=types)

    def predict(native: Any) -> Array:
        return np.asarray(booster.predict(matrix(native)))

    def probability(native: Any) -> Array:
        values = predict(native)
        return np.column_stack([1 - values, values]) if n_classes == 2 else values

    reading = _outputs(
        np.arange(n_classes) if n_classes >= 2 else None,
        raw=lambda native: booster.predict(matrix(native), output_margin=True),
        probability=probability if objective in ("binary:logistic", "multi:softprob") else None,
        learner=learner,
        shared={
            "label": "Booster",
            "names": None if booster.feature_names is None else tuple(booster.feature_names),
            "n_features": booster.num_features(),
            "columns": _encoder(learner, float("nan")),
        },
    )
    return _with_structure(reading, learner, None)


def _learner(booster: Any) -> Mapping[str, Any]:
    model: Mapping[str, Any] = ubj.loads(bytes(booster.save_raw("ubj")))["learner"]
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
        return Reading(outputs=target_names(targets), raw=raw, **shared)
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
    own = trees["trees"][:used]
    if not own:
        raise InputError("the model has no trees. Fit it with at least one.")
    width = int(own[0]["tree_param"]["size_leaf_vector"])
    output = np.asarray(trees["tree_info"][:used], dtype=np.int32)
    return join(
        [_nodes(own, weights[:used], width)],
        output=output if width <= 1 else np.zeros(len(own), dtype=np.int32),
        base=base,
        n_columns=n_columns,
        less_equal=False,
        input_dtype="float32",
        sum_dtype="float32",
    )


def _nodes(trees: Sequence[Mapping[str, Any]], weights: Float1, width: int) -> NodeTable:
    """All trees behind one another."""

    def joined(key: str, dtype: Any) -> Array:
        return np.concatenate([tree[key] for tree in trees], dtype=dtype, casting="unsafe")

    sizes = np.array([len(tree["left_children"]) for tree in trees])
    first = np.cumsum(sizes) - sizes
    shift = np.repeat(first, sizes)
    left, right = joined("left_children", np.int64), joined("right_children", np.int64)
    leaf = left < 0
    conditions = joined("split_conditions", np.float32).astype(np.float64)
    if width > 1:
        value = np.concatenate([_vectors(tree, width) for tree in trees])
    else:
        value = np.where(leaf, conditions, 0.0)[:, None]
    sets = _sets(trees, first, len(left))
    categorical = sets.begin >= 0
    if not np.array_equal(categorical, (joined("split_type", np.int64) == 1) & ~leaf):
        raise InputError("a categorical split has no categories; the model is damaged.")
    nodes = NodeTable(
        left=np.where(leaf, -1, left + shift),
        right=np.where(leaf, -1, right + shift),
        feature=np.where(leaf, -1, joined("split_indices", np.int64)),
        threshold=np.where(leaf | categorical, 0.0, conditions),
        missing_left=joined("default_left", bool) & ~leaf,
        cover=joined("sum_hessian", np.float64),
        value=value * np.repeat(weights, sizes)[:, None],
        roots=first,
        sets=sets,
    )
    return nodes.reachable() if any(int(tree["tree_param"]["num_deleted"]) for tree in trees) else nodes


def _vectors(tree: Mapping[str, Any], width: int) -> Float2:
    """Vector leaves: a leaf's right child is its row in `leaf_weights` (before 3.1, each node has its own row)."""
    left, right = np.asarray(tree["left_children"]), np.asarray(tree["right_children"])
    if "leaf_weights" not in tree:
        return np.asarray(tree["base_weights"], dtype=np.float64).reshape(len(left), width)
    rows = np.asarray(tree["leaf_weights"], dtype=np.float64).reshape(-1, width)
    leaf = left < 0
    if np.any(right[leaf] < 0) or np.any(right[leaf] >= len(rows)):
        raise InputError("a leaf points to values that are not there; the model is damaged.")
    return np.where(leaf[:, None], rows[np.where(leaf, right, 0)], 0.0)


def _sets(trees: Sequence[Mapping[str, Any]], first: Int1, n_nodes: int) -> CategorySets:
    """Categories that each categorical node lists; these go right."""
    nodes, sizes, chosen = [], [], []
    for tree, start in zip(trees, first, strict=True):
        if not len(tree["categories_nodes"]):
            continue
        size = np.asarray(tree["categories_sizes"], dtype=np.int64)
        begin = np.asarray(tree["categories_segments"], dtype=np.int64)
        pool = np.asarray(tree["categories"], dtype=np.int64)
        place = np.repeat(begin - (np.cumsum(size) - size), size) + np.arange(size.sum())
        if len(place) and not 0 <= place.min() <= place.max() < len(pool):
            raise InputError("a category lies outside its table; the model is damaged.")
        nodes.append(np.asarray(tree["categories_nodes"], dtype=np.int64) + start)
        sizes.append(size)
        chosen.append(pool[place])
    if not nodes:
        return CategorySets.none(n_nodes)
    owners = np.concatenate(nodes)
    return CategorySets.all_but(
        n_nodes, owners, np.repeat(np.arange(len(owners)), np.concatenate(sizes)), np.concatenate(chosen)
    )


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


def _encoder(learner: Mapping[str, Any], missing: float) -> Callable[[Any], Float2]:
    """How rows become columns: missing values, and categories by the numbers the model gave them."""
    booster = learner["gradient_booster"]
    model = booster.get("gbtree", booster).get("model", {})
    types = learner.get("feature_types") or []
    categorical = np.array([kind == "c" for kind in types], dtype=bool)
    if not categorical.any():
        return lambda native: _columns(native, missing)
    levels = _levels(model.get("cats", {}), len(types))

    def encode(native: Any) -> Float2:
        own = [j for j, is_one in enumerate(is_categorical(native)) if is_one]
        if not own:
            values = _columns(native, missing)
        else:
            values = _without(coded(native, {j: levels[j] for j in own}, unseen="refuse", spelled=_cut), missing)
        # -0.5 is no category for XGBoost; cut off towards zero it would be.
        return np.where(categorical & (values < 0), -1.0, values)

    return encode


def _levels(cats: Mapping[str, Any], n_features: int) -> list[list[Any] | None]:
    """Names of each feature's categories: text cut by offsets, or numbers; None where the model has none."""
    result: list[list[Any] | None] = []
    for enc in cats.get("enc", ()):
        values = enc["values"]
        if "offsets" in enc:
            names: list[Any] = _pieces(bytes(np.asarray(values, dtype=np.int8)), enc["offsets"])
        else:
            names = np.asarray(values).tolist()
        result.append(names or None)
    return result if len(result) == n_features else [None] * n_features


def _pieces(text: bytes, ends: Sequence[int]) -> list[str]:
    parts = [text[int(begin) : int(end)] for begin, end in itertools.pairwise(ends)]
    return [part.decode("utf-8", errors="surrogateescape") for part in parts]


def _cut(names: Sequence[Any], known: Sequence[Any] | None) -> Sequence[Any]:
    """A pandas column's category names as XGBoost (3.2) stores them: bytes, cut at the numbers of characters.

    Names of plain ASCII come out whole. Others come out as fragments, by which XGBoost confuses
    categories in silence when their order is not that of training, so this is refused.
    """
    if not all(isinstance(name, str) for name in names):
        return names
    pieces = _pieces("".join(names).encode(), np.cumsum([0, *map(len, names)]).tolist())
    if known is not None and not all(name.isascii() for name in names) and pieces != list(known):
        raise InputError(
            "XGBoost cuts names of categories that are not plain ASCII, and mixes such categories up when they do not "
            "come in the order of training. Give the column the categories of the training frame "
            "(cat.set_categories), or rename them."
        )
    return pieces


def _columns(native: Any, missing: float) -> Float2:
    """Rows as float64, NaN where XGBoost sees a missing value (in a sparse matrix: what is not stored)."""
    if hasattr(native, "tocsr"):
        stored = native.tocsr(copy=True)
        marks = stored.copy()
        marks.data = np.ones_like(stored.data, dtype=np.float64)
        values = np.where(marks.toarray() > 0, stored.toarray().astype(np.float64), np.nan)
    else:
        values = numeric_matrix(native)
    return _without(values, missing)


def _without(values: Float2, missing: float) -> Float2:
    return values if np.isnan(missing) else np.where(values.astype(np.float32) == np.float32(missing), np.nan, values)
