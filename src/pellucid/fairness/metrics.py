"""What is measured in every group.

"Positive" means favourable throughout: a true positive is a row whose true and predicted outcome are both favourable.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from pellucid._base.typing import Array, Bool1, Float1
from pellucid.fairness.estimates import Area, Mean, Share, Statistic


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
        "auc": lambda o: o.area(),
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

SIGNED = frozenset({"mean_score", "calibration_gap", "mean_prediction", "mean_outcome", "mean_error"})
"""Numbers that may be negative or have no natural zero: their ratio means nothing."""
