"""Which estimator answers: the odd Gaussian process or least squares, by leave-one-out error."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np

from pellucid._base.randomness import stream
from pellucid._base.typing import Bool1, Bool2, Float1, Float2, Int1
from pellucid.explainers.base import Question
from pellucid.explainers.coalitions import PairDesign, pair_design, pairs_of_two
from pellucid.explainers.estimation import Estimate, Fork
from pellucid.explainers.least_squares import PairedLeastSquares, levels
from pellucid.explainers.odd_gp import Posterior, Prior, average, expected_error, posteriors, strict_enough
from pellucid.explainers.odd_gp_design import best_pairs, complete_after
from pellucid.explainers.odd_gp_fit import fit_geometric, fit_prior
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
"""Two priors with a reach for each player are fitted: few players interact much, or all do about alike."""
STRICT = (1.0, 2.0**-4, 2.0**-8)
"""How much of what the geometric prior believes of order five and more it and its strict twins believe."""
BEGINNING = 2
"""A game fitted by itself chooses its design after so many pairs per player at least."""


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
        self._priors, self.together = priors, priors is not None
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
        answers = [posterior.solve(odd, total) for posterior in self._posteriors(level, odd)]
        smooth, error = average([*answers[: -len(STRICT)], strict_enough(answers[-len(STRICT) :])])
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
        """Variance that the priors but the strict ones leave in all Shapley values once the last level is known."""
        last = self._posteriors(len(self.n_coalitions) - 1)[: 1 - len(STRICT)]
        return float(np.log([posterior.variance.sum() + 1e-300 for posterior in last]).sum())

    def _posteriors(self, level: int, odd: Float2 | None = None) -> list[Posterior]:
        """Factorise a level when the first row gets there: most rows stop before the last, the dearest one."""
        shown = self._base.design.shown[: self._base.pairs[level]]
        if self._priors is None and odd is not None:
            some = _evenly(len(shown), FIT_PAIRS + shown.shape[1])
            return posteriors(fit_priors(shown[some], odd[some]), shown)
        with self._lock:
            if level not in self._known:
                self._known[level] = posteriors(((prior, 0) for prior in self._priors or ()), shown)
            return self._known[level]


def fit_priors(shown: Bool2, odd: Float2) -> list[tuple[Prior, int]]:
    """One prior for each spread, the geometric one and its strict twins, each with its number of hyper-parameters.

    None where no game changes anything.
    """
    n = shown.shape[1]
    # Powers of two change no bit of what is fitted, and keep squares in range.
    odd = np.ldexp(odd, -np.frexp(np.abs(odd).max(axis=0))[1])
    geometric = fit_geometric(shown, odd)
    if geometric is None:
        return []
    fitted = [(fit_prior(shown, odd, spread), n + 4) for spread in SPREADS]
    strict = [(replace(geometric, rough=geometric.rough * share), 1) for share in STRICT]
    return [*((prior, spent) for prior, spent in fitted if prior is not None), *strict]


def _evenly(pairs: int, most: int) -> Int1:
    """Positions of at most so many pairs, evenly over the design."""
    return np.asarray(np.arange(min(pairs, most)) * pairs // min(pairs, most))


@dataclass(frozen=True, eq=False)
class Fitted:
    """A plan for rows with these relevant players, and the model rows that its fit took."""

    plan: Chain | Fork
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
        return Fitted(_lone(n, pairs, question, choose=choose), relevant, 0)
    shown = pair_design(n, min(FIT_PAIRS + n, 2 ** min(n - 1, 40) - 1), question.random_state).shown
    games = game.rows(game.background.take(_fit_rows(game, question.random_state)))
    values, cost = games.evaluate([(row, np.concatenate([shown, ~shown])) for row in range(len(games))])
    odd = np.concatenate([(one[: len(shown)] - one[len(shown) :]) / 2 for one in values], axis=1)
    priors = [prior for prior, _ in fit_priors(shown, odd)]
    if not priors:
        return None
    designs, _ = _designs(n, pairs, question)
    chains = [Chain(PairedLeastSquares(one, levels(n, pairs, question)), priors, choose=choose) for one in designs]
    chain = min(chains, key=Chain.expected_error) if len(chains) > 1 else chains[0]
    return Fitted(chain, relevant, cost + games.fixed_cost)


def _designs(n: int, pairs: int, question: Question) -> tuple[list[PairDesign], int]:
    """The best pairs, all coalitions of two players among them where there is room.

    Where room is short these are two designs to choose from; the number is that of the pairs they begin with alike.
    With a tolerance rows stop at beginnings of the design, so it is the one whose beginnings are best.
    """
    complete = pairs >= ROOM * pairs_of_two(n) and question.tol is None
    best = best_pairs(n, pairs, question.random_state, complete=complete)
    if complete or pairs < pairs_of_two(n) or question.tol is not None:
        return [best], pairs
    other, common = complete_after(best)
    return [best, other], common


def _lone(n: int, pairs: int, question: Question, *, choose: bool) -> Chain | Fork:
    """Fit every game by itself; where two designs are to choose from, the pairs that both have tell a game's own.

    The geometric prior of these pairs tells which design leaves the smaller error.
    """
    designs, common = _designs(n, pairs, question)
    if len(designs) == 1 or common < BEGINNING * n:
        return Chain(PairedLeastSquares(designs[0], levels(n, pairs, question)), None, choose=choose)

    def take(values: Float2) -> int:
        some = _evenly(common, FIT_PAIRS + n)
        prior = fit_geometric(designs[0].shown[some], ((values[:common] - values[common:]) / 2)[some])
        return 0 if prior is None else int(np.argmin([expected_error(prior, one.shown) for one in designs]))

    return Fork([Chain(PairedLeastSquares(one, [common, pairs]), None, choose=choose) for one in designs], take)


def _fit_rows(game: MarginalGame, random_state: int) -> Int1:
    """Draw distinct background rows; to repeat rows of the background does not change the draw."""
    codes = game.background.codes(game.background.vocabulary())
    cells = np.concatenate([np.nan_to_num(codes), np.isnan(codes)], axis=1)
    _, first = np.unique(cells, axis=0, return_index=True)
    distinct = np.sort(first)
    chosen = stream(random_state, "shapley.fit").permutation(len(distinct))[:FIT_ROWS]
    return np.asarray(distinct[np.sort(chosen)])
