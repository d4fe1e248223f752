"""Fewer changes than one neighbour's cells allow: cells of several real rows, put together by a beam search.

Copies from one row are what NICE has. A model that needs much evidence, such as a forest, may be brought over with
fewer changes by values that stand in different rows. So every row for which something was found is searched again,
breadth first: all single changes, then changes of the most promising of those, while they are fewer than were found.
"""

from dataclasses import dataclass

import numpy as np

from pellucid._base.progress import Progress, track
from pellucid._base.typing import Array, Int1, Int2
from pellucid.explainers.counterfactuals.distances import MOST_CELLS
from pellucid.explainers.counterfactuals.pool import Pool, first_of_each
from pellucid.explainers.counterfactuals.search import Found, distances, undo

VALUES = 8
"""Values of each unit that are tried, evenly spread over the background."""
WIDTH = 5
"""States that are kept for each row."""
MOVES = 64
"""Single changes of each row, the most promising, that are tried in company."""
DEEPEST = 6
"""Changes beyond which no search goes."""


@dataclass(frozen=True, eq=False)
class _Moves:
    """Single changes: the row of each, its unit, and the pool's row whose cells it takes; in the order of the rows."""

    row: Int1
    unit: Int1
    taken: Int1

    def __len__(self) -> int:
        return len(self.row)

    def at(self, chosen: Array) -> "_Moves":
        return _Moves(self.row[chosen], self.unit[chosen], self.taken[chosen])


def shortened(pool: Pool, row: Int1, fewest: Int1, progress: Progress = False) -> Found:
    """Look for candidates with fewer changes.

    Parameters
    ----------
    pool : Pool
    row : int64 array of shape (rows,)
        Explained rows, each once.
    fewest : int64 array of shape (rows,)
        Changes that must be undercut.
    progress : bool or callable, optional

    Returns
    -------
    Found
        At most one candidate for each row.
    """
    options = _options(pool)
    step = max(1, MOST_CELLS // (max(options.size, WIDTH * MOVES) * pool.codes.shape[1]))
    lots = [(row[at : at + step], fewest[at : at + step]) for at in range(0, len(row), step)]
    watched = track(lots, task="shortening", total=len(lots), progress=progress)
    parts = [_of_lot(pool, *lot, options) for lot in watched]
    sources = [source for _, source, _ in parts]
    owner = np.concatenate([owner for owner, _, _ in parts]) if parts else row[:0]
    source = np.concatenate(sources) if sources else np.empty((0, pool.rules.n_units), dtype=np.int64)
    refused = np.sum([refused for _, _, refused in parts], axis=0, initial=0) + np.zeros(pool.n_rows, dtype=np.int64)
    undo(pool, owner, source)
    return Found(
        row=owner, cells=pool.cells_of(source), changes=(source != owner[:, None]).sum(axis=1), refused=refused
    )


def _options(pool: Pool) -> Int2:
    """Background rows whose cells each unit may take (units, values): different values, evenly spread."""
    background, options = pool.codes[pool.n_rows :], np.empty((pool.rules.n_units, VALUES), dtype=np.int64)
    for unit in range(pool.rules.n_units):
        cells = background[:, pool.rules.unit == unit]
        _, first = np.unique(np.where(np.isnan(cells), np.nan, cells + 0.0), axis=0, return_index=True)
        if not pool.gower.scale[pool.rules.unit == unit].all():  # the order of codes has no meaning
            first = np.sort(first)
        options[unit] = first[np.linspace(0, len(first) - 1, VALUES).round().astype(np.int64)]
    return options + pool.n_rows


def _of_lot(pool: Pool, row: Int1, fewest: Int1, options: Int2) -> tuple[Int1, Int2, Int1]:
    """Search some rows: those for which something was found, the source of each of its units, and refusals."""
    refused = np.zeros(pool.n_rows, dtype=np.int64)
    found_row, found = row[:0], np.empty((0, pool.rules.n_units), dtype=np.int64)
    least = dict(zip(row.tolist(), fewest.tolist(), strict=True))
    owner, source = row, np.repeat(row[:, None], pool.rules.n_units, axis=1)
    moves = _permitted(pool, row, options)
    for depth in range(1, DEEPEST + 1):
        open_ = np.array([least[r] > depth for r in owner.tolist()], dtype=bool)
        owner, source = owner[open_], source[open_]
        state, move = _together(owner, source, moves)
        if not len(state):
            break
        trial = source[state]
        trial[np.arange(len(move)), moves.unit[move]] = moves.taken[move]
        mine = owner[state]
        accepted, reached, progress, _ = pool.judged(mine, pool.cells_of(trial))
        np.add.at(refused, mine, reached & ~accepted)
        gap = distances(pool, mine, pool.cells_of(trial))
        best = first_of_each(mine, (~accepted, gap))
        best = best[accepted[best]]
        found_row, found = np.concatenate([found_row, mine[best]]), np.concatenate([found, trial[best]])
        least.update(dict.fromkeys(mine[best].tolist(), 0))
        if depth == 1:
            moves = moves.at(np.sort(_leading(mine, (-progress, gap), MOVES)))
        kept = _different(mine, trial, (-progress, gap))
        owner, source = mine[kept], trial[kept]
    return found_row, found, refused


def _permitted(pool: Pool, row: Int1, options: Int2) -> _Moves:
    """All single changes of each row that the constraints leave."""
    units, values = options.shape
    taken = np.broadcast_to(options[None], (len(row), units, values))
    fine, differs = np.ones(taken.shape, dtype=bool), np.zeros(taken.shape, dtype=bool)
    for j, unit in enumerate(pool.rules.unit):
        before, after = pool.codes[row, j][:, None], pool.codes[options[unit], j][None]
        other = (before != after) & ~(np.isnan(before) & np.isnan(after))
        differs[:, unit] |= other
        fine[:, unit] &= ~other | pool.rules.permits(j, before, after)
    repeated = np.zeros(options.shape, dtype=bool)
    repeated[:, 1:] = options[:, 1:] == options[:, :-1]
    which, unit, value = np.nonzero(fine & differs & ~repeated)
    return _Moves(row[which], unit, options[unit, value])


def _together(owner: Int1, source: Int2, moves: _Moves) -> tuple[Int1, Int1]:
    """Pairs of a state and a move of its row that changes another unit."""
    order = np.argsort(moves.row, kind="stable")
    first, behind = (np.searchsorted(moves.row[order], owner, side=side) for side in ("left", "right"))
    count = behind - first
    state = np.repeat(np.arange(len(owner)), count)
    move = order[np.arange(len(state)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)]
    fresh = source[state, moves.unit[move]] == owner[state]
    return state[fresh], move[fresh]


def _leading(group: Int1, keys: tuple[Array, ...], most: int) -> Int1:
    """Positions of the best `most` members of each group, best first."""
    order = np.lexsort((*reversed(keys), group))
    sorted_group = group[order]
    rank = np.arange(len(order)) - np.searchsorted(sorted_group, sorted_group, side="left")
    return order[rank < most]


def _different(owner: Int1, trial: Int2, keys: tuple[Array, ...]) -> Int1:
    """Positions of the best different trials of each row: a set of changes is reached in several orders."""
    leading = _leading(owner, keys, WIDTH * DEEPEST)
    whole = np.column_stack([owner[leading], trial[leading]])
    first = np.sort(np.unique(whole, axis=0, return_index=True)[1])
    kept = leading[first]
    return kept[_leading(owner[kept], tuple(key[kept] for key in keys), WIDTH)]
