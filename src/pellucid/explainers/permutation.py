"""Sampled Shapley values by antithetic permutations, for thousands of features."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid._base.errors import UnsupportedRequestError
from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Bool2, Float1, Float2, Int1
from pellucid.explainers.base import Attribution, Needs, Question
from pellucid.explainers.estimation import Estimate, by_count, estimate_rows
from pellucid.games import MarginalGame
from pellucid.games.marginal import marginal_game
from pellucid.table import Table

BLOCK = 1 << 10
"""Coalitions evaluated together: enough to fill a predict call, few enough for wide tables."""


def coalitions_of(n: int, pairs: int) -> int:
    """Coalitions that `pairs` antithetic permutations of n players visit."""
    return 2 * pairs * (n - 1) + 2


class AntitheticPermutations:
    """Pairs of a random order of the players and its reverse (Mitchell et al., 2022, section 4.1).

    Along an order each player is shown in turn, and gets what the output moves; the Shapley value is
    the mean over all orders (Castro et al., 2009). The pairs are independent, so the standard error
    is that of their mean, widened by Student's t so that 1.96 of it is a 95 % interval for few pairs too.

    Parameters
    ----------
    n : int
        Number of players.
    pairs : int
        Pairs at the last level.
    random_state : int
    stops : bool
        Whether there are levels to stop at before the last.
    """

    exact = False
    together = False

    def __init__(self, n: int, pairs: int, random_state: int, *, stops: bool = False) -> None:
        self.n = n
        self.pairs = [pairs]
        while stops and self.pairs[0] // 2 >= 8:
            self.pairs.insert(0, self.pairs[0] // 2)
        self.n_coalitions = tuple(coalitions_of(n, m) for m in self.pairs)
        # Each pair's moves add up to the whole, and the pairs are added up one by one.
        self.rounding_terms = 4 * (n + pairs)
        self._student = [_student(m) for m in self.pairs]
        rng = stream(random_state, f"permutation.orders.{n}")
        self.orders = np.stack([self.draw(rng) for _ in range(pairs)])

    def draw(self, rng: np.random.Generator) -> Int1:
        """Draw an order of the players."""
        return np.asarray(rng.permutation(self.n))

    def blocks(self, level: int) -> Iterator[Bool2]:
        """Yield, for each pair, the n - 1 coalitions along the order, then the n - 1 along its reverse."""
        first = self.pairs[level - 1] if level else 0
        step = max(1, BLOCK // (2 * self.n))
        for a in range(first, self.pairs[level], step):
            yield np.concatenate([along(order) for order in self.orders[a : min(a + step, self.pairs[level])]])

    def solve(self, level: int, values: Float2, empty: Float1, full: Float1) -> Estimate:
        """Mean and standard error over pairs."""
        m = self.pairs[level]
        by_pair = values.reshape(m, -1, values.shape[1])
        by_player = np.stack([moves(*pair, empty, full) for pair in zip(self.orders[:m], by_pair, strict=True)])
        mean = np.add.reduce(by_player, axis=0) / m
        spread = np.add.reduce((by_player - mean) ** 2, axis=0) / max(1, m - 1)
        return Estimate(mean, np.sqrt(spread / m) * self._student[level])


def _student(pairs: int) -> float:
    """Student's 97.5 % quantile over the normal one."""
    from scipy.special import ndtri, stdtrit  # a third party, loaded only where orders are sampled

    return float(stdtrit(pairs - 1, 0.975) / ndtri(0.975))


def moves(order: Int1, between: Float2, empty: Float1, full: Float1) -> Float2:
    """What each player moves, the mean of an order and its reverse, from the values of the coalitions `along` it."""
    n, outputs = len(order), between.shape[1]
    path = np.empty((2, n + 1, outputs))
    path[:, 0], path[:, -1] = empty, full
    path[:, 1:-1] = between.reshape(2, n - 1, outputs)
    moved = np.diff(path, axis=1)
    found = np.empty((n, outputs))
    found[order] = (moved[0] + moved[1, ::-1]) / 2
    return found


def along(order: Int1) -> Bool2:
    """Coalitions met along an order and along its reverse, the empty and the full one left out."""
    n = len(order)
    rank = np.empty(n, dtype=np.int64)
    rank[order] = np.arange(n)
    forward = rank < np.arange(1, n)[:, None]
    return np.concatenate([forward, ~forward[::-1]])


@dataclass(frozen=True)
class Permutation:
    """Shapley values of the marginal game, by sampled orders of the features.

    Needs 2 (n - 1) coalitions per pair of orders, and no system of equations, so it serves thousands of
    features. Values add up exactly and each has a standard error over the pairs.

    Examples
    --------
    >>> import pellucid, numpy as np
    >>> X = np.random.default_rng(0).normal(size=(20, 40))
    >>> explanation = pellucid.explain(lambda X: X.sum(axis=1), X[:2], background=X, method="permutation")
    >>> bool(np.allclose(explanation.values[:, :, 0], X[:2] - X.mean(axis=0)))
    True
    """

    name: ClassVar[str] = "permutation"
    needs: ClassVar[Needs] = "predict"
    summary: ClassVar[str] = "sampled Shapley values of any model, for very many features, with standard errors"

    def bind(self, question: Question) -> "PermutationBound":
        """Prepare the game."""
        game = marginal_game(question.model, question.background, question.space, method=self.name)
        return PermutationBound(question, game)


@dataclass(frozen=True, eq=False)
class PermutationBound:
    """`Permutation`, ready for rows."""

    question: Question
    game: MarginalGame

    def explain(self, X: Table, y: Array | None = None) -> Attribution:
        """Explain rows.

        Raises
        ------
        UnsupportedRequestError
            When the budget is too small for two pairs of orders.
        """
        return estimate_rows(self.question, self.game.rows(X, y), by_count(self._plan))

    def _plan(self, n: int) -> AntitheticPermutations:
        pairs = pairs_for(n, self.question)
        return AntitheticPermutations(n, pairs, self.question.random_state, stops=self.question.tol is not None)


def pairs_for(n: int, question: Question, name: str = Permutation.name) -> int:
    """Pairs of orders of n players that the budget pays for.

    Raises
    ------
    UnsupportedRequestError
        When they are fewer than two.
    """
    smallest = coalitions_of(n, 2)
    budget = question.budget
    if budget is None:
        budget = max(2048 + 2 * n, coalitions_of(n, 10))
    if budget < smallest:
        raise UnsupportedRequestError(
            f"method={name!r} needs at least {smallest} coalitions per row for {n} features that matter: "
            f"two pairs of orders, or there is no standard error; got budget={budget}. "
            f"Pass budget={smallest} or more."
        )
    return (budget - 2) // (2 * (n - 1)) if n > 1 else 2
