"""What a model gets wrong, row by row."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.numbers import interval_text, percent_interval
from pellucid._base.statistics import Z, wilson
from pellucid._base.typing import Array, Float1, Float2
from pellucid.adapters import as_model
from pellucid.ir import Model, Space
from pellucid.table import Table


@dataclass(frozen=True, kw_only=True, eq=False)
class Errors:
    """One error per row: 0 or 1 for a classifier's decision, the absolute error of a number.

    Parameters
    ----------
    table : Table
    values : float array of shape (rows,)
    share : bool
        Errors are 0 or 1.
    """

    table: Table
    values: Float1
    share: bool

    def mean(self, rows: Array) -> tuple[float, float, float]:
        """Mean error of some rows with its 95 % interval: Wilson's for shares, else the normal one."""
        part = self.values[rows]
        value = float(part.mean())
        if self.share:
            return value, *wilson(value, len(part))
        half = Z * float(part.std(ddof=1)) / np.sqrt(len(part)) if len(part) > 1 else np.inf
        return value, value - half, value + half

    def words(self, found: tuple[float, float, float]) -> str:
        """Write a mean error: “wrong in 12.3 % [10.1, 14.9]” or “an absolute error of 3.2 [2.9, 3.5]”."""
        write = percent_interval if self.share else interval_text
        return f"{'wrong in' if self.share else 'a mean absolute error of'} {write(*found)}"


def read_errors(model: Any, X: Any, y: Any) -> Errors:
    """Ask the model about every row and compare with the truth."""
    given = Table.of(X)
    read = as_model(model, reference=given)
    table = given if read.features is None else given.aligned(read.features)
    truth = read_target(read, y, len(table))
    values = mistakes_of(read.predict(table, score_space(read)), truth, read)
    return Errors(table=table, values=values, share=read.classes is not None)


def score_space(model: Model) -> Space:
    """Probabilities where the model has them."""
    return Space.PROBABILITY if model.probability is not None else Space.RAW


def read_target(model: Model, y: Any, n_rows: int) -> Array:
    """Check that there is one known label, or one finite number, for each row."""
    if len(model.outputs) > 1 and model.classes is None:
        raise InputError(
            f"the model has {len(model.outputs)} outputs without classes; pass one that predicts one number."
        )
    return model.targets(y, n_rows)


def mistakes_of(scores: Float2, truth: Array, model: Model) -> Float1:
    """0 or 1 for a classifier's decision, the absolute error of a number."""
    if model.classes is None:
        return np.asarray(np.abs(scores[:, 0] - truth.astype(float)))
    return np.asarray(scores.argmax(axis=1) != model.class_index(truth), dtype=float)


def losses_of(scores: Float2, truth: Array, model: Model) -> Float1:
    """Proper losses for comparing fits: minus log probability, squared error; 0 or 1 where there is no probability."""
    if model.classes is None:
        return np.asarray((scores[:, 0] - truth.astype(float)) ** 2)
    if model.probability is None:
        return mistakes_of(scores, truth, model)
    position = model.class_index(truth)
    return np.asarray(-np.log(np.maximum(scores[np.arange(len(truth)), position], 1e-6)))
