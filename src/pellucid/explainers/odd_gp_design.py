"""Which pairs of coalitions are asked for: those that leave the least variance in the Shapley values.

Under the geometric prior, in which all players are alike, the variance that a pair takes away is known before any value
is. Pairs are taken one by one from a pool, the best at each step: halves of the players in which every two and every
three meet about equally often, and single players. Every beginning of the sequence is a design, and none depends on a
game.
"""

from functools import lru_cache

import numpy as np

from pellucid._base.randomness import stream
from pellucid._base.typing import Bool2, Float1, Float2
from pellucid.explainers.coalitions import PairDesign, pair_design, pairs_of_two
from pellucid.explainers.odd_gp import DUST, Prior, factorised
from pellucid.explainers.products import forward, times

SHARE = 0.25
"""Share of the geometric prior: interactions matter, so that no design is chosen as if there were none."""
POOL = 8
"""Candidates for each pair that is taken, as long as they are at most `MOST_CANDIDATES`."""
MOST_CANDIDATES = 4096
MOST_STEPS = 512
"""Pairs taken one by one, as long as steps times candidates times players are at most `MOST_WORK`.

The others are the best of what is left.
"""
MOST_WORK = 1 << 28
AHEAD = 16
"""Candidates whose covariances are made at once; those with the largest gains are mostly the next ones to be taken."""
TIE = 1e-9
"""Gains that differ by a smaller share are alike: players are, so ties are common, and rounding must not break them."""


@lru_cache(maxsize=16)
def best_pairs(n: int, pairs: int, random_state: int, *, complete: bool = False) -> PairDesign:
    """Return `pairs` distinct pairs for `n` players; a `complete` design begins with all coalitions of one and two."""
    begun = pair_design(n, pairs_of_two(n), random_state, complete=True).shown if complete else np.zeros((0, n), bool)
    candidates = max(2 * pairs, min(POOL * pairs, MOST_CANDIDATES))
    shown = np.concatenate([begun, without(_pool(n, candidates, random_state), begun)])
    shown = shown[_best(shown, len(begun), pairs)]
    size = shown.sum(axis=1)
    shown.flags.writeable = size.flags.writeable = False
    return PairDesign(shown, size)


def complete_after(design: PairDesign) -> tuple[PairDesign, int]:
    """Return the complete design that begins longest like `design`, and how many pairs the two have in common.

    It has as many pairs, at least `pairs_of_two(n)`: after the beginning come all coalitions of one and two players
    that are missing there.
    """
    n, pairs = design.n_players, len(design.size)
    twos = pair_design(n, pairs_of_two(n), 0, complete=True).shown
    common = int(np.searchsorted(np.cumsum(design.size > 2), pairs - len(twos), side="right"))
    shown = np.concatenate([design.shown[:common], without(twos, design.shown[:common])])
    return PairDesign(shown, shown.sum(axis=1)), common


def _pool(n: int, candidates: int, random_state: int) -> Bool2:
    """Single players and coalitions of any players, drawn from all alike; all there are where these are not many more.

    Most are about halves: at any other size the same pairs tell less.
    """
    if 2 ** min(n - 1, 40) <= 2 * candidates:
        return pair_design(n, 2 ** (n - 1) - 1, random_state).shown
    drawn = stream(random_state, f"shapley.candidates.{n}").random((candidates, n)) < 0.5
    size = drawn.sum(axis=1)
    drawn[(2 * size > n) | ((2 * size == n) & ~drawn[:, 0])] ^= True
    _, first = np.unique(drawn, axis=0, return_index=True)
    drawn = drawn[np.sort(first)]
    return np.concatenate([np.eye(n, dtype=bool), drawn[drawn.sum(axis=1) > 1]])


def without(shown: Bool2, known: Bool2) -> Bool2:
    """Coalitions that are not among the known ones."""
    seen = {one.tobytes() for one in known}
    return shown[[one.tobytes() not in seen for one in shown]]


