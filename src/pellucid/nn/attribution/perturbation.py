"""Methods that only ask for outputs: occlusion, sampled Shapley values of segments, RISE."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pellucid._base.errors import InputError, UnsupportedRequestError
from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Bool2, Float2
from pellucid.explainers.base import Question as GameQuestion
from pellucid.explainers.estimation import estimate_rows
from pellucid.explainers.shapley import ShapleyBound
from pellucid.games.marginal import Request
from pellucid.ir import Model, Space
from pellucid.nn._question import Question
from pellucid.nn.attribution.base import Answer, rounding

_PATCHES = 7
"""Patches along the shorter side of a picture that are hidden together by default."""


def only_inputs(question: Question, method: str) -> None:
    """Refuse layers: what is hidden is part of the input.

    Raises
    ------
    UnsupportedRequestError
        When layers were asked for.
    """
    if question.layers is not None:
        raise UnsupportedRequestError(f"method={method!r} hides parts of the input, so it takes no layers=.")


def hidden(question: Question, shown: Tensor, rows: Tensor) -> Tensor:
    """Outputs where only some elements are shown and the others are those of the baseline.

    Parameters
    ----------
    shown : float Tensor of shape (asked, features)
        Share of each element that is shown, over all explained tensors in their order.
    rows : Tensor of shape (asked,)
    """
    parts, start = [], 0
    for part, baseline in zip(question.parts, question.baseline, strict=True):
        size = part[0].numel()
        weight = shown[:, start : start + size].view(len(rows), *part.shape[1:]).to(part)
        parts.append(torch.lerp(baseline[rows], part[rows], weight))
        start += size
    return question.outputs(parts, rows)


def _places(shape: Sequence[int]) -> tuple[int, ...]:
    """Lengths of the axes along which parts of a row are hidden.

    Height and width of a picture (frames too, of a film), over all channels; tokens, whole; else single features.
    """
    return tuple(shape[1:] if len(shape) > 2 else shape[:1])


def _spread(shape: Sequence[int], of_place: Tensor) -> Tensor:
    """Give every element of a tensor what its place has, flat."""
    after = () if len(shape) > 2 else (1,) * (len(shape) - of_place.ndim)
    return of_place.reshape((*of_place.shape, *after)).expand(tuple(shape)).flatten()


def _side(shape: Sequence[int]) -> int:
    """Places that are hidden together by default, along each axis."""
    return max(1, -(-min(_places(shape)) // _PATCHES)) if len(shape) > 2 else 1


def segments_of(question: Question) -> Tensor:
    """Number of the segment of every element: square patches of a picture, tokens, else single elements."""
    numbers, first = [], 0
    for part in question.parts:
        shape, side = part.shape[1:], _side(part.shape[1:])
        places = _places(shape)
        cells = [-(-length // side) for length in places]
        own = torch.arange(int(np.prod(cells)), device="cpu").view(cells)
        for axis, length in enumerate(places):
            own = own.repeat_interleave(side, axis).narrow(axis, 0, length)
        numbers.append(_spread(shape, own) + first)
        first += int(np.prod(cells))
    return torch.cat(numbers)


def _folded(question: Question, flat: Tensor) -> dict[str, Tensor]:
    """Values (targets, rows, features) in the tensors' own shapes."""
    sizes = [part[0].numel() for part in question.parts]
    named = zip(question.given.names, question.parts, torch.split(flat, sizes, 2), strict=True)
    return {name: piece.reshape(*piece.shape[:2], *part.shape[1:]) for name, part, piece in named}


