"""The compiled tree kernels once more, slow and plain: what they compute, one formula at a time.

Each step is a function of its own, so that a test can plant a fault in it and see the comparison turn red.
"""

from dataclasses import dataclass, field

import numpy as np

from pellucid._base.typing import Array, Bool1, Float1, Float2, Float3, Int1
from pellucid.ir import TreeEnsemble


def path_dependent(trees: TreeEnsemble, groups: Int1, n_features: int, columns: Float2) -> tuple[Float3, Float1]:
    """Values and base of the path-dependent game, by node-wise quadrature.

    The formulas stand at the head of ``cpp/pellucid/path_dependent.cpp``.
    """
    values = np.zeros((len(columns), n_features, trees.n_outputs))
    base = trees.base.copy()
    for tree in range(trees.n_trees):
        root, outputs = int(trees.roots[tree]), tree_outputs(trees, tree)
        points, weights = np.polynomial.legendre.leggauss(points_needed(most_players(trees, groups, root)))
        walk = _Averaging(
            trees=trees, groups=groups, columns=columns, points=(1 + points) / 2, values=values[:, :, outputs]
        )
        walk.visit(root, np.tile(weights / 2, (len(columns), 1)), {})
        base[outputs] += expectation(trees, root)
    return values, base


def points_needed(players: int) -> int:
    """Quadrature points that make a polynomial of degree ``players - 1`` exact."""
    return max(1, (players + 1) // 2)


def tree_outputs(trees: TreeEnsemble, tree: int) -> slice:
    """Return the outputs that a tree's leaves add to."""
    return slice(int(trees.output[tree]), int(trees.output[tree]) + trees.value.shape[1])


def most_players(trees: TreeEnsemble, groups: Int1, node: int, above: frozenset[int] = frozenset()) -> int:
    """Largest number of different players on a path."""
    if trees.feature[node] < 0:
        return len(above)
    here = above | {int(groups[trees.feature[node]])}
    return max(most_players(trees, groups, int(child), here) for child in (trees.left[node], trees.right[node]))


def left_share(trees: TreeEnsemble, node: int) -> float:
    """Share of the training weight that goes left; a half when no weight came."""
    left, right = trees.cover[trees.left[node]], trees.cover[trees.right[node]]
    return float(left / (left + right)) if left + right > 0 else 0.5


def expectation(trees: TreeEnsemble, node: int) -> Float1:
    """Mean of a subtree over its training weight."""
    if trees.feature[node] < 0:
        leaf: Float1 = trees.value[node]
        return leaf
    left, right = expectation(trees, int(trees.left[node])), expectation(trees, int(trees.right[node]))
    share = left_share(trees, node)
    mean: Float1 = share * left + (1 - share) * right
    return mean


def edge_factors(share: float, cold: float, point: Array, left: Array, alive: Array) -> tuple[Array, Array]:
    """Return what the left child's subtree is weighed with, and the player's derivative, at each point.

    Parameters
    ----------
    share : float
        Left share of the training weight.
    cold : float
        Share that the player's splits above let through; 1 at the first.
    point : array of shape (points,)
    left, alive : bool arrays of shape (rows, 1)
        Whether the row goes left, and passed the player's splits above.
    """
    passing = point + (1 - point) * cold
    weight = np.where(alive, (point * left + (1 - point) * cold * share) / passing, share)
    slope = np.where(alive, np.where(left, cold * (1 - share), -cold * share) / passing**2, 0.0)
    return weight, slope


@dataclass(kw_only=True, eq=False)
class _Averaging:
    trees: TreeEnsemble
    groups: Int1
    columns: Float2
    points: Float1
    values: Float3

    def visit(self, node: int, above: Float2, players: dict[int, tuple[Bool1, float]]) -> Float3:
        """Add what the splits below earn; return the subtree's mixture (rows, points, width)."""
        trees = self.trees
        if trees.feature[node] < 0:
            return np.broadcast_to(trees.value[node], (*above.shape, trees.value.shape[1]))
        player = int(self.groups[trees.feature[node]])
        alive, cold = players.get(player, (np.ones(len(above), dtype=bool), 1.0))
        left = trees.goes_left(np.full(len(above), node, dtype=np.int32), self.columns)
        share = left_share(trees, node)
        weight, slope = edge_factors(share, cold, self.points, left[:, None], alive[:, None])
        to_left = {**players, player: (alive & left, cold * share)}
        to_right = {**players, player: (alive & ~left, cold * (1 - share))}
        below_left = self.visit(int(trees.left[node]), above * weight, to_left)
        below_right = self.visit(int(trees.right[node]), above * (1 - weight), to_right)
        self.values[:, player] += np.einsum("rp,rpk->rk", above * slope, below_left - below_right)
        return below_right + weight[:, :, None] * (below_left - below_right)


def interventional(
    trees: TreeEnsemble, groups: Int1, n_features: int, columns: Float2, background: Float2
) -> tuple[Float3, Float1]:
    """Values and base of the interventional game: one walk per row, background row and tree.

    The formulas stand at the head of ``cpp/pellucid/cohort_walk.cpp``.
    """
    values = np.zeros((len(columns), n_features, trees.n_outputs))
    base = trees.base + np.mean(trees.predict(background) - trees.base, axis=0)
    for tree in range(trees.n_trees):
        root, outputs = int(trees.roots[tree]), tree_outputs(trees, tree)
        nodes = np.arange(len(trees.feature), dtype=np.int32)
        inner = nodes[~trees.is_leaf]
        for row, x in enumerate(columns):
            for z in background:
                walk = _Parting(trees=trees, groups=groups, values=values[row][:, outputs])
                for side, taken in ((x, walk.x_left), (z, walk.z_left)):
                    taken[inner] = trees.goes_left(inner, np.tile(side, (len(inner), 1)))
                walk.visit(root, {})
    return values / len(background), base


def shapley_weight(before: int, after: int) -> float:
    """``before! after! / (before + after + 1)!``, the integral of t**before (1 - t)**after over [0, 1]."""
    weight = 1.0 / (before + after + 1)
    for k in range(1, min(before, after) + 1):
        weight *= k / (max(before, after) + k)
    return weight


@dataclass(kw_only=True, eq=False)
class _Parting:
    trees: TreeEnsemble
    groups: Int1
    values: Float2
    x_left: Bool1 = field(init=False)
    z_left: Bool1 = field(init=False)

    def __post_init__(self) -> None:
        self.x_left = np.zeros(len(self.trees.feature), dtype=bool)
        self.z_left = np.zeros(len(self.trees.feature), dtype=bool)

    def visit(self, node: int, shown: dict[int, bool]) -> None:
        """Go down with the players decided so far: True goes with the explained row."""
        trees = self.trees
        if trees.feature[node] < 0:
            self.earn(node, shown)
            return
        player = int(self.groups[trees.feature[node]])
        child = {True: int(trees.left[node]), False: int(trees.right[node])}
        x_left, z_left = bool(self.x_left[node]), bool(self.z_left[node])
        if player in shown:
            self.visit(child[x_left if shown[player] else z_left], shown)
        elif x_left == z_left:
            self.visit(child[x_left], shown)
        else:
            self.visit(child[x_left], {**shown, player: True})
            self.visit(child[z_left], {**shown, player: False})

    def earn(self, leaf: int, shown: dict[int, bool]) -> None:
        """Share a leaf among the players that were decided."""
        with_x = sum(shown.values())
        with_z = len(shown) - with_x
        for player, is_shown in shown.items():
            weight = shapley_weight(with_x - 1, with_z) if is_shown else -shapley_weight(with_x, with_z - 1)
            self.values[player] += weight * self.trees.value[leaf]
