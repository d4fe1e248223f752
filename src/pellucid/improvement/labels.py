"""`suspect_labels`: rows whose label a model of the other rows contradicts."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid._base.errors import UnsupportedRequestError
from pellucid._base.typing import Array, Bool1, Float1, Float2, Int1, Names
from pellucid.improvement.losses import mistakes_of, score_space
from pellucid.improvement.refit import Gain, Held, Trial, gain_of
from pellucid.ir import Model

if TYPE_CHECKING:
    import pandas as pd

FAR = 5.0
"""Robust standard deviations from which the error of a number is suspect."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Suspects:
    """Rows to look at again, the most doubtful first.

    Parameters
    ----------
    rows : int array of shape (suspects,)
        Positions in `X`.
    labels, expected : array of shape (suspects,)
        What the row says and what a model of the other rows says.
    doubt : float array of shape (suspects,)
        Probability of the expected label minus that of the given one; for numbers the error in robust standard
        deviations.
    n : int
        Rows that were looked at.
    gain : Gain or None
        What fitting without them brings on all rows, suspects included; None where nothing was fitted again.
    how : str
    """

    rows: Int1
    labels: Array
    expected: Array
    doubt: Float1
    n: int
    gain: Gain | None
    how: str

    @property
    def sentences(self) -> Names:
        """What was found, in plain words."""
        if not len(self.rows):
            return (f"None of {self.n:,} labels is contradicted by a model of the other rows.",)
        count = f"{len(self.rows):,} of {self.n:,} labels"
        first = f"{count} are contradicted by a model of the other rows: look at them again."
        if self.gain is None:
            return (first,)
        effect = "helps" if self.gain.clear else "does not clearly help"
        return (first, f"Fitting without them {effect}: a gain of {self.gain.words}, suspects included.")

    def to_frame(self) -> "pd.DataFrame":
        """One row per suspect."""
        import pandas as pd  # a third party, loaded only when a frame is asked for

        return pd.DataFrame({"row": self.rows, "label": self.labels, "expected": self.expected, "doubt": self.doubt})


def suspect_labels(model: Any, X: Any, y: Any, *, measure: bool = True, random_state: int = 0) -> Suspects:
    """Find rows that may be mislabelled.

    The model is fitted again on four fifths of the rows and asked about the fifth (confident learning: Northcutt, Jiang
    and Chuang 2021). A row is suspect when another label is as probable as it is on average among the rows that bear
    it, and more probable than its own. A number is suspect when it lies five robust standard deviations from its
    prediction. Suspect does not mean wrong: where outcomes are chance, some rows are rightly surprising.

    Parameters
    ----------
    model : estimator
        Fitted. One that cannot be fitted again is asked as it is: then `X` must be rows it has not seen.
    X, y
        Rows and their labels.
    measure : bool
        Fit again without the suspects and measure what it brings.
    random_state : int

    Returns
    -------
    Suspects

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from pellucid.improvement import suspect_labels
    >>> X, y = load_iris(return_X_y=True)
    >>> y[0] = 2
    >>> int(suspect_labels(LogisticRegression(max_iter=2000).fit(X, y), X, y).rows[0])
    0
    """
    return suspects_of(Trial.of(model, X, y, random_state), measure=measure)


def suspects_of(trial: Trial, *, measure: bool = True) -> Suspects:
    """Find the suspects of a trial that stands already."""
    before: Held | None
    try:
        before = trial.base
        scores, how = before.scores, "predictions of models fitted on the other rows"
    except UnsupportedRequestError:
        before, scores = None, trial.model.predict(trial.table, score_space(trial.model))
        how = "predictions of the model as it is, on rows it must not have seen"
    numeric = trial.model.classes is None
    found = _numbers(scores, trial.truth) if numeric else _classes(scores, trial.truth, trial.model)
    suspect, expected, doubt = found
    rows = np.flatnonzero(suspect)
    rows = rows[np.argsort(-doubt[rows], kind="stable")].astype(np.int64)
    gain = _gain(trial, before, ~suspect) if measure and before is not None and len(rows) else None
    return Suspects(
        rows=rows,
        labels=trial.truth[rows],
        expected=expected[rows],
        doubt=doubt[rows],
        n=len(trial.truth),
        gain=gain,
        how=how,
    )


def _gain(trial: Trial, before: Held, keep: Bool1) -> Gain:
    """Compare wrong decisions (absolute errors of numbers) on all rows.

    A probability is not judged here: without the suspects a fit is surer of itself, and the suspects' own labels would
    punish it for that. How many decisions are right moves with the truth as long as most labels are.
    """
    losses = [mistakes_of(held.scores, trial.truth, trial.model) for held in (before, trial.run(keep=keep))]
    loss = "mean absolute error" if trial.model.classes is None else "share of wrong decisions"
    return gain_of(losses[0], losses[1], loss)


def _classes(scores: Float2, truth: Array, model: Model) -> tuple[Bool1, Array, Float1]:
    position = model.class_index(truth)
    own = scores[np.arange(len(truth)), position]
    usual = np.array([own[position == k].mean() if (position == k).any() else np.inf for k in range(scores.shape[1])])
    confident = np.where(scores >= usual, scores, -np.inf)
    best = confident.argmax(axis=1)
    doubt = scores[np.arange(len(truth)), best] - own
    classes: Array = np.asarray(model.classes)
    return np.isfinite(confident.max(axis=1)) & (best != position) & (doubt > 0), classes[best], doubt


def _numbers(scores: Float2, truth: Array) -> tuple[Bool1, Array, Float1]:
    error = truth.astype(float) - scores[:, 0]
    spread = 1.4826 * float(np.median(np.abs(error - np.median(error))))
    doubt = np.abs(error - np.median(error)) / spread if spread > 0 else np.zeros(len(error))
    return doubt > FAR, scores[:, 0], doubt
