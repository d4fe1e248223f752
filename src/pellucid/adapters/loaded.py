"""Trees that came out of a file are checked before scikit-learn walks them without bounds checks."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid.adapters.forest import join
from pellucid.adapters.sklearn_trees import hist_nodes, tree_nodes

MAX_OBJECTS = 5_000_000
MAX_COLUMNS = 100_000_000
MAX_OUTPUTS = 1_000_000
"""More than any table or target has: a file that says so would have us allocate for each of them."""
OWNERS = ("RandomForest", "ExtraTrees", "GradientBoosting", "RandomTrees", "IsolationForest")


def refuse_damaged_trees(model: Any) -> None:
    """Validate every scikit-learn tree inside a loaded object.

    Raises
    ------
    InputError
        When a tree points outside itself, reads a column that is not there, or has no owner that
        says how many columns there are.
    """
    owned: set[int] = set()
    found: dict[int, Any] = {}
    for part in _parts(model):
        name = type(part).__name__
        if getattr(part, "n_outputs_", 0) > MAX_OUTPUTS:
            raise InputError(f"it says that it has {part.n_outputs_:,} outputs")
        if name in ("Tree", "TreePredictor"):
            found[id(part)] = part
        elif hasattr(part, "tree_") and hasattr(part, "n_features_in_"):
            _check_tree(part)
            owned.add(id(part.tree_))
        elif hasattr(part, "_predictors") and hasattr(part, "n_features_in_"):
            owned.update(_check_histogram_trees(part))
        elif name.startswith(OWNERS) and hasattr(part, "estimators_"):
            _check_members(part)
    if set(found) - owned:
        raise InputError("it contains a tree outside any model")


def _parts(model: Any) -> Iterator[Any]:
    """Every object that a loaded model is made of, itself first."""
    seen: set[int] = set()
    waiting = [model]
    while waiting:
        part = waiting.pop()
        if id(part) in seen or isinstance(part, str | bytes | int | float | type(None) | type):
            continue
        seen.add(id(part))
        if len(seen) > MAX_OBJECTS:
            raise InputError(f"it has more than {MAX_OBJECTS} parts")
        yield part
        if isinstance(part, dict):
            waiting.extend(part.values())
        elif isinstance(part, list | tuple | set) or (isinstance(part, np.ndarray) and part.dtype == object):
            waiting.extend(part.ravel().tolist() if isinstance(part, np.ndarray) else part)
        elif hasattr(part, "__dict__"):
            waiting.extend(vars(part).values())


def _check_tree(owner: Any) -> None:
    tree = owner.tree_
    if tree.node_count < 1:
        raise InputError(f"a tree has {tree.node_count} nodes")
    children = np.stack([tree.children_left, tree.children_right])
    if np.any(children < -1) or np.any((children[0] == -1) != (children[1] == -1)):
        raise InputError("a tree points to a node outside itself")  # scikit-learn takes only -1 for a leaf
    _check_width(owner, int(tree.n_features))
    if owner.n_outputs_ != tree.n_outputs:
        raise InputError(f"a model of {owner.n_outputs_} outputs has a tree of {tree.n_outputs}")
    nodes = tree_nodes(tree, np.zeros((len(tree.feature), 1)))
    join([nodes], output=np.zeros(1, np.int32), base=np.zeros(1), n_columns=int(owner.n_features_in_), less_equal=True)


def _check_histogram_trees(owner: Any) -> set[int]:
    trees = [tree for stage in owner._predictors for tree in stage]
    width = int(owner.n_features_in_)
    _check_width(owner, len(owner._bin_mapper.bin_thresholds_))
    for tree in trees:
        join(
            [hist_nodes([tree])],
            output=np.zeros(1, np.int32),
            base=np.zeros(1),
            n_columns=width,
            less_equal=True,
        )
        splits = tree.nodes[tree.nodes["is_categorical"].astype(bool)]
        if len(splits) and not _categories_fit(owner, tree, splits, width):
            raise InputError("a categorical split points outside its table of categories")
    return {id(tree) for tree in trees}


def _categories_fit(owner: Any, tree: Any, splits: Any, width: int) -> bool:
    flags = np.asarray(owner.is_categorical_, dtype=bool)
    known = len(flags) == width and bool(flags.any())
    return known and int(splits["bitset_idx"].max()) < len(tree.raw_left_cat_bitsets)


def _check_width(owner: Any, width: int) -> None:
    if int(owner.n_features_in_) != width:
        raise InputError(f"a model of {owner.n_features_in_} columns has a tree of {width}")
    if width > MAX_COLUMNS:
        raise InputError(f"it says that it has {width:,} columns")


def _check_members(owner: Any) -> None:
    for inner in np.ravel(np.asarray(owner.estimators_, dtype=object)):
        if getattr(inner, "n_features_in_", None) != owner.n_features_in_:
            raise InputError("the trees of an ensemble expect different numbers of columns")
        if getattr(owner, "n_outputs_", inner.n_outputs_) != inner.n_outputs_:
            raise InputError("the trees of an ensemble have different numbers of outputs")
