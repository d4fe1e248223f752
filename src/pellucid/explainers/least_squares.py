"""Paired least squares on the Shapley kernel, with standard errors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pellucid._base.typing import Bool2, Float1, Float2
from pellucid.explainers.base import Question
from pellucid.explainers.coalitions import PairDesign
from pellucid.explainers.estimation import Estimate
from pellucid.explainers.products import column_sums, times


class PairedLeastSquares:
    """The Shapley-kernel regression on pairs of complementary coalitions, in nested doublings.

    With s = 2z - 1 and the odd part g(s) = (v(S) - v(S^c)) / 2, the Shapley values minimise
    ``Σ w (g - ½ s·φ)²`` subject to ``Σ φ = v(N) - v(∅)`` (Charnes et al., 1988; Covert and Lee, 2021,
    section 4). Writing ``φ = (v(N) - v(∅)) / n + θ`` with ``Σ θ = 0`` leaves a linear map from the
    observed g to θ, the same for every row. Standard errors are the sandwich of that map with residuals
    corrected for leverage (MacKinnon and White, 1985, HC3) and for sampling without replacement.

    Parameters
    ----------
    design : PairDesign
    levels : sequence of int
        Pairs at each level, ascending.
    """

    exact = False
    together = True

    def __init__(self, design: PairDesign, levels: Sequence[int]) -> None:
        self.design, self.pairs = design, levels
        self.n_coalitions = tuple(2 * m + 2 for m in self.pairs)
        # The sum is put right at the end, so only the players' own additions are left.
        self.rounding_terms = 4 * design.n_players
        self._maps: dict[int, _LinearMap] = {}

    def blocks(self, level: int) -> Iterator[Bool2]:
        """Yield the level's new pairs: all smaller coalitions, then their complements."""
        first = self.pairs[level - 1] if level else 0
        shown = self.design.shown[first : self.pairs[level]]
        yield np.concatenate([shown, ~shown])

    def solve(self, level: int, values: Float2, empty: Float1, full: Float1) -> Estimate:
        """Least squares and its sandwich, in a fixed order of operations."""
        return self.solve_odd(level, self.odd(level, values), full - empty)[0]

    def odd(self, level: int, values: Float2) -> Float2:
        """Odd parts of the pairs known at a level, from the values of the blocks."""
        bounds = [0, *self.pairs[: level + 1]]
        return np.concatenate([(values[2 * a : a + b] - values[a + b : 2 * b]) / 2 for a, b in pairwise(bounds)])

    def solve_odd(self, level: int, odd: Float2, total: Float1) -> tuple[Estimate, Float1]:
        """Estimate from odd parts, and the leave-one-out error of each output."""
        if level not in self._maps:
            m = self.pairs[level]
            self._maps[level] = _LinearMap.of(self.design.shown[:m], *self.design.weights(m))
        return self._maps[level].solve(odd, total)


def levels(n: int, pairs: int, question: Question) -> list[int]:
    """Return ascending numbers of pairs to stop at, the last one `pairs`; without a tolerance there is no other."""
    found = [pairs]
    while question.tol is not None and found[0] // 2 >= 2 * n:
        found.insert(0, found[0] // 2)
    return found


@dataclass(frozen=True, eq=False)
class _LinearMap:
    """From odd parts (pairs, outputs) to centred Shapley values (players, outputs)."""

    mean_sign: Float1
    centred: Float2
    to_values: Float2
    to_variance: Float2
    leverage: Float1

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
        return cls(mean, centred, to_values, (to_values * corrected) ** 2, leverage)

    def solve(self, odd: Float2, total: Float1) -> tuple[Estimate, Float1]:
        """Estimate games side by side, and the mean squared error of leaving out each pair in turn (outputs,)."""
        n = self.to_values.shape[0]
        observed = odd - self.mean_sign[:, None] * total
        theta = times(self.to_values, observed)
        residual = observed - times(self.centred, theta)
        variance = times(self.to_variance, residual**2)
        values = theta + (total - column_sums(theta)) / n
        left_out = residual / np.maximum(1.0 - self.leverage, 1e-3)[:, None]
        return Estimate(values, np.sqrt(variance)), column_sums(left_out**2) / len(left_out)
