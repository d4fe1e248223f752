"""Plain gradients, and gradients averaged over noise."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from pellucid._base.errors import InputError
from pellucid._base.randomness import stream
from pellucid.nn._intercept import Call, Rule
from pellucid.nn._operations import RECTIFIERS
from pellucid.nn._question import Pass, Question
from pellucid.nn.attribution.base import Answer, collected

Combine = Callable[[Tensor, Tensor], Tensor]


def one_pass(
    question: Question, combine: Combine, rules: Callable[[slice], Mapping[str, Rule]] = lambda _: {}
) -> Answer:
    """Combine value and gradient of every site in one forward and backward pass."""
    outputs: list[Tensor] = []

    def read(passed: Pass) -> dict[str, Tensor]:
        outputs.append(passed.outputs)
        return {name: combine(value, passed.gradients[name]) for name, value in passed.values.items()}

    values = collected(read(passed) for passed in question.passes(question.parts, question.every_row(), rules))
    return Answer(values=values, outputs=torch.cat(outputs))


@dataclass(frozen=True)
class Saliency:
    """Absolute gradient (Simonyan, Vedaldi and Zisserman, 2014, section 3): how strongly each element acts, locally."""

    name: ClassVar[str] = "saliency"
    summary: ClassVar[str] = "absolute gradient"

    def answer(self, question: Question) -> Answer:
        """Attribute in one backward pass."""
        return one_pass(question, lambda _, gradient: gradient.abs())


@dataclass(frozen=True)
class GradientXInput:
    """Gradient times value: exact for linear functions without a constant (Shrikumar et al., 2016)."""

    name: ClassVar[str] = "gradient_x_input"
    summary: ClassVar[str] = "gradient times value"

    def answer(self, question: Question) -> Answer:
        """Attribute in one backward pass."""
        return one_pass(question, lambda value, gradient: value * gradient)


class _Positive(torch.autograd.Function):
    """The identity, through which only positive gradients come back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:  # noqa: ARG004
        return gradients[0].clamp(min=0)


@dataclass(frozen=True)
class GuidedBackprop:
    """Gradient in which rectifiers let only positive gradients back (Springenberg et al., 2015, section 3).

    It shows edges of the input more than what the network learned: it hardly changes when upper layers are made
    random (Adebayo et al., 2018), which every explanation says as a warning.
    """

    name: ClassVar[str] = "guided_backprop"
    summary: ClassVar[str] = "gradient in which rectifiers let only positive gradients back"

    def answer(self, question: Question) -> Answer:
        """Attribute in one backward pass."""
        met: list[str] = []

        def rule(call: Call) -> Any:
            met.append(call.operation)
            return _Positive.apply(call.run())  # type: ignore[no-untyped-call]

        found = one_pass(question, lambda _, gradient: gradient, lambda _: dict.fromkeys(RECTIFIERS, rule))
        warnings = [
            "guided backprop mostly redraws the input: it hardly depends on what the upper layers learned "
            "(Adebayo et al., 2018). Do not read it as what the network uses."
        ]
        if not met:
            warnings.append("the network calls no rectifier, so this is the plain gradient.")
        return Answer(values=found.values, outputs=found.outputs, warnings=tuple(warnings))


@dataclass(frozen=True)
class SmoothGrad:
    """Mean gradient over copies with normal noise (Smilkov et al., 2017, equation 1).

    Parameters
    ----------
    noise : float
        Standard deviation of the noise, as a share of each row's range.
    samples : int
        Copies, where no budget is given.
    """

    name: ClassVar[str] = "smoothgrad"
    summary: ClassVar[str] = "mean gradient over noisy copies"

    noise: float = 0.15
    samples: int = 32

    def __post_init__(self) -> None:
        if self.noise < 0 or self.samples < 2:
            raise InputError(f"noise must not be negative and samples at least 2; got {self.noise}, {self.samples}.")

    def answer(self, question: Question) -> Answer:
        """Average gradients, row by row and sample by sample."""
        n = sample_count(question, self.samples)
        moments = Moments(len(question), n)
        spread = [_range(part) * self.noise for part in question.parts]
        for rows, sample in sample_grid(question, n):
            noise = [
                torch.stack([normal(part[0], question.random_state, f"nn.smoothgrad.{i}", int(r), int(s))
                             for r, s in zip(rows, sample, strict=True)])
                for i, part in enumerate(question.parts)
            ]  # fmt: skip
            parts = [part[rows] + scale[rows] * z for part, scale, z in zip(question.parts, spread, noise, strict=True)]
            for passed in question.passes(parts, rows):
                moments.add(rows[passed.rows], passed.gradients)
        outputs = question.outputs(question.parts, question.every_row())
        return Answer(values=moments.mean, outputs=outputs, std_error=moments.std_error)


def sample_count(question: Question, default: int) -> int:
    """Samples for each row: the budget, or the method's own."""
    n = default if question.budget is None else question.budget
    if n < 2:
        raise InputError(f"budget must be at least 2 samples, or there is no standard error; got {n}.")
    return n


def sample_grid(question: Question, n: int) -> list[tuple[Tensor, Tensor]]:
    """Every (row, sample), cut into pieces of a few rows' memory."""
    rows = question.every_row().repeat_interleave(n)
    samples = torch.arange(n, device=rows.device).repeat(len(question))
    return list(zip(torch.split(rows, 64), torch.split(samples, 64), strict=True))


def normal(like: Tensor, random_state: int, purpose: str, row: int, sample: int) -> Tensor:
    """Draw standard normal numbers that depend on the seed, the row and the sample alone."""
    drawn = stream(random_state, f"{purpose}.{sample}", row).standard_normal(tuple(like.shape), dtype=np.float32)
    return torch.from_numpy(drawn).to(like)


def _range(part: Tensor) -> Tensor:
    flat = part.flatten(1)
    return (flat.amax(1) - flat.amin(1)).view(-1, *(1,) * (part.ndim - 1))


class Moments:
    """Mean and standard error of what samples give, added up row by row in float64."""

    def __init__(self, rows: int, n: int) -> None:
        self._rows, self._n = rows, n
        self._sums: dict[str, tuple[Tensor, Tensor]] = {}

    def add(self, rows: Tensor, samples: Mapping[str, Tensor]) -> None:
        """Add samples of shape (targets, samples, …), each of the given row."""
        for name, values in samples.items():
            if name not in self._sums:
                shape = (values.shape[0], self._rows, *values.shape[2:])
                self._sums[name] = tuple(torch.zeros(shape, dtype=torch.float64, device=values.device) for _ in "ab")  # type: ignore[assignment]
            total, squares = self._sums[name]
            total.index_add_(1, rows, values.double())
            squares.index_add_(1, rows, values.double().square())

    @property
    def mean(self) -> dict[str, Tensor]:
        """Mean over samples."""
        return {name: total / self._n for name, (total, _) in self._sums.items()}

    @property
    def std_error(self) -> dict[str, Tensor]:
        """Standard error of the mean."""
        return {
            name: ((squares / self._n - (total / self._n) ** 2).clamp(min=0) / (self._n - 1)).sqrt()
            for name, (total, squares) in self._sums.items()
        }
