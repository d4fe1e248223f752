"""Nearest unlike neighbours, greedy copying, and undoing whatever was not needed.

After NICE (Brughmans, Leyman and Martens, 2023): start from the explained row, copy one feature after the other
from a real row that has the wanted outcome, each time the one that helps most. What is new: all rows and
neighbours move together, so that a step is one model call; constraints decide what may be copied at all; and
at the end every copy that can be undone is.

What is promised for one row and one neighbour, without `max_changes` and `check`: if one change is enough, one
is found; if copying everything permitted is enough, something is found; and no single change of what is found can
be undone.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pellucid._base.typing import Array, Bool2, Float1, Int1, Int2
from pellucid.explainers.counterfactuals.distances import MOST_CELLS
from pellucid.explainers.counterfactuals.pool import Pairs, Pool, first_of_each, pairs_of

ROUNDS = 10
"""How many lots of neighbours a row looks at before it gives up."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranking:
    """For each explained row the neighbours to try, in this order.

    Parameters
    ----------
    order : int64 array of shape (rows, neighbours)
        Positions in the pool; only the first `count` of a row mean anything.
    count : int64 array of shape (rows,)
        Neighbours from which something may be copied, at most the width of `order`.
    """

    order: Int2
    count: Int1


def ranked(pool: Pool, wanted: Bool2, lot: int) -> Ranking:
    """Put the background rows with the wanted outcome in the order in which each explained row tries them.

    Half of the first lot are the nearest, half are spread evenly over the others up to the farthest: the nearest
    lie just beyond the border, and all their values are needed to get there; from one well beyond, one or two do.
    Then come the rest, nearest first.

    Parameters
    ----------
    wanted : bool array of shape (rows, background)
    lot : int
        Neighbours tried at a time; `ROUNDS` lots are kept.
    """
    background = pool.codes[pool.n_rows :]
    most = min(ROUNDS * lot, len(background))
    order = np.empty((pool.n_rows, most), dtype=np.int64)
    count = np.empty(pool.n_rows, dtype=np.int64)
    step = max(1, MOST_CELLS // (len(background) * (1 + pool.rules.n_units // 8)))
    for start in range(0, pool.n_rows, step):
        mine = pool.codes[start : min(start + step, pool.n_rows)]
        usable = wanted[start : start + step] & _copyable(pool, mine, background)
        apart = np.where(usable, pool.gower.between(mine, background), np.inf)
        nearest_first = np.argsort(apart, axis=1, kind="stable") + pool.n_rows
        for i, usual in enumerate(usable.sum(axis=1).tolist(), start=start):
            order[i] = nearest_first[i - start][_spread(usual, lot, most)]
            count[i] = min(usual, most)
    return Ranking(order=order, count=count)


def _spread(count: int, lot: int, most: int) -> Int1:
    """Ranks to try, `most` of them: the nearest, some evenly spread over the first `count`, then all others."""
    near = np.arange(min((lot + 1) // 2, count))
    far = np.linspace(count - 1, len(near), lot // 2).astype(np.int64) if count > len(near) else near[:0]
    tried = dict.fromkeys([*near.tolist(), *far.tolist(), *range(most)])
    return np.fromiter(tried, dtype=np.int64)[:most]


def _copyable(pool: Pool, mine: Array, background: Array) -> Bool2:
    """Whether at least one unit of each background row may be copied into each explained row."""
    rules = pool.rules
    found = np.zeros((len(mine), len(background)), dtype=np.bool_)
    for unit in range(rules.n_units):
        differs, barred = np.zeros_like(found), np.zeros_like(found)
        for j in np.flatnonzero(rules.unit == unit):
            before, after = mine[:, j, None], background[None, :, j]
            other = (before != after) & ~(np.isnan(before) & np.isnan(after))
            differs |= other
            barred |= other & ~rules.permits(int(j), before, after)
        found |= differs & ~barred
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """Candidates at the goal.

    Parameters
    ----------
    row : int64 array of shape (found,)
    cells : int64 array of shape (found, features)
        Where in the pool each cell stands.
    changes : int64 array of shape (found,)
        Units copied.
    refused : int64 array of shape (rows,)
        Candidates of each explained row that reached the goal and were refused by the caller's check.
    """

    row: Int1
    cells: Int2
    changes: Int1
    refused: Int1


def search(pool: Pool, row: Int1, neighbour: Int1, enough: int | None = None) -> Found:
    """Copy greedily for every pair at once, then undo what is not needed.

    A row leaves the search once `enough` of its pairs are there: those still on their way need more changes.
    """
    pairs = pairs_of(pool, row, neighbour)
    refused = np.zeros(pool.n_rows, dtype=np.int64)
    done, copied = _forward(pool, pairs, refused, enough)
    mine = pairs.row[done]
    source = np.where(copied[done], pairs.neighbour[done, None], mine[:, None])
    undo(pool, mine, source)
    changes = (source != mine[:, None]).sum(axis=1)
    return Found(row=mine, cells=pool.cells_of(source), changes=changes, refused=refused)


def _forward(pool: Pool, pairs: Pairs, refused: Int1, enough: int | None) -> tuple[Array, Bool2]:
    """Copy the unit that helps most until the goal is reached; the nearest candidate where several reach it."""
    copied = np.zeros_like(pairs.free)
    done = np.zeros(len(pairs), dtype=np.bool_)
    active = np.arange(len(pairs))
    most = pool.rules.n_units if pool.rules.max_changes is None else pool.rules.max_changes
    for _ in range(min(most, pool.rules.n_units)):
        active = active[(pairs.free & ~copied)[active].any(axis=1)]
        if not len(active):
            break
        which, unit = np.nonzero((pairs.free & ~copied)[active])
        pair = active[which]
        trial = copied[pair]
        trial[np.arange(len(pair)), unit] = True
        accepted, reached, progress, _outputs = pool.judged(
            pairs.row[pair], pool.cells(pairs.row[pair], pairs.neighbour[pair], trial)
        )
        np.add.at(refused, pairs.row[pair], reached & ~accepted)
        best = first_of_each(pair, (~accepted, np.where(accepted, 0.0, -progress), pairs.gain[pair, unit], unit))
        copied[pair[best], unit[best]] = True
        done[pair[best]] = accepted[best]
        arrived = np.bincount(pairs.row[done], minlength=pool.n_rows)
        active = active[~done[active] & ((enough is None) | (arrived[pairs.row[active]] < (enough or 1)))]
    return done, copied


def undo(pool: Pool, row: Int1, source: Int2) -> None:
    """Undo changes one at a time, the farthest first, as long as the goal still is reached.

    `source` (candidates, units) says which of the pool's rows each unit is taken from, and is written into.
    """
    active = np.flatnonzero((source != row[:, None]).sum(axis=1) > 1)
    while len(active):
        which, unit = np.nonzero(source[active] != row[active, None])
        state = active[which]
        trial = source[state]
        trial[np.arange(len(state)), unit] = row[state]
        cells = pool.cells_of(trial)
        accepted, *_ = pool.judged(row[state], cells)
        best = first_of_each(state, (~accepted, distances(pool, row[state], cells), unit))
        best = best[accepted[best]]
        source[state[best], unit[best]] = row[state[best]]
        active = state[best][(source[state[best]] != row[state[best], None]).sum(axis=1) > 1]


def rounds(ranking: Ranking, lot: int, enough: Array) -> Iterator[tuple[Int1, Int1]]:
    """Yield (row, neighbour) pairs, a lot of neighbours at a time, for the rows that do not have `enough` yet.

    `enough` is read anew before every lot, so the caller updates it.
    """
    for begin in range(0, ranking.order.shape[1], lot):
        rank = np.arange(begin, min(begin + lot, ranking.order.shape[1]))
        row, column = np.nonzero(~enough[:, None] & (rank[None, :] < ranking.count[:, None]))
        if len(row):
            yield row, ranking.order[row, rank[column]]


def distances(pool: Pool, row: Int1, cells: Int2) -> Float1:
    """How far candidates are from their rows."""
    return pool.gower.along(pool.codes[row], codes_at(pool, cells))


def codes_at(pool: Pool, cells: Int2) -> Array:
    """Codes of the cells of candidates."""
    return pool.codes[cells, np.arange(cells.shape[1])]
