"""Join the trees of a library, each with its own node numbers, into one `TreeEnsemble`."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid._base.errors import InputError
from pellucid._base.typing import Array, Bool1, Float1, Float2, Int1
from pellucid.ir import TreeEnsemble

WORD = 32
MAX_CATEGORY = 2**24
"""Categories are numbered in float32 by XGBoost; a larger number in a file is damage, not a category."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CategorySets:
    """Which categories each categorical node sends left; the fields mean what they mean in `TreeEnsemble`."""

    bits: NDArray[np.uint32]
    begin: Int1
    words: Int1
    other_left: Bool1

    @classmethod
    def none(cls, n_nodes: int) -> "CategorySets":
        """Return the sets of a table without categorical nodes."""
        zeros = np.zeros(n_nodes, dtype=np.int64)
        empty = np.empty(0, dtype=np.uint32)
        return cls(bits=empty, begin=zeros - 1, words=zeros, other_left=zeros > 0)

    @classmethod
    def of_words(cls, n_nodes: int, nodes: Int1, bits: NDArray[np.uint32], words: Int1) -> "CategorySets":
        """Return sets given as words of bits, one set for each of `nodes`, behind one another; others go right."""
        sets = cls.none(n_nodes)
        sets.words[nodes] = words
        sets.begin[nodes] = np.cumsum(words) - words
        return replace(sets, bits=np.asarray(bits, dtype=np.uint32))

    @classmethod
    def all_but(cls, n_nodes: int, nodes: Int1, owner: Int1, category: Int1) -> "CategorySets":
        """Return sets of all categories but those listed: ``category[k]`` goes right at ``nodes[owner[k]]``."""
        if len(category) and not 0 <= category.min() <= category.max() < MAX_CATEGORY:
            raise InputError(f"a split has a category that is negative or not below {MAX_CATEGORY}.")
        words = np.ones(len(nodes), dtype=np.int64)
        np.maximum.at(words, owner, category // WORD + 1)
        listed = np.zeros(int(words.sum()), dtype=np.uint32)
        place = (np.cumsum(words) - words)[owner] + category // WORD
        np.bitwise_or.at(listed, place, np.uint32(1) << (category % WORD).astype(np.uint32))
        sets = cls.of_words(n_nodes, nodes, ~listed, words)
        sets.other_left[nodes] = True
        return sets

    def take(self, nodes: Array) -> "CategorySets":
        """Return the sets of some nodes."""
        return replace(self, begin=self.begin[nodes], words=self.words[nodes], other_left=self.other_left[nodes])


@dataclass(frozen=True, kw_only=True, eq=False)
class NodeTable:
    """Some trees: children are positions in these arrays, leaves have -1.

    The fields mean what they mean in `TreeEnsemble`; one tree with its root at 0 needs no `roots`.
    """

    left: Array
    right: Array
    feature: Array
    threshold: Float1
    missing_left: Bool1
    cover: Float1
    value: Float2
    roots: Int1 = field(default_factory=lambda: np.zeros(1, dtype=np.int64))
    sets: CategorySets | None = None

    def reachable(self) -> "NodeTable":
        """Return the trees without nodes that pruning cut off but left in the arrays."""
        seen = np.zeros(len(self.feature), dtype=bool)
        level = self.roots
        while len(level):
            if np.any(level >= len(seen)) or np.any(seen[level]) or len(np.unique(level)) < len(level):
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
            roots=number[self.roots],
            sets=None if self.sets is None else self.sets.take(seen),
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
    first = np.cumsum(sizes) - sizes
    shift = np.repeat(first, sizes)

    def joined(name: str, dtype: Any) -> Array:
        return np.concatenate([np.asarray(getattr(tree, name)) for tree in trees]).astype(dtype)

    def children(name: str) -> NDArray[np.int32]:
        own = joined(name, np.int64)
        return np.where(own < 0, -1, own + shift).astype(np.int32)

    return TreeEnsemble(
        roots=np.concatenate([tree.roots + start for tree, start in zip(trees, first, strict=True)]).astype(np.int32),
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
        **_joined_sets(trees),
    )


def _joined_sets(trees: Sequence[NodeTable]) -> dict[str, Array]:
    """Categorical arrays of the ensemble; nothing when no tree has any."""
    if all(tree.sets is None or not np.any(tree.sets.begin >= 0) for tree in trees):
        return {}
    sets = [CategorySets.none(len(tree.feature)) if tree.sets is None else tree.sets for tree in trees]
    pool = np.cumsum([0, *(len(part.bits) for part in sets)])
    return {
        "bits": np.concatenate([part.bits for part in sets]),
        "bits_begin": np.concatenate(
            [np.where(part.begin < 0, -1, part.begin + start) for part, start in zip(sets, pool[:-1], strict=True)]
        ),
        "bits_words": np.concatenate([part.words for part in sets]),
        "other_left": np.concatenate([part.other_left for part in sets]),
    }
