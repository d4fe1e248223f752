"""A model as something that scores and decides, and the columns it reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.typing import Bool1, Float1, Int1
from pellucid.adapters import as_model
from pellucid.fairness._inputs import is_favorable, read_vector
from pellucid.fairness.coupling import Outcome
from pellucid.fairness.gaps import Measured
from pellucid.fairness.groups import Grouping
from pellucid.ir import Model, Space
from pellucid.table import Table


@dataclass(frozen=True, kw_only=True, eq=False)
class Decider:
    """A model, the output that is about the favourable outcome, and the cut-off that decides.

    Parameters
    ----------
    model : Model
    output : int
        Position of the favourable outcome among the model's outputs.
    threshold : float or None
        Score from which the outcome is decided; None is the highest of the outputs.
    score : float array of shape (rows,)
        Probability of the favourable outcome (the output itself where there is none) of the rows as they are.
    truth : bool array of shape (rows,)
        Whether the true outcome is favourable; empty where no `y` was given.
    """

    model: Model
    output: int
    threshold: float | None
    score: Float1
    truth: Bool1

    def decide(self, rows: Table) -> Bool1:
        """Whether each row is decided favourably."""
        scores = self.model.predict(rows, decision_space(self.model))
        if self.threshold is None:
            return np.asarray(scores.argmax(axis=1) == self.output)
        return np.asarray(scores[:, self.output] >= self.threshold)

    def outcome(self, measure: Measured, space: Space) -> Outcome:
        """What is compared between groups, as a function of rows."""
        if measure == "score":
            return lambda rows, _: np.asarray(self.model.predict(rows, space)[:, self.output])
        if measure == "selection":
            return lambda rows, _: self.decide(rows).astype(float)
        truth = self.truth

        def wrong(rows: Table, own: Int1) -> Float1:
            return np.asarray(self.decide(rows) != truth[own], dtype=float)

        return wrong


def decision_space(model: Model) -> Space:
    """Probabilities where the model has them."""
    return Space.PROBABILITY if model.probability is not None else Space.RAW


def read_decider(model: Model, table: Table, y: Any, *, favorable: Any, threshold: float | None) -> Decider:
    """Find the output and the cut-off, and read the truth where it is given."""
    output = favorable_output(model, favorable)
    scores = model.predict(table, decision_space(model))
    if threshold is None and model.classes is None:
        inside = bool(((scores[:, output] >= 0) & (scores[:, output] <= 1)).all())
        threshold = 0.5 if inside else float(np.median(scores[:, output]))
    return Decider(
        model=model,
        output=output,
        threshold=threshold,
        score=scores[:, output],
        truth=np.zeros(0, dtype=bool) if y is None else _read_truth(model, y, favorable, output, len(table)),
    )


def favorable_output(model: Model, favorable: Any) -> int:
    """Position of the favourable outcome: by label, or the second of two classes, or the only output."""
    if model.classes is None:
        if len(model.outputs) > 1:
            raise InputError(f"the model has {len(model.outputs)} outputs without classes; pass a function of one.")
        return 0
    labels = model.classes.tolist()
    known = ", ".join(map(repr, labels))
    if favorable is not None:
        if favorable not in labels:
            raise InputError(f"favorable={favorable!r:.80} is no class of the model, which has {known}.")
        return int(labels.index(favorable))
    if len(labels) == 2:
        return 1
    raise InputError(f"say which of the classes is good for the person with favorable=: {known}.")


def _read_truth(model: Model, y: Any, favorable: Any, output: int, n_rows: int) -> Bool1:
    labels = read_vector(y, "y")
    if len(labels) != n_rows:
        raise InputError(f"y must have one value per row of X: expected {n_rows}, got {len(labels)}.")
    if favorable is None:
        favorable = True if model.classes is None else model.classes.tolist()[output]
    return is_favorable(labels, favorable)


def own_columns(model: Any, given: Table, groupings: Sequence[Grouping]) -> tuple[Table, Model]:
    """Return the columns that the model reads, sensitive ones it does not know set aside, and the model."""
    read = as_model(model, reference=given)
    sensitive = {name for grouping in groupings for name in grouping.columns}
    if read.features is None:
        return given, read
    aside = [name for name in given.names if name in sensitive and name not in read.features]
    table = given.select([name for name in given.names if name not in aside]) if aside and given.named else given
    return table.aligned(read.features), read


def sensitive_columns(table: Table, sensitive: Any) -> Any:
    """Return the columns of the table that a name, or a list of names, means; anything else as it is."""
    names = [sensitive] if isinstance(sensitive, str) else sensitive
    if not isinstance(names, list | tuple) or not names or not all(isinstance(name, str) for name in names):
        return sensitive
    if len(set(names)) == len(names) and all(name in table.names for name in names):
        return table.select(list(names))
    if isinstance(sensitive, str):
        known = ", ".join(map(repr, table.names[:12]))
        raise InputError(f"sensitive_features={sensitive!r} is not a column of X, which has {known}.")
    return sensitive
