"""Explained rows and background as one pool of cells: a candidate is a choice of cells, never a made-up value."""

from dataclasses import dataclass

import numpy as np

from pellucid._base.typing import Array, Bool2, Float2, Int1, Int2
from pellucid.explainers.counterfactuals.constraints import Rules
from pellucid.explainers.counterfactuals.distances import MOST_CELLS, Gower
from pellucid.explainers.counterfactuals.goals import Goal
from pellucid.ir import Model, Space
from pellucid.table import Table


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool:
    """All that a search reads: the explained rows first, the background's rows after them.

    Parameters
    ----------
    model : Model
    space : Space
    goal : Goal
    table : Table
        Explained rows, then background.
    codes : float64 array of shape (rows + background, features)
    n_rows : int
        Explained rows.
    start : int64 array of shape (rows,)
        The class each row begins with; 0 for a regression.
    rules : Rules
    gower : Gower
    """

    model: Model
    space: Space
    goal: Goal
    table: Table
    codes: Float2
    n_rows: int
    start: Int1
    rules: Rules
    gower: Gower

    def cells(self, row: Int1, neighbour: Int1, copied: Bool2) -> Int2:
        """Where each candidate's cells stand: its own row, or its neighbour where the unit was copied."""
        return self.cells_of(np.where(copied, neighbour[:, None], row[:, None]))

    def cells_of(self, source: Int2) -> Int2:
        """Where each candidate's cells stand, by the pool's row that each unit (candidates, units) is taken from."""
        return np.asarray(source[:, self.rules.unit])

    def outputs(self, cells: Int2) -> Float2:
        """Ask the model about candidates, in blocks of bounded memory."""
        step = max(1, MOST_CELLS // max(1, cells.shape[1]))
        parts = [
            self.model.predict(self.table.gather(cells[begin : begin + step]), self.space)
            for begin in range(0, len(cells), step)
        ]
        return np.concatenate(parts) if parts else np.empty((0, len(self.model.outputs)))

    def judged(self, row: Int1, cells: Int2) -> tuple[Array, Array, Array, Float2]:
        """Ask the model, then the caller's check.

        Returns
        -------
        accepted, reached : bool arrays of shape (candidates,)
            At the goal and passed by the check; at the goal.
        progress : float64 array of shape (candidates,)
        outputs : float64 array of shape (candidates, outputs)
        """
        outputs = self.outputs(cells)
        reached = self.goal.reached(outputs, self.start[row])
        accepted = reached.copy()
        if self.rules.check is not None and reached.any():
            accepted[reached] = self.rules.accepts(self.table.take(row[reached]), self.table.gather(cells[reached]))
        return accepted, reached, self.goal.progress(outputs, self.start[row]), outputs


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """Explained rows with the neighbours they may copy from; numbers are positions in the pool.

    Parameters
    ----------
    row, neighbour : int64 arrays of shape (pairs,)
    free : bool array of shape (pairs, units)
        Units that differ and may be copied.
    gain : float64 array of shape (pairs, units)
        What copying a unit adds to the distance from the row.
    """

    row: Int1
    neighbour: Int1
    free: Bool2
    gain: Float2

    def __len__(self) -> int:
        return len(self.row)


def first_of_each(group: Int1, keys: tuple[Array, ...]) -> Int1:
    """Position of the best member of each group: least first key, ties by the next."""
    order = np.lexsort((*reversed(keys), group))
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = group[order][1:] != group[order][:-1]
    return order[first]


def pairs_of(pool: Pool, row: Int1, neighbour: Int1) -> Pairs:
    """Work out which units of each pair may be copied, and how far that leads."""
    rules = pool.rules
    differs = np.zeros((len(row), rules.n_units), dtype=np.bool_)
    barred = np.zeros_like(differs)
    gain = np.zeros(differs.shape)
    for j, unit in enumerate(rules.unit):
        before, after = pool.codes[row, j], pool.codes[neighbour, j]
        other = (before != after) & ~(np.isnan(before) & np.isnan(after))
        differs[:, unit] |= other
        barred[:, unit] |= other & ~rules.permits(j, before, after)
        gain[:, unit] += pool.gower.feature(j, before, after)
    return Pairs(row=row, neighbour=neighbour, free=differs & ~barred, gain=gain / len(rules.unit))
