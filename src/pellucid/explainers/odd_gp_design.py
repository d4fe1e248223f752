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
    _, first = np.unique(drawn, axis=0, return_index=True)
    drawn = drawn[np.sort(first)]
    return np.concatenate([np.eye(n, dtype=bool), drawn[drawn.sum(axis=1) > 1]])


def without(shown: Bool2, known: Bool2) -> Bool2:
    """Coalitions that are not among the known ones."""
    seen = {one.tobytes() for one in known}
    return shown[[one.tobytes() not in seen for one in shown]]


def _best(shown: Bool2, begun: int, pairs: int) -> list[int]:
    """Positions of the pairs that are begun with and of the best after them, by pivoted Cholesky factorisation.

    `covariance` and `to_values` are those of the odd part at a candidate, and of it with the Shapley values, given what
    was taken before.
    """
    signs = np.concatenate([np.ones((1, shown.shape[1])), np.where(shown, 1.0, -1.0)])
    n = shown.shape[1]
    prior = Prior.geometric(n, SHARE)
    # All players are alike, so a covariance depends on s·t alone: here it stands for s·t = -n, 2 - n, …, n.
    of_product = prior.between(np.where(np.tri(n + 1, n, -1) > 0, 1.0, -1.0), np.ones((1, n)))[:, 0]
    taken = list(range(begun + 1))
    steps = min(pairs - begun, MOST_STEPS, MOST_WORK // signs.size)
    rows, to_values = np.zeros((len(taken) + steps, len(signs))), prior.shapley(signs)
    lower = np.tril(factorised(prior.covariance(signs[taken])))
    rows[: len(taken)] = np.linalg.solve(lower, prior.between(signs[taken], signs))
    to_values -= rows[: len(taken)].T @ np.linalg.solve(lower, to_values[taken])
    variance = prior.variance - np.einsum("ij,ij->j", rows, rows)
    for step in range(len(taken), len(rows)):
        gain = _gain(to_values, variance, taken)
        best = int((gain >= gain.max() * (1.0 - TIE)).argmax())  # the first of those that rounding alone tells apart
        taken.append(best)
        same = ((signs @ signs[best] + n) / 2.0).astype(np.intp)
        row = of_product[same] - rows[:step].T @ rows[:step, best]
        rows[step] = row / np.sqrt(max(variance[best], DUST))
        to_values -= np.outer(rows[step], to_values[best] / np.sqrt(max(variance[best], DUST)))
        variance -= rows[step] ** 2
    gain = _gain(to_values, variance, taken)
    gain = np.round(gain / (TIE * gain.max()))
    # Single players would all be taken sooner or later: they come before the others that are left.
    gain[(gain >= 0) & ((signs > 0).sum(axis=1) == 1)] = np.inf
    rest = np.argsort(-gain, kind="stable")[: pairs - begun - steps]
    return [position - 1 for position in (*taken[1:], *rest.tolist())]


def _gain(to_values: Float2, variance: Float1, taken: list[int]) -> Float1:
    """Variance of all Shapley values together that knowing a candidate takes away; none where it is known."""
    gain = np.einsum("jp,jp->j", to_values, to_values) / np.maximum(variance, DUST)
    gain[taken] = -1.0
    return np.asarray(gain)
