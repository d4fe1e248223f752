"""Random tree ensembles that meet the corners: ties, missing values, repeated features, empty nodes."""

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from pellucid._base.typing import Float1, Float2, Int1
from pellucid.ir import TreeEnsemble


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """An ensemble, the features of its columns, rows to explain and background rows."""

    trees: TreeEnsemble
    groups: Int1
    n_features: int
    rows: Float2
    background: Float2


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a random ensemble looks like.

    Parameters
    ----------
    n_trees, n_columns, n_features, n_outputs : int
        More columns than features means features made of several columns.
    width : int
        Values per leaf; trees with fewer values than outputs write to random outputs.
    depth : int
        Most splits on a path.
    bushy : float
        Chance that a child beside the deepest path splits again.
    float32 : bool
        Round inputs to float32 before comparing.
    categorical : float
        Chance that a split asks for membership in a set of categories.
    """

    n_trees: int = 2
    n_columns: int = 5
    n_features: int = 4
    n_outputs: int = 1
    width: int = 1
    depth: int = 4
    bushy: float = 0.6
    float32: bool = False
    categorical: float = 0.0


def random_shape(rng: np.random.Generator, *, max_depth: int = 6, max_features: int = 6) -> Shape:
    """Draw a shape; deep ones are close to chains so that they stay small."""
    depth = int(rng.integers(1, max_depth + 1))
    n_features = int(rng.integers(1, max_features + 1))
    n_outputs = int(rng.integers(1, 4))
    return Shape(
        n_trees=int(rng.integers(1, 4)) if depth <= 8 else 1,
        n_columns=n_features + int(rng.integers(0, 4)),
        n_features=n_features,
        n_outputs=n_outputs,
        width=int(rng.choice([1, n_outputs])),
        depth=depth,
        bushy=0.7 if depth <= 4 else 1.2 / depth,
        float32=bool(rng.integers(2)),
    )


def random_ensemble(rng: np.random.Generator, shape: Shape) -> tuple[TreeEnsemble, Int1]:
    """Draw an ensemble and the feature that each of its columns belongs to.

    Thresholds and `random_rows` share a coarse grid, so rows often lie on a threshold.
    """
    grower = _Grower(rng, shape)
    roots = [grower.grow() for _ in range(shape.n_trees)]
    n = len(grower.feature)
    spare = np.arange(shape.n_columns - shape.n_features)
    groups = np.concatenate([np.arange(shape.n_features), rng.integers(0, shape.n_features, len(spare))])
    trees = TreeEnsemble(
        roots=np.array(roots, dtype=np.int32),
        left=np.array(grower.left, dtype=np.int32),
        right=np.array(grower.right, dtype=np.int32),
        feature=np.array(grower.feature, dtype=np.int32),
        threshold=rng.integers(-4, 5, n) / 2 + rng.choice([0.0, 0.1], n),
        missing_left=rng.integers(0, 2, n).astype(bool),
        cover=random_covers(rng, n),
        value=rng.normal(size=(n, shape.width)) * 10.0 ** rng.integers(-2, 3),
        output=rng.integers(0, shape.n_outputs - shape.width + 1, shape.n_trees).astype(np.int32),
        base=rng.normal(size=shape.n_outputs),
        n_columns=shape.n_columns,
        less_equal=bool(rng.integers(2)),
        input_dtype="float32" if shape.float32 else "float64",
    )
    if shape.categorical:
        trees = with_categories(rng, trees, shape.categorical)
    return trees, rng.permutation(groups)


def with_categories(rng: np.random.Generator, trees: TreeEnsemble, share: float) -> TreeEnsemble:
    """Turn some splits into categorical ones, with sets of one to three words."""
    categorical = ~trees.is_leaf & (rng.random(len(trees.feature)) < share)
    words = np.where(categorical, rng.integers(1, 4, len(categorical)), 0)
    return replace(
        trees,
        threshold=np.where(categorical, 0.0, trees.threshold),
        bits=rng.integers(0, 2**32, max(1, int(words.sum())), dtype=np.uint32),
        bits_begin=np.where(categorical, np.cumsum(words) - words, -1),
        bits_words=words,
        other_left=rng.integers(0, 2, len(categorical)).astype(bool),
    )


def random_covers(rng: np.random.Generator, n: int) -> Float1:
    """Draw training weights: small counts with zeros among them, sometimes with fractions."""
    counts = rng.integers(0, 9, n)
    fractions = rng.random(n) if rng.integers(2) else np.ones(n)
    return np.asarray(counts * fractions, dtype=np.float64)


def random_rows(rng: np.random.Generator, n_rows: int, n_columns: int) -> Float2:
    """Draw rows on the thresholds' grid, beside it, and missing."""
    rows: Float2 = rng.integers(-5, 6, (n_rows, n_columns)) / 2 + rng.choice([0.0, 0.1, np.float64(np.float32(0.1))], 1)
    rows[rng.random(rows.shape) < 0.15] = np.nan
    rows[rng.random(rows.shape) < 0.02] = np.inf
    large = rng.random(rows.shape) < 0.05  # categories of a set's later words, and beyond them
    rows[large] = rng.integers(28, 100, int(large.sum()))
    return rows


