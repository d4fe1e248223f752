"""Integrated Gradients along a path that is cut where it needs it, and Expected Gradients."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar, TypeAlias

import numpy as np
import torch
from torch import Tensor

from pellucid._base.errors import InputError
from pellucid._base.randomness import stream
from pellucid._base.words import counted
from pellucid.nn._question import MEMORY, Question
from pellucid.nn.attribution.base import Answer, collected
from pellucid.nn.attribution.deeplift import background_of
from pellucid.nn.attribution.gradients import Moments, sample_count, sample_grid

_LOOKS = np.linspace(0, 1, 33)
"""Places on a path where the output is looked at before it is cut."""
_NODE = 0.5 / 3**0.5
"""Distance of the two Gauss-Legendre nodes from the middle of an interval of length 1."""


_Third: TypeAlias = "tuple[float, float, dict[str, Tensor] | None]"
"""Ends of an interval with one node, and the gradient there where it is known."""


@dataclass(eq=False)
class _Interval:
    """A piece of one row's path, with the gradients at its nodes: two of Gauss and Legendre, or one in the middle."""

    low: float
    high: float
    gradients: list[dict[str, Tensor]]
    error: Tensor

    def thirds(self) -> list[_Third]:
        """Return three intervals that have its nodes in their middles, so that no gradient is lost."""
        two = len(self.gradients) == 2
        width = (self.high - self.low) * (1 - 2 * _NODE if two else 1 / 3)
        known = [self.gradients[0], None, self.gradients[1]] if two else [None, self.gradients[0], None]
        cuts = [self.low, self.low + width, self.high - width, self.high]
        return [(*ends, gradient) for ends, gradient in zip(pairwise(cuts), known, strict=True)]