def _best(shown: Bool2, begun: int, pairs: int) -> list[int]:
    """Positions of the pairs that are begun with and of the best after them."""
    signs = np.concatenate([np.ones((1, shown.shape[1])), np.where(shown, 1.0, -1.0)])
    steps = min(pairs - begun, MOST_STEPS, MOST_WORK // signs.size)
    candidates = _Candidates(signs, begun + 1, steps)
    for _ in range(steps):
        gain = _gain(candidates)
        # the first of those that rounding alone tells apart
        candidates.take(int((gain >= gain.max() * (1.0 - TIE)).argmax()))
    gain = _gain(candidates)
    gain = np.round(gain / (TIE * gain.max()))
    # Single players would all be taken sooner or later: they come before the others that are left.
    gain[(gain >= 0) & ((signs > 0).sum(axis=1) == 1)] = np.inf
    rest = np.argsort(-gain, kind="stable")[: pairs - begun - steps]
    return [position - 1 for position in (*candidates.taken[1:], *rest.tolist())]


def _gain(candidates: "_Candidates") -> Float1:
    """Variance of all Shapley values together that knowing a candidate takes away; none where it is known."""
    gain = candidates.squares / np.maximum(candidates.variance, DUST)
    gain[candidates.taken] = -1.0
    return np.asarray(gain)


class _Candidates:
    """What is left to know of candidates, given those that were taken, by pivoted Cholesky factorisation.

    A candidate that is taken has a row r, its covariances with all others by its standard deviation, and a direction d,
    those with the Shapley values. It takes ``r²`` from the others' variances and ``r d`` from the others' covariances V
    with the Shapley values. All that was taken before must be taken from the r and V of the next one; for several that
    are likely to be next this is one product of matrices, and only the few steps since are made up for one by one.

    Parameters
    ----------
    signs : float64 array of shape (candidates, players)
    begun : int
        How many of the first are taken together.
    steps : int
        How many more will be taken.

    Attributes
    ----------
    taken : list of int
    variance, squares : float64 arrays of shape (candidates,)
        Of the odd part; and ``V·V``.
    """

    def __init__(self, signs: Float2, begun: int, steps: int) -> None:
        n, self._signs = signs.shape[1], signs
        prior = Prior.geometric(n, SHARE)
        # All players are alike, so a covariance depends on s·t alone: here it stands for s·t = -n, 2 - n, …, n.
        self._of_product = prior.between(np.where(np.tri(n + 1, n, -1) > 0, 1.0, -1.0), np.ones((1, n)))[:, 0]
        self.taken = list(range(begun))
        lower = factorised(prior.covariance(signs[:begun]))
        self._rows = np.zeros((len(signs), begun + steps))
        self._rows[:, :begun] = forward(lower, prior.between(signs[:begun], signs)).T
        whole = prior.shapley(signs)
        self._to_values = whole - times(self._rows[:, :begun], forward(lower, whole[:begun]))
        self.variance = prior.variance - np.einsum("jt,jt->j", self._rows, self._rows)
        self.squares = np.einsum("jp,jp->j", self._to_values, self._to_values)
        self._ahead: list[int] = []
        self._since = _Steps(begun, 0, len(signs), n)

    def take(self, best: int) -> None:
        """Take a candidate."""
        if best not in self._ahead or self._since.full:
            self._look_ahead(best)
        place, since = self._ahead.index(best), self._since
        deviation = np.sqrt(max(self.variance[best], DUST))
        own = since.rows[:, best]
        direction = (self._to_values[best] - own @ since.directions) / deviation
        row = (self._covariances[place] - own @ since.rows) / deviation
        # V·d of every candidate: V and d as they were when looked ahead, less what each step since took from either.
        lost = since.along[:, best] - own * np.einsum("sp,sp->s", since.directions, since.directions)
        along = (self._products[place] - own @ since.along - lost @ since.rows) / deviation
        self.squares -= row * (2.0 * along - row * (direction @ direction))
        self.variance -= row**2
        since.add(row, along, direction)
        self.taken.append(best)

    def _look_ahead(self, best: int) -> None:
        """Take all that was taken before from the best and from others whose turn may soon come."""
        now, since = len(self.taken), self._since
        self._rows[:, since.first : now] = since.rows.T
        self._to_values -= times(since.rows.T, since.directions)
        self.squares = np.einsum("jp,jp->j", self._to_values, self._to_values)
        likely = np.argpartition(-_gain(self), min(AHEAD, len(self.squares)) - 1)[: AHEAD - 1]
        self._ahead = [best, *likely.tolist()]
        same = (times(self._signs, self._signs[self._ahead].T) + self._signs.shape[1]) / 2.0
        before = times(self._rows[:, :now], self._rows[self._ahead, :now].T)
        self._covariances = np.ascontiguousarray((self._of_product[same.astype(np.intp)] - before).T)
        self._products = np.ascontiguousarray(times(self._to_values, self._to_values[self._ahead].T).T)
        self._since = _Steps(now, AHEAD, len(self._signs), self._signs.shape[1])


class _Steps:
    """Rows, directions d and products ``V·d`` of the candidates taken since a step."""

    def __init__(self, first: int, most: int, candidates: int, players: int) -> None:
        self.first, self._count = first, 0
        self._rows, self._along = np.empty((2, most, candidates))
        self._directions = np.empty((most, players))

    @property
    def full(self) -> bool:
        """Whether there is room for no more."""
        return self._count == len(self._rows)

    @property
    def rows(self) -> Float2:
        """Of shape (steps, candidates)."""
        return self._rows[: self._count]

    @property
    def along(self) -> Float2:
        """Of shape (steps, candidates)."""
        return self._along[: self._count]

    @property
    def directions(self) -> Float2:
        """Of shape (steps, players)."""
        return self._directions[: self._count]

    def add(self, row: Float1, along: Float1, direction: Float1) -> None:
        """Add a step."""
        self._rows[self._count], self._along[self._count], self._directions[self._count] = row, along, direction
        self._count += 1
