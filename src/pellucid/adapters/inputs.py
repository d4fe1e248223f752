"""A model of texts or images as a function of which parts are shown."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pellucid._base.errors import InputError, ModelError, UnsupportedModelError
from pellucid._base.typing import Array, Bool2, Names
from pellucid.adapters.estimator import read_estimator
from pellucid.adapters.reading import Reading, output_names, said
from pellucid.ir import Model
from pellucid.table import Table


def as_input_model(
    model: Any, show: Callable[[Bool2], Any], features: Names, *, batch: int, outputs: Sequence[str] | None = None
) -> Model:
    """Make the `ir.Model` of the table that says which parts of an input are shown.

    Parameters
    ----------
    model : callable or fitted estimator
        From several inputs to outputs of shape (inputs,) or (inputs, outputs); an estimator by ``predict_proba``,
        else ``decision_function`` of a classifier, else ``predict``.
    show : callable
        Which parts are shown (inputs, parts) to the inputs as the model takes them.
    features : tuple of str
        Names of the parts.
    batch : int
        Inputs made for one call.
    outputs : sequence of str, optional
        Names of the outputs, where the model does not name them.

    Raises
    ------
    UnsupportedModelError
        When it is neither.
    InputError
        When there are not as many names as outputs.
    """
    reading = _read(model)

    def asked(function: Callable[[Any], Any]) -> Callable[[Table], Array]:
        def answer(table: Table) -> Array:
            shown = np.asarray(table.as_array()) > 0.5
            parts = [shown[first : first + batch] for first in range(0, len(shown), batch)]
            return np.concatenate([_call(reading.label, function, show(part), len(part)) for part in parts])

        return answer

    names = reading.outputs
    if not names:
        ends = Table.of(np.array([[1.0] * len(features), [0.0] * len(features)]), names=features)
        names = output_names(asked(reading.raw)(ends).shape[1])
    if outputs is not None:
        given = tuple(map(str, outputs)) if not isinstance(outputs, str) else (outputs,)
        if len(given) != len(names) or len(set(given)) != len(given):
            raise InputError(f"outputs must be {len(names)} different names, one for each output; got {given!r:.120}.")
        names = given
    return Model(
        label=reading.label,
        outputs=names,
        raw=asked(reading.raw),
        raw_space=reading.raw_space,
        probability=None if reading.probability is None else asked(reading.probability),
        classes=reading.classes,
        features=features,
        why_no_structure=f"{reading.label} is only known by its predictions",
    )


def _read(model: Any) -> Reading:
    if isinstance(model, type):
        raise UnsupportedModelError(f"expected a fitted model, got the class {model.__name__}. Fit an instance first.")
    if hasattr(model, "predict"):
        return read_estimator(model, None)
    if not callable(model):
        raise UnsupportedModelError(
            f"cannot explain a {type(model).__qualname__}. Pass a fitted estimator or a function that takes a list of "
            "texts, or an array of images, and returns one number (or one per output) for each."
        )
    name = getattr(model, "__qualname__", type(model).__qualname__)
    return Reading(label=f"the function {name}", outputs=(), raw=model)


def _call(label: str, function: Callable[[Any], Any], inputs: Any, count: int) -> Array:
    """Outputs of shape (inputs, outputs); the model's own errors become a `ModelError` with its name."""
    try:
        result = np.asarray(function(inputs))
    except Exception as error:
        kind = type(inputs[0]).__name__ if isinstance(inputs, list) else f"images of shape {inputs.shape[1:]}"
        raise ModelError(f"{label} could not take {count} inputs ({kind}) with hidden parts: {said(error)}") from error
    result = result[:, None] if result.ndim == 1 else result
    if result.ndim != 2 or len(result) != count or not result.shape[1]:
        raise ModelError(
            f"{label} must return one number (or one per output) for each input: shape ({count},) or ({count}, "
            f"outputs) for {count} inputs; got {result.shape}."
        )
    return result
