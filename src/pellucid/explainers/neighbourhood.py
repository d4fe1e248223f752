"""LIME's neighbourhood for tables: one sample of background values that serves every row.

With discretised features, what LIME samples does not depend on the explained row; only the question
"same bin as the row?" does. So one sample and one model pass answer for all rows.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from pellucid._base.errors import UnsupportedRequestError
from pellucid._base.randomness import stream
from pellucid._base.typing import Bool2, Float1, Float2, Int2
from pellucid.table import Table, Vocabulary

MISSING = -1.0
"""Bin of missing values."""
SOBOL_COLUMNS = 21201
"""Dimensions that scipy has Sobol directions for."""


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """Sampled rows and the bins of every column.

    Parameters
    ----------
    sample : Table
        Rows whose every cell is some background value of its column, drawn independently of the other columns.
    bins : float64 array of shape (samples, columns)
        Bin of every sampled cell.
    edges : tuple of float64 arrays
        For each column the upper ends of its bins (closed), or nothing where every value is a bin.
    vocabulary : Vocabulary
    """

    sample: Table
    bins: Float2
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
        edges = tuple(
            _edges(codes[:, j], n_bins) if kind in ("number", "datetime") else None
            for j, kind in enumerate(background.kinds)
        )
        order = np.argsort(codes, axis=0, kind="stable")
        picked = _ranks(n_samples, codes, random_state)
        index = np.take_along_axis(order, picked, axis=0)
        bins = _bins(np.take_along_axis(codes, index, axis=0), edges)
        return cls(background.gather(index), bins, edges, vocabulary)

    def same_bin(self, X: Table) -> "SameBin":
        """Bins of explained rows; a value that the background never had is in a bin of its own."""
        coded = [j for j, name in enumerate(X.names) if name in self.vocabulary]
        return SameBin(np.ascontiguousarray(self.bins.T), _bins(X.codes(self.vocabulary), self.edges, coded))


@dataclass(frozen=True, eq=False)
class SameBin:
    """LIME's binary encoding, row by row.

    Parameters
    ----------
    sampled : float64 array of shape (columns, samples)
        Bin of every sampled cell.
    explained : float64 array of shape (rows, columns)
        Bin of every explained cell.
    """

    sampled: Float2
    explained: Float2

    def of(self, row: int) -> Bool2:
        """Whether each sampled cell is in the same bin as the explained row's, of shape (columns, samples)."""
        return np.asarray(self.sampled == self.explained[row][:, None])


def _edges(values: Float1, n_bins: int) -> Float1:
    """Inner quantiles of what is finite; ties leave fewer bins, a constant one."""
    present = values[np.isfinite(values)]
    if not len(present):
        return np.empty(0)
    return np.unique(np.percentile(present, np.linspace(0, 100, n_bins + 1)[1:-1]))


def _bins(codes: Float2, edges: tuple[Float1 | None, ...], coded: Collection[int] = ()) -> Float2:
    """Bin of every cell: quantile bins for numbers, the code itself for categories, one for missing.

    In the `coded` columns a negative code is a value that the background never had: NaN, which equals no bin.
    """
    bins = np.empty_like(codes)
    for j, ends in enumerate(edges):
        column = codes[:, j]
        bins[:, j] = column if ends is None else np.searchsorted(ends, column)
        if j in coded:
            bins[column < 0, j] = np.nan
        bins[np.isnan(column), j] = MISSING
    return bins


def _ranks(n_samples: int, codes: Float2, random_state: int) -> Int2:
    """Background ranks of shape (samples, columns), spread evenly over all columns at once."""
    from scipy.stats import qmc  # a third party, loaded only for LIME

    n_background, columns = codes.shape
    if columns > SOBOL_COLUMNS:
        raise UnsupportedRequestError(
            f"method='lime' samples at most {SOBOL_COLUMNS} features; got {columns}. Use method='permutation'."
        )
    seed = int(stream(random_state, "lime.sample").integers(2**63))
    sequence = qmc.Sobol(columns, scramble=True, rng=seed)
    points: Float2 = sequence.random_base2(max(0, int(n_samples - 1).bit_length()))[:n_samples]
    ranks: Int2 = np.minimum((points * n_background).astype(np.int64), n_background - 1)
    return ranks
