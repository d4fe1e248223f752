"""What is measured in every group.

"Positive" means favourable throughout: a true positive is a row whose true and predicted outcome are both favourable.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.typing import Array, Bool1, Float1
from pellucid.fairness._inputs import is_favorable, read_numbers
from pellucid.fairness.calibration_error import FEWEST_EXPECTED, CalibrationError, fewest_expected
from pellucid.fairness.estimates import Area, Mean, Quantile, Share, Statistic


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcomes:
    """One value per row, of all rows or of one group.

    Parameters
    ----------
    truth, predicted : array of shape (rows,)
        Whether the outcome is favourable (bool); for regression the numbers.
    correct : bool array
        Whether the predicted label is the true one.
    score : float array or None
        Score of the favourable outcome.
    weights : float array or None
    purpose : str
        Names the random stream of the group's bootstrap.
    random_state : int
    """

    truth: Array
    predicted: Array
    correct: Bool1
    score: Float1 | None = None
    weights: Float1 | None = None
    purpose: str = ""
    random_state: int = 0

    def of(self, rows: Bool1, purpose: str) -> "Outcomes":
        """Return the part with these rows."""
        return Outcomes(
            truth=self.truth[rows],
            predicted=self.predicted[rows],
            correct=self.correct[rows],
            score=None if self.score is None else self.score[rows],
            weights=None if self.weights is None else self.weights[rows],
            purpose=purpose,
            random_state=self.random_state,
        )

    def share(self, hit: Bool1, among: Bool1 | None, nobody: str) -> Statistic | str:
        """Share of `hit` among some rows; a reason where there are none."""
        among = np.ones(len(hit), dtype=bool) if among is None else among
        weights = None if self.weights is None else self.weights[among]
        if not among.any() or (weights is not None and weights.sum() == 0):
            return f"undefined, because {nobody}"
        return Share(hit=hit[among], weights=weights)

    def mean(self, values: Float1, name: str) -> Statistic | str:
        """Mean with bootstrap replicates."""
        if self.weights is not None and self.weights.sum() == 0:
            return "undefined, because all weights are zero"
        return Mean(
            values=values, weights=self.weights, purpose=f"{self.purpose}|{name}", random_state=self.random_state
        )

    def area(self) -> Statistic | str:
        """Area under the ROC curve of the score (without weights)."""
        score, truth = np.asarray(self.score), self.truth.astype(bool)
        if truth.all() or not truth.any():
            return "undefined, because only one kind of outcome occurs"
        return Area(positive=score[truth], negative=score[~truth])

    def quantile(self, share: float) -> Statistic | str:
        """Score below which this share of the rows lies."""
        if self.weights is not None and self.weights.sum() == 0:
            return "undefined, because all weights are zero"
        return Quantile(values=np.asarray(self.score), share=share, weights=self.weights)

    def calibration_error(self) -> Statistic | str:
        """Expected calibration error of the score."""
        score = np.asarray(self.score)
        if score.min() < 0 or score.max() > 1:
            return "undefined, because the score is not a probability: some of it lies outside 0 and 1"
        if self.weights is not None and self.weights.sum() == 0:
            return "undefined, because all weights are zero"
        if fewest_expected(score, self.weights) < FEWEST_EXPECTED:
            return f"undefined, because the score expects fewer than {FEWEST_EXPECTED:g} outcomes of one kind"
        return CalibrationError(
            score=score,
            truth=self.truth.astype(float),
            weights=self.weights,
            purpose=f"{self.purpose}|expected_calibration_error",
            random_state=self.random_state,
        )

    def against_rest(self, label: Any) -> "Outcomes":
        """Read one label as the favourable one."""
        return replace(self, truth=_is(self.truth, label), predicted=_is(self.predicted, label))


Metric: TypeAlias = Callable[[Outcomes], Statistic | str]

NO_ROWS = "there are no rows with weight"
NO_FAVORABLE = "nobody’s true outcome is favourable"
NO_UNFAVORABLE = "everybody’s true outcome is favourable"
NO_SELECTED = "nobody is predicted the favourable outcome"

CLASSIFICATION: Mapping[str, Metric] = MappingProxyType(
    {
        "selection_rate": lambda o: o.share(o.predicted, None, NO_ROWS),
        "base_rate": lambda o: o.share(o.truth, None, NO_ROWS),
        "accuracy": lambda o: o.share(o.correct, None, NO_ROWS),
        "true_positive_rate": lambda o: o.share(o.predicted, o.truth, NO_FAVORABLE),
        "false_positive_rate": lambda o: o.share(o.predicted, ~o.truth, NO_UNFAVORABLE),
        "false_negative_rate": lambda o: o.share(~o.predicted, o.truth, NO_FAVORABLE),
        "positive_predictive_value": lambda o: o.share(o.truth, o.predicted, NO_SELECTED),
    }
)

SCORE: Mapping[str, Metric] = MappingProxyType(
    {
        "mean_score": lambda o: o.mean(np.asarray(o.score), "mean_score"),
        "calibration_gap": lambda o: o.mean(o.score - o.truth.astype(float), "calibration_gap"),
        "expected_calibration_error": lambda o: o.calibration_error(),
        "auc": lambda o: o.area(),
        "score_p10": lambda o: o.quantile(0.1),
        "score_p50": lambda o: o.quantile(0.5),
        "score_p90": lambda o: o.quantile(0.9),
    }
)

REGRESSION: Mapping[str, Metric] = MappingProxyType(
    {
        "mean_prediction": lambda o: o.mean(o.predicted, "mean_prediction"),
        "mean_outcome": lambda o: o.mean(o.truth, "mean_outcome"),
        "mean_error": lambda o: o.mean(o.predicted - o.truth, "mean_error"),
        "mean_absolute_error": lambda o: o.mean(np.abs(o.predicted - o.truth), "mean_absolute_error"),
    }
)

NO_RATIO = frozenset(
    {
        "mean_score",
        "calibration_gap",
        "score_p10",
        "score_p50",
        "score_p90",
        "mean_prediction",
        "mean_outcome",
        "mean_error",
    }
)
"""Numbers that may be negative or have no natural zero: their ratio means nothing."""


def read_outcomes(
    truth: Array,
    predicted: Array,
    *,
    score: Float1 | None,
    weights: Float1 | None,
    favorable: Any,
    random_state: int,
) -> tuple[Outcomes, Mapping[str, Metric]]:
    """Read the task from what was given: outcomes and the metrics that fit them."""
    correct = np.array([a == b for a, b in zip(truth.tolist(), predicted.tolist(), strict=True)], dtype=bool)
    rest: dict[str, Any] = {"correct": correct, "weights": weights, "random_state": random_state}
    if favorable is not None:
        outcomes = Outcomes(
            truth=is_favorable(truth, favorable, known=predicted),
            predicted=is_favorable(predicted, favorable, known=truth),
            score=score,
            **rest,
        )
        return outcomes, CLASSIFICATION if score is None else {**CLASSIFICATION, **SCORE}
    if score is not None:
        raise InputError("score is the score of the favourable outcome; say which one it is with favorable=.")
    labels = sorted({*truth.tolist(), *predicted.tolist()}, key=str)
    if np.issubdtype(truth.dtype, np.number) and len(np.unique(truth)) > 2:
        truth, predicted = read_numbers(truth, "y_true", len(truth)), read_numbers(predicted, "y_pred", len(truth))
        return Outcomes(truth=truth, predicted=predicted, **rest), REGRESSION
    if len(labels) <= 2:
        raise InputError(
            f"y_true has labels ({', '.join(map(repr, labels))}); say which outcome is good for the person with "
            "favorable=. A target of numbers with more than two values is read as regression, and one of more than two "
            "labels class by class."
        )
    return Outcomes(truth=truth, predicted=predicted, **rest), each_class(labels)


def each_class(labels: Iterable[Any]) -> Mapping[str, Metric]:
    """Accuracy, and every other rate of each class against the rest, as ``selection_rate[label]``."""
    metrics: dict[str, Metric] = {"accuracy": CLASSIFICATION["accuracy"]}
    rates = [(name, metric) for name, metric in CLASSIFICATION.items() if name != "accuracy"]
    for label in labels:
        metrics |= {f"{name}[{label}]": _of_class(metric, label) for name, metric in rates}
    return MappingProxyType(metrics)


def _of_class(metric: Metric, label: Any) -> Metric:
    return lambda outcomes: metric(outcomes.against_rest(label))


def _is(labels: Array, label: Any) -> Bool1:
    return np.array([value == label for value in labels.tolist()], dtype=bool)
