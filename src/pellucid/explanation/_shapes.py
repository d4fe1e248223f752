"""What every answer checks when it is made: shapes, finite numbers, unique names, read-only arrays."""

import math
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.typing import Array, Names
from pellucid.table import listed


def freeze(owner: Any, name: str, shape: tuple[int, ...], axes: str, *, finite: bool = True) -> None:
    """Replace the array `owner.name` by a read-only float64 copy of the given shape; one that is read-only stays.

    Parameters
    ----------
    shape : tuple of int
        What it must be.
    axes : str
        The axes in words, such as ``(rows, outputs)``, for the message.
    finite : bool
        Whether NaN and infinity are refused.
    """
    given = getattr(owner, name)
    try:
        array = given if _is_frozen(given) else np.array(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be numbers of shape {axes}; got {type(given).__name__}: {error}.") from error
    if array.shape != shape:
        raise InputError(f"{name} must have shape {axes} = {shape}; got {array.shape}.")
    if finite and not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise InputError(f"{name} must be finite; {axes} {where} is {array[where]}.")
    array.flags.writeable = False
    object.__setattr__(owner, name, array)


def _is_frozen(array: Any) -> bool:
    """Whether nobody writes to this float64 array: it is read-only, and no view of another."""
    plain = type(array) is np.ndarray and array.dtype == np.float64
    return plain and not array.flags.writeable and array.flags.owndata


def freeze_names(owner: Any, name: str) -> None:
    """Replace names by a tuple of text, each there once."""
    given = getattr(owner, name)
    names: Names = tuple(given)
    if isinstance(given, str) or not all(isinstance(item, str) for item in names):
        raise InputError(f"{name} must be a sequence of text; got {given!r:.80}.")
    if len(set(names)) < len(names):
        doubled = sorted({item for item in names if names.count(item) > 1})
        raise InputError(f"{name} must be different from each other; more than one is {listed(doubled)}.")
    object.__setattr__(owner, name, names)


def freeze_folds(owner: Any, name: str, size: int) -> None:
    """Replace a mapping of names to shapes by a plain copy; together they must have `size` elements."""
    given = getattr(owner, name)
    folds = {str(key): tuple(int(side) for side in shape) for key, shape in dict(given).items()}
    if sum(math.prod(shape) for shape in folds.values()) != size:
        raise InputError(f"{name} must have the {size} features as elements; got {folds}.")
    object.__setattr__(owner, name, folds)


def rank(array: Array, dimensions: int, name: str, axes: str) -> tuple[int, ...]:
    """Shape of an array that must have this many dimensions."""
    shape = np.shape(array)
    if len(shape) != dimensions:
        raise InputError(f"{name} must have shape {axes}; got shape {shape}.")
    return shape
