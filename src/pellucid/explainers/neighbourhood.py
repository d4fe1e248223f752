"""LIME's neighbourhood for tables: one sample of background values that serves every row.

With discretised features, what LIME samples does not depend on the explained row; only the question
"same bin as the row?" does. So one sample and one model pass answer for all rows.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from pellucid._base.errors import UnsupportedRequestError
from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Bool1, Bool2, Float1, Float2, Int2
from pellucid.explainers.controls import SAMPLES_PER_BIN
from pellucid.table import Table, Vocabulary

MISSING = 0
"""Bin of missing values; those of others are numbered from 1."""
UNSEEN = -1
"""Bin of an explained value that the background never had: no sample is in it."""
DRAWN_CELLS = 1 << 15
"""Cells that are drawn at once: they fit the processor's cache."""
SOBOL_COLUMNS = 21201
"""Dimensions that scipy has Sobol directions for."""


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """Sampled rows and the bins of every column.

    Parameters
    ----------
    index : int array of shape (samples, columns)
        Sampled rows, whose every cell is that of some background row, drawn independently of the other columns.
    bins : int32 array of shape (columns, samples)
        Bin of every sampled cell.
    share : float64 array of shape (columns, bins), or None
        Chance of each bin, where there are samples enough for each.
    edges : tuple of float64 arrays
        For each column the upper ends of its bins (closed), or nothing where every value is a bin.
    vocabulary : Vocabulary
    """

    index: Array
    bins: Array
    share: Float2 | None
    edges: tuple[Float1 | None, ...]
    vocabulary: Vocabulary

    @classmethod
    def draw(cls, background: Table, *, n_samples: int, n_bins: int, random_state: int) -> "Neighbourhood":
        """Sample from the background by a scrambled Sobol sequence.

        A point's coordinate picks a background row by its rank in the column, so bins come as often
        as in the background and values within a bin are background values with their own dtype.
        (lime draws numbers within a bin from a truncated normal instead.)
        """
        vocabulary = background.vocabulary()
        codes = background.codes(vocabulary)
        edges = _edges(codes, [kind in ("number", "datetime") for kind in background.kinds], n_bins)
        order = np.argsort(codes.T, axis=1, kind="stable").astype(np.int32)
        known = np.take_along_axis(_bins(codes, edges), order, axis=1)
        index = np.empty((n_samples, codes.shape[1]), dtype=np.int32)
        bins = np.empty(index.shape[::-1], dtype=np.int32)
        for first, ranks in _ranks(n_samples, codes.shape, random_state):
            index[first : first + len(ranks)] = order.reshape(-1).take(ranks)
            bins[:, first : first + len(ranks)] = known.reshape(-1).take(ranks).T
        return cls(index, bins, _shares(known, n_samples), edges, vocabulary)

    def same_bin(self, X: Table) -> "SameBin":
        """Bins of explained rows; a value that the background never had is in a bin of its own."""
        coded = [j for j, name in enumerate(X.names) if name in self.vocabulary]
        return SameBin(self.bins, _bins(X.codes(self.vocabulary), self.edges, coded))


@dataclass(frozen=True, eq=False)
class SameBin:
    """LIME's binary encoding, row by row.

    Parameters
    ----------
    sampled : int32 array of shape (columns, samples)
        Bin of every sampled cell.
    explained : int32 array of shape (columns, rows)
        Bin of every explained cell.
    """

    sampled: Array
    explained: Array

    def of(self, row: int) -> Bool2:
        """Whether each sampled cell is in the same bin as the explained row's, of shape (columns, samples)."""
        return np.asarray(self.sampled == self.explained[:, row, None])


def _shares(bins: Array, n_samples: int) -> Float2 | None:
    """Share of each bin of the background (columns, rows), where there are samples enough for each."""
    count = int(bins.max()) + 1
    if len(bins) * count * SAMPLES_PER_BIN > n_samples:
        return None
    return np.asarray(np.stack([np.bincount(column, minlength=count) for column in bins]) / bins.shape[1])


def _edges(codes: Float2, ordered: list[bool], n_bins: int) -> tuple[Float1 | None, ...]:
    """Inner quantiles of what is finite in each ordered column; ties leave fewer bins, a constant one."""
    levels = np.linspace(0, 100, n_bins + 1)[1:-1]
    finite = np.isfinite(codes)
    whole: Bool1 = np.asarray(finite.all(axis=0))
    together = iter(np.percentile(codes[:, whole], levels, axis=0).T)  # one call costs little more than one column's
    quantiles = [
        next(together) if known else np.percentile(column[here], levels) if here.any() else np.empty(0)
        for column, here, known in zip(codes.T, finite.T, whole.tolist(), strict=True)
    ]
    return tuple(np.unique(ends) if has_order else None for ends, has_order in zip(quantiles, ordered, strict=True))


def _bins(codes: Float2, edges: tuple[Float1 | None, ...], coded: Collection[int] = ()) -> Array:
    """Bins (columns, cells): of quantiles for numbers, the code itself for categories, one for missing.

    In the `coded` columns a negative code is a value that the background never had.
    """
    bins = np.empty(codes.T.shape, dtype=np.int32)
    for j, ends in enumerate(edges):
        column = codes[:, j]
        missing = np.isnan(column)
        bins[j] = np.where(missing, MISSING, column + 1) if ends is None else np.searchsorted(ends, column) + 1
        if j in coded:
            bins[j, column < 0] = UNSEEN
        bins[j, missing] = MISSING
    return bins


def _ranks(n_samples: int, shape: tuple[int, int], random_state: int) -> Iterator[tuple[int, Int2]]:
    """Background ranks of shape (samples, columns), spread evenly over all columns at once, some samples at a time.

    Each comes as its place in an array (columns, background rows), behind the number of the first sample.
    """
    from scipy.stats import qmc  # a third party, loaded only for LIME

    n_background, columns = shape
    if columns > SOBOL_COLUMNS:
        raise UnsupportedRequestError(
            f"method='lime' samples at most {SOBOL_COLUMNS} features; got {columns}. Use method='permutation'."
        )
    seed = int(stream(random_state, "lime.sample").integers(2**63))
    sequence = qmc.Sobol(columns, scramble=True, rng=seed)
    step = 2 ** max(0, (DRAWN_CELLS // columns).bit_length() - 1)
    for first in range(0, n_samples, step):
        points: Float2 = sequence.random(step)[: n_samples - first]
        points *= n_background
        ranks = points.astype(np.int64)
        ranks += np.arange(columns) * n_background
        yield first, ranks