@dataclass(eq=False)
class _Path:
    """One row's straight path from its baseline: known outputs and layers' values, and the intervals."""

    row: int
    outputs: dict[float, Tensor] = field(default_factory=dict)
    sites: dict[float, dict[str, Tensor]] = field(default_factory=dict)
    intervals: list[_Interval] = field(default_factory=list)

    @property
    def total(self) -> Tensor:
        """Difference between the two ends, by target."""
        return self.outputs[1.0] - self.outputs[0.0]

    @property
    def spent(self) -> int:
        """Gradients asked for so far."""
        return sum(len(interval.gradients) for interval in self.intervals)

    def planned(self, tol: float, most: int) -> list[float]:
        """Cuts for which the outputs seen so far promise half the tolerance, from a spline through them."""
        from scipy.interpolate import CubicSpline  # a third party, loaded only where a path is planned

        seen = np.array([self.outputs[at].double().cpu().numpy() for at in _LOOKS.tolist()])
        curve, scale = CubicSpline(_LOOKS, seen), np.abs(seen[-1] - seen[0]) + np.finfo(float).tiny
        slope = curve.derivative()

        def error(low: float, high: float) -> float:
            middle, half = (low + high) / 2, (high - low) * _NODE
            two = (slope(middle - half) + slope(middle + half)) * (high - low) / 2
            return float((np.abs(two - curve(high) + curve(low)) / scale).max())

        pieces = {(0.0, 0.5): error(0, 0.5), (0.5, 1.0): error(0.5, 1)}
        while len(pieces) < most and sum(e**2 for e in pieces.values()) ** 0.5 > tol / 2:
            low, high = max(pieces, key=lambda piece: pieces[piece])
            middle = (low + high) / 2
            del pieces[low, high]
            pieces |= {ends: error(*ends) for ends in ((low, middle), (middle, high))}
        return [0.0, *sorted(high for _, high in pieces)]

    def errors(self) -> Tensor:
        """What each interval's sum has too much, (intervals, targets)."""
        return torch.stack([interval.error for interval in self.intervals])

    def left(self) -> Tensor:
        """Completeness gap by target, or what it would typically be if the intervals' errors had other signs."""
        errors = self.errors()
        return torch.maximum(errors.sum(0).abs(), errors.square().sum(0).sqrt())

    def sums(self, question: Question) -> dict[str, Tensor]:
        """Contributions along the whole path by site, of shape (targets, 1, …)."""
        parts = [_contributions(question, self, i.low, i.high, i.gradients) for i in self.intervals]
        return {name: torch.stack([part[name] for part in parts]).sum(0)[:, None] for name in parts[0]}

    def taken(self, budget: int) -> list[_Third]:
        """Take out the intervals that are refined next, as far as the budget goes, cut in three.

        These are the sixth of them with the largest errors; in the last third of the budget one alone, that with the
        largest error of the gap's own sign: no other lowers the square of the gap and the squares of the errors
        more, together.
        """
        errors = self.errors() / self.total.abs().clamp(min=torch.finfo(self.total.dtype).tiny)
        left, found = budget - self.spent, []
        many = 3 * left > budget
        score = (errors.abs() if many else errors * errors.sum(0)).amax(1)
        most = max(1, len(errors) // 6) if many else 1
        for interval in [self.intervals[i] for i in score.argsort(descending=True, stable=True).tolist()]:
            thirds = interval.thirds()
            cost = sum(known is None for _, _, known in thirds)
            if cost <= left and most > 0:
                left, most = left - cost, most - 1
                found += thirds
                self.intervals.remove(interval)
        return found

    def add(self, question: Question, low: float, high: float, gradients: list[dict[str, Tensor]]) -> None:
        """Add an interval, whose error the outputs at its ends tell."""
        true = self.outputs[high] - self.outputs[low]
        parts = _contributions(question, self, low, high, gradients).values()
        gaps = torch.stack([part.flatten(1).double().sum(1).to(true) - true for part in parts])
        error = gaps.gather(0, gaps.abs().argmax(0, keepdim=True))[0]
        self.intervals.append(_Interval(low, high, gradients, error))


@dataclass(frozen=True)
class IntegratedGradients:
    """Integrated Gradients (Sundararajan, Taly and Yan, 2017, equation 1), with a path that adapts.

    The path is cut into intervals with two Gauss–Legendre nodes each, where a spline through the output at 33
    places asks for it. The network's outputs at the cuts are known, so the error of each interval's sum is known
    exactly; the worst sixth is cut in three, so that each node is the middle of a new interval and no gradient is
    lost, until the gap, and the root of the sum of squared errors, are less than `tol` times the difference of the
    ends, or `budget` gradients of a row are spent. The last third of them goes one by one to the interval that adds
    most to the gap.
    For layers the values are their conductance (Dhamdhere et al., 2018), all layers on the same path.
    """

    name: ClassVar[str] = "integrated_gradients"
    summary: ClassVar[str] = "gradients along the path from a baseline, refined until they add up"

    gradients: int = 100

    def answer(self, question: Question) -> Answer:
        """Refine the path of every row, a group of rows at a time."""
        tol = 0.01 if question.tol is None else question.tol
        budget = self.gradients if question.budget is None else question.budget
        if budget < 4:
            raise InputError(f"budget must be at least 4 gradients for each row; got {budget}.")
        of_row = sum(part[0].numel() * part.element_size() for part in question.parts)
        group = max(1, MEMORY // (of_row * budget))
        answers = [
            self._group(question, range(first, min(first + group, len(question))), tol, budget)
            for first in range(0, len(question), group)
        ]
        paths = [path for some in answers for path in some]
        outputs, base = (torch.stack([path.outputs[at] for path in paths]) for at in (1.0, 0.0))
        left = torch.stack([path.errors().sum(0).abs() for path in paths])
        allowed = tol * (outputs - base).abs()
        above = int((left > allowed).any(1).sum())
        warnings = (
            f"tol={tol:g} was not reached for {above} of {len(paths)} rows within {budget} gradients each; "
            "pass a larger budget=.",
        )
        return Answer(
            values=collected(path.sums(question) for path in paths),
            outputs=outputs,
            base=base,
            bound=allowed,
            background=question.baseline_in_words,
            warnings=warnings if above else (),
        )

    def _group(self, question: Question, rows: range, tol: float, budget: int) -> list[_Path]:
        paths = [_Path(row) for row in rows]
        _visit(question, [(path, at) for path in paths for at in _LOOKS.tolist()])
        planned = [(path, path.planned(tol, budget // 3)) for path in paths]
        _visit(question, [(path, cut) for path, cuts in planned for cut in cuts if cut not in path.outputs])
        pieces = [(path, *ends) for path, cuts in planned for ends in pairwise(cuts)]
        nodes = [
            (path, (low + high) / 2 + side * (high - low)) for path, low, high in pieces for side in (-_NODE, _NODE)
        ]
        found = _gradients(question, nodes)
        for k, (path, low, high) in enumerate(pieces):
            path.add(question, low, high, found[2 * k : 2 * k + 2])
        todo = paths
        while todo:
            todo = [path for path in todo if not bool((path.left() <= tol * path.total.abs()).all())]
            thirds = [(path, *third) for path in todo for third in path.taken(budget)]
            todo = list(dict.fromkeys(path for path, *_ in thirds))
            _visit(question, [(path, high) for path, _, high, _ in thirds if high not in path.outputs])
            new = _gradients(question, [(path, (low + high) / 2) for path, low, high, known in thirds if known is None])
            fresh = iter(new)
            for path, low, high, known in thirds:
                path.add(question, low, high, [next(fresh) if known is None else known])
        return paths


def _points(question: Question, points: Sequence[tuple[_Path, float]]) -> tuple[list[Tensor], Tensor]:
    """Inputs on the paths, and their rows."""
    rows = torch.tensor([path.row for path, _ in points], device=question.parts[0].device)
    parts = []
    for part, baseline in zip(question.parts, question.baseline, strict=True):
        weight = torch.tensor([at for _, at in points], dtype=torch.float64, device=part.device).to(part.dtype)
        weight = weight.view(-1, *(1,) * (part.ndim - 1))
        parts.append(torch.lerp(baseline[rows], part[rows], weight))
    return parts, rows


def _visit(question: Question, points: Sequence[tuple[_Path, float]]) -> None:
    """Note outputs, and layers' values, at cut points."""
    if not points:
        return
    done = 0
    for outputs, sites in question.evaluations(*_points(question, points)):
        for i, output in enumerate(outputs):
            path, at = points[done + i]
            path.outputs[at] = output
            path.sites[at] = {name: values[i] for name, values in sites.items()}
        done += len(outputs)


def _gradients(question: Question, points: Sequence[tuple[_Path, float]]) -> list[dict[str, Tensor]]:
    """Gradients by site at places of the paths, each of shape (targets, …)."""
    found: list[dict[str, Tensor]] = []
    for passed in question.passes(*_points(question, points)) if points else ():
        count = len(passed.outputs)
        found += [{name: g[:, i] for name, g in passed.gradients.items()} for i in range(count)]
    return found


def _contributions(
    question: Question, path: _Path, low: float, high: float, gradients: Sequence[dict[str, Tensor]]
) -> dict[str, Tensor]:
    """Integral along an interval: the mean of its gradients times the difference of the ends."""
    moved = _moved(question, path, low, high)
    return {name: sum(g[name] for g in gradients) / len(gradients) * moved[name] for name in moved}


def _moved(question: Question, path: _Path, low: float, high: float) -> dict[str, Tensor]:
    """How far every site moves along an interval."""
    if question.layers is not None:
        return {name: value - path.sites[low][name] for name, value in path.sites[high].items()}
    named = zip(question.given.names, question.parts, question.baseline, strict=True)
    return {name: (part[path.row] - baseline[path.row]) * (high - low) for name, part, baseline in named}


@dataclass(frozen=True)
class ExpectedGradients:
    """Integrated Gradients averaged over background rows and places on the paths (Erion et al., 2021, equation 2).

    The places are stratified: sample s of n lies at a random place of the s-th n-th of the path.
    """

    name: ClassVar[str] = "expected_gradients"
    summary: ClassVar[str] = "Integrated Gradients averaged over background rows"

    samples: int = 200

    def answer(self, question: Question) -> Answer:
        """Draw a background row and a place for every sample."""
        background = background_of(question, self.name)
        n, b = sample_count(question, self.samples), len(background[0])
        moments = Moments(len(question), n)
        for rows, sample in sample_grid(question, n):
            drawn = [_draw(question.random_state, int(r), int(s), n, b) for r, s in zip(rows, sample, strict=True)]
            which = torch.tensor([k for k, _ in drawn], device=rows.device)
            place = torch.tensor([at for _, at in drawn], dtype=torch.float64, device=rows.device)
            ends = list(zip(question.parts, background, strict=True))
            weights = [place.to(part).view(-1, *(1,) * (part.ndim - 1)) for part, _ in ends]
            parts = [torch.lerp(bg[which], part[rows], w) for (part, bg), w in zip(ends, weights, strict=True)]
            moved = self._moved(question, rows, which, background)
            for passed in question.passes(parts, rows):
                cut = passed.rows
                moments.add(rows[cut], {name: g * moved[name][cut] for name, g in passed.gradients.items()})
        outputs = question.outputs(question.parts, question.every_row())
        return Answer(
            values=moments.mean,
            outputs=outputs,
            base=_mean_outputs(question, background),
            std_error=moments.std_error,
            background=counted(b, "background row"),
        )

    def _moved(
        self, question: Question, rows: Tensor, which: Tensor, background: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        if question.layers is not None:
            raise InputError(
                f"method={self.name!r} explains inputs; for layers use method='integrated_gradients' (conductance) or "
                "'deepshap'."
            )
        named = zip(question.given.names, question.parts, background, strict=True)
        return {name: part[rows] - bg[which] for name, part, bg in named}


def _draw(random_state: int, row: int, sample: int, n: int, b: int) -> tuple[int, float]:
    rng = stream(random_state, f"nn.expected_gradients.{sample}", row)
    return int(rng.integers(b)), (sample + float(rng.random())) / n


def _mean_outputs(question: Question, background: Sequence[Tensor]) -> Tensor:
    """Mean output over the background; each explained row's own constants stay with it."""
    b = len(background[0])
    rows = question.every_row().repeat_interleave(b)
    which = torch.arange(b, device=rows.device).repeat(len(question))
    return question.outputs([bg[which] for bg in background], rows).view(len(question), b, -1).mean(1)
