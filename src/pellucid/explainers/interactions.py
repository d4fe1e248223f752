"""What a method that also knows pairs of features hands back."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.randomness import is_whole
from pellucid._base.typing import Array, Float1, Float2, Float3, Int1, Int2
from pellucid.explainers.base import Attribution
from pellucid.explanation._axes import largest_first
from pellucid.table import Table

LARGEST_ANSWER = 2**34
"""Bytes that a table of interactions may take."""

WORKED_ON = 2**23
"""Numbers that a search for the largest pairs holds at once."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PairValues:
    """Whole interactions of some pairs, largest first; a feature's pair with itself is its main effect."""

    values: Float3
    pairs: Int2


@runtime_checkable
class BoundMatrix(Protocol):
    """A bound method that has interactions.

    `symmetric` ones are written to both halves from one number, so nobody needs to compare them; that they are finite
    shows when their sums are compared with the model's output.
    """

    @property
    def symmetric(self) -> bool: ...  # noqa: D102 - said above

    def interactions(self, X: Table) -> tuple[Array, Attribution]:
        """Return interactions (rows, features, features, outputs), and their sums as Shapley values."""
        ...


@runtime_checkable
class BoundPairs(Protocol):
    """A bound method that has some pairs without all the others."""

    def pairs(self, X: Table, feature: int | None, top: int | None) -> tuple[PairValues, Attribution]:
        """Return the pairs of one feature, or the largest of all or of these, and the Shapley values."""
        ...


class PairGame(Protocol):
    """A game that knows which pairs interact."""

    @property
    def pairs(self) -> Int2:
        """Pairs of features that interact, (pairs, 2), in rising order."""
        ...

    def pair_values(self, columns: Float2, chosen: Int1, *, n_jobs: int | None = None) -> Float3:
        """Return whole interactions of some pairs by position, (rows, chosen, outputs)."""
        ...


def pairs_of_feature(
    game: PairGame, columns: Float2, values: Float3, feature: int, *, n_jobs: int | None = None
) -> PairValues:
    """Interactions of one feature with each that it meets, and its main effect: they add up to its Shapley value."""
    chosen = np.flatnonzero((game.pairs == feature).any(axis=1))
    check_size(len(columns), len(chosen) + 1, values.shape[2])
    pairs = game.pair_values(columns, chosen, n_jobs=n_jobs)
    main = values[:, feature] - pairs.sum(axis=1) / 2
    partners = game.pairs[chosen].sum(axis=1) - feature
    found = np.concatenate([main[:, None], pairs], axis=1)
    names = np.column_stack([np.full(len(chosen) + 1, feature), np.concatenate([[feature], partners])])
    order = largest_first(np.abs(found).sum(axis=0))
    return PairValues(values=found[:, order], pairs=names[order])


def largest_pairs(game: PairGame, columns: Float2, outputs: int, top: int, *, n_jobs: int | None = None) -> PairValues:
    """Find the pairs with the largest mean absolute interaction; memory is proportional to the answer."""
    everyone = np.arange(len(game.pairs))
    check_size(len(columns), min(top, len(everyone)), outputs)
    at_once = max(1, WORKED_ON // max(1, len(everyone) * outputs))
    sizes: Float1 = np.zeros(len(everyone))
    for first in range(0, len(columns), at_once):
        part = game.pair_values(columns[first : first + at_once], everyone, n_jobs=n_jobs)
        sizes += np.abs(part).sum(axis=(0, 2))
    chosen = largest_first(sizes[:, None])[:top]
    positions = np.sort(chosen)
    values = game.pair_values(columns, positions, n_jobs=n_jobs)[:, np.searchsorted(positions, chosen)]
    return PairValues(values=values, pairs=game.pairs[chosen])


def check_size(rows: int, pairs: int, outputs: int) -> None:
    """Refuse an answer that would not fit, before any work.

    Raises
    ------
    InputError
        When the interactions would take more than `LARGEST_ANSWER` bytes.
    """
    size = 8 * rows * pairs * outputs
    if size > LARGEST_ANSWER:
        raise InputError(
            f"interactions of {rows} rows, {pairs} pairs of features and {outputs} outputs take "
            f"{size / 2**30:.0f} GiB; {LARGEST_ANSWER // 2**30} GiB is the most. Explain fewer rows at a time, or use "
            "pairs(feature=...) or pairs(top=...), which need no matrix of all features."
        )


def check_top(top: int | None) -> None:
    """Refuse a number of pairs that is none."""
    if top is not None and not (is_whole(top) and top >= 1):
        raise InputError(f"top must be a positive whole number of pairs; got {top!r:.80}.")
