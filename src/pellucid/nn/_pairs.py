"""A value beside its reference: the arithmetic of difference-from-reference rules.

Each operation on pairs gives the value that the network would have, with a gradient that spreads the *difference*
from the reference exactly: summed over the operands, gradient times difference is the difference of the
result. So any composition of them adds up (DeepLIFT's rescale rule, Shrikumar et al. 2017, equation 13, and the
Shapley values of a product). With zero references the same arithmetic is layer-wise relevance propagation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_CLOSE = 1e-6
"""Relative distance below which a secant is replaced by the tangent."""


class _Carried(torch.autograd.Function):
    """The value of one tensor with the gradient of another."""

    @staticmethod
    def forward(ctx: Any, surrogate: Tensor, value: list[Tensor]) -> Tensor:  # noqa: ARG004 - torch passes both
        return value[0]  # in a list it is no operand to autograd, and may be changed in place later

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:  # noqa: ARG004
        return gradients[0], None


def carried(surrogate: Tensor, value: Tensor) -> Tensor:
    """Return `value`, whose gradient is that of `surrogate`; both have one shape."""
    result: Tensor = _Carried.apply(surrogate, [value.detach()])  # type: ignore[no-untyped-call]
    return result


def secant(function: Callable[[Tensor], Tensor], x: Tensor, x0: Tensor) -> tuple[Tensor, Tensor]:
    """Value of an elementwise function at x, and the slope of the line from x0; the tangent where they are close."""
    point = x.detach()
    with torch.enable_grad():
        leaf = point.clone().requires_grad_()
        y = function(leaf)
        (tangent,) = torch.autograd.grad(y.sum(), leaf)
    y = y.detach()
    with torch.no_grad():
        difference = point - x0
        slope = (y - function(x0)) / difference
        far = difference.abs() > _CLOSE * torch.maximum(point.abs(), x0.abs()).clamp(min=_CLOSE)
        # where the tangent is infinite, such as that of a root at 0, nothing moved that it could spread
        return y, torch.where(far & slope.isfinite(), slope, tangent.nan_to_num(0.0, 0.0, 0.0))


@dataclass(frozen=True, eq=False)
class Pair:
    """A tensor, through which gradients flow, and its reference, through which none do."""

    value: Tensor
    reference: Tensor

    def map(self, function: Callable[[Tensor], Tensor]) -> "Pair":
        """Apply an elementwise function; the gradient is the slope between the two."""
        y, slope = secant(function, self.value, self.reference)
        return Pair(carried(slope * self.value, y), function(self.reference))

    def linear(self, function: Callable[[Tensor], Tensor]) -> "Pair":
        """Apply a linear (or affine) function, whose gradient is right as it is."""
        return Pair(function(self.value), function(self.reference))

    def times(self, other: "Pair", product: Callable[[Tensor, Tensor], Tensor] = torch.mul) -> "Pair":
        """Multiply by any bilinear function; each factor's gradient is the mean of the other's two values."""
        reference = product(self.reference, other.reference)
        if not other.value.requires_grad or not self.value.requires_grad:
            return Pair(product(self.value, other.value), reference)
        value = product(self.value.detach(), other.value.detach())
        surrogate = product(self.value, other.middle) + product(self.middle, other.value)
        return Pair(carried(surrogate, value), reference)

    def minus(self, other: "Pair") -> "Pair":
        """Subtract."""
        return Pair(self.value - other.value, self.reference - other.reference)

    @property
    def middle(self) -> Tensor:
        """Mean of value and reference."""
        return (self.value.detach() + self.reference) / 2


def softmax(logits: Pair, dim: int) -> Pair:
    """Softmax as the exponential of what is above the logarithm of the sum of exponentials."""
    return logits.minus(logsumexp(logits, dim)).map(torch.exp)


def logsumexp(logits: Pair, dim: int) -> Pair:
    """Logarithm of the sum of exponentials, the axis kept.

    The sums may be too small for a number where value and reference are far apart, their logarithms are not, so the
    slope between the two logarithms is taken of these.
    """
    shift = torch.maximum(logits.value.detach(), logits.reference).amax(dim, keepdim=True)
    total = logits.linear(lambda x: x - shift).map(torch.exp).linear(lambda x: x.sum(dim, keepdim=True))
    y, y0 = (x.logsumexp(dim, keepdim=True) for x in (logits.value.detach(), logits.reference))
    z, difference = total.value.detach(), total.value.detach() - total.reference
    far = difference.abs() > _CLOSE * torch.maximum(z, total.reference)
    slope = torch.where(far, (y - y0) / difference, 1 / z)
    return Pair(carried(slope * total.value, y), y0)


def centred(x: Pair, dims: tuple[int, ...]) -> Pair:
    """Take away the mean."""
    return x.minus(x.linear(lambda t: t.mean(dims, keepdim=True).expand_as(t)))


def mean_square(x: Pair, dims: tuple[int, ...]) -> Pair:
    """Mean of squares, the axes kept."""
    return x.map(torch.square).linear(lambda t: t.mean(dims, keepdim=True))


def largest_of(x: Pair, positions: tuple[Tensor, Tensor]) -> Pair:
    """Take elements along the last axis: one position each for the value and the reference, their maxima.

    The change from ``y0 = x0[j]`` to ``y = x[i]`` is dealt to the winner i as far as it goes up and to the
    former winner j as far as it goes down; both lie within what these elements themselves moved.
    """
    at_value, at_reference = positions
    y, y0 = x.value.detach().gather(-1, at_value), x.reference.gather(-1, at_reference)
    rise, fall = (y - y0).clamp(min=0), (y - y0).clamp(max=0)
    moved_up = y - x.reference.gather(-1, at_value)
    moved_down = x.value.detach().gather(-1, at_reference) - y0
    up = torch.where(rise > 0, rise / moved_up, 0.0)
    down = torch.where(fall < 0, fall / moved_down, 0.0)
    same = ((y == y0) & (at_value == at_reference)).to(y)  # nothing to deal out: the plain gradient
    surrogate = x.value.gather(-1, at_value) * (up + same) + x.value.gather(-1, at_reference) * down
    return Pair(carried(surrogate, y), y0)