@dataclass(frozen=True)
class Occlusion:
    """Change of the output when a window is hidden (Zeiler and Fergus, 2014, section 4.2).

    An element's value is the mean over the windows that cover it. Windows of a picture are over all channels; of
    tokens, over whole tokens; of a table, over neighbouring features. Several tensors are hidden one at a time.

    Parameters
    ----------
    window : int or tuple of int, optional
        Length along each axis of places, such as (height, width) of a picture; one number for all of them. By default
        a seventh of a picture's shorter side, and single tokens and features.
    stride : int or tuple of int, optional
        By default half the window.
    """

    name: ClassVar[str] = "occlusion"
    summary: ClassVar[str] = "change of the output when a window is hidden"

    window: int | tuple[int, ...] | None = None
    stride: int | tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        given = [g for g in (self.window, self.stride) if g is not None]
        sides = [side for g in given for side in (g if isinstance(g, tuple) else (g,))]
        if any(isinstance(side, bool) or not isinstance(side, int) or side < 1 for side in sides) or () in given:
            raise InputError(
                f"window and stride must be whole numbers of at least 1, or tuples of them; got {self.window!r} and "
                f"{self.stride!r}."
            )

    def answer(self, question: Question) -> Answer:
        """Hide every window of every row, many in one pass."""
        only_inputs(question, self.name)
        windows = torch.block_diag(*[self._windows(part.shape[1:]) for part in question.parts])
        outputs = question.outputs(question.parts, question.every_row())
        values = torch.zeros(outputs.shape[1], len(question), windows.shape[1], dtype=torch.float64, device="cpu")
        count = windows.sum(0).clamp(min=1)
        for row in range(len(question)):
            for some in torch.split(windows, 256):
                rows = torch.full((len(some),), row, device=outputs.device)
                lost = outputs[row] - hidden(question, (~some).to(outputs), rows)
                values[:, row] += (lost.double().cpu().T @ some.double()) / count
        return Answer(values=_folded(question, values), outputs=outputs, background=question.baseline_in_words)

    def _windows(self, shape: Sequence[int]) -> Tensor:
        """Which elements of a tensor each window covers, (windows, elements)."""
        places = _places(shape)
        sides = [
            min(*pair) for pair in zip(_along(self.window, places, [_side(shape)] * len(places)), places, strict=True)
        ]
        steps = _along(self.stride, places, [max(1, side // 2) for side in sides])
        starts = [_starts(*axis) for axis in zip(places, sides, steps, strict=True)]
        masks = []
        for corner in itertools.product(*starts):
            mask = torch.zeros(places, dtype=torch.bool, device="cpu")
            mask[tuple(slice(first, first + side) for first, side in zip(corner, sides, strict=True))] = True
            masks.append(_spread(shape, mask))
        return torch.stack(masks)


def _along(given: int | tuple[int, ...] | None, places: Sequence[int], default: list[int]) -> list[int]:
    """Read one number, or one for each axis of places."""
    if given is None:
        return default
    lengths = list(given) if isinstance(given, tuple) else [given] * len(places)
    if len(lengths) != len(places):
        raise InputError(
            f"a window over places of shape {tuple(places)} needs one number, or {len(places)}; got {given!r}."
        )
    return lengths


def _starts(length: int, side: int, step: int) -> list[int]:
    """Where windows begin, so that the last one ends at the edge."""
    starts = list(range(0, length - side + 1, step))
    return starts if starts[-1] == length - side else [*starts, length - side]


class _SegmentGames:
    """The games of explained rows whose players are segments: those hidden take the baseline's values."""

    background_in_words = "hidden segments take the baseline's values"
    cost_of_one = 1

    def __init__(self, question: Question, segments: Tensor) -> None:
        self._question, self._segments = question, segments
        n = int(segments.max()) + 1
        rows = len(question)
        self.relevant = np.ones((rows, n), dtype=bool)
        self.full = _numbers(question.outputs(question.parts, question.every_row()))
        self.empty = _numbers(question.outputs(question.baseline, question.every_row()))
        self.fixed_cost = 2 * rows

    def evaluate(self, requests: list[Request]) -> tuple[list[Float2], int]:
        """Evaluate coalitions of several rows."""
        asked = np.concatenate([coalitions for _, coalitions in requests])
        rows = np.repeat([row for row, _ in requests], [len(coalitions) for _, coalitions in requests])
        values = np.concatenate([_numbers(self._shown(a, r)) for a, r in _pieces(asked, rows)])
        ends = np.cumsum([len(coalitions) for _, coalitions in requests])[:-1]
        return np.split(values, ends), len(asked)

    def _shown(self, coalitions: Bool2, rows: Array) -> Tensor:
        device = self._question.parts[0].device
        shown = torch.from_numpy(coalitions).to(device)[:, self._segments.to(device)]
        return hidden(self._question, shown, torch.from_numpy(rows).to(device))


def _pieces(coalitions: Bool2, rows: Array, size: int = 64) -> Iterator[tuple[Bool2, Array]]:
    for first in range(0, len(rows), size):
        yield coalitions[first : first + size], rows[first : first + size]


def _numbers(outputs: Tensor) -> Float2:
    return np.asarray(outputs.double().cpu().numpy())


@dataclass(frozen=True)
class ShapleyOfSegments:
    """Shapley values of segments: patches of a picture, tokens or features (Lundberg and Lee, 2017).

    Sampled pairs of coalitions of pellucid's own estimator; all coalitions where the budget covers them. A
    segment's value is spread evenly over its elements, so that sums stay the same.
    """

    name: ClassVar[str] = "shapley"
    summary: ClassVar[str] = "Shapley values of patches, tokens or features, with standard errors"

    def answer(self, question: Question) -> Answer:
        """Play the games of all rows."""
        only_inputs(question, self.name)
        segments = segments_of(question)
        games = _SegmentGames(question, segments)
        asked = GameQuestion(
            model=Model(label="a network", outputs=question.outputs_named, raw=lambda _: games.full),
            background=None,
            space=Space.RAW,
            budget=question.budget,
            tol=question.tol,
            random_state=question.random_state,
            n_jobs=1,
        )
        planner = ShapleyBound(asked, None, None).planner()  # type: ignore[arg-type]
        found = estimate_rows(asked, games, planner)  # type: ignore[arg-type]
        size = np.bincount(segments.numpy())[segments.numpy()]

        def spread(values: Array) -> dict[str, Tensor]:
            flat = torch.from_numpy(values[:, segments.numpy()] / size[None, :, None]).permute(2, 0, 1)
            return _folded(question, flat)

        outputs, base = torch.from_numpy(games.full), torch.from_numpy(games.empty)
        return Answer(
            values=spread(found.values),
            outputs=outputs,
            base=base,
            bound=rounding(outputs.to(question.parts[0].dtype), base).double(),
            std_error=None if found.std_error is None else spread(found.std_error),
            background=question.baseline_in_words,
            warnings=found.warnings,
        )


@dataclass(frozen=True)
class RISE:
    """Mean output over random masks that show an element, less that over masks that hide it (Petsiuk et al., 2018).

    Their equation 6 is the first mean alone, which differs by an affine map that is the same for all elements.

    Parameters
    ----------
    masks : int
        Masks for each row, where no budget is given.
    shown : float
        Probability that a cell of a mask shows.
    """

    name: ClassVar[str] = "rise"
    summary: ClassVar[str] = "mean output over random masks, with standard errors"

    masks: int = 1000
    shown: float = 0.5

    def __post_init__(self) -> None:
        if self.masks < 2 or not 0 < self.shown < 1:
            raise InputError(f"masks must be at least 2 and shown between 0 and 1; got {self.masks} and {self.shown}.")

    def answer(self, question: Question) -> Answer:
        """Ask every row under the same masks."""
        only_inputs(question, self.name)
        n = self.masks if question.budget is None else question.budget
        if n < 2:
            raise InputError(f"budget must be at least 2 masks; got {n}.")
        outputs = question.outputs(question.parts, question.every_row())
        features = sum(part[0].numel() for part in question.parts)
        total = torch.zeros(outputs.shape[1], len(question), features, dtype=torch.float64, device="cpu")
        squares = torch.zeros_like(total)
        for first in range(0, n, 64):
            masks = torch.stack([self._mask(question, k) for k in range(first, min(first + 64, n))])
            weight = (masks.double() - self.shown) / (self.shown * (1 - self.shown))
            for row in range(len(question)):
                rows = torch.full((len(masks),), row, device=outputs.device)
                gained = (hidden(question, masks.to(outputs), rows) - outputs[row]).double().cpu()
                total[:, row] += gained.T @ weight
                squares[:, row] += gained.square().T @ weight.square()
        mean = total / n
        error = ((squares / n - mean.square()).clamp(min=0) / (n - 1)).sqrt()
        return Answer(
            values=_folded(question, mean),
            outputs=outputs,
            std_error=_folded(question, error),
            background=question.baseline_in_words,
        )

    def _mask(self, question: Question, k: int) -> Tensor:
        """Share of each element that mask k shows: smooth over a picture, tokens and features whole."""
        rng = stream(question.random_state, "nn.rise", k)
        shape = question.parts[0].shape[1:]
        if len(question.parts) > 1 or len(shape) != 3:
            segments = segments_of(question)
            drawn = rng.random(int(segments.max()) + 1) < self.shown
            return torch.from_numpy(drawn)[segments].float()
        height, width = (-(-side // _PATCHES) for side in shape[1:])
        cells = torch.from_numpy((rng.random((1, 1, _PATCHES + 1, _PATCHES + 1)) < self.shown).astype(np.float32))
        grown = functional.interpolate(
            cells, size=((_PATCHES + 1) * height, (_PATCHES + 1) * width), mode="bilinear", align_corners=False
        )
        top, left = int(rng.integers(height)), int(rng.integers(width))
        return grown[0, :, top : top + shape[1], left : left + shape[2]].expand(shape).flatten()
