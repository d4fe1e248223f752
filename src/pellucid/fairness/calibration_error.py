"""Expected calibration error, and the interval that its bins allow."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.random import Generator

from pellucid._base.randomness import stream
from pellucid._base.statistics import kish_size
from pellucid._base.typing import Float1, Float2, Int2

BINS = 10
"""Equal parts of the range of a score."""
SAMPLES = 1000
"""Samples that are drawn for every candidate."""
HALVINGS = 12
"""Steps of the search for an end of the interval: to a quarter of a thousandth."""
FEWEST_EXPECTED = 10.0
"""Outcomes of each kind that the score must expect: with fewer the interval covered as little as 87 %."""
PARTING = 0.5
"""Part of the rows that gives the distances, over the part that gives their signs."""


def fewest_expected(score: Float1, weights: Float1 | None) -> float:
    """Count the outcomes of the rarer kind that a probability expects among these rows.

    A rule on the outcomes that came would pick samples by what it is to judge, and the intervals of the samples that
    pass would hold less often.
    """
    share = float(np.average(score, weights=weights))
    return min(share, 1 - share) * (len(score) if weights is None else kish_size(weights))


@dataclass(frozen=True, kw_only=True, eq=False)
class CalibrationError:
    """Expected calibration error: mean distance between score and outcome over ten equal bins of the score.

    The distance of a sample is above that of everybody, the more so the fewer the rows (its expectation is
    positive even where the score is right), so neither a bootstrap nor a normal interval around it holds.

    Parameters
    ----------
    score, truth : float array of shape (rows,)
        Probability of the favourable outcome, and whether it came (0 or 1).
    purpose : str
        Names the random stream.
    random_state : int
    weights : float array of shape (rows,) or None
    bins : Bins
        What is counted in each bin; made from the others.
    """

    score: Float1
    truth: Float1
    purpose: str
    random_state: int
    weights: Float1 | None = None
    bins: "Bins" = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bins", Bins.of(self.score, self.truth, self.weights))

    @property
    def value(self) -> float:
        """Σ over bins of |Σ w (score − outcome)| / Σ w (Naeini, Cooper and Hauskrecht 2015)."""
        return float(np.abs(self.bins.distances).sum())

    @property
    def n(self) -> int:
        """Rows it was measured on."""
        return len(self.score)

    def interval(self, level: float) -> tuple[float, float]:
        """Return the candidates for everybody's error (of the same bins) that the sample does not speak against.

        A candidate is tested by samples of a population that has it: the bins' distances are those observed, moved to
        add up to the candidate (hybrid resampling: Chuang and Lai 2000). Near zero, where only one side is
        open, the samples are ordered as Feldman and Cousins (1998) do, so that a score that is right is found out of
        line in 1 − `level` of all cases, neither more nor half as often. The value itself always lies inside.

        With a few hundred rows and a small error it holds more often than `level` says, up to 99 % in simulations: how
        the error is spread over the bins cannot be seen then.
        """
        low = self._last(lambda candidate: self.speaks_against(candidate, level) > 0)
        high = self._last(lambda candidate: self.speaks_against(candidate, level) >= 0)
        return min(low, self.value), max(high, self.value)

    def around(self, level: float) -> tuple[float, float, float]:
        """Return a middle with an interval that may go below zero, which is what a difference of two is made of.

        The middle is the candidate whose samples show on average what was seen. An interval that ends at zero is as
        long below its middle as above: the end is where errors cannot be, and says nothing about the spread.
        """
        low, high = self.interval(level)
        seen = self.bins.debiased
        middle = self._last(lambda candidate: float(self._drawn(candidate).mean()) <= seen)
        middle = middle if middle > 0 else min(0.0, seen - self._mean_where_right)
        return middle, low if low > 0 else 2 * middle - high, high

    def _last(self, holds: Callable[[float], bool]) -> float:
        """Last candidate for which something holds that holds for small ones; zero where it holds for none."""
        if not holds(0.0):
            return 0.0
        low, high = 0.0, self.bins.largest
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if holds(middle) else (low, middle)
        return low

    def speaks_against(self, candidate: float, level: float) -> int:
        """Return 1 where the sample shows more than the candidate, −1 where it shows less, 0 where neither."""
        drawn = self._drawn(candidate)
        seen, mean = self.bins.debiased, float(drawn.mean())

        def oddity(found: Float1) -> Float1:
            return np.asarray((found - mean) ** 2 - np.minimum(0.0, found - self._mean_where_right) ** 2)

        held = oddity(np.array([seen]))[0] <= np.quantile(oddity(drawn), level)
        return 0 if held else 1 if seen > mean else -1

    @cached_property
    def _mean_where_right(self) -> float:
        return float(self._drawn(0.0).mean())

    def _drawn(self, candidate: float) -> Float1:
        return self.bins.moved(candidate).sampled(self._rows, stream(self.random_state, self.purpose, 1))

    @cached_property
    def _rows(self) -> Int2:
        return self.bins.rows_sampled(stream(self.random_state, self.purpose))


@dataclass(frozen=True, kw_only=True, eq=False)
class Bins:
    """Bins of a score that hold rows: how many, their mean score and their share of favourable outcomes.

    Parameters
    ----------
    rows : float array of shape (bins,)
        Rows, or Kish's effective number of them where they have weights.
    score, outcome : float array of shape (bins,)
    """

    rows: Float1
    score: Float1
    outcome: Float1

    @classmethod
    def of(cls, score: Float1, truth: Float1, weights: Float1 | None) -> "Bins":
        """Put rows into equal bins of their score."""
        weights = np.ones(len(score)) if weights is None else weights
        place = np.minimum((score * BINS).astype(np.int64), BINS - 1)
        weight, scores, truths = (
            np.bincount(place, weights=weights * each, minlength=BINS) for each in (np.ones(len(score)), score, truth)
        )
        held = weight > 0
        share = weight[held] / weight.sum()
        return cls(rows=share * kish_size(weights), score=scores[held] / weight[held],
                   outcome=truths[held] / weight[held])  # fmt: skip

    @property
    def size(self) -> float:
        """Rows of all bins."""
        return float(self.rows.sum())

    @property
    def distances(self) -> Float1:
        """Signed distance between score and outcome, as each bin's part of the whole."""
        return np.asarray(self.rows / self.size * (self.score - self.outcome))

    @property
    def largest(self) -> float:
        """Most that the distances can add up to with these scores."""
        return float((self.rows * np.maximum(self.score, 1 - self.score)).sum() / self.size)

    @property
    def debiased(self) -> float:
        """Sum of the absolute distances without what chance adds to it."""
        hits = (self.rows * self.outcome)[None, :]
        return float(_debiased(self.distances[None, :], _variances(self.rows[None, :], hits, self.size))[0])

    def moved(self, total: float) -> "Bins":
        """Return bins whose distances add up to `total`, half way between two of that kind.

        One is nearest to the distances here in standard errors, and spreads the total over many bins. The
        other keeps the clearest distances and leaves out the others, so that few bins have it all.
        """
        distances = self.distances
        size, sign = np.abs(distances), np.where(distances < 0, -1.0, 1.0)
        variance = _variances(self.rows, self.rows * self.outcome, self.size)
        wanted = sign * _nearest(size, variance, total)
        if total < size.sum():
            wanted = (wanted + sign * _clearest(size, variance, total)) / 2
        outcome = np.clip(self.score - wanted * self.size / self.rows, 0.0, 1.0)
        return Bins(rows=self.rows, score=self.score, outcome=outcome)

    def rows_sampled(self, rng: Generator) -> Int2:
        """Rows in each bin of samples of as many rows, of shape (samples, bins)."""
        return np.asarray(rng.multinomial(max(1, round(self.size)), self.rows / self.size, size=SAMPLES))

    def sampled(self, counts: Int2, rng: Generator) -> Float1:
        """Debiased sums of samples with so many rows in each bin, drawn from a population that these bins describe."""
        n = int(counts[0].sum())
        rows, hits = counts.astype(float), rng.binomial(counts, self.outcome).astype(float)
        return _debiased((rows * self.score - hits) / n, _variances(rows, hits, n))


