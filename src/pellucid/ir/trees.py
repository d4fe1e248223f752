"""Tree ensembles as flat arrays, whichever library grew them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pellucid._base.errors import InputError
from pellucid._base.typing import Bool1, Float1, Float2

MAX_DEPTH = 100_000


@dataclass(frozen=True, kw_only=True, eq=False)
class TreeEnsemble:
    """All nodes of all trees in one set of arrays; children are positions in those arrays.

    Node n sends a row left when its value of column ``feature[n]`` is below ``threshold[n]``
    (``<=`` when `less_equal`), after the value is rounded to `input_dtype`. A missing value (NaN)
    goes left when ``missing_left[n]``. A leaf has ``left == right == feature == -1``.

    Parameters
    ----------
    roots : int32 array of shape (trees,)
        Position of each tree's root.
    left, right, feature : int32 arrays of shape (nodes,)
    threshold : float64 array of shape (nodes,)
    missing_left : bool array of shape (nodes,)
    cover : float64 array of shape (nodes,)
        Training weight that reached the node.
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

    def __post_init__(self) -> None:
        _validate(self)

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

    def goes_left(self, nodes: NDArray[np.int32], columns: Float2) -> Bool1:
        """Whether row i of `columns` goes left at node ``nodes[i]``."""
        x = columns[np.arange(len(nodes)), self.feature[nodes]].astype(self.input_dtype)
        threshold = self.threshold[nodes]
        below = x <= threshold if self.less_equal else x < threshold
        return np.where(np.isnan(x), self.missing_left[nodes], below)

    def apply(self, columns: Float2, tree: int) -> NDArray[np.int32]:
        """Position of the leaf that each row reaches in one tree."""
        at = np.full(len(columns), self.roots[tree], dtype=np.int32)
        inner = np.flatnonzero(self.feature[at] >= 0)
        while len(inner):
            nodes = at[inner]
            left = self.goes_left(nodes, columns[inner])
            at[inner] = np.where(left, self.left[nodes], self.right[nodes])
            inner = inner[self.feature[at[inner]] >= 0]
        return at

    def predict(self, columns: Float2) -> Float2:
        """Re-sum the leaves in float64: outputs of shape (rows, outputs)."""
        result = np.tile(self.base, (len(columns), 1))
        width = self.value.shape[1]
        for tree in range(self.n_trees):
            first = self.output[tree]
            result[:, first : first + width] += self.value[self.apply(columns, tree)]
        return result

    def leaf_sizes(self) -> Float1:
        """Σ over trees of the largest absolute leaf, per output: the scale of all rounding."""
        sizes = np.abs(self.base).astype(float)
        largest = np.maximum.reduceat(np.abs(self.value).max(axis=1), np.sort(self.roots))
        order = np.argsort(self.roots)
        for rank, tree in enumerate(order):
            first = self.output[tree]
            sizes[first : first + self.value.shape[1]] += largest[rank]
        return sizes

    def rounding_bound(self) -> float:
        """Largest difference that rounding can make between the library's own sum and ours."""
        epsilon = np.finfo(self.sum_dtype).eps
        return float((self.n_trees + 2) * epsilon * self.leaf_sizes().max(initial=0.0))


def _validate(trees: TreeEnsemble) -> None:
    """Refuse any arrays a kernel could not walk safely: each node is reached once from one root."""
    n = len(trees.feature)
    for name in ("left", "right", "threshold", "missing_left", "cover", "value"):
        if len(getattr(trees, name)) != n:
            raise InputError(f"tree arrays differ in length: {name} has {len(getattr(trees, name))}, feature has {n}.")
    if len(trees.output) != trees.n_trees or trees.value.ndim != 2:
        raise InputError("each tree needs one output position, and leaf values must be (nodes, width).")
    width = trees.value.shape[1]
    if np.any(trees.output < 0) or np.any(trees.output + width > trees.n_outputs):
        raise InputError("a tree writes to an output that the ensemble does not have.")
    leaf = trees.is_leaf
    inner = ~leaf
    if np.any(trees.feature[inner] >= trees.n_columns):
        raise InputError(f"a split reads a column beyond the {trees.n_columns} columns of the ensemble.")
    children = np.concatenate([trees.left[inner], trees.right[inner]])
    reached = np.concatenate([trees.roots, children])
    if np.any(reached < 0) or np.any(reached >= n):
        raise InputError("a tree points to a node outside the ensemble.")
    if not np.array_equal(np.bincount(reached, minlength=n), np.ones(n, dtype=np.int64)):
        raise InputError("a tree node is reached more than once or not at all; the model file is damaged.")
    if not np.all(np.isfinite(trees.value[leaf])) or np.any(np.isnan(trees.threshold[inner])):
        raise InputError("a tree has a leaf or threshold that is not a finite number.")
    if not np.all(trees.cover >= 0):
        raise InputError("a tree node has a negative or missing cover.")
    _refuse_cycles(trees)


def _refuse_cycles(trees: TreeEnsemble) -> None:
    """Every node has one parent, so nodes not met on the way down from the roots form a cycle."""
    level, met = trees.roots, 0
    for _ in range(MAX_DEPTH):
        met += len(level)
        level = level[trees.feature[level] >= 0]
        if not len(level):
            break
        level = np.concatenate([trees.left[level], trees.right[level]])
    if met != len(trees.feature):
        raise InputError(f"a tree contains a cycle or is deeper than {MAX_DEPTH}; the model file is damaged.")
