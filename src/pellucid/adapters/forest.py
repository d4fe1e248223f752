"""Join the trees of a library, each with its own node numbers, into one `TreeEnsemble`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid._base.errors import InputError
from pellucid._base.typing import Array, Bool1, Float1, Float2
from pellucid.ir import TreeEnsemble


@dataclass(frozen=True, kw_only=True, eq=False)
class NodeTable:
    """One tree: node 0 is the root, children are positions in these arrays, leaves have -1.

    The fields mean what they mean in `TreeEnsemble`.
    """

    left: Array
    right: Array
    feature: Array
    threshold: Float1
    missing_left: Bool1
    cover: Float1
    value: Float2

    def reachable(self) -> "NodeTable":
        """Return the tree without nodes that pruning cut off but left in the arrays."""
        seen = np.zeros(len(self.feature), dtype=bool)
        level = np.zeros(1, dtype=np.int64)
        while len(level):
            if np.any(level >= len(seen)) or np.any(seen[level]):
                raise InputError("a tree node is reached twice or lies outside the tree; the model is damaged.")
            seen[level] = True
            children = np.concatenate([self.left[level], self.right[level]])
            level = children[children >= 0]
        number = np.cumsum(seen) - 1
        return NodeTable(
            left=np.where(self.left[seen] < 0, -1, number[self.left[seen]]),
            right=np.where(self.right[seen] < 0, -1, number[self.right[seen]]),
            feature=self.feature[seen],
            threshold=self.threshold[seen],
            missing_left=self.missing_left[seen],
            cover=self.cover[seen],
            value=self.value[seen],
        )


def join(
    trees: Sequence[NodeTable],
    *,
    output: NDArray[np.int32],
    base: Float1,
    n_columns: int,
    less_equal: bool,
    input_dtype: str = "float64",
    sum_dtype: str = "float64",
) -> TreeEnsemble:
    """Put the trees behind one another and renumber their children."""
    if not trees:
        raise InputError("the model has no trees. Fit it with at least one.")
    sizes = np.array([len(tree.feature) for tree in trees], dtype=np.int64)
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    shift = np.repeat(roots, sizes)

    def joined(name: str, dtype: Any) -> Array:
        return np.concatenate([np.asarray(getattr(tree, name)) for tree in trees]).astype(dtype)

    def children(name: str) -> NDArray[np.int32]:
        own = joined(name, np.int64)
        return np.where(own < 0, -1, own + shift).astype(np.int32)

    return TreeEnsemble(
        roots=roots.astype(np.int32),
        left=children("left"),
        right=children("right"),
        feature=joined("feature", np.int32),
        threshold=joined("threshold", np.float64),
        missing_left=joined("missing_left", np.bool_),
        cover=joined("cover", np.float64),
        value=joined("value", np.float64),
        output=output,
        base=np.asarray(base, dtype=np.float64),
        n_columns=n_columns,
        less_equal=less_equal,
        input_dtype=input_dtype,
        sum_dtype=sum_dtype,
    )
