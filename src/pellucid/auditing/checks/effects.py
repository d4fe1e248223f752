"""PEL303: which way the features that matter most push the output."""

from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from pellucid._base.numbers import figure, signed
from pellucid._base.typing import Array, Bool1, Float1
from pellucid._base.words import counted
from pellucid.auditing.checks.base import NotApplicable, Question
from pellucid.auditing.checks.importance import absolute_values
from pellucid.auditing.findings import Exhibit, Finding, Measure, Section, Verdict
from pellucid.auditing.subject import Subject
from pellucid.auditing.words import cell, cell_words, named
from pellucid.explainers import effects
from pellucid.explanation import Effect
from pellucid.ir import Space

MOST_FEATURES = 4
MOST_ROWS = 1000
MOST_CLASSES = 4
MOST_LEVELS = 30


@dataclass(frozen=True, kw_only=True)
class Effects(Question):
    """Accumulated local effects of the features with the largest attributions."""

    def run(self, subject: Subject) -> Finding:
        """Follow the output along each of the leading features."""
        X = subject.X.take(subject.sample_rows("audit.effects", MOST_ROWS))
        space = Space.RAW if subject.probability is None else Space.PROBABILITY
        order = np.argsort(-absolute_values(subject).mean(axis=0), kind="stable")
        names = [subject.explanation.features[j] for j in order]
        followed = (
            _shared(effects.ale(subject.read, X, name, random_state=subject.random_state, space=str(space)),
                    X.column(name), subject.policy.min_group_size)
            for name in names
            if _shown(subject, name)
        )  # fmt: skip
        output = output_to_show(subject)
        leading = islice((effect for effect in followed if len(effect.grid) > 1), MOST_FEATURES)
        found = sorted(leading, key=lambda effect: -float(np.ptp(effect.values[:, output])))
        if not found:
            raise NotApplicable("no feature has two values that enough rows share or lie beyond.")
        unit = "probability" if space is Space.PROBABILITY else subject.unit()
        moves = [_move(effect, output) for effect in found]
        return self.finding(
            Verdict.PASS,
            _lead(subject, found[0], moves[0], unit),
            detail=" ".join(_sentence(effect, move) for effect, move in zip(found, moves, strict=True)),
            how="Accumulated local effects (Apley and Zhu, 2020): rows move only to the ends of their own bin, so no "
            f"impossible rows are made; centred on zero; ends that too few reach are left out; "
            f"bands from resampling {counted(len(X), 'row')}.",
            measures=tuple(
                Measure(name=f"effect range of {effect.feature}", value=move.span, n=effect.n_rows, unit=unit)
                for effect, move in zip(found, moves, strict=True)
            ),
            exhibits=tuple(_exhibit(subject, effect, unit) for effect in found),
        )


@dataclass(frozen=True, kw_only=True)
class _Move:
    """How far and which way an output goes along a feature."""

    span: float
    change: float
    rising: bool
    falling: bool
    low: str
    high: str
    numeric: bool
    sure: bool


def output_to_show(subject: Subject) -> int:
    """Return the output that sentences speak of: the second of two classes, else the first."""
    return 1 if subject.task == "binary" else 0


def _shown(subject: Subject, name: str) -> bool:
    """Whether the feature varies, and does not have too many categories to draw."""
    values = subject.X.column(name)
    if values.dtype.kind == "f":
        present = values[~np.isnan(values)]
        return len(present) > 0 and float(present.min()) < float(present.max())
    return 2 <= len({value for value in values.tolist() if value is not None}) <= MOST_LEVELS


