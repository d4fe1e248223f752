"""How outputs move along one feature: partial dependence, its rows, and accumulated local effects.

Grids are made of values that occur in the data, so whole numbers stay whole, categories stay
categories, and the model is fed the dtypes it was fitted on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from pellucid._base.errors import ColumnError, InputError, UnsupportedRequestError
from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Float1, Float2, Float3, Int1
from pellucid.explanation import Effect, Provenance
from pellucid.explanation.explanation import named_positions
from pellucid.games.marginal import predict_gathered
from pellucid.ir import Model, Space
from pellucid.table import Table

Output: TypeAlias = str | int | Sequence[str | int] | None


def pdp(
    model: Model,
    X: Table,
    feature: str,
    *,
    n_points: int = 40,
    percentiles: tuple[float, float] = (5.0, 95.0),
    output: Output = None,
    space: str = "raw",
) -> Effect:
    """Partial dependence: the mean output while one feature is set to each value of a grid (Friedman, 2001).

    Parameters
    ----------
    model : Model
    X : Table
        Rows to average over, aligned to the model's features.
    feature : str
        The feature that is set.
    n_points : int
        Most points of the grid. A number with more values than this gets quantiles of the data between
        `percentiles`; anything else gets its own values.
    percentiles : pair of float
        Ends of the grid, in percent.
    output : str, int, sequence or None
        Outputs to keep; None keeps all.
    space : str
        Units of the output; the loss has no partial dependence.

    Raises
    ------
    ColumnError
        When there is no such feature.
    InputError
        When the feature has no value at all, or the grid is impossible.
    """
    return _dependence(
        model, X, feature, kind="pdp", n_points=n_points, percentiles=percentiles, output=output, space=space
    )


def ice(
    model: Model,
    X: Table,
    feature: str,
    *,
    n_points: int = 40,
    percentiles: tuple[float, float] = (5.0, 95.0),
    output: Output = None,
    space: str = "raw",
) -> Effect:
    """Individual conditional expectation: partial dependence row by row (Goldstein et al., 2015).

    Parameters are those of `pdp`; ``Effect.individual`` has one curve per row and ``Effect.values`` their mean.
    """
    return _dependence(
        model, X, feature, kind="ice", n_points=n_points, percentiles=percentiles, output=output, space=space
    )


def ale(
    model: Model,
    X: Table,
    feature: str,
    *,
    n_bins: int = 20,
    n_bootstrap: int = 200,
    order: Sequence[Any] | None = None,
    random_state: int = 0,
    output: Output = None,
    space: str = "raw",
) -> Effect:
    """Accumulated local effects, which stay where the data are (Apley and Zhu, 2020, equations 15 and 16).

    Numbers are cut at quantiles of the data. Each row moves its feature only to the two ends of its own bin;
    the mean moves of the bins are added up, and the curve is centred on its mean over the rows (taken
    half at each end of a row's bin, as in the authors' ALEPlot). Between ordered categories the
    rows of both neighbours move. Rows where the feature is missing are left out.

    Parameters
    ----------
    model : Model
    X : Table
    feature : str
    n_bins : int
        Most bins of a number; ties leave fewer.
    n_bootstrap : int
        Resamples of the rows for the 95 % band (percentiles; the bins stay).
    order : sequence, optional
        Order of the categories; without it that of their text. The effects of categories depend on it.
    random_state : int
    output, space
        As in `pdp`.
    """
    if n_bins < 1 or n_bootstrap < 2:
        raise InputError(f"n_bins must be at least 1 and n_bootstrap at least 2; got {n_bins!r} and {n_bootstrap!r}.")
    units = units_of(space)
    column, present = _values_of(X, feature)
    codes, levels = _codes(column[present], X, feature, order)
    moves = _moves(codes, n_bins, numeric=levels is None)
    source_rows = present[moves.source]
    predict = _Mover(model, X, feature, units)
    kept = positions_of_outputs(model, output, units)
    rows = present[moves.row]
    moved = (predict(rows, source_rows[moves.jump + 1]) - predict(rows, source_rows[moves.jump]))[:, kept]
    values = _accumulate(moves, moved, np.ones(len(codes)))
    rng = stream(random_state, "ale.bootstrap")
    resampled = np.stack(
        [
            _accumulate(moves, moved, np.bincount(rng.integers(len(codes), size=len(codes)), minlength=len(codes)))
            for _ in range(n_bootstrap)
        ]
    )
    low, high = np.percentile(resampled, [2.5, 97.5], axis=0)
    return Effect(
        feature=feature,
        kind="ale",
        grid=column[source_rows],
        values=values,
        low=low,
        high=high,
        outputs=tuple(model.outputs[k] for k in kept),
        space=model.resolve(units),
        n_rows=len(present),
        provenance=provenance_of("ale", model, X, {"n_bins": n_bins, "n_bootstrap": n_bootstrap}, random_state),
    )


def _dependence(
    model: Model,
    X: Table,
    feature: str,
    *,
    kind: str,
    n_points: int,
    percentiles: tuple[float, float],
    output: Output,
    space: str,
) -> Effect:
    units = units_of(space)
    column, present = _values_of(X, feature)
    at = _grid_rows(column, present, n_points, percentiles)
    rows = np.arange(len(X))
    kept = positions_of_outputs(model, output, units)
    predict = _Mover(model, X, feature, units)
    curves: Float3 = np.stack([predict(rows, np.full(len(X), row))[:, kept] for row in at], axis=1)
    return Effect(
        feature=feature,
        kind=kind,
        grid=column[at],
        values=curves.mean(axis=0),
        individual=curves if kind == "ice" else None,
        outputs=tuple(model.outputs[k] for k in kept),
        space=model.resolve(units),
        n_rows=len(X),
        provenance=provenance_of(kind, model, X, {"n_points": n_points, "percentiles": list(percentiles)}, 0),
    )


def units_of(space: str) -> Space:
    """Units that effects are measured in: any but the loss."""
    units = Space.of(space)
    if units is Space.LOSS:
        raise UnsupportedRequestError(
            "effects follow an output, and space='loss' is none. Use 'raw', 'probability' or 'log_odds'."
        )
    return units


def positions_of_outputs(model: Model, output: Output, units: Space) -> list[int]:
    """Outputs to keep."""
    outputs = model.outputs_in(units)
    return list(range(len(outputs))) if output is None else named_positions(output, outputs, "output")


def position_of(X: Table, feature: str) -> int:
    """Position of a feature's column."""
    if feature not in X.names:
        known = ", ".join(map(repr, X.names[:12]))
        raise ColumnError(f"there is no feature {feature!r}; there are {X.n_columns}: {known}.")
    return X.names.index(feature)


