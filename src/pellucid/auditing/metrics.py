"""Performance figures as functions of row weights, so that one bootstrap serves all of them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from pellucid._base.randomness import stream
from pellucid._base.statistics import shares_below
from pellucid._base.typing import Array, Float1, Float2, Int1
from pellucid.auditing.findings import Measure

OfWeights: TypeAlias = Callable[[Float1], float]
"""A figure of the rows, given one weight per row; NaN where it is not defined."""
REPLICATES = 1000
MOST_UNDEFINED = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """Scores and truth of the same rows.

    Parameters
    ----------
    scores : float64 array of shape (rows, outputs)
    truth : array of shape (rows,)
        Positions of the true classes, or numbers for regression.
    decided : int64 array of shape (rows,) or None
        Positions of the predicted classes.
    probabilistic : bool
        Scores are probabilities.
    """

    scores: Float2
    truth: Array
    decided: Int1 | None
    probabilistic: bool

    def take(self, rows: Array) -> "Predictions":
        """Return the part with these rows."""
        return Predictions(
            scores=self.scores[rows],
            truth=self.truth[rows],
            decided=None if self.decided is None else self.decided[rows],
            probabilistic=self.probabilistic,
        )


def auc(score: Float1, positive: Array) -> OfWeights:
    """Area under the ROC curve: the probability that a positive row outranks a negative one, ties counted half."""
    _, rank = np.unique(score, return_inverse=True)
    positive = np.asarray(positive, dtype=float)

    def of(weight: Float1) -> float:
        up = np.bincount(rank, weight * positive)
        total = up.sum()
        return float(up @ shares_below(rank, weight * (1 - positive)) / total) if total > 0 else float("nan")

    return of


def mean_of(values: Float1) -> OfWeights:
    """Weighted mean of one number per row."""
    return lambda weight: float(weight @ values / weight.sum()) if weight.sum() > 0 else float("nan")


def macro_auc(scores: Float2, truth: Int1) -> OfWeights:
    """Mean over the classes of the AUC of each class against the rest."""
    each = [auc(scores[:, k], truth == k) for k in range(scores.shape[1])]

    def of(weight: Float1) -> float:
        values = np.array([one(weight) for one in each])
        return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")

    return of


def r_squared(prediction: Float1, truth: Float1) -> OfWeights:
    """Share of the target's variance that the predictions explain, against the mean of the same rows."""
    error = (truth - prediction) ** 2

    def of(weight: Float1) -> float:
        total = weight.sum()
        centre = weight @ truth / total if total > 0 else 0.0
        spread = weight @ (truth - centre) ** 2
        return float(1 - weight @ error / spread) if spread > 0 else float("nan")

    return of


def figures(predictions: Predictions) -> dict[str, OfWeights]:
    """Every figure that fits the task, the main one first."""
    scores, truth = predictions.scores, predictions.truth
    if predictions.decided is None:
        error = truth - scores[:, 0]
        squared = mean_of(error**2)
        return {
            "R²": r_squared(scores[:, 0], truth),
            "RMSE": lambda weight: float(np.sqrt(squared(weight))),
            "MAE": mean_of(np.abs(error)),
        }
    binary = scores.shape[1] == 2
    main = {"AUC": auc(scores[:, 1], truth == 1)} if binary else {"mean AUC": macro_auc(scores, truth)}
    result = {**main, "accuracy": mean_of((predictions.decided == truth).astype(float))}
    if predictions.probabilistic:
        result["Brier score"] = mean_of(brier_loss(scores, truth))
        result["log loss"] = mean_of(log_loss(scores, truth))
    return result


def brier_loss(probability: Float2, truth: Int1) -> Float1:
    """Squared error of the probabilities per row; for two classes of the second class alone."""
    hit = np.eye(probability.shape[1])[truth]
    each = (probability - hit) ** 2
    return np.asarray(each[:, 1] if probability.shape[1] == 2 else each.sum(axis=1))


def log_loss(probability: Float2, truth: Int1) -> Float1:
    """Minus the log of the true class's probability."""
    true = probability[np.arange(len(truth)), truth]
    return np.asarray(-np.log(np.maximum(true, np.finfo(float).tiny)))


def replicated(
    of: Mapping[str, OfWeights], weights: Float1, random_state: int, purpose: str, replicates: int = REPLICATES
) -> Float2:
    """Figures of resampled rows, of shape (replicates, figures); the same rows for all figures."""
    drawn = resamples(weights, random_state, purpose, replicates)
    return np.array([[figure(w) for figure in of.values()] for w in drawn]).reshape(replicates, len(of))


def bootstrap(
    of: Mapping[str, OfWeights], weights: Float1, random_state: int, purpose: str, replicates: int = REPLICATES
) -> dict[str, Measure]:
    """Each figure with a 95 % percentile interval over resampled rows, the same rows for all figures."""
    drawn = replicated(of, weights, random_state, purpose, replicates)
    return {name: measure_of(name, of[name](weights), drawn[:, j], len(weights)) for j, name in enumerate(of)}


def measure_of(name: str, value: float, drawn: Float1, n: int) -> Measure:
    """Put a figure and its replicates into a measure."""
    low, high = percentiles(drawn)
    return Measure(name=name, value=value, low=low, high=high, n=n, unit=unit_of(name))


def beyond_chance(values: Float1, drawn: Float2) -> bool:
    """Whether the largest of several values exceeds the smallest by more than chance explains.

    The replicates of each value, moved to a common centre, show the range that would arise if all were equal; the
    range found must exceed its 95th percentile. This holds for any number of groups, where an interval of
    the largest difference alone would be too narrow, because that pair was picked.

    Parameters
    ----------
    values : array of shape (groups,)
    drawn : array of shape (replicates, groups)
    """
    centred = drawn - values
    spread = np.nanmax(centred, axis=1) - np.nanmin(centred, axis=1)
    return bool(np.ptp(values) > np.quantile(spread, 0.95))


def resamples(weights: Float1, random_state: int, purpose: str, replicates: int = REPLICATES) -> Iterator[Float1]:
    """Weights of rows drawn with replacement, one vector per replicate."""
    n = len(weights)
    draws = (stream(random_state, purpose, b).integers(n, size=n) for b in range(replicates))
    return (weights * np.bincount(drawn, minlength=n) for drawn in draws)


def percentiles(drawn: Float1) -> tuple[float | None, float | None]:
    """Return the middle 95 % of bootstrap replicates; none where too many are undefined."""
    defined = drawn[~np.isnan(drawn)]
    if len(defined) < (1 - MOST_UNDEFINED) * len(drawn):
        return None, None
    low, high = np.quantile(defined, [0.025, 0.975])
    return float(low), float(high)


def unit_of(name: str) -> str:
    """Return unit of a figure."""
    return "share" if name == "accuracy" else ""
