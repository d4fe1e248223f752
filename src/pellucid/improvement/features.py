"""Features that hurt, directions to impose, and what more rows would bring: each measured by fitting again."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.numbers import percent
from pellucid._base.randomness import stream
from pellucid._base.typing import Float1, Names
from pellucid.improvement.losses import losses_of, score_space
from pellucid.improvement.refit import Gain, Held, Trial, gain_of
from pellucid.ir import Model
from pellucid.table import Table

if TYPE_CHECKING:
    import pandas as pd

MOST_REFITTED = 8
GRID = 12
CURVES = 200
NEARLY = 0.9
"""Share of a curve's movement that must go one way before that direction is worth imposing."""
FEWEST_ROWS = 30
SHUFFLED_TOGETHER = 4096
"""Rows that a model is asked about at a time: every question of a pipeline costs some milliseconds."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Advice:
    """Changes that were tried, each with what it brought on rows that no fit had seen.

    Parameters
    ----------
    what : str
        What was tried, such as "without".
    names : tuple of str
        A feature, or a group of rows, for each change.
    gains : tuple of Gain or None
        None where the change could not be tried.
    sentences : tuple of str
    """

    what: str
    names: Names
    gains: tuple[Gain | None, ...]
    sentences: Names

    def to_frame(self) -> "pd.DataFrame":
        """One row per change."""
        import pandas as pd  # a third party, loaded only when a frame is asked for

        cells = [(None, None, None) if g is None else (g.value, g.low, g.high) for g in self.gains]
        frame = pd.DataFrame(cells, columns=["gain", "low", "high"], dtype=float)
        frame.insert(0, self.what, list(self.names))
        return frame


def harmful_features(estimator: Any, X: Any, y: Any, *, random_state: int = 0) -> Advice:
    """Find features without which the model predicts better.

    Shuffling each feature in rows the fit has not seen shows which ones do not help; of these the eight least helpful
    are held at one value and the model is fitted again (5 folds).

    Parameters
    ----------
    estimator : fitted estimator with ``fit`` and ``get_params``
    X, y
        Rows and truth.
    random_state : int

    Raises
    ------
    UnsupportedRequestError
        When the model cannot be fitted again.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neighbors import KNeighborsRegressor
    >>> from pellucid.improvement import harmful_features
    >>> X = np.random.default_rng(0).normal(size=(400, 2))
    >>> found = harmful_features(KNeighborsRegressor().fit(X, X[:, 0]), X, X[:, 0])
    >>> found.names, found.gains[0].clear
    (('x1',), True)
    """
    return harmful_of(Trial.of(estimator, X, y, random_state), random_state=random_state)


def harmful_of(trial: Trial, *, random_state: int, most: int = MOST_REFITTED) -> Advice:
    """Find the harmful features of a trial that stands already."""
    before = trial.base
    rises = _rises(trial, before, random_state)
    tried = [trial.table.names[j] for j in np.argsort(rises, kind="stable") if rises[j] <= 0][:most]
    gains = [(name, trial.without(name).run().gain_over(before)) for name in tried]
    gains.sort(key=lambda item: -item[1].value)
    hurt = [(name, gain) for name, gain in gains if gain.clear]
    said = tuple(f"Without ‘{name}’ the model predicts better: a gain of {gain.words}." for name, gain in hurt)
    none = f"No feature of {len(rises)} was shown to hurt ({len(tried)} were tried without)."
    return Advice(
        what="without",
        names=tuple(name for name, _ in gains),
        gains=tuple(gain for _, gain in gains),
        sentences=said or (none,),
    )


def _rises(trial: Trial, before: Held, random_state: int) -> Float1:
    """Mean rise of the loss, less one standard error, when a feature is shuffled within each held-out fold."""
    steps = np.empty((trial.table.n_columns, len(trial.truth)))
    streams = [stream(random_state, "improvement.harmful", j) for j in range(len(steps))]
    for (held, _), model in zip(trial.parts(), before.models, strict=True):
        together = max(1, SHUFFLED_TOGETHER // len(held))
        for first in range(0, len(steps), together):
            shuffled = range(first, min(first + together, len(steps)))
            index = np.tile(held[:, None], (len(shuffled), len(steps)))
            for place, j in enumerate(shuffled):
                index[place * len(held) : (place + 1) * len(held), j] = streams[j].permutation(held)
            scores = model.predict(trial.table.gather(index), score_space(model))
            losses = losses_of(scores, np.tile(trial.truth[held], len(shuffled)), model)
            steps[shuffled.start : shuffled.stop, held] = losses.reshape(len(shuffled), -1) - before.losses[held]
    return np.asarray(steps.mean(axis=1) - steps.std(axis=1, ddof=1) / np.sqrt(steps.shape[1]))


def data_to_collect(estimator: Any, X: Any, y: Any, *, groups: Any = None, random_state: int = 0) -> Advice:
    """Measure what the last doubling of the rows brought, in all and for each group of rows.

    The model is fitted on all and on half of the training rows of each fold. Gains shrink as rows are added, so the
    next doubling brings no more than the last one did, as a rule.

    Parameters
    ----------
    estimator, X, y, random_state
        As in `harmful_features`.
    groups : sequence of length rows, optional
        A group for each row, such as a sensitive feature; groups of fewer than 30 rows are left out.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.tree import DecisionTreeRegressor
    >>> from pellucid.improvement import data_to_collect
    >>> X = np.random.default_rng(0).normal(size=(400, 2))
    >>> found = data_to_collect(DecisionTreeRegressor().fit(X, X[:, 0]), X, X[:, 0])
    >>> found.names
    ('all rows',)
    """
    return collection_of(Trial.of(estimator, X, y, random_state), groups, random_state=random_state)


def collection_of(trial: Trial, groups: Any, *, random_state: int) -> Advice:
    """Measure what the rows of a trial that stands already have brought."""
    whole = trial.base
    half = trial.run(keep=stream(random_state, "improvement.half").permutation(len(trial.truth)) % 2 == 0)
    parts = {"all rows": np.ones(len(trial.truth), dtype=bool)}
    if groups is not None:
        labels = np.array([str(value) for value in read_groups(groups, len(trial.truth))], dtype=object)
        parts |= {str(name): labels == name for name in np.unique(labels.astype(str))}
    gains = {
        name: gain_of(half.losses[rows], whole.losses[rows], whole.loss)
        for name, rows in parts.items()
        if rows.sum() >= FEWEST_ROWS
    }
    ordered = sorted(gains.items(), key=lambda item: (item[0] != "all rows", -item[1].value))
    said = [f"The last doubling of the rows brought {name} {_brought(gain)}." for name, gain in ordered]
    return Advice(
        what="rows of", names=tuple(n for n, _ in ordered), gains=tuple(g for _, g in ordered), sentences=tuple(said)
    )


def _brought(gain: Gain) -> str:
    doubt = "" if gain.clear else ", so it made the fit worse" if gain.high < 0 else ", not clearly any"
    return f"a gain of {gain.words}{doubt}"


def read_groups(groups: Any, n_rows: int) -> list[Any]:
    """Return one group per row."""
    found: list[Any] = np.asarray(groups).tolist()
    if len(found) != n_rows:
        raise InputError(f"groups must have one value per row: expected {n_rows}, got {len(found)}.")
    return found


def monotone_features(estimator: Any, X: Any, y: Any, *, random_state: int = 0) -> Advice:
    """Find numbers along which the output nearly always moves one way, and measure what imposing it brings.

    A model that moves up and down along such a number follows noise there, and a person it decides about gets reasons
    that make no sense. Imposed (and measured) is the direction where the estimator has ``monotonic_cst``, as
    scikit-learn's boosted ensembles and forests do; for others the direction is named and not measured.

    Parameters
    ----------
    estimator, X, y, random_state
        As in `harmful_features`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import HistGradientBoostingRegressor
    >>> from pellucid.improvement import monotone_features
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(400, 2))
    >>> y = 2 * X[:, 0] + rng.normal(size=400)
    >>> found = monotone_features(HistGradientBoostingRegressor().fit(X, y), X, y)
    >>> found.names[0], found.gains[0].clear
    ('x0', True)
    """
    return directions_of(Trial.of(estimator, X, y, random_state), random_state=random_state)


def directions_of(trial: Trial, *, random_state: int) -> Advice:
    """Find the directions of a trial that stands already."""
    found = found_directions(trial, random_state=random_state)
    asked = {name: constrained(trial, {name: way}) for name, (way, _) in list(found.items())[:MOST_REFITTED]}
    before = trial.base if any(asked.values()) else None
    gains = {
        name: None if imposed is None or before is None else imposed.run().gain_over(before)
        for name, imposed in asked.items()
    }
    ordered = sorted(gains.items(), key=lambda item: -(item[1].value if item[1] else -np.inf))
    said = [_direction_words(name, *found[name], gain) for name, gain in ordered]
    return Advice(
        what="monotone in",
        names=tuple(name for name, _ in ordered),
        gains=tuple(gain for _, gain in ordered),
        sentences=tuple(said) or ("There is no number along which the output nearly always moves one way.",),
    )


def found_directions(trial: Trial, *, random_state: int) -> dict[str, tuple[Literal[-1, 1], float]]:
    """Numbers along which the output nearly always moves one way: that way, and how much of its movement goes it."""
    directions = {name: _direction(trial.model, trial.table, name, random_state) for name in trial.table.names}
    return {name: direction for name, direction in directions.items() if direction is not None}


def _direction_words(name: str, way: Literal[-1, 1], share: float, gain: Gain | None) -> str:
    word = "up" if way > 0 else "down"
    first = f"Along ‘{name}’ {percent(share)} of the output’s movement goes {word}"
    if gain is None:
        return f"{first}; imposing it was not measured, because this model has no setting for it."
    brings = "brings" if gain.clear else "costs" if gain.high < 0 else "changes little:"
    return f"{first}; imposing it {brings} {gain.words}."


def _direction(model: Model, table: Table, name: str, random_state: int) -> tuple[Literal[-1, 1], float] | None:
    """Return the way the mean output moves along a number, and how much of its movement goes that way."""
    place = table.names.index(name)
    values = table.column(name)
    if table.kinds[place] != "number" or len(np.unique(values[~np.isnan(values)])) < GRID:
        return None
    rng = stream(random_state, "improvement.monotone", place)
    rows = rng.choice(len(table), size=min(CURVES, len(table)), replace=False)
    order = np.argsort(values, kind="stable")[: int((~np.isnan(values)).sum())]
    grid = order[np.linspace(0, len(order) - 1, GRID + 2).astype(int)[1:-1]]
    index = np.tile(rows[:, None], (GRID, table.n_columns))
    index[:, place] = np.repeat(grid, len(rows))
    curve = model.predict(table.gather(index))[:, -1].reshape(GRID, len(rows)).mean(axis=1)
    steps = np.diff(curve)
    total = float(np.abs(steps).sum())
    if total <= 1e-12 * (1 + np.abs(curve).max()):
        return None
    up = float(np.maximum(steps, 0).sum()) / total
    return (1, up) if up >= NEARLY else (-1, 1 - up) if 1 - up >= NEARLY else None


def constrained(trial: Trial, ways: Mapping[str, int]) -> Trial | None:
    """Return the trial with the directions imposed; None where the estimator has no such setting left to use."""
    settings = trial.estimator.get_params() if hasattr(trial.estimator, "get_params") else {}
    usable = settings.get("monotonic_cst", ...) is None and set(trial.table.kinds) <= {"number", "bool"}
    classes = getattr(trial.estimator, "classes_", ())
    if not usable or len(classes) > 2:
        return None
    from sklearn.base import clone  # a third party, loaded only when a model is fitted again

    directions = [ways.get(column, 0) for column in trial.table.names]
    return replace(trial, estimator=clone(trial.estimator).set_params(monotonic_cst=directions))
