"""What the model should have said instead."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.numbers import figure
from pellucid._base.typing import Bool1, Float1, Float2, Int1
from pellucid.explanation._axes import named_positions
from pellucid.ir import Model, Space
from pellucid.table import listed


@dataclass(frozen=True, kw_only=True)
class Goal:
    """Another class, one class, or one output within a range.

    Parameters
    ----------
    kind : {"other", "class", "range"}
    position : int
        The class, or the output that must lie in the range; not used by ``other``.
    low, high : float
        The range, ends included.
    words : str
        The goal in a sentence.
    """

    kind: Literal["other", "class", "range"]
    position: int = 0
    low: float = -np.inf
    high: float = np.inf
    words: str = "another class"

    def reached(self, outputs: Float2, start: Int1) -> Bool1:
        """Whether each row's outputs are what is wanted; `start` has the class each began with."""
        if self.kind == "range":
            score = outputs[:, self.position]
            return np.asarray((score >= self.low) & (score <= self.high))
        decided = outputs.argmax(axis=1)
        return np.asarray(decided == self.position if self.kind == "class" else decided != start)

    def progress(self, outputs: Float2, start: Int1) -> Float1:
        """How near each row is to the goal: the margin of the class wanted, or minus the way to the range."""
        if self.kind == "range":
            score = outputs[:, self.position]
            return -np.maximum(np.maximum(self.low - score, score - self.high), 0.0)
        mine = np.full(len(outputs), self.position) if self.kind == "class" else start
        rows = np.arange(len(outputs))
        rest = outputs.copy()
        rest[rows, mine] = -np.inf
        margin = outputs[rows, mine] - rest.max(axis=1)
        return np.asarray(margin if self.kind == "class" else -margin)


def goal_of(model: Model, target: Any, output: str | int | None) -> tuple[Goal, Space]:
    """Read the caller's target, and the space its outputs are compared in.

    Raises
    ------
    InputError
        When the model has no such class or output, or the range is none.
    """
    decides = model.classes is not None and len(model.outputs) == len(model.classes) > 1
    if isinstance(target, tuple | list):
        return _range_goal(model, target, output), _space(model)
    if output is not None:
        raise InputError("output= says which output must lie in a range: give target=(low, high) with it.")
    if not decides:
        raise InputError(
            f"{model.label} returns a number, so target must be a range such as target=(100, 150), or "
            f"target=(100, None) for at least 100; got {target!r:.80}."
        )
    if target is None:
        return Goal(kind="other"), _space(model)
    position = _class_position(model, target)
    return Goal(kind="class", position=position, words=f"‘{_short(model.outputs[position])}’"), _space(model)


def _space(model: Model) -> Space:
    return Space.RAW if model.probability is None else Space.PROBABILITY


def _class_position(model: Model, target: Any) -> int:
    labels = [] if model.classes is None else np.asarray(model.classes).tolist()
    wanted = target.item() if isinstance(target, np.generic) else target
    for known in (labels, list(model.outputs)):
        if wanted in known:
            return known.index(wanted)
    raise InputError(
        f"target must be one of the classes {listed([str(label) for label in labels], 12)}; got {target!r:.80}."
    )


def _range_goal(model: Model, target: Any, output: str | int | None) -> Goal:
    try:
        low, high = target
        low = -np.inf if low is None else float(low)
        high = np.inf if high is None else float(high)
    except (TypeError, ValueError):
        low, high = np.nan, np.nan
    if not low <= high or (np.isinf(low) and np.isinf(high)):
        raise InputError(f"a range must be target=(low, high), None for one open end; got {target!r:.80}.")
    if output is None and len(model.outputs) > 1:
        raise InputError(f"say which output must lie in the range: output= one of {listed(model.outputs, 12)}.")
    position = 0 if output is None else named_positions(output, model.outputs, "output")[0]
    ends = (("at least", low), ("at most", high))
    words = " and ".join(f"{word} {figure(end)}" for word, end in ends if np.isfinite(end))
    if len(model.outputs) > 1:
        words = f"‘{_short(model.outputs[position])}’ {words}"
    return Goal(kind="range", position=position, low=low, high=high, words=words)


def _short(name: str) -> str:
    return name if len(name) <= 60 else f"{name[:59]}…"
