"""Tree ensembles as flat arrays, whichever library grew them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid._base.errors import InputError
from pellucid._base.typing import Bool1, Float1, Float2

MAX_DEPTH = 100_000
LARGEST = 1e300
"""Covers, leaves and outputs above this could overflow in a sum."""
WALKED_TOGETHER = 32_768
"""Pairs of a row and a tree that `predict` walks down at once."""
_ARRAYS: dict[str, tuple[Any, int]] = {
    "roots": (np.int32, 1),
    "left": (np.int32, 1),
    "right": (np.int32, 1),
    "feature": (np.int32, 1),
    "threshold": (np.float64, 1),
    "missing_left": (np.bool_, 1),
    "cover": (np.float64, 1),
    "value": (np.float64, 2),
    "output": (np.int32, 1),
    "base": (np.float64, 1),
}
_CATEGORICAL_ARRAYS: dict[str, tuple[Any, int]] = {
    "bits": (np.uint32, 1),
    "bits_begin": (np.int32, 1),
    "bits_words": (np.int32, 1),
    "other_left": (np.bool_, 1),
}
WORD = 32
"""Categories that one word of `TreeEnsemble.bits` has room for."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TreeEnsemble:
    """All nodes of all trees in one set of arrays; children are positions in those arrays.

    Node n sends a row left when its value of column ``feature[n]`` is below ``threshold[n]``
    (``<=`` when `less_equal`), after the value is rounded to `input_dtype`. A missing value (NaN)
    goes left when ``missing_left[n]``. A leaf has ``left == right == feature == -1``.

    A categorical node (``bits_begin[n] >= 0``) asks for membership instead: the value, cut off towards
    zero, is a category c, and goes left when bit c of the node's set is one; a value outside the
    set's ``[0, 32 * bits_words[n])`` goes left when ``other_left[n]``. Its threshold is 0, unused.

    What an ensemble holds was checked when it was made, and is read-only copies: kernels may walk it
    without looking where they step.

    Parameters
    ----------
    roots : int32 array of shape (trees,)
        Position of each tree's root.
    left, right, feature : int32 arrays of shape (nodes,)
    threshold : float64 array of shape (nodes,)
    missing_left : bool array of shape (nodes,)
    cover : float64 array of shape (nodes,)
        Training weight that reached the node; zeros where the library does not say.
    value : float64 array of shape (nodes, width)
        What a leaf adds to its tree's outputs (learning rate, averaging and tree weights applied).
    output : int32 array of shape (trees,)
        First output that the tree's `width` values belong to.
    base : float64 array of shape (outputs,)
        Added to the sum over the trees.
    n_columns : int
        Number of encoded columns the ensemble reads.
    less_equal : bool
        Operator of the splits: ``<=`` or ``<``.
    input_dtype, sum_dtype : {"float32", "float64"}
        What the library rounds its inputs to before comparing, and what it adds leaves in.
    bits : uint32 array of shape (words,), optional
        Sets of the categories that go left, behind one another: bit ``c % 32`` of a set's word
        ``c // 32`` stands for category c. None when no node is categorical, as the three below.
    bits_begin, bits_words : int32 arrays of shape (nodes,), optional
        First word of each node's set, -1 where the node is no categorical split; number of its words.
    other_left : bool array of shape (nodes,), optional
        Where a value goes that is not missing and outside the set's words (unseen, negative).

    Raises
    ------
    InputError
        When the arrays are not trees: lengths, positions, cycles, numbers that are not finite.
    """

    roots: NDArray[np.int32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: Float1
    missing_left: Bool1
    cover: Float1
    value: Float2
    output: NDArray[np.int32]
    base: Float1
    n_columns: int
    less_equal: bool
    input_dtype: str = "float64"
    sum_dtype: str = "float64"
    bits: NDArray[np.uint32] | None = None
    bits_begin: NDArray[np.int32] | None = None
    bits_words: NDArray[np.int32] | None = None
    other_left: Bool1 | None = None

    def __post_init__(self) -> None:
        given = [name for name in _CATEGORICAL_ARRAYS if getattr(self, name) is not None]
        if given and len(given) < len(_CATEGORICAL_ARRAYS):
            raise InputError(f"categorical splits need {', '.join(_CATEGORICAL_ARRAYS)}; got {', '.join(given)} alone.")
        for name, (dtype, rank) in (_ARRAYS | (_CATEGORICAL_ARRAYS if given else {})).items():
            object.__setattr__(self, name, _own(name, getattr(self, name), dtype, rank))
        _validate(self)
        self.tree_and_level  # noqa: B018 - walks every tree once, and refuses cycles

    @property
    def n_outputs(self) -> int:
        """Number of outputs of the ensemble."""
        return len(self.base)

    @property
    def n_trees(self) -> int:
        """Number of trees."""
        return len(self.roots)

    @property
    def is_leaf(self) -> Bool1:
        """Which nodes are leaves."""
        return np.asarray(self.feature < 0)

    @cached_property
    def tree_and_level(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """For each node, the number of its tree and of the splits above it."""
        tree = np.full(len(self.feature), -1, dtype=np.int32)
        level = np.zeros(len(self.feature), dtype=np.int32)
        nodes, owner = self.roots, np.arange(self.n_trees, dtype=np.int32)
        for depth in range(MAX_DEPTH + 1):
            tree[nodes], level[nodes] = owner, depth
            inner = self.feature[nodes] >= 0
            if not inner.any():
                break
            nodes, owner = nodes[inner], np.tile(owner[inner], 2)
            nodes = np.concatenate([self.left[nodes], self.right[nodes]])
        # Every node has one parent, so nodes not met on the way down from the roots form a cycle.
        if np.any(tree < 0):
            raise InputError(f"a tree contains a cycle or is deeper than {MAX_DEPTH}; the model file is damaged.")
        return tree, level

    @property
    def depth(self) -> int:
        """Most splits on the way to a leaf."""
        return int(self.tree_and_level[1].max(initial=0))

    @property
    def is_categorical(self) -> Bool1:
        """Which nodes are categorical splits."""
        return np.zeros(len(self.feature), dtype=bool) if self.bits_begin is None else self.bits_begin >= 0

    @property
    def has_covers(self) -> bool:
        """Whether any node knows its training weight (trees that never split need none)."""
        return bool(np.all(self.is_leaf) or np.any(self.cover > 0))

    def goes_left(self, nodes: NDArray[np.int32], columns: Float2) -> Bool1:
        """Whether row i of `columns` goes left at node ``nodes[i]``."""
        return self._goes_left(nodes, self._rounded(columns), np.arange(len(nodes)))

    def _rounded(self, columns: Float2) -> Float2:
        with np.errstate(over="ignore"):  # beyond float32's range a value becomes infinite, as in the library
            return columns.astype(self.input_dtype)

    def _goes_left(self, nodes: NDArray[np.int32], rounded: Float2, rows: NDArray[np.int64]) -> Bool1:
        x = rounded[rows, self.feature[nodes]]
        threshold = self.threshold[nodes]
        left = x <= threshold if self.less_equal else x < threshold
        categorical = np.flatnonzero(self.is_categorical[nodes]) if self.bits is not None else ()
        if len(categorical):
            left[categorical] = self._is_member(nodes[categorical], x[categorical])
        missing = np.isnan(x)
        return np.where(missing, self.missing_left[nodes], left) if missing.any() else left

    def _is_member(self, nodes: NDArray[np.int32], x: Float1) -> Bool1:
        """Whether categorical nodes send the values left; what NaN does is decided elsewhere."""
        if self.bits is None or self.bits_begin is None or self.bits_words is None or self.other_left is None:
            return np.zeros(len(nodes), dtype=bool)
        words = self.bits_words[nodes]
        # Compared before the cast, as numbers beyond int64 have no integer; -0.5 is cut off to category 0.
        inside = (x > -1) & (x < words.astype(np.int64) * WORD)
        category = np.where(inside, x, 0).astype(np.int64)
        word = self.bits[np.where(inside, self.bits_begin[nodes] + category // WORD, 0)]
        member = (word >> (category % WORD).astype(np.uint32)) & np.uint32(1) != 0
        return np.where(inside, member, self.other_left[nodes])

    def apply(self, columns: Float2, tree: int) -> NDArray[np.int32]:
        """Position of the leaf that each row reaches in one tree."""
        return self._leaves(self._rounded(columns), self.roots[tree : tree + 1])[:, 0]

    def _leaves(self, rounded: Float2, roots: NDArray[np.int32]) -> NDArray[np.int32]:
        """Leaves of shape (rows, roots): all rows walk down all of these trees together."""
        at = np.tile(roots, len(rounded))
        open_ = np.flatnonzero(self.feature[at] >= 0)
        while len(open_):
            nodes = at[open_]
            left = self._goes_left(nodes, rounded, open_ // len(roots))
            at[open_] = reached = np.where(left, self.left[nodes], self.right[nodes])
            open_ = open_[self.feature[reached] >= 0]
        return at.reshape(len(rounded), len(roots))

    def predict(self, columns: Float2) -> Float2:
        """Re-sum the leaves in float64: outputs of shape (rows, outputs)."""
        result = np.tile(self.base, (len(columns), 1))
        rounded = self._rounded(columns)
        width = self.value.shape[1]
        block = max(1, WALKED_TOGETHER // max(1, len(columns)))
        for begin in range(0, self.n_trees, block):
            values = self.value[self._leaves(rounded, self.roots[begin : begin + block])]
            for tree, first in enumerate(self.output[begin : begin + block]):
                result[:, first : first + width] += values[:, tree]
        return result

    def leaf_sizes(self) -> Float1:
        """Σ over trees of the largest absolute leaf, per output: the scale of all rounding."""
        sizes = np.abs(self.base)
        leaf = self.is_leaf
        largest = np.zeros(self.n_trees)
        np.maximum.at(largest, self.tree_and_level[0][leaf], np.abs(self.value[leaf]).max(axis=1, initial=0.0))
        for k in range(self.value.shape[1]):
            np.add.at(sizes, self.output + k, largest)
        return sizes

    def rounding_bound(self) -> float:
        """Largest difference that rounding can make between the library's own sum and ours."""
        epsilon = np.finfo(self.sum_dtype).eps
        return float((self.n_trees + 2) * epsilon * self.leaf_sizes().max(initial=0.0))


def _own(name: str, array: Any, dtype: Any, rank: int) -> NDArray[Any]:
    """Return a read-only copy of the dtype; refuse where a number would change."""
    given = np.asarray(array)
    if given.ndim != rank:
        raise InputError(f"tree array {name} must have {rank} dimension(s); got shape {given.shape}.")
    if given.dtype.kind not in {"b": "b", "i": "iu", "u": "iu", "f": "iuf"}[np.dtype(dtype).kind]:
        raise InputError(f"tree array {name} must hold {np.dtype(dtype).name}; got {given.dtype}.")
    if np.dtype(dtype).kind in "iu" and given.size:
        limits = np.iinfo(dtype)
        if not limits.min <= int(given.min()) <= int(given.max()) <= limits.max:
            raise InputError(f"tree array {name} has numbers beyond {np.dtype(dtype).name}.")
    own = np.array(given, dtype=dtype, order="C")
    own.flags.writeable = False
    return own


def _validate(trees: TreeEnsemble) -> None:
    """Refuse any arrays a kernel could not walk safely: each node is reached once from one root."""
    n = len(trees.feature)
    for name in ("left", "right", "threshold", "missing_left", "cover", "value"):
        if len(getattr(trees, name)) != n:
            raise InputError(f"tree arrays differ in length: {name} has {len(getattr(trees, name))}, feature has {n}.")
    if len(trees.output) != trees.n_trees:
        raise InputError(f"each of the {trees.n_trees} trees needs one output position; got {len(trees.output)}.")
    width = trees.value.shape[1]
    if np.any(trees.output < 0) or np.any(trees.output.astype(np.int64) + width > trees.n_outputs):
        raise InputError("a tree writes to an output that the ensemble does not have.")
    for name in ("input_dtype", "sum_dtype"):
        if getattr(trees, name) not in ("float32", "float64"):
            raise InputError(f"{name} must be 'float32' or 'float64'; got {getattr(trees, name)!r}.")
    _validate_nodes(trees)
    _validate_numbers(trees)
    if trees.bits is not None:
        _validate_categories(trees)


def _validate_nodes(trees: TreeEnsemble) -> None:
    n, leaf = len(trees.feature), trees.is_leaf
    if np.any(trees.feature[~leaf] >= trees.n_columns):
        raise InputError(f"a split reads a column beyond the {trees.n_columns} columns of the ensemble.")
    if np.any(trees.left[leaf] >= 0) or np.any(trees.right[leaf] >= 0):
        raise InputError("a leaf has children: a node without a feature must have left == right == -1.")
    reached = np.concatenate([trees.roots, trees.left[~leaf], trees.right[~leaf]])
    if np.any(reached < 0) or np.any(reached >= n):
        raise InputError("a tree points to a node outside the ensemble.")
    if not np.array_equal(np.bincount(reached, minlength=n), np.ones(n, dtype=np.int64)):
        raise InputError("a tree node is reached more than once or not at all; the model file is damaged.")


def _validate_numbers(trees: TreeEnsemble) -> None:
    leaf = trees.is_leaf
    if np.any(np.isnan(trees.threshold[~leaf])):
        raise InputError("a tree has a threshold that is not a number.")
    if not np.all(np.abs(trees.value[leaf]) <= LARGEST) or not np.all(np.abs(trees.base) <= LARGEST):
        raise InputError(f"a tree has a leaf or base that is not a finite number up to {LARGEST:g}.")
    if not np.all((trees.cover >= 0) & (trees.cover <= LARGEST)):
        raise InputError(f"a tree node has a cover that is negative, missing or beyond {LARGEST:g}.")


def _validate_categories(trees: TreeEnsemble) -> None:
    begin, words, other, pool = (getattr(trees, name) for name in ("bits_begin", "bits_words", "other_left", "bits"))
    n, categorical = len(trees.feature), trees.is_categorical
    if not len(begin) == len(words) == len(other) == n:
        raise InputError(f"bits_begin, bits_words and other_left must each have one entry for each of the {n} nodes.")
    if np.any(categorical & trees.is_leaf):
        raise InputError("a leaf has a set of categories.")
    if np.any(begin < -1) or np.any(words[categorical] < 1) or np.any(words[~categorical] != 0):
        raise InputError("a node's set of categories must have at least one word, and none where bits_begin is -1.")
    if np.any(begin[categorical].astype(np.int64) + words[categorical] > len(pool)):
        raise InputError(f"a set of categories lies outside the {len(pool)} words of bits.")
