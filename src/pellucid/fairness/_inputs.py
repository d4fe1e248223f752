"""Targets, predictions and weights as the user has them, read once and checked."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.typing import Array, Bool1, Float1
from pellucid.fairness.metrics import CLASSIFICATION, REGRESSION, SCORE, Metric, Outcomes
from pellucid.table import Table


def read_outcomes(
    y_true: Any, y_pred: Any, *, score: Any, favorable: Any, sample_weight: Any, random_state: int
) -> tuple[Outcomes, Mapping[str, Metric]]:
    """Read the task from the arguments: outcomes and the metrics that fit them."""
    truth, predicted = read_vector(y_true, "y_true"), read_vector(y_pred, "y_pred")
    if len(truth) != len(predicted):
        raise InputError(f"y_true and y_pred must have the same length; got {len(truth)} and {len(predicted)}.")
    weights = read_weights(sample_weight, len(truth))
    correct = np.array([a == b for a, b in zip(truth.tolist(), predicted.tolist(), strict=True)], dtype=bool)
    if favorable is None:
        if score is not None:
            raise InputError("score is the score of the favourable outcome; say which one it is with favorable=.")
        numbers = _read_regression(truth, predicted)
        return Outcomes(
            truth=numbers[0], predicted=numbers[1], correct=correct, weights=weights, random_state=random_state
        ), REGRESSION
    outcomes = Outcomes(
        truth=is_favorable(truth, favorable, known=predicted),
        predicted=is_favorable(predicted, favorable, known=truth),
        correct=correct,
        score=None if score is None else read_numbers(score, "score", len(truth)),
        weights=weights,
        random_state=random_state,
    )
    return outcomes, CLASSIFICATION if score is None else {**CLASSIFICATION, **SCORE}


def read_vector(values: Any, name: str) -> Array:
    """One value per row, none of them missing."""
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise InputError(f"{name} must have one value per row; got an array of shape {array.shape}.")
    column = Table.of(array.reshape(-1, 1), what=name).column("x0")
    missing = np.array([value is None or value != value for value in column.tolist()], dtype=bool)  # noqa: PLR0124
    if missing.any():
        raise InputError(
            f"{name} is missing in {missing.sum()} rows, the first is row {int(np.argmax(missing))}. "
            "Leave these rows out of every argument, and say so where you report the figures."
        )
    return array


def read_numbers(values: Any, name: str, n_rows: int) -> Float1:
    """One finite number per row."""
    array = read_vector(values, name)
    try:
        numbers = np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be numbers; got values such as {array[0]!r}.") from error
    if len(numbers) != n_rows:
        raise InputError(f"{name} must have one value per row: expected {n_rows}, got {len(numbers)}.")
    if not np.isfinite(numbers).all():
        raise InputError(f"{name} must be finite; row {int(np.argmin(np.isfinite(numbers)))} is not.")
    return numbers


def read_weights(sample_weight: Any, n_rows: int) -> Float1 | None:
    """Weights that are not negative and not all zero, or None."""
    if sample_weight is None:
        return None
    weights = read_numbers(sample_weight, "sample_weight", n_rows)
    if (weights < 0).any() or not weights.any():
        raise InputError("sample_weight must not be negative, and some weight must be above zero.")
    return weights


def is_favorable(labels: Array, favorable: Any, *, known: Array | None = None) -> Bool1:
    """Which labels are favourable; refuses a `favorable` that neither `labels` nor `known` has."""
    several = isinstance(favorable, Collection) and not isinstance(favorable, str | bytes)
    wanted = list(favorable) if several else [favorable]
    values = labels.tolist() + ([] if known is None else known.tolist())
    if not any(value in wanted for value in values):
        seen = sorted({repr(value) for value in values})
        raise InputError(f"favorable={favorable!r} is not among the outcomes: {', '.join(seen[:8])}.")
    return np.array([label in wanted for label in labels.tolist()], dtype=bool)


def _read_regression(truth: Array, predicted: Array) -> tuple[Float1, Float1]:
    numeric = np.issubdtype(truth.dtype, np.number)
    if not numeric or len(np.unique(truth)) <= 2:
        known = sorted({repr(label) for label in truth.tolist()})
        raise InputError(
            f"y_true has labels ({', '.join(known[:4])}); say which outcome is good for the person with favorable=. "
            "Only a target of numbers with more than two values is read as regression."
        )
    n = len(truth)
    return read_numbers(truth, "y_true", n), read_numbers(predicted, "y_pred", n)
