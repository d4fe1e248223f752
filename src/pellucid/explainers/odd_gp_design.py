"""Which pairs of coalitions are asked for: those that leave the least variance in the Shapley values.

Under the geometric prior, in which all players are alike, the variance that a pair takes away is known before any value
is. Pairs are taken one by one from a pool, the best at each step: halves of the players in which every two and every
three meet about equally often, and single players. Every beginning of the sequence is a design, and none depends on a
game.
"""

from functools import lru_cache

import numpy as np

from pellucid._base.randomness import stream
from pellucid._base.typing import Bool2, Float1, Int1
from pellucid._kernels import _native
from pellucid.explainers.coalitions import PairDesign, pair_design, pairs_of_two
from pellucid.explainers.odd_gp import DUST, Prior, factorised
from pellucid.explainers.products import forward, times
from pellucid.games.marginal import row_keys

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
    first: dict[bytes, int] = {}
    for place, key in enumerate(row_keys(drawn)):
        first.setdefault(key, place)
    drawn = drawn[list(first.values())]
    return np.concatenate([np.eye(n, dtype=bool), drawn[drawn.sum(axis=1) > 1]])


def without(shown: Bool2, known: Bool2) -> Bool2:
    """Coalitions that are not among the known ones."""
    seen = set(row_keys(known))
    return shown[[key not in seen for key in row_keys(shown)]]


def _best(shown: Bool2, begun: int, pairs: int) -> list[int]:
    """Positions of the pairs that are begun with and of the best after them."""
    n = shown.shape[1]
    shown = np.concatenate([np.ones((1, n), bool), shown])
    steps = min(pairs - begun, MOST_STEPS, MOST_WORK // shown.size)
    taken, gain = _take(shown, begun + 1, steps)
    known = [*range(begun + 1), *taken.tolist()]
    gain = np.round(gain / max(TIE * gain.max(), np.finfo(float).tiny))
    # Single players would all be taken sooner or later: they come before the others that are left.
    gain[shown.sum(axis=1) == 1] = np.inf
    gain[known] = -1.0
    rest = np.argsort(-gain, kind="stable")[: pairs - begun - steps]
    return [position - 1 for position in (*known[1:], *rest.tolist())]


def _take(shown: Bool2, begun: int, steps: int) -> tuple[Int1, Float1]:
    """Positions that are taken after those that are begun with, and what each other one would tell.

    What a candidate tells is the variance of all Shapley values together that knowing it takes away.
    """
    n, signs = shown.shape[1], np.where(shown, 1.0, -1.0)
    prior = Prior.geometric(n, SHARE)
    # All players are alike, so a covariance depends on how many of them only one of two coalitions shows.
    of_distance = prior.between(np.where(np.tri(n + 1, n, -1) > 0, -1.0, 1.0), np.ones((1, n)))[:, 0].copy()
    lower, whole = factorised(prior.covariance(signs[:begun])), prior.shapley(signs)
    rows = forward(lower, prior.between(signs[:begun], signs)).T
    values = whole - times(rows, forward(lower, whole[:begun]))
    return _native.take_best(shown, of_distance, prior.variance, rows, values, steps, TIE, DUST)
