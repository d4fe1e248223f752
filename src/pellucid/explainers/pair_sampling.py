"""Order-2 Shapley interactions of any model from sampled coalitions.

Up to 1,024 coalitions a Gaussian process answers (`pair_process`); beyond, its matrix is too large. There the
interaction index of a pair, a weighted sum over all coalitions, is estimated from a sample with known chances, and the
Shapley values with it, without bias: SHAP-IQ (Fumagalli et al., 2023, theorem 4.1). The sum is not taken over the game
but over what a quadratic surrogate leaves of it; the surrogate's own interactions are its coefficients. It is fitted to
one half of the sample and corrected on the other, and the other way round, so nothing is corrected on what it was
fitted to. Coalitions come with their complements; those of one player, or all but one, are all evaluated.
"""

from dataclasses import dataclass

import numpy as np

from pellucid._base.errors import UnsupportedRequestError
from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Bool2, Float1, Float2, Int1
from pellucid.explainers.base import Attribution, Question
from pellucid.explainers.estimation import watched_map
from pellucid.explainers.exact import Enumeration, interactions_of
from pellucid.explainers.interactions import check_size
from pellucid.explainers.pair_process import MOST, PairProcess, errors_of, matrix_of
from pellucid.explainers.products import solve, times
from pellucid.explanation import Evaluations
from pellucid.games import MarginalGame, RowGames
from pellucid.games.marginal import marginal_game
from pellucid.table import Table

FITTED = 768
"""Coalitions that the surrogate is fitted to at most."""
RIDGES = (1e-6, 1e-4, 1e-2, 1.0)
"""Penalties that leave-one-out errors choose from, in shares of the prior's variance."""
MOST_TERMS = 1 << 26
"""Terms, coalitions times pairs, that are kept in memory."""


@dataclass(frozen=True, eq=False)
class SampledPairs:
    """Order-2 k-SII by sampling, ready for rows; rows with few features that matter are enumerated."""

    question: Question
    game: MarginalGame
    budget: int

    @classmethod
    def of(cls, question: Question, budget: int) -> "SampledPairs":
        """Prepare the game."""
        game = marginal_game(question.model, question.background, question.space, method="shapley")
        return cls(question, game, budget)

    def interactions(self, X: Table) -> tuple[Array, Array, Attribution]:
        """Estimate interactions (rows, features, features, outputs), their standard errors, and their sums.

        Raises
        ------
        UnsupportedRequestError
            When the budget is too small for the number of features, or the pairs too many for the budget.
        """
        games = self.game.rows(X)
        rows, players = games.relevant.shape
        shape = (rows, players, players, games.full.shape[1])
        check_size(2 * rows, players, shape[3] * players)
        designs = {n: self._design(n) for n in np.unique(games.relevant.sum(axis=1)).tolist() if n}

        def work(row: int) -> tuple[Array, Array, int]:
            n = int(games.relevant[row].sum())
            return designs[n].estimate(games, row) if n else (np.zeros((0, 0, shape[3])), np.zeros((0, 0, shape[3])), 0)

        values, std_error, cost = np.zeros(shape), np.zeros(shape), games.fixed_cost
        for row, (found, error, spent) in enumerate(watched_map(work, range(rows), self.question)):
            place = np.ix_(games.relevant[row], games.relevant[row])
            values[row][place], std_error[row][place] = found, error
            cost += spent
        sums = Attribution(
            values=values.sum(axis=2),
            base_values=games.empty,
            sums=False,
            evaluations=Evaluations(coalitions=self.budget, model_rows=cost),
            background=games.background_in_words,
            reason=f"Pairs are estimated from {self.budget} coalitions a row; the residual is the error of their sum.",
        )
        return values, std_error, sums

    def _design(self, n: int) -> "_Design | _Every | PairProcess":
        if 2**n <= self.budget:
            return _Every(n)
        if self.budget < 8 * n:
            raise UnsupportedRequestError(
                f"interactions of {n} features need at least {8 * n} coalitions a row; got {self.budget}. "
                f"Pass budget={8 * n} or more."
            )
        if self.budget <= MOST:
            return PairProcess(n, self.budget, self.question.random_state)
        if self.budget * n * n // 2 > MOST_TERMS:
            raise UnsupportedRequestError(
                f"interactions of {n} features from {self.budget} coalitions take too much memory. Pass budget="
                f"{2 * MOST_TERMS // n**2} or less, or explain groups of features."
            )
        return _Design(n, self.budget, self.question.random_state)


@dataclass(frozen=True, eq=False)
class _Every:
    """All coalitions of a few players."""

    n: int

    def estimate(self, games: RowGames, row: int) -> tuple[Array, Array, int]:
        plan = Enumeration(self.n)
        values = np.concatenate([games.values(row, block) for block in plan.blocks(0)])
        shapley = plan.solve(0, values, games.empty[row], games.full[row]).values
        found = interactions_of(values, shapley)
        return found, np.zeros_like(found), 2**self.n * games.cost_of_one