def _variances(rows: Float2, hits: Float2, n: float) -> Float2:
    """Sampling variance of each bin's distance; half a hit more on either side keeps it above zero."""
    rate = (hits + 0.5) / (rows + 1)
    return np.asarray(rows / n * rate * (1 - rate) / n)


def _debiased(distances: Float2, variances: Float2) -> Float1:
    """Sum of the absolute distances of each sample, its bias at zero taken off.

    If the sign came from some of the rows and the distance from the others, nothing would be gained by chance where
    there is none. This is the mean of that over all ways to part normal noise, in closed form.
    """
    from scipy.special import ndtr  # a third party, loaded only when there is a score to judge

    deviation = np.sqrt(PARTING * variances)
    z = np.divide(distances, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return np.asarray((distances * (2 * ndtr(z) - 1) - 2 / PARTING * deviation * density).sum(axis=1))


def _nearest(size: Float1, variance: Float1, total: float) -> Float1:
    """Non-negative numbers with this sum, nearest to `size` where differences count in standard errors."""
    ends = size / variance
    order = np.argsort(-ends)
    steps = (np.cumsum(size[order]) - total) / np.cumsum(variance[order])
    kept = np.flatnonzero(ends[order] >= steps)
    step = steps[-1] if total >= size.sum() else steps[kept[-1]]
    return np.asarray(np.maximum(size - step * variance, 0.0))


def _clearest(size: Float1, variance: Float1, total: float) -> Float1:
    """Keep what is furthest from zero in standard errors until the sum is reached."""
    order = np.argsort(-size / np.sqrt(variance))
    before = np.cumsum(size[order]) - size[order]
    kept = np.empty_like(size)
    kept[order] = np.clip(total - before, 0.0, size[order])
    return kept
