"""Sampled Shapley values of any model, by paired least squares, with standard errors."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np

from pellucid._base.errors import UnsupportedRequestError
from pellucid._base.typing import Array, Bool2, Float1, Float2
from pellucid.explainers.base import Attribution, Needs, Question
from pellucid.explainers.coalitions import pair_design
from pellucid.explainers.estimation import Estimate, Plan, estimate_rows
from pellucid.explainers.exact import MOST_PLAYERS, Enumeration
from pellucid.games import MarginalGame
from pellucid.games.marginal import marginal_game
from pellucid.table import Table


def default_budget(n: int) -> int:
    """Coalitions per row for n players when the caller names none."""
    return 2048 + 2 * n


def smallest_budget(n: int) -> int:
    """Fewest coalitions per row: two pairs per player and the two ends, or all there are."""
    return min(2**n, 4 * n + 2) if n < 60 else 4 * n + 2


class PairedLeastSquares:
    """The Shapley-kernel regression on pairs of complementary coalitions, in nested doublings.

    With s = 2z - 1 and the odd part g(s) = (v(S) - v(S^c)) / 2, the Shapley values minimise
    ``Σ w (g - ½ s·φ)²`` subject to ``Σ φ = v(N) - v(∅)`` (Charnes et al., 1988; Covert and Lee, 2021,
    section 4). Writing ``φ = (v(N) - v(∅)) / n + θ`` with ``Σ θ = 0`` leaves a linear map from the
    observed g to θ, the same for every row. Standard errors are the sandwich of that map with residuals
    corrected for leverage (MacKinnon and White, 1985, HC3) and for sampling without replacement.

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

    def __init__(self, n: int, pairs: int, random_state: int, *, stops: bool = False) -> None:
        self.design = pair_design(n, pairs, random_state)
        self.pairs = [pairs]
        while stops and self.pairs[0] // 2 >= 2 * n:
            self.pairs.insert(0, self.pairs[0] // 2)
        self.n_coalitions = tuple(2 * m + 2 for m in self.pairs)
        # The sum is put right at the end, so only the players' own additions are left.
        self.rounding_terms = 4 * n
        self._maps = [_LinearMap.of(self.design.shown[:m], *self.design.weights(m)) for m in self.pairs]

    def blocks(self, level: int) -> Iterator[Bool2]:
        """Yield the level's new pairs: all smaller coalitions, then their complements."""
        first = self.pairs[level - 1] if level else 0
        shown = self.design.shown[first : self.pairs[level]]
        yield np.concatenate([shown, ~shown])

    def solve(self, level: int, values: Float2, empty: Float1, full: Float1) -> Estimate:
        """Least squares and its sandwich, in a fixed order of operations."""
        bounds = [0, *self.pairs[: level + 1]]
        odd = np.concatenate([(values[2 * a : a + b] - values[a + b : 2 * b]) / 2 for a, b in pairwise(bounds)])
        return self._maps[level].solve(odd, full - empty)


@dataclass(frozen=True, eq=False)
class _LinearMap:
    """From odd parts (pairs, outputs) to centred Shapley values (players, outputs)."""

    mean_sign: Float1
    centred: Float2
    to_values: Float2
    to_variance: Float2

    @classmethod
    def of(cls, shown: Bool2, weight: Float1, unknown: Float1) -> "_LinearMap":
        n = shown.shape[1]
        half_sign = np.where(shown, 0.5, -0.5)
        mean = half_sign.mean(axis=1)
        centred = half_sign - mean[:, None]
        weighed = centred * (weight / weight.sum())[:, None]
        gram = weighed.T @ centred
        # The constant direction is fixed by efficiency; filling it makes the matrix invertible.
        gram += np.trace(gram) / n**2
        to_values = np.ascontiguousarray(np.linalg.solve(gram, weighed.T))
        leverage = np.einsum("pj,jp->j", to_values, centred)
        # A leverage of one belongs to a pair that nothing else can check.
        corrected = np.sqrt(unknown) / np.maximum(1.0 - leverage, 1e-3)
        return cls(mean, centred, to_values, (to_values * corrected) ** 2)

    def solve(self, odd: Float2, total: Float1) -> Estimate:
        """Values and standard errors for one row."""
        n = self.to_values.shape[0]
        observed = odd - self.mean_sign[:, None] * total
        theta = np.einsum("pj,jk->pk", self.to_values, observed)
        residual = observed - np.einsum("jp,pk->jk", self.centred, theta)
        variance = np.einsum("pj,jk->pk", self.to_variance, residual**2)
        values = theta + (total - theta.sum(axis=0)) / n
        return Estimate(values, np.sqrt(variance))


@dataclass(frozen=True)
class Shapley:
    """Shapley values of the marginal game, by least squares on sampled pairs of coalitions.

    One seeded design serves all rows. The values of a row add up exactly; each has a standard error
    over the sampling of coalitions. Where the budget covers every coalition, all are evaluated and
    the values are exact. With ``tol``, a row's design doubles until ``1.96 * std_error < tol`` for all
    its values.

    Examples
    --------
    >>> import pellucid, numpy as np
    >>> X = np.random.default_rng(0).normal(size=(50, 16))
    >>> explanation = pellucid.explain(
    ...     lambda X: np.tanh(X.sum(axis=1)), X[:2], background=X, method="shapley", budget=500
    ... )
    >>> bool(explanation.std_error.max() < 0.05)
    True
    """

    name: ClassVar[str] = "shapley"
    needs: ClassVar[Needs] = "predict"
    summary: ClassVar[str] = "sampled Shapley values of any model, by paired least squares, with standard errors"

    def bind(self, question: Question) -> "ShapleyBound":
        """Prepare the game."""
        game = marginal_game(question.model, question.background, question.space, method=self.name)
        return ShapleyBound(question, game)


@dataclass(frozen=True, eq=False)
class ShapleyBound:
    """`Shapley`, ready for rows."""

    question: Question
    game: MarginalGame

    def explain(self, X: Table, y: Array | None = None) -> Attribution:
        """Explain rows.

        Raises
        ------
        UnsupportedRequestError
            When the budget is too small for the number of features.
        """
        return estimate_rows(self.question, self.game.rows(X, y), self._plan)

    def _plan(self, n: int) -> Plan:
        budget = default_budget(n) if self.question.budget is None else self.question.budget
        if n <= MOST_PLAYERS and 2**n <= budget:
            return Enumeration(n)
        if budget < smallest_budget(n):
            raise UnsupportedRequestError(
                f"method='shapley' needs at least {smallest_budget(n)} coalitions per row for {n} features that "
                f"matter; got budget={budget}. Pass budget={smallest_budget(n)} or more."
            )
        return PairedLeastSquares(n, (budget - 2) // 2, self.question.random_state, stops=self.question.tol is not None)