class _Design:
    """Coalitions for n players, the same for every row, and what belongs to them.

    Terms are the n Shapley values and the n (n - 1) / 2 interactions, in this order.
    """

    def __init__(self, n: int, budget: int, random_state: int) -> None:
        self.n, self.pairs = n, np.triu_indices(n, 1)
        ends = np.array([[False] * n, [True] * n])
        border = np.concatenate([ends, np.eye(n, dtype=bool), ~np.eye(n, dtype=bool)])
        sizes = np.arange(2, n - 1)
        spread = np.sqrt(1 / sizes**2 + 1 / (n - sizes) ** 2 + 2 / (sizes * (n - sizes)))
        chance = (spread + spread[::-1]) / (spread + spread[::-1]).sum()
        drawn = self._drawn(sizes, chance, (budget - 2 * n) // 4 * 2, random_state)
        self.coalitions = np.concatenate([border, drawn, ~drawn])
        self._border, self._half = len(border), len(drawn)
        self._exact = self._weights(border) / _number(n, border.sum(axis=1))[:, None]
        size = drawn.sum(axis=1)
        at = chance[size - 2][:, None]
        self._sampled = self._weights(drawn) / at, self._weights(~drawn) / at
        self._folds = [np.arange(fold, self._half, 2) for fold in (0, 1)]
        self._fits = [_Surrogate.of(self.coalitions[self._fitted(fold)]) for fold in (0, 1)]

    def _drawn(self, sizes: Int1, chance: Float1, count: int, random_state: int) -> Bool2:
        rng = stream(random_state, f"interactions.{self.n}")
        size = np.searchsorted(np.cumsum(chance)[:-1], (np.arange(count) + rng.random()) / count)
        ranks = rng.permuted(np.tile(np.arange(self.n), (count, 1)), axis=1)
        return np.asarray(ranks < rng.permutation(sizes[size])[:, None])

    def _fitted(self, fold: int) -> Int1:
        """Coalitions that the surrogate for a fold is fitted to: the border and pairs of the other fold."""
        others = self._border + self._folds[1 - fold][: max(1, (FITTED - self._border) // 2)]
        return np.concatenate([np.arange(self._border), others, others + self._half])

    def _weights(self, shown: Bool2) -> Float2:
        """What a coalition's value is weighed with in each term, times the number of coalitions of its size."""
        n, (i, j) = self.n, self.pairs
        size = shown.sum(axis=1).astype(float)[:, None]
        alone = np.where(shown, 1 / np.maximum(size, 1), -1 / np.maximum(n - size, 1))
        both = shown[:, i].astype(np.int8) + shown[:, j]
        scale = np.array([(n - size) * (n - size - 1), -size * (n - size), size * (size - 1)])[..., 0]
        inverse = np.divide(n, scale, out=np.zeros_like(scale), where=scale != 0)
        return np.concatenate([alone, inverse[both, np.arange(len(shown))[:, None]]], axis=1)

    def estimate(self, games: RowGames, row: int) -> tuple[Array, Array, int]:
        """Estimate one row: the matrix, its errors and the model rows spent."""
        values = games.values(row, self.coalitions)
        found, variance = [], []
        for fold, (members, surrogate) in enumerate(zip(self._folds, self._fits, strict=True)):
            terms, fitted = surrogate.fit(values[self._fitted(fold)], self.coalitions)
            rest = values - fitted
            pair = self._border + members
            first, second = (weights[members] for weights in self._sampled)
            moved = np.stack([(first * rest[pair, k, None] + second * rest[pair + self._half, k, None]) / 2
                              for k in range(values.shape[1])], axis=2)  # fmt: skip
            found.append(terms + times(self._exact.T, rest[: self._border]) + moved.mean(axis=0))
            variance.append(moved.var(axis=0, ddof=1) / len(members))
        mean, error = np.mean(found, axis=0), np.sqrt(np.sum(variance, axis=0)) / 2
        return matrix_of(mean, self.n), errors_of(error, self.n), len(self.coalitions) * games.cost_of_one


def _number(n: int, sizes: Int1) -> Float1:
    """Coalitions of each size, of those sizes that the border has."""
    return np.where((sizes == 0) | (sizes == n), 1.0, float(n))


@dataclass(frozen=True, eq=False)
class _Surrogate:
    """A ridge regression on the Walsh functions of order 1 and 2, in its dual form, for several penalties."""

    features: Float2
    inverses: tuple[Float2, ...]

    @classmethod
    def of(cls, shown: Bool2) -> "_Surrogate":
        features = _walsh(shown)
        kernel = times(features, features.T)
        scale, one = float(np.diag(kernel).mean()), np.eye(len(kernel))
        return cls(features, tuple(solve(kernel + ridge * scale * one, one) for ridge in RIDGES))

    def fit(self, values: Float2, shown: Bool2) -> tuple[Float2, Float2]:
        """Fit (coalitions, outputs); the surrogate's Shapley values and interactions, and its values of `shown`."""
        n, centre = shown.shape[1], values.mean(axis=0)
        duals = np.stack([times(inverse, values - centre) for inverse in self.inverses])
        left_out = duals / np.stack([np.diag(inverse) for inverse in self.inverses])[:, :, None]
        best = (left_out**2).mean(axis=1).argmin(axis=0)
        coefficients = times(self.features.T, duals[best, :, np.arange(len(best))].T)
        fitted = centre + times(_walsh(shown), coefficients)
        scale = np.sqrt(_prior(n))[:, None] * coefficients
        return np.concatenate([2.0 * scale[1 : n + 1], 4.0 * scale[n + 1 :]]), fitted


def _walsh(shown: Bool2) -> Float2:
    """One, signs of players and products of two of them, each times the root of its prior variance."""
    signs, (i, j) = np.where(shown, 1.0, -1.0), np.triu_indices(shown.shape[1], 1)
    one = np.ones((len(shown), 1))
    return np.asarray(np.concatenate([one, signs, signs[:, i] * signs[:, j]], axis=1) * np.sqrt(_prior(shown.shape[1])))


def _prior(n: int) -> Float1:
    """Prior variance of each Walsh coefficient: all pairs together as much as all players, and the constant."""
    return np.concatenate([[float(n)], np.ones(n), np.full(n * (n - 1) // 2, 2.0 / max(1, n - 1))])
