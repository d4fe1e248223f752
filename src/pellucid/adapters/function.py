"""Any function of rows."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid._base.errors import InputError, ModelError, UnsupportedModelError
from pellucid.adapters.reading import Reading, finish, output_names, said
from pellucid.ir import Model, Space
from pellucid.table import Table

PROBE_ROWS = 4


def as_function_model(function: Callable[[Any], Any], reference: Table | None, space: Space) -> Model:
    """Make a model of a function that takes rows and returns (rows,) or (rows, outputs).

    Raises
    ------
    UnsupportedModelError
        When there are no rows to learn the number of outputs from.
    InputError
        When `space` is neither raw nor probability.
    ModelError
        When the function does not return one or more numbers per row.
    """
    if space not in (Space.RAW, Space.PROBABILITY):
        raise InputError(f"predict_space must be 'raw' or 'probability'; got {str(space)!r}.")
    if reference is None or not len(reference):
        raise UnsupportedModelError(
            "a function needs rows to learn its number of outputs from. Pass background= with at least one row."
        )
    name = getattr(function, "__qualname__", type(function).__qualname__)
    guarded = _on_copies(function)
    n_outputs = _count_outputs(guarded, reference, name)
    several = space is Space.PROBABILITY and n_outputs > 1
    return finish(
        Reading(
            label=f"the function {name}",
            outputs=output_names(n_outputs),
            raw=guarded,
            raw_space=space,
            probability=guarded if space is Space.PROBABILITY else None,
            classes=np.arange(n_outputs) if several else None,
            names=reference.names if reference.named else None,
            why_no_structure="a function is only known by its predictions",
            frames=None,
        )
    )


def _on_copies(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Let a function that writes into its rows write into a copy of them."""

    def guarded(rows: Any) -> Any:
        return function(rows.copy() if hasattr(rows, "copy") else copy.copy(rows))

    return guarded


def _count_outputs(function: Callable[[Any], Any], reference: Table, name: str) -> int:
    rows = reference.take(range(min(PROBE_ROWS, len(reference))))
    try:
        result = function(rows.native)
    except Exception as error:
        raise ModelError(
            f"the function {name} failed on the first {len(rows)} rows: {said(error)} It is given rows as "
            f"{type(rows.native).__name__}, as you passed them."
        ) from error
    try:
        shape = np.asarray(result).shape
    except ValueError:  # rows of different lengths
        shape = ()
    if len(shape) not in (1, 2) or shape[0] != len(rows) or 0 in shape:
        raise ModelError(
            f"the function {name} must return one number (or one per output) for each row: shape ({len(rows)},) "
            f"or ({len(rows)}, outputs) for {len(rows)} rows; got {shape}."
        )
    return 1 if len(shape) == 1 else shape[1]
