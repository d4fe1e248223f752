"""Pairs of people from two groups, walked from one to the other feature by feature."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Bool2, Float1, Float2, Int1
from pellucid.table import Table

Outcome: TypeAlias = Callable[[Table, Int1], Float1]
"""What is compared, given rows (some of them hybrids) and the position of the person whom each of them stands for."""

MODEL_ROWS = 400_000
"""Hybrid rows that one split may ask the model about."""
MOST_ROUNDS = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """Weighted pairs of rows; both sides' weights add up to the same share for each of their rows.

    Parameters
    ----------
    first, second : int arrays of shape (pairs,)
        Positions of the rows in one table.
    weight : float array of shape (pairs,)
        Adds up to one.
    """

    first: Int1
    second: Int1
    weight: Float1

    @classmethod
    def coupled(cls, first: Int1, second: Int1, rng: np.random.Generator) -> "Pairs":
        """Pair every row of both groups at random, so that each group's weighted mean is its plain mean.

        Both groups are laid side by side on one unit of weight, in random order, and cut wherever either has a border:
        at most n + m − 1 pairs.
        """
        a, b = rng.permutation(first), rng.permutation(second)
        n, m = len(a), len(b)
        cuts = np.union1d(np.arange(n + 1) * m, np.arange(m + 1) * n)
        start = cuts[:-1]
        return cls(first=a[start // m], second=b[start // n], weight=np.diff(cuts) / (n * m))

    def mean(self, values: Float2) -> Float1:
        """Weighted mean over the pairs, for each column."""
        return np.asarray(np.einsum("p,pj->j", self.weight, values))

    def error(self, values: Float2) -> Float1:
        """Give the standard error of `mean` when the rows of both sides are drawn independently.

        Variance between first rows plus between second rows minus between pairs (Cameron, Gelbach and Miller 2011,
        equation 2.3), because a row may stand in several pairs.
        """
        centred = self.weight[:, None] * (values - self.mean(values))
        variance = sum(_clustered(centred, rows) for rows in (self.first, self.second))
        alone = (centred**2).sum(axis=0)
        return np.asarray(np.sqrt(np.maximum(variance - alone, 0.0)))


def _clustered(values: Float2, rows: Int1) -> Float1:
    _, code = np.unique(rows, return_inverse=True)
    sums = np.column_stack([np.bincount(code, weights=column) for column in values.T])
    return np.asarray((sums**2).sum(axis=0) * len(sums) / max(len(sums) - 1, 1))


def hybrids(table: Table, own: Int1, other: Int1, shown: Bool2) -> Table:
    """Return rows with the cells of `own` where `shown`, and of `other` elsewhere."""
    return table.gather(np.where(shown, own[:, None], other[:, None]))


def shapley_walks(
    table: Table, own: Int1, other: Int1, outcome: Outcome, *, random_state: int, purpose: str
) -> tuple[Float2, Float1]:
    """Split the step from each `other` row to its `own` row over the features.

    Every pair is walked along random orders of the features and back along the reverse of each (Castro, Gómez and
    Tejada 2009; antithetic as in Mitchell et al. 2022). The parts of a pair add up to its step exactly: they telescope.

    Returns
    -------
    parts : float array of shape (pairs, features)
        Estimates without bias of the Shapley values of each pair's game.
    start : float array of shape (pairs,)
        The outcome of the `other` rows.
    """
    pairs, features = len(own), table.n_columns
    ends = outcome(table.take(other), own), outcome(table.take(own), own)
    if features == 1:
        return (ends[1] - ends[0])[:, None], ends[0]
    rounds = int(np.clip(MODEL_ROWS // (2 * pairs * (features - 1)), 1, MOST_ROUNDS))
    rng = stream(random_state, purpose)
    total = np.zeros((pairs, features))
    for _ in range(rounds):
        order = rng.permuted(np.tile(np.arange(features), (pairs, 1)), axis=1)
        for path in (order, order[:, ::-1]):
            total += _walk(path, ends, lambda shown: outcome(hybrids(table, own, other, shown), own))
    return total / (2 * rounds), ends[0]


def _walk(path: Array, ends: tuple[Float1, Float1], outcome: Callable[[Bool2], Float1]) -> Float2:
    """Return each feature's step along the path, one path per pair."""
    pairs, features = path.shape
    everyone, shown = np.arange(pairs), np.zeros((pairs, features), dtype=bool)
    steps, before = np.empty((pairs, features)), ends[0]
    for t in range(features):
        shown[everyone, path[:, t]] = True
        after = ends[1] if t == features - 1 else outcome(shown)
        steps[everyone, path[:, t]] = after - before
        before = after
    return steps


def outcome_with(table: Table, pairs: Pairs, outcome: Outcome, shown: Sequence[int]) -> Float1:
    """Outcome of every pair when only the features at these positions are the first row's."""
    mask = np.zeros((len(pairs.first), table.n_columns), dtype=bool)
    mask[:, list(shown)] = True
    return outcome(hybrids(table, pairs.first, pairs.second, mask), pairs.first)
