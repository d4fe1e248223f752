"""The ladder: interpretable models beside the given one, and what the black box buys."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import clone

from pellucid._base.errors import InputError
from pellucid._base.numbers import interval_text
from pellucid._base.progress import Progress, track
from pellucid._base.typing import Array, Float1
from pellucid.adapters import as_model
from pellucid.glassbox._contest import (
    Entry,
    Setting,
    enter_fitted,
    enter_refitted,
    enter_rung,
    make_folds,
    size_of,
)
from pellucid.glassbox.description import GlassDescription
from pellucid.glassbox.metrics import Interval, area_under_curve, fit_quality, log_loss
from pellucid.glassbox.rungs import RUNGS, Rung, Task, read_target, task_of
from pellucid.ir import Model
from pellucid.table import Table

GIVEN = "given model"
METRICS = {
    "binary": ("AUC", "log loss"),
    "multiclass": ("mean one-vs-rest AUC", "log loss"),
    "regression": ("R²", "RMSE"),
}


@dataclass(frozen=True, kw_only=True)
class LadderRow:
    """One model on the ladder.

    Parameters
    ----------
    name : str
    metric, low, high : float or None
        The ladder's metric (higher is better) on the held-out rows, with its 95 % interval.
    second : float or None
        The ladder's second metric (lower is better).
    price, price_low, price_high : float or None
        Metric of the given model minus this one's, with the paired 95 % interval; positive where
        the given model is better.
    seconds : float or None
        Time of one fit on all training rows.
    complexity : str
        Size of the model in words.
    note : str
        Why something is missing.
    """

    name: str
    metric: float | None = None
    low: float | None = None
    high: float | None = None
    second: float | None = None
    price: float | None = None
    price_low: float | None = None
    price_high: float | None = None
    seconds: float | None = None
    complexity: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """Interpretable models and the given one on the same held-out rows.

    Parameters
    ----------
    rows : tuple of LadderRow
        The given model first, if there is one, then the rungs from the simplest up.
    task : {"binary", "multiclass", "regression"}
    metric, second_metric : str
        What `LadderRow.metric` and `LadderRow.second` are.
    n : int
        Held-out rows.
    sentence : str
        The finding in plain words.
    how : str
        How it was measured.
    note : str
        Why prices are missing; empty when they are not.
    descriptions : mapping of str to GlassDescription
        Every fitted rung by name.
    """

    rows: tuple[LadderRow, ...]
    task: Task
    metric: str
    second_metric: str
    n: int
    sentence: str
    how: str
    note: str
    descriptions: Mapping[str, GlassDescription]

    def columns(self) -> dict[str, list[Any]]:
        """Return the rows as columns, named like the fields of `LadderRow`."""
        return {name: [getattr(row, name) for row in self.rows] for name in LadderRow.__dataclass_fields__}

    def to_frame(self) -> Any:
        """Return the rows as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.columns())