def _values_of(X: Table, feature: str) -> tuple[Array, Int1]:
    """Find the feature's column and the rows where it is present."""
    position_of(X, feature)
    column = X.column(feature)
    missing = np.isnan(column) if column.dtype != object else np.array([v is None for v in column], dtype=bool)
    present = np.flatnonzero(~missing)
    if not len(present):
        raise InputError(f"feature {feature!r} is missing in every row, so it has no effect to show.")
    return column, present


def _grid_rows(column: Array, present: Int1, n_points: int, percentiles: tuple[float, float]) -> Int1:
    """Rows whose value of the feature makes the grid, in ascending order."""
    low, high = percentiles
    if n_points < 1 or not 0 <= low < high <= 100:
        raise InputError(
            f"a grid needs n_points ≥ 1 and 0 ≤ low < high ≤ 100 percent; got {n_points!r} and {percentiles!r}."
        )
    values = column[present]
    if values.dtype == object:
        first = dict(zip(values[::-1].tolist(), present[::-1].tolist(), strict=True))
        return np.array([first[value] for value in sorted(first, key=str)], dtype=np.int64)
    _, at = np.unique(values, return_index=True)
    if len(at) > n_points:
        order = np.argsort(values, kind="stable")
        ranks = np.ceil(np.linspace(low, high, n_points) / 100 * len(values)).astype(int) - 1
        picked = order[np.maximum(ranks, 0)]
        at = picked[np.unique(values[picked], return_index=True)[1]]
    return present[at]


