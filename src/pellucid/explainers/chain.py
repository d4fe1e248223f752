"""Which estimator answers: the odd Gaussian process or least squares, by leave-one-out error."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np

from pellucid._base.randomness import stream
from pellucid._base.typing import Bool1, Bool2, Float1, Float2, Int1
from pellucid.explainers.base import Question
from pellucid.explainers.coalitions import pair_design, pairs_of_two
from pellucid.explainers.estimation import Estimate
from pellucid.explainers.least_squares import PairedLeastSquares
from pellucid.explainers.odd_gp import Posterior, Prior, average
from pellucid.explainers.odd_gp_fit import fit_prior
from pellucid.games import MarginalGame
from pellucid.ir import Space

FIT_ROWS = 4
"""Background rows whose games the hyper-parameters are fitted to."""
FIT_PAIRS = 128
"""Pairs per fitted row, beyond one for every player."""
MOST_PAIRS = 4096
"""Beyond so many pairs the covariance matrix grows too large, and least squares answers."""
ROOM = 1.5
"""A complete design is considered when there are so many times more pairs than it needs: the others need some too."""
SPREADS = (3.0, 0.5)
"""Two priors are fitted and averaged: few players interact much, or all do about alike."""


class Chain:
    """Estimators on one design; every row and output is answered by the one with the least leave-one-out error.

    Parameters
    ----------
    base : PairedLeastSquares
        The design, and the estimator that is always there.
    priors : sequence of Prior or None
        None fits them to every game by itself, where no background tells of others like it.
    choose : bool
        Whether least squares competes.
    """

    exact = False

    def __init__(self, base: PairedLeastSquares, priors: Sequence[Prior] | None, *, choose: bool) -> None:
        self._base, self._choose = base, choose
        self.n_coalitions = base.n_coalitions
        self.rounding_terms = base.rounding_terms
        self._priors = priors
        self._known: dict[int, list[Posterior]] = {}
        self._lock = Lock()

    def blocks(self, level: int) -> Iterator[Bool2]:
        """Yield the level's new pairs."""
        return self._base.blocks(level)

    def solve(self, level: int, values: Float2, empty: Float1, full: Float1) -> Estimate:
        """Let the estimators answer, and take each output from the best."""
        odd, total = self._base.odd(level, values), full - empty
        if self._priors is None and not odd.any():
            return self._base.solve_odd(level, odd, total)[0]
        smooth, error = average([posterior.solve(odd, total) for posterior in self._posteriors(level, odd)])
        if not self._choose:
            return smooth
        linear, linear_error = self._base.solve_odd(level, odd, total)
        better = linear_error < error
        return Estimate(
            np.where(better, linear.values, smooth.values),
            np.where(better, linear.std_error, smooth.std_error),
            tuple("least_squares" if one else "odd_gp" for one in better.tolist()),
        )

    def expected_error(self) -> float:
        """Variance that the priors leave in all Shapley values together once the last level is known."""
        last = self._posteriors(len(self.n_coalitions) - 1)
        return float(np.log([posterior.variance.sum() + 1e-300 for posterior in last]).sum())

    def _posteriors(self, level: int, odd: Float2 | None = None) -> list[Posterior]:
        """Factorise a level when the first row gets there: most rows stop before the last, the dearest one."""
        shown = self._base.design.shown[: self._base.pairs[level]]
        if self._priors is None and odd is not None:
            most = FIT_PAIRS + shown.shape[1]
            return [Posterior.of(prior, shown) for prior in fit_priors(shown[:most], odd[:most])]
        with self._lock:
            if level not in self._known:
                self._known[level] = [Posterior.of(prior, shown) for prior in self._priors or ()]
            return self._known[level]


def fit_priors(shown: Bool2, odd: Float2) -> list[Prior]:
    """One prior for each spread; none where no game changes anything."""
    return [prior for spread in SPREADS if (prior := fit_prior(shown, odd, spread)) is not None]


@dataclass(frozen=True, eq=False)
class Fitted:
    """A chain for rows with these relevant players, and the model rows that its fit took."""

    chain: Chain
    relevant: Bool1
    model_rows: int


def fit_chain(game: MarginalGame, question: Question, pairs: int, *, choose: bool) -> Fitted | None:
    """Fit the chain for rows in which the players matter that vary in the background.

    None where the process cannot be fitted: nothing varies or changes the output, targets are needed, or there
    are too many pairs.
    """
    lone = len(_fit_rows(game, question.random_state)) < 2
    relevant = np.ones(game.n_players, dtype=bool) if lone else game.varying
    if not relevant.any() or pairs > MOST_PAIRS or game.space is Space.LOSS:
        return None
    n = int(relevant.sum())
    if lone:
        return Fitted(Chain(_designs(n, pairs, question)[0], None, choose=choose), relevant, 0)
    shown = pair_design(n, min(FIT_PAIRS + n, 2 ** min(n - 1, 40) - 1), question.random_state).shown
    games = game.rows(game.background.take(_fit_rows(game, question.random_state)))
    values, cost = games.evaluate([(row, np.concatenate([shown, ~shown])) for row in range(len(games))])
    odd = np.concatenate([(one[: len(shown)] - one[len(shown) :]) / 2 for one in values], axis=1)
    priors = fit_priors(shown, odd)
    if not priors:
        return None
    chains = [Chain(base, priors, choose=choose) for base in _designs(n, pairs, question)]
    chain = min(chains, key=Chain.expected_error) if len(chains) > 1 else chains[0]
    return Fitted(chain, relevant, cost + games.fixed_cost)


def _designs(n: int, pairs: int, question: Question) -> list[PairedLeastSquares]:
    """By leverage, and where the pairs allow it, with all coalitions of two players."""
    return [
        PairedLeastSquares(n, pairs, question.random_state, stops=question.tol is not None, complete=complete)
        for complete in ([False, True] if pairs >= ROOM * pairs_of_two(n) else [False])
    ]


def _fit_rows(game: MarginalGame, random_state: int) -> Int1:
    """Draw distinct background rows; to repeat rows of the background does not change the draw."""
    codes = game.background.codes(game.background.vocabulary())
    cells = np.concatenate([np.nan_to_num(codes), np.isnan(codes)], axis=1)
    _, first = np.unique(cells, axis=0, return_index=True)
    distinct = np.sort(first)
    chosen = stream(random_state, "shapley.fit").permutation(len(distinct))[:FIT_ROWS]
    return np.asarray(distinct[np.sort(chosen)])