def ladder(
    model: Any,
    X: Any,
    y: Any,
    *,
    X_train: Any = None,
    y_train: Any = None,
    sample_weight: Any = None,
    random_state: int = 0,
    progress: Progress = None,
    rungs: Sequence[Rung] | None = None,
    task: Task | None = None,
    fast: bool = False,
) -> Ladder:
    """Measure what a black box buys over models that a person can read.

    Parameters
    ----------
    model : fitted model of any supported library, callable or None
        None compares the interpretable models alone.
    X, y : table and array of shape (rows, features) and (rows,)
        Held-out data. Classifiers are compared by AUC (averaged over classes, one against the
        rest), regressors by R².
    X_train, y_train : table and array, optional
        Data to fit the interpretable models on. Without them, scikit-learn compatible models are
        refitted with the rungs on five folds of `X`; other models get no price.
    sample_weight : array of shape (rows,), optional
        Weights of the rows of `X`.
    random_state : int
    progress : bool, callable or None
    rungs : sequence of Rung, optional
        All of `RUNGS` that suit the task, unless given.
    task : {"binary", "multiclass", "regression"}, optional
        Read from the model or `y`, unless given.
    fast : bool
        Leave out rungs that need a further package (the EBM).

    Returns
    -------
    Ladder
        Prices are differences on the same rows. For AUC the interval is DeLong's, for R² the
        percentiles of 1000 bootstrap resamples of the rows. Both tell the luck of the held-out
        rows, not that of the training rows.

    Raises
    ------
    InputError
        When targets or tables do not fit together, or there are too few rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from pellucid.glassbox import ladder
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> y = X[:, 0] + 0.1 * X[:, 1]
    >>> result = ladder(RandomForestRegressor(10, random_state=0).fit(X, y), X, y, fast=True)
    >>> [row.name for row in result.rows]
    ['given model', 'linear', 'tree', 'rules']
    """
    table = Table.of(X)
    reader = None if model is None else as_model(model, reference=table)
    if reader is not None and reader.features is not None:
        table = table.aligned(reader.features)
    found = task or _task(model, reader, read_target(y, len(table)))
    setting = _setting(found, table, y, (X_train, y_train), sample_weight, random_state=random_state)
    offered = RUNGS.values() if rungs is None else rungs
    chosen = [rung for rung in offered if setting.task in rung.tasks and not (fast and rung.needs)]
    entries, note = _enter_all(model, reader, setting, chosen, progress)
    return _climb(entries, setting, note, has_model=model is not None)


def _setting(
    task: Task, X: Table, y: Any, training: tuple[Any, Any], sample_weight: Any, *, random_state: int
) -> Setting:
    """Check the data and decide what predicts what."""
    X_train, y_train = training
    if (X_train is None) != (y_train is None):
        raise InputError("X_train and y_train belong together: pass both or neither.")
    target, train = read_target(y, len(X)), None
    if X_train is not None:
        rows = Table.of(X_train, what="X_train").aligned(X.names, what="X_train")
        train = (rows, read_target(y_train, len(rows), "y_train"))
    weights = None if sample_weight is None else _weights(sample_weight, len(X))
    if task not in METRICS:
        raise InputError(f"task must be one of {', '.join(map(repr, METRICS))}; got {task!r}.")
    if task == "regression":
        target, labels, classes = _as_numbers(target, "y"), np.zeros(0, dtype=np.int64), tuple[Any, ...]()
        train = train and (train[0], _as_numbers(train[1], "y_train"))
    else:
        labels, classes = _labels(target, None if train is None else train[1])
        task = "binary" if len(classes) == 2 else "multiclass"
    folds = (np.arange(len(X)),) if train else make_folds(task, labels, len(X), random_state)
    return Setting(
        task=task,
        X=X,
        y=target,
        labels=labels,
        classes=classes,
        weights=weights,
        train=train,
        folds=folds,
        random_state=random_state,
    )


def _task(model: Any, reader: Model | None, y: Array) -> Task:
    """Return the model's own task; what a bare function does is read from the target."""
    if reader is None or not (hasattr(model, "predict") or reader.classes is not None):
        return task_of(y)
    has_classes = reader.classes is not None or reader.probability is not None or len(reader.outputs) > 1
    if not has_classes:
        return "regression"
    return "binary" if len(set(y.tolist())) == 2 else "multiclass"


def _labels(y: Array, y_train: Array | None) -> tuple[Any, tuple[Any, ...]]:
    """Position of every label among the sorted classes."""
    known = set((y if y_train is None else y_train).tolist())
    new = set(y.tolist()) - known
    if new:
        raise InputError(f"y has labels that y_train lacks: {', '.join(sorted(map(repr, new))[:5])}.")
    if len(set(y.tolist())) < 2:
        raise InputError(f"y has one value only, {y[0]!r}; nothing can be compared." if len(y) else "y is empty.")
    classes = tuple(sorted(known, key=lambda label: (str(type(label)), label)))
    position = {label: k for k, label in enumerate(classes)}
    return np.array([position[label] for label in y.tolist()], dtype=np.int64), classes


