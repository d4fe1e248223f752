"""Targets, predictions and weights as the user has them, read once and checked."""

from collections.abc import Collection
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.typing import Array, Bool1, Float1
from pellucid.table import Table


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


def refuse_mixed(truth: Array, predicted: Array) -> None:
    """Refuse outcomes that are text on one side and something else on the other: ``1`` is never ``"1"``."""
    texts = [{isinstance(value, str) for value in labels.tolist()} for labels in (truth, predicted)]
    if texts[0] and texts[1] and texts[0].isdisjoint(texts[1]):
        raise InputError(
            f"y_true has outcomes such as {truth.tolist()[0]!r:.40} and y_pred such as {predicted.tolist()[0]!r:.40}, "
            "which are never equal. Give both the same type."
        )


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
