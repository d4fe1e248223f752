"""What a model without named classes is a model of, decided by its outputs and the target."""

from dataclasses import replace
from typing import Any, Literal, TypeAlias

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.typing import Array, Float2
from pellucid.auditing.words import listed
from pellucid.ir import Model, Space
from pellucid.table import Table

Task: TypeAlias = Literal["binary", "multiclass", "regression"]
MOST_CLASSES = 10
"""Whole numbers with no more distinct values than this are read as classes when there is no model to ask."""


def task_of(classes: Array | None) -> Task:
    """Return what is predicted, given the class labels."""
    if classes is None:
        return "regression"
    return "binary" if len(classes) == 2 else "multiclass"


def is_numeric(y: Array) -> bool:
    """Whether a target has numbers (bools are labels)."""
    return bool(np.issubdtype(y.dtype, np.number))


def classes_of_target(y: Array) -> Array | None:
    """Class labels of a target when there is no model to say: None where it is a number to predict."""
    labels = sorted_labels(y)
    if is_numeric(y):
        whole = bool(np.all(np.mod(y.astype(float), 1) == 0))
        if len(labels) > 2 and (not whole or len(labels) > MOST_CLASSES):
            return None
    return labels


def sorted_labels(y: Array) -> Array:
    """Distinct labels in the order scikit-learn would give them."""
    values = set(y.tolist())
    try:
        ordered = sorted(values)
    except TypeError:  # mixed types have no order of their own
        ordered = sorted(values, key=str)
    labels = np.empty(len(ordered), dtype=object if y.dtype == object else y.dtype)
    labels[:] = ordered
    return labels


def with_classes(model: Model, estimator: Any, X: Table, y: Array) -> Model:
    """Name the classes of a function that returns probabilities; other models are returned as they are.

    A bare function says nothing about what it returns. With a target of two labels one column in
    [0, 1] is the probability of the label that is sorted last; with k labels k columns that add up
    to one are probabilities in sorted order. A numeric target and one column otherwise is regression.

    Raises
    ------
    InputError
        When the outputs fit neither reading.
    """
    bare = callable(estimator) and not hasattr(estimator, "predict")
    if model.classes is not None or not bare:
        return model
    labels = sorted_labels(y)
    outputs = model.predict(X)
    inside = bool(np.all((outputs >= 0) & (outputs <= 1)))
    width = outputs.shape[1]
    if width == 1 and len(labels) == 2 and inside:
        return _probabilistic(model, labels, lambda table: _both(model.predict(table)))
    if width == len(labels) > 1 and inside and np.allclose(outputs.sum(axis=1), 1, atol=1e-6):
        return _probabilistic(model, labels, model.predict)
    if width == 1 and is_numeric(y) and len(labels) > 2:
        return model
    raise InputError(
        f"the target has {len(labels)} labels ({listed(labels.tolist())}), so the function must return their "
        f"probabilities: {'one column in [0, 1], or two' if len(labels) == 2 else f'{len(labels)} columns'} that add "
        f"up to 1. It returned {width} with values from {outputs.min():.3g} to {outputs.max():.3g}."
    )


def _both(probability: Float2) -> Float2:
    return np.concatenate([1 - probability, probability], axis=1)


def _probabilistic(model: Model, labels: Array, probability: Any) -> Model:
    return replace(
        model,
        outputs=tuple(str(label) for label in labels.tolist()),
        raw=probability,
        raw_space=Space.PROBABILITY,
        probability=probability,
        classes=labels,
        structure=None,
        encoding=None,
        mirrored=False,
    )