def _as_numbers(y: Array, what: str) -> Float1:
    try:
        values = np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{what} must be numbers for a regression; got {y[0]!r}.") from None
    if not np.isfinite(values).all() or np.ptp(values) == 0:
        raise InputError(f"{what} must be finite numbers that are not all equal, so that a regression has a spread.")
    return values


def _weights(sample_weight: Any, n_rows: int) -> Float1:
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (n_rows,) or not np.isfinite(weights).all() or (weights < 0).any() or weights.sum() <= 0:
        raise InputError(f"sample_weight must be {n_rows} finite numbers, none negative and not all zero.")
    return weights


def _enter_all(
    model: Any, reader: Model | None, setting: Setting, rungs: Sequence[Rung], progress: Progress
) -> tuple[list[Entry], str]:
    """Let everybody predict; the given model comes first."""
    refits = reader is not None and setting.train is None and _is_cloneable(model)
    steps = len(setting.folds) * (len(rungs) + refits)
    ticks: Iterator[int] = track(range(steps + 1), task="ladder", total=steps + 1, progress=progress)

    def step() -> None:
        next(ticks, None)

    entries, note = [], ""
    if reader is not None:
        entry, note = _enter_given(model, reader, setting, step, refits=refits)
        entries.append(replace(entry, complexity=size_of(reader)))
    entries += [enter_rung(rung, setting, step) for rung in rungs]
    for _ in ticks:
        """Finish the bar where a rung stopped early."""
    return entries, note


def _enter_given(
    model: Any, reader: Model, setting: Setting, step: Callable[[], None], *, refits: bool
) -> tuple[Entry, str]:
    """Return the given model's predictions, and why they cannot be compared with the rungs' (or nothing)."""
    if setting.train is not None:
        return enter_fitted(GIVEN, reader, setting), ""
    if refits:
        try:
            return enter_refitted(GIVEN, model, setting, step), ""
        except Exception as error:  # the user's own estimator may refuse anything; say so and go on
            why = f"refitting a copy of it failed ({type(error).__name__}: {str(error).splitlines()[0][:160]})"
    else:
        why = "it cannot be refitted"
    note = (
        f"No price: the given model was measured as it is, because {why}, and whether it has seen these rows "
        "is not known; the rungs predict rows they have not seen. Pass X_train and y_train for a price."
    )
    return enter_fitted(GIVEN, reader, setting), note


def _is_cloneable(model: Any) -> bool:
    """Whether scikit-learn can make an unfitted copy."""
    if isinstance(model, type) or not (hasattr(model, "get_params") and hasattr(model, "fit")):
        return False
    try:
        clone(model)
    except (TypeError, RuntimeError, ValueError):
        return False
    return True


def _climb(entries: Sequence[Entry], setting: Setting, note: str, *, has_model: bool) -> Ladder:
    """Measure every entry and put the findings into words."""
    measure = _measure_regression if setting.task == "regression" else _measure_classes
    priced = has_model and not note
    rows = measure(entries, setting, priced=priced)
    metric, second = METRICS[setting.task]
    return Ladder(
        rows=tuple(rows),
        task=setting.task,
        metric=metric,
        second_metric=second,
        n=len(setting.X),
        sentence=sentence(rows, metric, _where(setting, priced), has_model=has_model, priced=priced),
        how=_how(setting),
        note=note,
        descriptions={entry.name: entry.description for entry in entries if entry.description is not None},
    )


def _measure_classes(entries: Sequence[Entry], setting: Setting, *, priced: bool) -> list[LadderRow]:
    weights = np.ones(len(setting.X)) if setting.weights is None else setting.weights
    areas = {
        entry.name: area_under_curve(entry.scores, setting.labels, weights, entry.folds)
        for entry in entries
        if entry.scores is not None
    }
    rows = []
    for entry in entries:
        if entry.name not in areas:
            rows.append(_row(entry))
            continue
        area, price = areas[entry.name], None
        if priced and entry.name != GIVEN:
            price = areas[GIVEN].minus(area)
        loss = None if entry.probability is None else log_loss(entry.probability, setting.labels, weights)
        measured = area.interval()
        flat = (
            ""
            if measured.low != measured.high
            else "all pairs of rows are ranked rightly (or wrongly), so the interval has no width"
        )
        rows.append(_row(replace(entry, note=entry.note or flat), measured, loss, price))
    return rows


