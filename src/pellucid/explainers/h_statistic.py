"""Friedman and Popescu's H-statistic: how much of what features do together is more than what each does alone."""

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.progress import Progress, track
from pellucid._base.randomness import stream
from pellucid._base.statistics import Z
from pellucid._base.typing import Float1, Float2, Float3
from pellucid.explainers.effects import Output, position_of, positions_of_outputs, provenance_of, units_of
from pellucid.explanation import Importance
from pellucid.games.marginal import predict_gathered, row_cap
from pellucid.ir import Model, Space
from pellucid.table import Table

LEAST_ROWS = 10
LEAST_SHARE = 1e-3
"""Of the whole, to which H² without one row counts as fallen at most."""
ROUNDING = 64 * np.finfo(float).eps
"""Deviation, relative to the largest output, that rounding alone may cause."""


def h_statistic(
    model: Model,
    X: Table,
    feature: str | None = None,
    *,
    n_rows: int = 100,
    output: Output = None,
    space: str = "raw",
    random_state: int = 0,
    progress: Progress = None,
) -> Importance:
    """Measure interactions by H² (Friedman and Popescu, 2008, equations 44 and 45).

    Without `feature`: for each feature, the share of the output's variance that is left after its own partial
    dependence and that of all others together. With `feature`: for each other feature, the share of the variance of
    the two features' joint partial dependence that their own do not add up to. It is 0 without interaction.

    All partial dependences are means over the same rows, so no interaction gives 0 in every sample, up to rounding.
    The interval is the jackknife's, of the logarithm, over rows, which stand both for what is moved and for what is
    averaged over.

    Parameters
    ----------
    model : Model
    X : Table
        Rows to average over, aligned to the model's features.
    feature : str, optional
        The feature whose pairs are measured.
    n_rows : int
        Rows that are used at most, drawn at random; each partial dependence costs their number squared.
    output : str, int, sequence or None
        Outputs to keep; None keeps all.
    space : str
        Units of the output.
    random_state : int
        Seed of the draw.
    progress : bool or callable, optional

    Raises
    ------
    ColumnError
        When there is no such feature.
    InputError
        When there are fewer than 10 rows, or `feature` has no other beside it.
    """
    units = units_of(space)
    kept = positions_of_outputs(model, output, units)
    if len(X) < LEAST_ROWS or n_rows < LEAST_ROWS:
        raise InputError(
            f"the H-statistic compares means over rows, so it needs at least {LEAST_ROWS}; got {len(X)} rows and "
            f"n_rows={n_rows}."
        )
    if len(X) > n_rows:
        X = X.take(np.sort(stream(random_state, "h_statistic.rows").choice(len(X), n_rows, replace=False)))
    dependence = _Dependence(model, X, units, kept)
    if feature is None:
        names, found = X.names, _of_each(dependence, progress)
        measure = "share of the output's variance from interactions of the feature (H²)"
    else:
        j = position_of(X, feature)
        others = [k for k in range(X.n_columns) if k != j]
        if not others:
            raise InputError(f"{feature!r:.80} is the only feature, so there is none to interact with.")
        names, found = tuple(X.names[k] for k in others), _of_pairs(dependence, j, others, progress)
        measure = f"share of the joint effect's variance from the interaction with {feature:.60} (H²)"
    values, factor = (np.stack(part) for part in zip(*found, strict=True))
    return Importance(
        values=values,
        low=values / factor,
        high=values * factor,
        features=names,
        outputs=tuple(model.outputs[k] for k in kept),
        measure=measure,
        space=model.resolve(units),
        n_rows=len(X),
        provenance=provenance_of("h_statistic", model, X, {"feature": feature, "n_rows": len(X)}, random_state),
    )


class _Dependence:
    """Outputs of all rows with some cells taken from all rows."""

    def __init__(self, model: Model, X: Table, units: Space, kept: list[int]) -> None:
        self._model, self._X, self._units, self._kept = model, X, units, kept
        self.n_features = X.n_columns

    def of(self, *columns: int) -> Float3:
        """Outputs (p, m, outputs) of row m with these columns of row p; the mean over m is the partial dependence."""
        n = len(self._X)
        step = max(1, row_cap(self.n_features) // n)
        parts = []
        for first in range(0, n, step):
            moved = np.arange(first, min(n, first + step))
            index = np.tile(np.arange(n), len(moved))[:, None].repeat(self.n_features, axis=1)
            index[:, columns] = moved.repeat(n)[:, None]
            outputs = predict_gathered(self._model, self._X, index, self._units, None)
            parts.append(outputs[:, self._kept].reshape(len(moved), n, -1))
        return np.concatenate(parts)


def _of_each(dependence: _Dependence, progress: Progress) -> list[tuple[Float1, Float1]]:
    found = []
    for j in track(range(dependence.n_features), task="H-statistic", total=dependence.n_features, progress=progress):
        alone = dependence.of(j)
        itself = np.broadcast_to(np.einsum("ppk->pk", alone)[:, None], alone.shape)
        # the others of row p with feature j of row m: the same outputs, read the other way round
        found.append(_share(itself - alone - alone.swapaxes(0, 1), itself))
    return found


def _of_pairs(dependence: _Dependence, j: int, others: list[int], progress: Progress) -> list[tuple[Float1, Float1]]:
    alone = dependence.of(j)
    found = []
    for k in track(others, task="H-statistic", total=len(others), progress=progress):
        joint = dependence.of(j, k)
        found.append(_share(joint - alone - dependence.of(k), joint))
    return found


def _share(gap: Float3, joint: Float3) -> tuple[Float1, Float1]:
    """H² and the factor its interval reaches either way, both (outputs,), from outputs before the mean over axis 1."""
    n = len(gap)
    floor = n * (ROUNDING * np.abs(joint).max(axis=(0, 1), initial=0.0)) ** 2
    left = np.ones((1, n)), 1.0 - np.eye(n)
    whole, without_one = (_ratio(_scatter(gap, weight), _scatter(joint, weight), floor) for weight in left)
    # what hangs on one row is 0 without it: its interval is to be very wide, not infinite
    logs = np.log(np.maximum(without_one, np.where(whole > 0, LEAST_SHARE * whole, 1.0)))
    error = np.sqrt((n - 1) / n * ((logs - logs.mean(axis=0)) ** 2).sum(axis=0))
    return whole[0], np.where(whole[0] > 0, np.exp(Z * error), 1.0)


def _scatter(outputs: Float3, weight: Float2) -> Float2:
    """Sum of squares of the means over the weighted rows about their own mean, once for each line of weights."""
    count = weight.sum(axis=1)[:, None, None]
    level = outputs.mean(axis=(0, 1))
    means = np.einsum("im,pmk->ipk", weight, outputs - level) / count
    centred = means - np.einsum("ip,ipk->ik", weight, means)[:, None] / count
    return np.asarray(np.einsum("ip,ipk->ik", weight, centred**2))


def _ratio(part: Float2, whole: Float2, floor: Float1) -> Float2:
    """Share of the whole; 0 where either is only rounding."""
    return np.divide(part, whole, out=np.zeros_like(part), where=(part > floor) & (whole > floor))