def _shared(effect: Effect, column: Array, floor: int) -> Effect:
    """Leave out what fewer than `floor` people have: the extreme values of single people are nobody's business.

    A number stays where so many rows are at it or beyond, on either side; a category where so many rows have it.
    """
    if effect.grid.dtype.kind == "f":
        present = np.sort(column[~np.isnan(column)])
        up_to = np.searchsorted(present, effect.grid, side="right")
        beyond = len(present) - np.searchsorted(present, effect.grid, side="left")
        kept: Bool1 = np.minimum(up_to, beyond) >= floor
    else:
        values = column.tolist()
        kept = np.array([values.count(level) >= floor for level in effect.grid.tolist()], dtype=bool)
    low, high = (None if band is None else band[kept] for band in (effect.low, effect.high))
    return replace(effect, grid=effect.grid[kept], values=effect.values[kept], low=low, high=high)


def _move(effect: Effect, output: int) -> _Move:
    curve: Float1 = effect.values[:, output]
    step = np.diff(curve)
    slack = 0.02 * float(np.ptp(curve))
    numeric = effect.grid.dtype.kind == "f"
    least, most = (0, -1) if numeric else (int(curve.argmin()), int(curve.argmax()))
    return _Move(
        span=float(np.ptp(curve)),
        change=float(curve[most] - curve[least]),
        rising=bool((step >= -slack).all()),
        falling=bool((step <= slack).all()),
        low=cell_words(effect.grid[least]),
        high=cell_words(effect.grid[most]),
        numeric=numeric,
        sure=effect.low is None
        or effect.high is None
        or bool((effect.low[:, output] > 0).any() or (effect.high[:, output] < 0).any()),
    )


def _lead(subject: Subject, effect: Effect, move: _Move, unit: str) -> str:
    """Say how far the output moves along the feature that moves it furthest."""
    what = (
        "the prediction"
        if subject.classes is None
        else f"the {unit} of {named(effect.outputs[output_to_show(subject)])}"
    )
    return (
        f"{named(effect.feature)} moves {what} furthest: by {figure(move.span)} between its lowest and its highest "
        f"point, over {counted(effect.n_rows, 'row')}."
    )


def _sentence(effect: Effect, move: _Move) -> str:
    if not move.sure:
        return f"{named(effect.feature)}: the band holds zero everywhere, so these rows show no direction."
    if not move.numeric:
        return f"{named(effect.feature)}: lowest for {move.low}, highest for {move.high}, {figure(move.span)} apart."
    way = "rises steadily" if move.rising else "falls steadily" if move.falling else "goes up and down"
    between = "" if move.rising or move.falling else f" and {figure(move.span)} between lowest and highest"
    return f"{named(effect.feature)}, from {move.low} to {move.high}: {way}, {signed(move.change)} overall{between}."


def _exhibit(subject: Subject, effect: Effect, unit: str) -> Exhibit:
    wanted = (
        [output_to_show(subject)]
        if subject.task != "multiclass"
        else list(range(min(MOST_CLASSES, len(effect.outputs))))
    )
    columns: dict[str, list[object]] = {"x": [], "y": [], "low": [], "high": []}
    series: list[object] = []
    for k in wanted:
        for i, value in enumerate(effect.grid.tolist()):
            columns["x"].append(float(value) if effect.grid.dtype.kind == "f" else cell(value))
            columns["y"].append(float(effect.values[i, k]))
            columns["low"].append(None if effect.low is None else float(effect.low[i, k]))
            columns["high"].append(None if effect.high is None else float(effect.high[i, k]))
            series.append(effect.outputs[k])
    title = effect.feature if len(effect.feature) <= 60 else f"{effect.feature[:57]}…"
    return Exhibit(
        kind="effect",
        title=f"Effect of {title}",
        description="How the output moves along the feature, other things as they are in the data; 95 % band.",
        table={**columns, "series": series} if len(wanted) > 1 else columns,
        options={"x_title": effect.feature, "y_title": f"change of the {unit}"},
    )


EFFECTS = Effects(
    code="PEL303",
    title="Which way the features push",
    section=Section.USE,
    why="That a feature matters says nothing about its direction; a direction that makes no sense is an error or "
    "a leak.",
)
