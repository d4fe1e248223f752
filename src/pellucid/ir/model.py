"""A model as the rest of the house sees it: a function of a table, and perhaps a structure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid._base.errors import InputError, ModelError, UnsupportedRequestError
from pellucid._base.typing import Array, Float2, Int1, Names
from pellucid._kernels.answers import both_classes
from pellucid.ir.linear import LinearForm
from pellucid.ir.space import Space, log_odds
from pellucid.ir.trees import LARGEST, TreeEnsemble
from pellucid.table import Table


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoding:
    """How raw features become the columns a structure reads.

    Parameters
    ----------
    transform : callable
        Raw table to float64 array of shape (rows, columns).
    groups : int64 array of shape (columns,)
        Raw feature each column is made of; features with several columns (one-hot) move as one.
    """

    transform: Callable[[Table], Float2]
    groups: Int1


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """One prediction function with named outputs, and the structure behind it where we can read it.

    Parameters
    ----------
    label : str
        What to call the model in a sentence.
    outputs : tuple of str
        ``("prediction",)`` for one regression target; one name per class, in the model's own order.
    raw : callable
        Table to float64 (rows, outputs): the margin where the model has one, else what it returns.
    raw_space : Space
        What `raw` is measured in: ``log_odds`` for a logistic margin, ``probability`` for a
        classifier without a margin, else ``raw``.
    probability : callable or None
        Table to class probabilities (rows, outputs).
    classes : array or None
        Class labels in the order of `outputs`; None for regression.
    features : tuple of str or None
        Columns the model was fitted on; None where it does not say.
    structure : TreeEnsemble, LinearForm or None
        What `raw` computes, exactly, after `encoding`.
    encoding : Encoding or None
        From raw features to the structure's columns; given with every structure.
    mirrored : bool
        The structure has one output m and the model two: ``(-m, m)``, or ``(1 - m, m)`` for probabilities.
    why_no_structure : str
        A sentence that says why there is no structure, for whoever asks for one.
    """

    label: str
    outputs: Names
    raw: Callable[[Table], Array]
    raw_space: Space = Space.RAW
    probability: Callable[[Table], Array] | None = None
    classes: Array | None = None
    features: Names | None = None
    structure: TreeEnsemble | LinearForm | None = None
    encoding: Encoding | None = None
    mirrored: bool = False
    why_no_structure: str = "the model is only known by its predictions"

    def outputs_in(self, space: Space) -> Names:
        """Names of the outputs when measured in `space`."""
        return ("loss",) if space is Space.LOSS else self.outputs

    @property
    def gives_probabilities(self) -> bool:
        """Whether its outputs can be had as probabilities."""
        return self.raw_space is Space.PROBABILITY or self.probability is not None

    def resolve(self, space: Space) -> Space:
        """The space whose units ``raw`` means for this model, else `space` itself."""
        return self.raw_space if space is Space.RAW else space

    def predict(self, X: Table, space: Space = Space.RAW, y: Array | None = None) -> Float2:
        """Return the outputs of shape (rows, outputs) in `space`; ``loss`` needs one `y` per row.

        Raises
        ------
        UnsupportedRequestError
            When the model has no output in this space.
        ModelError
            When the model returns another shape, or something that is not a finite number.
        """
        space = Space.of(space)
        if space is Space.LOSS:
            return self._loss(X, y)
        native = space is Space.RAW or space is self.raw_space
        if not native and self.probability is None:
            raise UnsupportedRequestError(
                f"space={str(space)!r} needs class probabilities, and {self.label} has none. Use space='raw'."
            )
        if not len(X):  # most libraries refuse to predict no rows
            return np.empty((0, len(self.outputs)))
        if native or self.probability is None:
            return self._checked(self.raw(X), X)
        probability = self._checked(self.probability(X), X)
        return probability if space is Space.PROBABILITY else log_odds(probability)

    def structure_answers(self, space: Space) -> bool:
        """Whether the structure computes the model's output in this space."""
        return self.structure is not None and space in (Space.RAW, self.raw_space)

    def structure_outputs(self, values: Array) -> Array:
        """Turn the structure's outputs (last axis) into the model's: the same, or both of two."""
        whole = 1.0 if self.raw_space is Space.PROBABILITY else 0.0
        return np.concatenate([whole - values, values], axis=-1) if self.mirrored else values

    def structure_effects(self, values: Array, *, n_jobs: int | None = None) -> Array:
        """Turn what moves the structure's outputs (last axis) into what moves the model's: the same, or ``(-v, v)``."""
        return both_classes(values, n_jobs=n_jobs) if self.mirrored else values

    def _loss(self, X: Table, y: Array | None) -> Float2:
        """Squared error, or minus the log of the true class's probability."""
        y = self.targets(y, len(X))
        if self.classes is None:
            return (self.predict(X) - y.reshape(-1, 1)) ** 2
        probability = self.predict(X, Space.PROBABILITY)
        true = probability[np.arange(len(X)), self.class_index(y)]
        return -np.log(np.maximum(true, np.finfo(float).tiny)).reshape(-1, 1)

    def targets(self, y: Any, n_rows: int) -> Array:
        """Check true targets: finite numbers for a regression, known labels for a classifier; shape (rows,).

        Raises
        ------
        InputError
            When there are none, not one for each row, or some are missing or unknown.
        """
        if y is None:
            raise InputError("space='loss' needs y: the true target of each row. Pass y=.")
        try:
            given = np.asarray(y)
        except ValueError as error:
            raise InputError(
                f"y must have one value for each row; got lists of different lengths: {y!r:.60}."
            ) from error
        given = given[:, 0] if given.ndim == 2 and given.shape[1] == 1 else given
        if given.shape != (n_rows,):
            raise InputError(f"y must have one value for each of the {n_rows} rows; got shape {given.shape}.")
        if self.classes is not None:
            self.class_index(given)
            return given
        numbers = _numbers(given)
        if numbers is None:
            raise InputError(f"y must be numbers, as {self.label} is a regression; got {given[:3]!r:.80}.")
        bad = np.flatnonzero(~np.isfinite(numbers))
        if len(bad):
            raise InputError(f"y is missing or infinite in {len(bad)} rows, first at row {bad[0]}. Drop these rows.")
        return numbers

    def class_index(self, y: Array) -> Int1:
        """Position of each label in `classes`."""
        position = {label: i for i, label in enumerate(np.asarray(self.classes).tolist())}
        labels = np.asarray(y).tolist()
        unknown = sorted({str(label) for label in labels if label not in position})
        if unknown:
            known = ", ".join(map(repr, position))
            raise InputError(f"y has labels the model does not know: {', '.join(unknown[:5])}. It knows {known}.")
        return np.array([position[label] for label in labels], dtype=np.int64)

    def _checked(self, values: Array, X: Table) -> Float2:
        result = _numbers(values)
        if result is None:
            raise ModelError(
                f"{self.label} must return numbers of shape ({len(X)}, {len(self.outputs)}); got {values!r:.80}."
            )
        if result.ndim == 1 and len(self.outputs) == 1:
            result = result[:, None]
        if result.shape != (len(X), len(self.outputs)):
            raise ModelError(
                f"{self.label} must return shape ({len(X)}, {len(self.outputs)}) for {len(X)} rows; got {result.shape}."
            )
        if not _bounded(result):
            bad = ~(np.abs(result) <= LARGEST).all(axis=1)
            raise ModelError(
                f"{self.label} returned NaN, infinity or numbers beyond {LARGEST:g} for {bad.sum()} of {len(X)} rows, "
                f"first at row {int(np.argmax(bad))}. Explanations need finite outputs."
            )
        return result


def _bounded(values: Float2) -> bool:
    """Whether all are finite and at most `LARGEST`; squares add up to so little only where all are far below it."""
    return bool(np.vdot(values, values) <= LARGEST) or bool((np.abs(values) <= LARGEST).all())


def _numbers(values: Any) -> Float2 | None:
    """Outputs or targets as float64; None for labels, dates and complex numbers, which numpy would convert."""
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "biufO" or (array.dtype.kind == "O" and any(isinstance(v, str) for v in array.flat)):
            return None
        return array.astype(np.float64)
    except (TypeError, ValueError):
        return None
