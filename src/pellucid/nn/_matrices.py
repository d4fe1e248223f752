"""Activations as matrices: the checks that everything which reads them shares."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from pellucid._base.errors import InputError
from pellucid._base.typing import Array, Float2


def as_array(values: Any, what: str) -> Array:
    """Return a tensor or anything array-like as a numpy array of numbers, refusing NaN and infinity."""
    array = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise InputError(f"{what} must be numbers; got {type(values).__name__} of dtype {array.dtype}.")
    if array.size == 0:
        raise InputError(f"{what} is empty: its shape is {array.shape}. Give at least one row.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        count = int((~np.isfinite(array)).sum())
        raise InputError(f"{what} must be finite; {count} of {array.size} numbers are NaN or infinite.")
    return array


def as_matrix(values: Any, what: str) -> Float2:
    """Return activations as float64 of shape (rows, features), all axes after the first flattened."""
    array = as_array(values, what)
    if array.ndim < 2:
        raise InputError(f"{what} must have shape (rows, features, …); got shape {array.shape}.")
    return array.reshape(len(array), -1).astype(np.float64)


def by_layer(activations: Any) -> dict[str, Any]:
    """Return activations as a dict from layer to values; a bare array becomes the layer ``"activations"``."""
    if isinstance(activations, Mapping):
        if not activations:
            raise InputError("there are no activations: the mapping from layers to arrays is empty.")
        return dict(activations)
    return {"activations": activations}


def need_same_rows(n: int, wanted: int, what: str, other: str) -> None:
    """Refuse two things that should have a row for each other and do not."""
    if n != wanted:
        raise InputError(f"{what} has {n} rows, but {other} has {wanted}; give one for each.")
