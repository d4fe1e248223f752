"""A nested sequence of pairs of complementary coalitions, sampled by leverage without repetition.

Pairs (Musco and Witter, 2025, section 3) isolate the odd part of a game, the only part that Shapley
values depend on. Sizes are drawn equally often, which is the leverage of a coalition's row in
the regression; within a size, coalitions are distinct and come in cuts of one permutation, so every
player is shown about equally often. A complete design holds all coalitions of one and of two players: together with the
two ends they determine the Shapley values of every game whose odd part has no interactions of more than three players
(docs/odd-gp.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, islice
from math import comb, inf

import numpy as np

from pellucid._base.randomness import stream
from pellucid._base.typing import Bool2, Float1, Int1

SMALL_STRATUM = 1 << 14
"""A size with at most so many coalitions is listed and shuffled; a larger one is drawn."""


@dataclass(frozen=True, eq=False)
class PairDesign:
    """One coalition of each pair, in the order of the sequence.

    Parameters
    ----------
    shown : bool array of shape (pairs, players)
        The smaller coalition of each pair.
    size : int64 array of shape (pairs,)
        Number of players it shows.
    """

    shown: Bool2
    size: Int1

    @property
    def n_players(self) -> int:
        """Number of players."""
        return int(self.shown.shape[1])

    def weights(self, pairs: int) -> tuple[Float1, Float1]:
        """Weights of the first `pairs` and the share of their size that is still unknown.

        The weight makes the sample stand for the whole Shapley kernel: all pairs of size k together
        weigh 1 / (k (n - k)), half of that for k = n / 2 (Lundberg and Lee, 2017, theorem 2). Sizes not
        sampled yet are stood for by the nearest sampled one.
        """
        n = self.n_players
        sizes = np.arange(1, n // 2 + 1)
        mass = 1.0 / (sizes * (n - sizes))
        mass[2 * sizes == n] /= 2
        counts = np.bincount(self.size[:pairs], minlength=n // 2 + 1)[1:]
        sampled = np.flatnonzero(counts)
        nearest = sampled[np.abs(sampled[None, :] - np.arange(len(sizes))[:, None]).argmin(axis=1)]
        stood_for = np.bincount(nearest, weights=mass, minlength=len(sizes))
        here = self.size[:pairs] - 1
        unknown = np.array([1.0 - count / pairs_of_size(n, k) for k, count in enumerate(counts.tolist(), start=1)])
        return stood_for[here] / counts[here], unknown[here]


def pairs_of_size(n: int, k: int) -> int:
    """Return the number of pairs whose smaller coalition shows k of n players."""
    return comb(n, k) // 2 if 2 * k == n else comb(n, k)


def pairs_of_two(n: int) -> int:
    """Return the number of pairs whose smaller coalition shows one or two of n players."""
    return sum(pairs_of_size(n, k) for k in (1, 2) if 2 * k <= n)


@lru_cache(maxsize=16)
def pair_design(n: int, pairs: int, random_state: int, *, complete: bool = False) -> PairDesign:
    """Return `pairs` distinct pairs for `n` ≥ 2 players.

    All single players come first: with them the regression always has full rank. The other sizes are spread evenly
    over the sequence, so that its beginnings are designs too. A `complete` design needs `pairs_of_two(n)` pairs.
    """
    size = _spread(np.fromiter(_sizes(n, pairs, complete=complete), dtype=np.int64, count=pairs))
    shown = np.zeros((pairs, n), dtype=bool)
    for k in np.unique(size).tolist():
        at = np.flatnonzero(size == k)
        shown[at[:, None], list(islice(_draws(n, k, random_state), len(at)))] = True
    shown.flags.writeable = size.flags.writeable = False
    return PairDesign(shown, size)


def _sizes(n: int, pairs: int, *, complete: bool) -> Iterator[int]:
    """Size of each pair: the single players, then every size in turn by its number of leverage shares."""
    singles = min(pairs, pairs_of_size(n, 1))
    yield from [1] * singles
    half = n // 2
    left = np.array([float(min(pairs_of_size(n, k), 1 << 60)) for k in range(1, half + 1)])
    left[0] -= singles
    if complete:
        twos = pairs_of_two(n) - singles
        yield from [2] * twos
        left[1:2] -= twos
        singles += twos
    share = np.where(2 * np.arange(1, half + 1) == n, 1.0, 2.0)
    credit = np.where(left > 0, 0.0, -inf)
    added = _shared(share, left)
    for _ in range(pairs - singles):
        credit += added
        k = int(credit.argmax())
        credit[k] -= 1.0
        left[k] -= 1
        yield k + 1
        if left[k] <= 0:
            credit[k], added = -inf, _shared(share, left)


def _shared(share: Float1, left: Float1) -> Float1:
    """What every size that is not used up is owed by each pair."""
    owed = np.where(left > 0, share, 0.0)
    return np.asarray(owed / max(owed.sum(), 1.0))


def _spread(size: Int1) -> Int1:
    """Order sizes so that every beginning beyond the single players holds about the same share of each."""
    place = np.empty(len(size))
    for k in np.unique(size).tolist():
        at = np.flatnonzero(size == k)
        place[at] = -1.0 if k == 1 else (np.arange(len(at)) + 0.5) / len(at)
    return np.asarray(size[np.lexsort((size, place))])


def _draws(n: int, k: int, random_state: int) -> Iterator[list[int]]:
    """Distinct coalitions of k players, endlessly for large strata; a pair of halves is named by player 0."""
    rng = stream(random_state, f"shapley.coalitions.{n}", k)
    halves = 2 * k == n
    if pairs_of_size(n, k) <= SMALL_STRATUM:
        every = [list(c) for c in combinations(range(n), k) if not halves or c[0] == 0]
        for position in rng.permutation(len(every)).tolist():
            yield every[position]
        return
    seen: set[bytes] = set()
    while True:
        order = rng.permutation(n)
        for first in range(0, n - k + 1, k):
            members = np.sort(order[first : first + k])
            if halves and members[0] != 0:
                members = np.setdiff1d(np.arange(n), members)
            key = members.tobytes()
            if key not in seen:
                seen.add(key)
                yield members.tolist()