def _measure_regression(entries: Sequence[Entry], setting: Setting, *, priced: bool) -> list[LadderRow]:
    weights = np.ones(len(setting.X)) if setting.weights is None else setting.weights
    present = [entry for entry in entries if entry.scores is not None]
    fits = fit_quality(
        [entry.scores[:, 0] for entry in present if entry.scores is not None],
        setting.y,
        weights,
        setting.random_state,
    )
    position = {entry.name: k for k, entry in enumerate(present)}
    rows = []
    for entry in entries:
        if entry.name not in position:
            rows.append(_row(entry))
            continue
        k, price = position[entry.name], None
        if priced and entry.name != GIVEN:
            price = fits.minus(position[GIVEN], k)
        rows.append(_row(entry, fits.interval(k), float(fits.rmse[k]), price))
    return rows


def _row(
    entry: Entry, metric: Interval | None = None, second: float | None = None, price: Interval | None = None
) -> LadderRow:
    return LadderRow(
        name=entry.name,
        metric=metric.value if metric else None,
        low=metric.low if metric else None,
        high=metric.high if metric else None,
        second=second,
        price=price.value if price else None,
        price_low=price.low if price else None,
        price_high=price.high if price else None,
        seconds=entry.seconds,
        complexity=entry.complexity,
        note=entry.note,
    )


def _how(setting: Setting) -> str:
    interval = (
        "percentiles of 1000 bootstrap resamples of the rows, paired for prices"
        if setting.task == "regression"
        else "DeLong’s, paired for prices"
    )
    split = (
        f"Rungs were fitted on {len(setting.train[0])} training rows and predict the {len(setting.X)} held-out rows."
        if setting.train
        else f"Models were refitted on {len(setting.folds)} folds: a row is predicted by models that have not seen it."
    )
    return (
        f"{split} 95 % intervals are {interval}; they tell the luck of the held-out rows, not of the training rows, "
        "and are not widened for choosing the best of several."
    )


def _where(setting: Setting, priced: bool) -> str:
    """Say which rows were predicted, and whether by the model as it was given or by one fitted again."""
    if priced and setting.train is None:
        return f"on {len(setting.X)} rows, fitted again on {len(setting.folds)} folds of them,"
    return f"on {len(setting.X)} held-out rows"


def sentence(rows: Sequence[LadderRow], metric: str, where: str, *, has_model: bool, priced: bool) -> str:
    """Say what the black box buys over the best rung, and which simpler model does as well."""
    rungs = [row for row in rows if row.metric is not None and row.name != GIVEN]
    if not rungs:
        return "No interpretable model could be fitted; the notes say why."
    best = max(rungs, key=lambda row: row.metric or 0.0)
    rung = f"the best interpretable model, {best.name}, has {metric} {_span(best.metric, best.low, best.high)}"
    if not has_model:
        return f"{_upper(rung)} {where}."
    given = rows[0]
    told = f"{_upper(where)} the given model has {metric} {_span(given.metric, given.low, given.high)}; {rung}."
    if not priced:
        return told
    price = f"The price of interpretability is {_span(best.price, best.price_low, best.price_high)} of {metric}"
    if best.price_low is not None and best.price_low > 0:
        return f"{told} {price}: the given model is better than every interpretable one here."
    if best.price_high is not None and best.price_high < 0:
        return f"{told} {price}: {best.name} is better than the given model."
    simple = next(row for row in rungs if row.price_low is not None and row.price_low <= 0)
    return f"{told} {price}: these rows do not show that the given model is better than {simple.name}."


def _span(value: float | None, low: float | None, high: float | None) -> str:
    if value is None or low is None or high is None:
        return "unknown"
    return interval_text(value, low, high)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
