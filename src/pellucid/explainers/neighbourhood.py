"""LIME's neighbourhood for tables: one sample of background values that serves every row.

With discretised features, what LIME samples does not depend on the explained row; only the question
"same bin as the row?" does. So one sample and one model pass answer for all rows.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from pellucid._base.errors import UnsupportedRequestError
from pellucid._base.randomness import stream
from pellucid._base.typing import Bool1, Bool2, Float1, Float2, Int2
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
        edges = _edges(codes, [kind in ("number", "datetime") for kind in background.kinds], n_bins)
        picked = _ranks(n_samples, codes, random_state)
        index, sampled = np.empty_like(picked), np.empty(picked.shape)
        for j in range(codes.shape[1]):  # three times as fast as np.take_along_axis
            column = np.ascontiguousarray(codes[:, j])
            index[:, j] = np.argsort(column, kind="stable")[picked[:, j]]
            sampled[:, j] = column[index[:, j]]
        return cls(background.gather(index), _bins(sampled, edges), edges, vocabulary)

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
