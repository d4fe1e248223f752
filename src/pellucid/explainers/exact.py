"""Exact Shapley values by evaluating every coalition."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb
from typing import ClassVar

import numpy as np

from pellucid._base.errors import UnsupportedRequestError
from pellucid._base.typing import Array, Bool2, Float1, Float2
from pellucid.explainers.base import Attribution, Needs, Question
from pellucid.explainers.estimation import Estimate, by_count, estimate_rows, rounding_bound, watched_map
from pellucid.explainers.interactions import check_size
from pellucid.explanation import Evaluations
from pellucid.games import MarginalGame
from pellucid.games.marginal import marginal_game
from pellucid.table import Table

DEFAULT_LIMIT = 1 << 14
"""Coalitions per row that are enumerated without being asked for by a budget."""
MOST_PLAYERS = 24
"""2^24 coalitions are the most whose values and masks are kept in memory."""


class Enumeration:
    """All coalitions of n players; coalition number c shows player i when bit i of c is set."""

    exact = True
    together = False

    def __init__(self, n: int) -> None:
        self.n = n
        self.n_coalitions: tuple[int, ...] = (2**n,)
        # Pairwise sums of 2^(n-1) weighed differences, for each of n players.
        self.rounding_terms = 4 * n * (n + 16)

    def blocks(self, level: int) -> Iterator[Bool2]:  # noqa: ARG002 - there is one level
        """Yield all coalitions, in blocks of at most 2^16."""
        for first in range(0, 2**self.n, 1 << 16):
            numbers = np.arange(first, min(2**self.n, first + (1 << 16)))
            yield (numbers[:, None] >> np.arange(self.n)) & 1 == 1

    def solve(self, level: int, values: Float2, empty: Float1, full: Float1) -> Estimate:  # noqa: ARG002
        """Shapley (1953): the weighted mean of what each player adds to the coalitions without it.

        Differences are taken before they are weighed, so a player that changes nothing gets exactly 0.
        """
        n, outputs = self.n, values.shape[1]
        sizes = _bit_counts(n - 1)
        weights = np.array([1.0 / (n * comb(n - 1, size)) for size in range(n)])[sizes]
        shapley = np.empty((n, outputs))
        for player in range(n):
            halves = values.reshape(2 ** (n - 1 - player), 2, 2**player, outputs)
            added = (halves[:, 1] - halves[:, 0]).reshape(-1, outputs)
            shapley[player] = [np.sum(weights * added[:, k]) for k in range(outputs)]
        return Estimate(shapley, np.zeros_like(shapley))


def interactions_of(values: Float2, shapley: Float2) -> Array:
    """Order-2 k-SII of a game from the values of all coalitions, of shape (n, n, outputs).

    The Shapley interaction index of a pair (Grabisch and Roubens, 1999) is the weighted mean of
    ``v(S + ij) - v(S + i) - v(S + j) + v(S)``. Half of it stands on each side of the diagonal; the diagonal has what is
    left of the Shapley value, so lines add up to Shapley values (Bordt and von Luxburg, 2023, for n-Shapley values).
    """
    n, outputs = shapley.shape
    found = np.zeros((n, n, outputs))
    weights = (
        np.array([1.0 / ((n - 1) * comb(n - 2, size)) for size in range(n - 1)])[_bit_counts(n - 2)] if n > 1 else 0
    )
    for j in range(n):
        for i in range(j):
            four = values.reshape(2 ** (n - 1 - j), 2, 2 ** (j - 1 - i), 2, 2**i, outputs)
            second = (four[:, 1, :, 1] - four[:, 0, :, 1]) - (four[:, 1, :, 0] - four[:, 0, :, 0])
            added = second.reshape(-1, outputs)
            found[i, j] = found[j, i] = [np.sum(weights * added[:, k]) / 2 for k in range(outputs)]
    found[np.arange(n), np.arange(n)] = shapley - found.sum(axis=1)
    return found


def _bit_counts(n: int) -> Array:
    """Count the set bits of 0 … 2^n - 1."""
    counts = np.zeros(1, dtype=np.int64)
    for _ in range(n):
        counts = np.concatenate([counts, counts + 1])
    return counts


@dataclass(frozen=True)
class Exact:
    """Shapley values of the marginal game by evaluating all 2^players coalitions of every row.

    Players whose cell equals that of every background row are left out; their value is exactly 0.

    Examples
    --------
    >>> import pellucid, numpy as np
    >>> explanation = pellucid.explain(
    ...     lambda X: X[:, 0] * X[:, 1], np.array([[2.0, 3.0]]), background=np.zeros((1, 2)), method="exact"
    ... )
    >>> explanation.values.ravel()
    array([3., 3.])
    """

    name: ClassVar[str] = "exact"
    needs: ClassVar[Needs] = "predict"
    summary: ClassVar[str] = "exact values of any model with few features, by evaluating every coalition"

    def bind(self, question: Question) -> "ExactBound":
        """Prepare the game."""
        game = marginal_game(question.model, question.background, question.space, method=self.name)
        return ExactBound(question, game)


@dataclass(frozen=True, eq=False)
class ExactBound:
    """`Exact`, ready for rows."""

    question: Question
    game: MarginalGame

    symmetric: ClassVar[bool] = False

    def explain(self, X: Table, y: Array | None = None) -> Attribution:
        """Explain rows.

        Raises
        ------
        UnsupportedRequestError
            When there are more coalitions than the budget, or 2^14 without one.
        """
        return estimate_rows(self.question, self.game.rows(X, y), by_count(self._plan))

    def interactions(self, X: Table) -> tuple[Array, Attribution]:
        """Order-2 k-SII (rows, features, features, outputs), exact, and their sums; errors as in `explain`."""
        games = self.game.rows(X)
        rows, players = games.relevant.shape
        check_size(rows, players, games.full.shape[1])

        def work(row: int) -> tuple[Array, float]:
            if not games.relevant[row].any():  # a row that nothing can move has no players
                return np.zeros((0, 0, games.full.shape[1])), 0.0
            plan = self._plan(int(games.relevant[row].sum()))
            values = np.concatenate([games.values(row, block) for block in plan.blocks(0)])
            shapley = plan.solve(0, values, games.empty[row], games.full[row]).values
            return interactions_of(values, shapley), plan.rounding_terms * float(np.abs(values).max())

        pairs = np.zeros((rows, players, players, games.full.shape[1]))
        done = watched_map(work, range(rows), self.question)
        for row, (found, _) in enumerate(done):
            pairs[row][np.ix_(games.relevant[row], games.relevant[row])] = found
        coalitions = [2 ** int(one.sum()) for one in games.relevant]
        spent = sum(coalitions) * games.cost_of_one + games.fixed_cost
        sums = Attribution(
            values=pairs.sum(axis=2),
            base_values=games.empty,
            evaluations=Evaluations(coalitions=max(coalitions, default=0), model_rows=spent),
            bound=rounding_bound(games, max((terms for _, terms in done), default=0.0)),
            background=games.background_in_words,
        )
        return pairs, sums

    def _plan(self, n: int) -> Enumeration:
        budget = self.question.budget
        limit = DEFAULT_LIMIT if budget is None else budget
        if 2**n <= limit and n <= MOST_PLAYERS:
            return Enumeration(n)
        allow = "" if n > MOST_PLAYERS else f"Pass budget={2**n} to allow it, or use"
        raise UnsupportedRequestError(
            f"method='exact' needs 2^{n} coalitions for rows with {n} features that matter, "
            f"but the limit is {min(limit, 2**MOST_PLAYERS)}. {allow or 'Use'} method='shapley', which samples."
        )