@dataclass(frozen=True, eq=False)
class _Mover:
    """Predicts rows after one of their features is given the value it has in other rows."""

    model: Model
    X: Table
    feature: str
    units: Space

    def __call__(self, rows: Int1, value_from: Int1) -> Float2:
        index = np.repeat(rows[:, None], self.X.n_columns, axis=1)
        index[:, self.X.names.index(self.feature)] = value_from
        return predict_gathered(self.model, self.X, index, self.units, None)


def _codes(values: Array, X: Table, feature: str, order: Sequence[Any] | None) -> tuple[Float1, list[Any] | None]:
    """Numbers as they are; categories and dates as their place in the order, with the levels."""
    if X.kinds[X.names.index(feature)] == "number":
        if order is not None:
            raise InputError(f"order= is for categories; {feature!r} is a number, which has its own.")
        return values.astype(float), None
    seen = set(values.tolist())
    levels = sorted(seen, key=str) if order is None else list(order)
    if order is not None and (missing := seen - set(levels)):
        raise InputError(f"order= must name every value of {feature!r}; it lacks {sorted(map(str, missing))[:5]}.")
    present_levels = [level for level in levels if level in seen]
    place = {level: float(k) for k, level in enumerate(present_levels)}
    return np.array([place[value] for value in values.tolist()]), present_levels


@dataclass(frozen=True, eq=False)
class _Moves:
    """Which row makes which jump between neighbouring grid points.

    `row` and `jump` have one entry per move; `source` has, per grid point, a row that has its value; a row
    counts half at each of its two `ends` when the curve is centred.
    """

    row: Int1
    jump: Int1
    source: Int1
    ends: Array


def _moves(codes: Float1, n_bins: int, *, numeric: bool) -> _Moves:
    order = np.argsort(codes, kind="stable")
    rows = np.arange(len(codes))
    if not numeric:
        points, source = np.unique(codes, return_index=True)
        level = np.searchsorted(points, codes)
        up, down = np.flatnonzero(level < len(points) - 1), np.flatnonzero(level > 0)
        jumps = np.concatenate([level[up], level[down] - 1])
        return _Moves(np.concatenate([up, down]), jumps, source, np.stack([level, level], axis=1))
    ranks = np.ceil(np.linspace(0, 1, n_bins + 1) * len(codes)).astype(int) - 1
    picked = order[np.maximum(ranks, 0)]
    points, first = np.unique(codes[picked], return_index=True)
    if len(points) == 1:
        return _Moves(rows[:0], rows[:0], picked[first], np.zeros((len(codes), 2), dtype=np.int64))
    jump = np.searchsorted(points[1:], codes)
    return _Moves(rows, jump, picked[first], np.stack([jump, jump + 1], axis=1))


def _accumulate(moves: _Moves, moved: Float2, weight: Float1 | Int1) -> Float2:
    """Mean move of every jump, added up and centred, of shape (points, outputs); a jump nobody makes is 0."""
    points, outputs = len(moves.source), moved.shape[1]
    by_move = weight[moves.row].astype(float)
    count = np.bincount(moves.jump, weights=by_move, minlength=points - 1)
    curve = np.zeros((points, outputs))
    for k in range(outputs):
        total = np.bincount(moves.jump, weights=by_move * moved[:, k], minlength=points - 1)
        curve[1:, k] = np.cumsum(np.divide(total, count, out=np.zeros(points - 1), where=count > 0))
    share = np.bincount(moves.ends.ravel(), weights=np.repeat(weight, 2).astype(float), minlength=points)
    centred: Float2 = curve - np.einsum("p,pk->k", share / share.sum(), curve)
    return centred


def provenance_of(method: str, model: Model, X: Table, parameters: Mapping[str, Any], random_state: int) -> Provenance:
    """Say how a measure over all rows came about."""
    return Provenance(
        method=method,
        reason="asked for by name.",
        model=model.label,
        background=f"{len(X)} rows",
        parameters=parameters,
        random_state=random_state,
        hashes={"rows": X.digest()},
    )
