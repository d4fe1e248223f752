"""Linear probes of every layer, in closed form, beside control tasks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.numbers import percent
from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Float1, Float2, Int1, Names
from pellucid.nn._matrices import as_array, by_layer, need_same_rows
from pellucid.quality.measures import Measured, measured

if TYPE_CHECKING:
    import pandas as pd

FOLDS = 5
RIDGES: Float1 = np.asarray(10.0 ** np.arange(-3, 5))
"""Penalties tried, in units of the mean squared length of the activations; leave-one-out takes one per task."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Probe:
    """What a linear probe reads from one layer.

    Parameters
    ----------
    layer : str
    accuracy, control, selectivity : Measured
        Held-out accuracy on the labels, mean held-out accuracy on the control tasks, and their paired difference, with
        95 % bootstrap intervals over rows (over sequences for labels per position).
    majority : float
        Share of the commonest label: what knowing nothing gives.
    """

    layer: str
    accuracy: Measured
    control: Measured
    selectivity: Measured
    majority: float

    def sentence(self) -> str:
        """Say in plain words what the probe found."""
        known = "holds the labels" if self.selectivity.low > 0 else "cannot be told from a control task"
        return (
            f"{self.layer} {known}: a linear probe is right in {percent(self.accuracy.value)} of held-out rows, on "
            f"control labels in {percent(self.control.value)} (selectivity {self.selectivity})."
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Probes:
    """Probes of several layers.

    Parameters
    ----------
    probes : tuple of Probe
    classes : tuple
        The labels.
    n_controls : int
        Control tasks per layer.
    """

    probes: tuple[Probe, ...]
    classes: tuple[Any, ...]
    n_controls: int

    @property
    def layers(self) -> Names:
        """Names of the layers, in the order given."""
        return tuple(probe.layer for probe in self.probes)

    def __getitem__(self, layer: str) -> Probe:
        for probe in self.probes:
            if probe.layer == layer:
                return probe
        raise InputError(f"layer {layer!r} was not probed; probed were {', '.join(self.layers)}.")

    def to_frame(self) -> "pd.DataFrame":
        """One row per layer: accuracy, control and selectivity with their intervals."""
        import pandas as pd  # a third party, loaded only when a frame is asked for

        columns: dict[str, list[Any]] = {"layer": list(self.layers)}
        for name in ("accuracy", "control", "selectivity"):
            for part in ("value", "low", "high"):
                label = name if part == "value" else f"{name}_{part}"
                columns[label] = [getattr(getattr(probe, name), part) for probe in self.probes]
        return pd.DataFrame(columns | {"majority": [probe.majority for probe in self.probes]})


def probe(activations: Any, labels: Any, *, types: Any = None, n_controls: int = 5, random_state: int = 0) -> Probes:
    """Read labels from every layer with ridge-regression classifiers, and compare with control tasks.

    A probe that is right may have learned the labels by itself. A control task (Hewitt and Liang 2019) gives every
    *type* of row (a word's identity, say) one random label, drawn from the labels' own distribution: only a probe
    that memorises can solve it. Selectivity is accuracy less control accuracy. Without types every row is its own
    type and the control accuracy shows what chance gives.

    One eigendecomposition per layer and fold serves all penalties, labels and control tasks; the penalty is taken by
    closed-form leave-one-out error on the training rows. Accuracy is measured on rows held out (5 folds), whole
    sequences at a time for labels per position.

    Parameters
    ----------
    activations : Activations, or mapping from layer to array, or one array
        Of shape (rows, …); further axes are flattened. With labels per position: (rows, positions, units).
    labels : array of shape (rows,) or (rows, positions)
    types : array of the labels' shape, optional
        The type of each row, or position.
    n_controls : int
        Control tasks.
    random_state : int
        Seed of folds, control tasks and bootstrap.

    Returns
    -------
    Probes

    Raises
    ------
    InputError
        When rows differ in number, there is one label only, fewer rows (sequences) than 10, or a number is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from pellucid.nn.probes import probe
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(100, 6))
    >>> found = probe({"first": x, "noise": rng.normal(size=(100, 6))}, x[:, 0] > 0)
    >>> bool(found["first"].selectivity.low > 0.2), bool(found["noise"].selectivity.low > 0)
    (True, False)
    """
    layers = by_layer(activations)
    targets = np.asarray(labels)
    if targets.ndim not in (1, 2):
        raise InputError(f"labels must have shape (rows,) or (rows, positions); got {targets.shape}.")
    classes, codes = np.unique(targets, return_inverse=True)
    if len(classes) < 2:
        raise InputError(f"a probe needs at least 2 different labels; all {targets.size} are {classes.tolist()}.")
    if len(targets) < 2 * FOLDS:
        raise InputError(
            f"a probe is held out in {FOLDS} folds and needs at least {2 * FOLDS} rows; got {len(targets)}."
        )
    if n_controls < 1:
        raise InputError(f"n_controls must be at least 1; got {n_controls!r}.")
    codes = codes.reshape(targets.shape)
    tasks = np.stack([codes.ravel(), *_control_tasks(codes, types, n_controls, random_state)])
    folds = stream(random_state, "nn.probe.folds").permutation(len(targets)) % FOLDS
    by_cell = np.repeat(folds, tasks.shape[1] // len(targets))
    probes = []
    for layer, values in layers.items():
        right = _held_out(_cells(values, targets.shape, layer), tasks, by_cell, len(classes))
        probes.append(_summed_up(layer, right.reshape(len(tasks), len(targets), -1).mean(axis=2), codes, random_state))
    return Probes(probes=tuple(probes), classes=tuple(classes.tolist()), n_controls=n_controls)


def _control_tasks(codes: Array, types: Any, n_controls: int, random_state: int) -> list[Int1]:
    """Random labels per type, drawn from the labels' own distribution."""
    kinds = np.arange(codes.size).reshape(codes.shape) if types is None else np.asarray(types)
    if kinds.shape != codes.shape:
        raise InputError(f"types must have the labels' shape {codes.shape}; got {kinds.shape}.")
    _, kind = np.unique(kinds, return_inverse=True)
    tasks = []
    for number in range(n_controls):
        drawn = stream(random_state, "nn.probe.control", number).choice(codes.ravel(), size=kind.max() + 1)
        tasks.append(drawn[kind.ravel()])
    return tasks


def _cells(values: Any, shape: tuple[int, ...], layer: str) -> Float2:
    """Rows to classify: the layer's rows, or its positions."""
    array = as_array(values, f"layer {layer!r}").astype(np.float64)
    need_same_rows(len(array), shape[0], f"layer {layer!r}", "labels")
    if len(shape) == 1:
        return array.reshape(len(array), -1)
    if array.ndim < 3 or array.shape[1] != shape[1]:
        raise InputError(
            f"labels per position of shape {shape} need activations of shape (rows, {shape[1]}, units); layer "
            f"{layer!r} has {array.shape}."
        )
    return array.reshape(shape[0] * shape[1], -1)


def _held_out(cells: Float2, tasks: Array, folds: Int1, n_classes: int) -> Array:
    """Whether each held-out cell is classified right, of shape (tasks, cells)."""
    right = np.zeros(tasks.shape, dtype=np.float64)
    onehot = np.eye(n_classes)[tasks]
    for fold in range(FOLDS):
        out = folds == fold
        scores = _ridge(cells[~out], onehot[:, ~out], cells[out])
        right[:, out] = scores.argmax(axis=2) == tasks[:, out]
    return right


def _ridge(X: Float2, Y: Array, X_new: Float2) -> Array:
    """Scores of new rows, of shape (tasks, rows, classes), each task with its best leave-one-out penalty.

    With the centred rows' thin SVD U diag(s) Vᵀ, leave-one-out residuals are (Y - HY) / (1 - h), where h is the
    diagonal of H = U diag(s² / (s² + α)) Uᵀ + 1/n (the intercept).
    """
    mean = X.mean(axis=0)
    U, s, Vt = np.linalg.svd(X - mean, full_matrices=False)
    kept = s > 1e-10 * max(s[0], 1e-300)
    U, s, Vt = U[:, kept], s[kept], Vt[kept]
    base = Y.mean(axis=1, keepdims=True)
    inside = np.einsum("nk,tnc->tkc", U, Y - base)
    best_error = np.full(len(Y), np.inf)
    best = np.zeros_like(inside)
    for alpha in RIDGES * max(float((s**2).sum()) / len(X), 1e-300):
        shrunk = s**2 / (s**2 + alpha)
        leverage = (U**2 @ shrunk) + 1 / len(X)
        fitted = np.einsum("nk,k,tkc->tnc", U, shrunk, inside)
        residual = (Y - base - fitted) / (1 - leverage).clip(1e-9)[None, :, None]
        error = (residual**2).sum(axis=(1, 2))
        better = error < best_error
        best_error[better] = error[better]
        best[better] = ((s / (s**2 + alpha))[:, None] * inside)[better]
    return np.asarray(np.einsum("nk,tkc->tnc", (X_new - mean) @ Vt.T, best) + base)


def _summed_up(layer: str, right: Array, codes: Array, random_state: int) -> Probe:
    real, control = right[0], right[1:].mean(axis=0)
    return Probe(
        layer=layer,
        accuracy=measured(real, random_state),
        control=measured(control, random_state),
        selectivity=measured(real - control, random_state),
        majority=float(np.bincount(codes.ravel()).max() / codes.size),
    )