def random_subject(
    seed: int, *, max_depth: int = 6, max_features: int = 6, n_rows: int = 3, categorical: float = 0.0
) -> Subject:
    """Draw everything that a comparison of tree values needs."""
    rng = np.random.default_rng(seed)
    shape = replace(random_shape(rng, max_depth=max_depth, max_features=max_features), categorical=categorical)
    trees, groups = random_ensemble(rng, shape)
    return Subject(
        trees=trees,
        groups=groups,
        n_features=shape.n_features,
        rows=random_rows(rng, n_rows, shape.n_columns),
        background=random_rows(rng, int(rng.choice([1, 4, 9])), shape.n_columns),
    )


def subjects(*, max_depth: int = 6, max_features: int = 6) -> Any:
    """Return a hypothesis strategy of `random_subject`."""
    from hypothesis import strategies

    return strategies.builds(
        random_subject,
        strategies.integers(0, 2**32 - 1),
        max_depth=strategies.just(max_depth),
        max_features=strategies.just(max_features),
    )


def random_chain(
    rng: np.random.Generator, depth: int
) -> tuple[TreeEnsemble, Float2, list[Fraction], list[bool], list[Fraction]]:
    """Draw a chain whose split k asks column k, and a row that mostly follows it.

    Returns
    -------
    trees : TreeEnsemble
    row : float64 array of shape (1, depth)
    shares, stays, leaves : lists
        The chain as `oracles.exact_chain` wants it.
    """
    on_left = rng.integers(0, 2, depth).astype(bool)
    stays = rng.random(depth) < 0.9
    on, off = rng.integers(1, 8, depth).astype(float), rng.integers(1, 3, depth).astype(float)
    leaves = np.round(rng.normal(size=depth + 1), 3)
    n = 2 * depth + 1
    inner, way_on, leaf = np.arange(depth) * 2, np.arange(depth) * 2 + 2, np.arange(depth) * 2 + 1
    left, right, feature = (np.full(n, -1) for _ in range(3))
    feature[inner] = np.arange(depth)
    left[inner], right[inner] = np.where(on_left, way_on, leaf), np.where(on_left, leaf, way_on)
    cover, value = np.zeros(n), np.zeros((n, 1))
    cover[way_on], cover[leaf] = on, off
    value[leaf, 0], value[n - 1, 0] = leaves[:-1], leaves[-1]
    trees = TreeEnsemble(
        roots=np.array([0]),
        left=left,
        right=right,
        feature=feature,
        threshold=np.zeros(n),
        missing_left=np.zeros(n, dtype=bool),
        cover=cover,
        value=value,
        output=np.array([0]),
        base=np.zeros(1),
        n_columns=depth,
        less_equal=True,
    )
    row = np.where(stays == on_left, -1.0, 1.0)[None]
    shares = [Fraction(a) / (Fraction(a) + Fraction(b)) for a, b in zip(on, off, strict=True)]
    return trees, row, shares, stays.tolist(), [Fraction(float(leaf)) for leaf in leaves]


class _Grower:
    def __init__(self, rng: np.random.Generator, shape: Shape) -> None:
        self.rng, self.shape = rng, shape
        self.left: list[int] = []
        self.right: list[int] = []
        self.feature: list[int] = []

    def grow(self) -> int:
        """Grow a tree with one path of full depth and random growth beside it."""
        root = self._node()
        open_nodes = [(root, 0, True)]
        while open_nodes:
            node, level, spine = open_nodes.pop()
            if level == self.shape.depth or not (spine or self.rng.random() < self.shape.bushy):
                continue
            self.feature[node] = int(self.rng.integers(self.shape.n_columns))
            self.left[node], self.right[node] = self._node(), self._node()
            children = [self.left[node], self.right[node]]
            self.rng.shuffle(children)
            open_nodes += [(children[0], level + 1, spine), (children[1], level + 1, False)]
        return root

    def _node(self) -> int:
        for array in (self.left, self.right, self.feature):
            array.append(-1)
        return len(self.feature) - 1
