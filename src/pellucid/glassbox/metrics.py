"""How well predictions rank or fit, with intervals, alone and in pairs on the same rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pellucid._base.randomness import stream
from pellucid._base.statistics import Z, shares_below
from pellucid._base.typing import Bool1, Float1, Float2, Int1

RESAMPLES = 1000


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A number and its 95 % interval; no interval where none could be had."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class AreaUnderCurve:
    """AUC of one model, averaged over classes (one against the rest) and folds.

    Parameters
    ----------
    value : float
    influence : float64 array of shape (rows,)
        Each row's part in the error of `value`: the sum of squares is its variance.
    """

    value: float
    influence: Float1

    def interval(self) -> Interval:
        """95 % interval on the logit scale, which stays between 0 and 1 (Pepe 2003, section 5.2)."""
        error = float(np.sqrt((self.influence**2).sum()))
        if error == 0 or not 0 < self.value < 1:
            return Interval(value=self.value, low=self.value, high=self.value)
        centre = np.log(self.value / (1 - self.value))
        half = Z * error / (self.value * (1 - self.value))
        low, high = (float(1 / (1 + np.exp(-(centre + side * half)))) for side in (-1, 1))
        return Interval(value=self.value, low=low, high=high)

    def minus(self, other: "AreaUnderCurve") -> Interval:
        """Difference of two models on the same rows, with DeLong's 95 % interval."""
        value = self.value - other.value
        half = Z * float(np.sqrt(((self.influence - other.influence) ** 2).sum()))
        return Interval(value=value, low=value - half, high=value + half)


def area_under_curve(scores: Float2, labels: Int1, weights: Float1, folds: Sequence[Int1]) -> AreaUnderCurve:
    """AUC from one score per class, averaged over the classes and folds.

    Parameters
    ----------
    scores : array of shape (rows, classes)
        With two classes only the second column is used.
    labels : int array of shape (rows,)
        Position of each row's class.
    weights : array of shape (rows,)
    folds : sequence of int arrays
        Rows that one fitted model predicted together; scores of different fits are never compared.

    References
    ----------
    E. DeLong, D. DeLong and D. Clarke-Pearson, Biometrics 44, 1988; weighted as in its equations 4 and 5.
    """
    classes = [1] if scores.shape[1] == 2 else list(range(scores.shape[1]))
    influence, values = np.zeros(len(labels)), list[float]()
    parts = [(fold, k) for fold in folds for k in classes if 0 < np.count_nonzero(labels[fold] == k) < len(fold)]
    for fold, k in parts:
        value, part = _binary_area(scores[fold, k], labels[fold] == k, weights[fold])
        values.append(value)
        influence[fold] += part / len(parts)
    return AreaUnderCurve(value=float(np.mean(values)), influence=influence)


def _binary_area(scores: Float1, positive: Bool1, weights: Float1) -> tuple[float, Float1]:
    _, rank = np.unique(scores, return_inverse=True)
    influence = np.empty(len(scores))
    areas = []
    for side in (positive, ~positive):
        above = shares_below(rank, weights * ~side)[rank[side]]
        placed = above if side is positive else 1 - above
        share = weights[side] / weights[side].sum()
        area = float((share * placed).sum())
        count = np.count_nonzero(side)
        influence[side] = share * (placed - area) * np.sqrt(count / np.maximum(count - 1, 1))
        areas.append(area)
    return areas[0], influence


def log_loss(probability: Float2, labels: Int1, weights: Float1) -> float:
    """Weighted mean of minus the log of the true class's probability."""
    true = probability[np.arange(len(labels)), labels]
    return float(np.average(-np.log(np.maximum(true, np.finfo(float).eps)), weights=weights))


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """R² and RMSE of several models on the same rows, and their joint bootstrap.

    Parameters
    ----------
    r2, rmse : float64 arrays of shape (models,)
    resampled : float64 array of shape (resamples, models)
        R² of each model in each resample of the rows.
    """

    r2: Float1
    rmse: Float1
    resampled: Float2

    def interval(self, model: int) -> Interval:
        """R² with its 95 % percentile interval."""
        low, high = np.nanpercentile(self.resampled[:, model], [2.5, 97.5])
        return Interval(value=float(self.r2[model]), low=float(low), high=float(high))

    def minus(self, one: int, other: int) -> Interval:
        """Difference in R² with its paired 95 % percentile interval."""
        low, high = np.nanpercentile(self.resampled[:, one] - self.resampled[:, other], [2.5, 97.5])
        return Interval(value=float(self.r2[one] - self.r2[other]), low=float(low), high=float(high))


def fit_quality(predictions: Sequence[Float1], y: Float1, weights: Float1, random_state: int) -> Fit:
    """R² and RMSE of several predictions of `y`, with 1000 bootstrap resamples of the rows."""
    centred = y - np.average(y, weights=weights)
    errors = [weights * (y - prediction) ** 2 for prediction in predictions]
    sums = np.column_stack([weights, weights * centred, weights * centred**2, *errors])
    generator = stream(random_state, "ladder.bootstrap")
    rows = len(y)
    totals = np.empty((RESAMPLES, sums.shape[1]))
    for resample in range(RESAMPLES):
        totals[resample] = np.bincount(generator.integers(0, rows, rows), minlength=rows) @ sums
    whole = sums.sum(axis=0)
    return Fit(r2=_r2(whole[None, :])[0], rmse=np.sqrt(whole[3:] / whole[0]), resampled=_r2(totals))


def _r2(totals: Float2) -> Float2:
    """R² from sums of weight, weighted target, its square, and each model's weighted squared errors."""
    weight = np.where(totals[:, 0] > 0, totals[:, 0], np.nan)
    spread = totals[:, 2] - totals[:, 1] ** 2 / weight
    return np.asarray(1 - totals[:, 3:] / np.where(spread > 0, spread, np.nan)[:, None])
