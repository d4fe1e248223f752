"""Layer-wise relevance propagation and its relatives for transformers, as modified gradients times values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal, TypeAlias, get_args

import torch
from torch import Tensor

from pellucid._base.errors import InputError
from pellucid.nn._intercept import Call, Rule
from pellucid.nn._operations import ELEMENTWISE
from pellucid.nn._pairs import carried, secant
from pellucid.nn._question import Question
from pellucid.nn._rules import affine, fold, heads_repeated, masked_scores, normalised_axes
from pellucid.nn.attribution.base import Answer
from pellucid.nn.attribution.gradients import one_pass

Local: TypeAlias = Callable[[Call], Any]

_NORMALISERS = ("rsqrt", "reciprocal")


def _normalises(call: Call) -> bool:
    """Whether the result is a reciprocal: the scale of a norm that is written out."""
    exponent = call.get("exponent", 1)
    return call.operation in _NORMALISERS or (not isinstance(exponent, Tensor) and exponent < 0)


def identity(call: Call) -> Any:
    """Pass relevance through an elementwise function: the slope from 0 to its value."""
    if not call.input.is_floating_point() or isinstance(call.get("exponent"), Tensor):
        return call.run()
    if _normalises(call):
        return constant(call)
    if call.operation == "prelu":  # its weights have their own places
        value, slope = secant(lambda x: call.run(input=x), call.input, torch.zeros_like(call.input))
    else:
        value, slope = _from_zero(call)
    return carried(slope * call.input, value)


def _from_zero(call: Call) -> tuple[Tensor, Tensor]:
    """Value and slope from 0, as `secant`, with one evaluation at 0 for all elements."""
    x = call.input.detach()
    with torch.enable_grad():
        zero = x.new_zeros((), requires_grad=True)
        at_zero = call.run(input=zero)
        (tangent,) = torch.autograd.grad(at_zero, zero)
    value = call.run(input=x)
    slope = (value - at_zero.detach()) / x
    return value, torch.where(
        slope.isfinite() & (x.abs() > torch.finfo(x.dtype).eps), slope, tangent.nan_to_num(0, 0, 0)
    )


def constant(call: Call) -> Any:
    """Hold the result constant: no relevance goes through."""
    result = call.run()
    return type(result)(t.detach() for t in result) if isinstance(result, tuple) else result.detach()


def halves(call: Call) -> Any:
    """Deal a product's relevance to its factors in equal shares (Achtibat et al., 2024, equation 15)."""
    a, b = call.input, call.arguments["other"]
    both = all(isinstance(t, Tensor) and t.requires_grad for t in (a, b))
    return call.run(input=_half(a), other=_half(b)) if both else call.run()


class _Half(torch.autograd.Function):
    """The identity, through which half of a gradient comes back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:  # noqa: ARG004
        return gradients[0] / 2


def _half(x: Tensor) -> Tensor:
    result: Tensor = _Half.apply(x)  # type: ignore[no-untyped-call]
    return result


def divisor_constant(call: Call) -> Any:
    """Treat a divisor as a normaliser, which takes no relevance."""
    other = call.arguments["other"]
    return call.run(other=other.detach() if isinstance(other, Tensor) else other)


def norm(call: Call) -> Any:
    """Hold a norm's scale constant (Ali et al., 2022, equation 9): only taking the mean away is left to propagate."""
    if call.operation == "instance_norm" and call.get("use_input_stats") is False:
        return call.run()
    x = fold(call, call.input)
    dims = tuple(range(-normalised_axes(call), 0))
    deviation = x if call.operation == "rms_norm" else x - x.mean(dims, keepdim=True)
    eps = call.get("eps")
    square = deviation.detach().square().mean(dims, keepdim=True)
    scale = (square + (torch.finfo(square.dtype).eps if eps is None else eps)).rsqrt()
    return affine(call, (deviation * scale).reshape(call.input.shape))


def gated(call: Call) -> Any:
    """Deal a gated linear unit's relevance to its two halves equally."""
    first, second = call.input.chunk(2, call.get("dim", -1))
    _, slope = secant(torch.sigmoid, second, torch.zeros_like(second))
    gate = carried(slope * second, torch.sigmoid(second))
    return _half(first) * _half(gate)


def attention(softmax: Callable[[Tensor], Tensor], call: Call) -> Tensor:
    """Take scaled dot-product attention apart: a product, a softmax and a product."""
    query, key, value = (call.arguments[name] for name in ("query", "key", "value"))
    key, value = heads_repeated(call, key), heads_repeated(call, value)
    both = query.requires_grad and key.requires_grad
    scores = torch.matmul(*((_half(query), _half(key).mT) if both else (query, key.mT)))
    weights = softmax(masked_scores(call, scores))
    both = weights.requires_grad and value.requires_grad
    return torch.matmul(*((_half(weights), _half(value)) if both else (weights, value)))


def stop(weights: Tensor) -> Tensor:
    """Softmax that no gradient passes: attention weights as constants."""
    return weights.detach().softmax(-1)


_TRANSFORMER: dict[str, Local] = {
    **dict.fromkeys(("norm", "var", "std"), constant),
    "div": divisor_constant,
    **dict.fromkeys(("layer_norm", "rms_norm", "group_norm", "instance_norm"), norm),
}
_CONSTANT_SOFTMAX: dict[str, Local] = {"softmax": constant, "scaled_dot_product_attention": partial(attention, stop)}
_PRODUCTS: dict[str, Local] = {**dict.fromkeys(("mul", "matmul", "einsum"), halves), "glu": gated}
_IDENTITY: dict[str, Local] = dict.fromkeys((*ELEMENTWISE, "prelu"), identity)

ATTNLRP: dict[str, Local] = {
    **_IDENTITY,
    **_TRANSFORMER,
    **_PRODUCTS,
    "scaled_dot_product_attention": partial(attention, partial(torch.softmax, dim=-1)),
}
LIBRAGRAD: dict[str, Local] = {**_IDENTITY, **_TRANSFORMER, **_PRODUCTS, **_CONSTANT_SOFTMAX}
CP_LRP: dict[str, Local] = {
    **_TRANSFORMER,
    **_CONSTANT_SOFTMAX,
    **dict.fromkeys(_NORMALISERS, constant),
    "pow": lambda call: constant(call) if _normalises(call) else call.run(),
}


def _guarded(rules: Mapping[str, Local]) -> Mapping[str, Rule]:
    """Apply rules only where a gradient flows."""

    def guarded(rule: Local, call: Call) -> Any:
        return rule(call) if call.asks_gradient else call.run()

    return {operation: partial(guarded, rule) for operation, rule in rules.items()}


@dataclass(frozen=True)
class _Propagation:
    """Gradient times value under a table of rules, which is all that a method says."""

    rules: ClassVar[Mapping[str, Local]]

    def answer(self, question: Question) -> Answer:
        """Attribute in one forward and one backward pass."""
        return one_pass(question, lambda value, gradient: value * gradient, lambda _: _guarded(self.rules))


@dataclass(frozen=True)
class AttnLRP(_Propagation):
    """AttnLRP (Achtibat et al., 2024): relevance through attention, in one backward pass.

    Softmax by its Taylor expansion (equation 13), products in equal shares (15), activations and norms by the
    identity rule (9, 19), linear layers by LRP-0. Biases and the softmax keep some relevance: the gap says how much.
    """

    name: ClassVar[str] = "attnlrp"
    summary: ClassVar[str] = "relevance propagation through attention"
    rules: ClassVar[Mapping[str, Local]] = ATTNLRP


@dataclass(frozen=True)
class CPLRP(_Propagation):
    """Conservative propagation (Ali et al., 2022): attention weights and norms' scales constant, the rest gradients."""

    name: ClassVar[str] = "cp_lrp"
    summary: ClassVar[str] = "gradient times value with attention weights and norms' scales constant"
    rules: ClassVar[Mapping[str, Local]] = CP_LRP


@dataclass(frozen=True)
class LibraGrad(_Propagation):
    """LibraGrad (Mehri et al., 2025): gates, attention weights and norms' scales constant, products in equal shares."""

    name: ClassVar[str] = "libragrad"
    summary: ClassVar[str] = "gradient times value, balanced: gates, attention weights and norms' scales constant"
    rules: ClassVar[Mapping[str, Local]] = LIBRAGRAD


LinearRule: TypeAlias = Literal["epsilon", "gamma", "zplus", "composite", "epsilon_plus"]
_LINEAR = ("linear", "conv", "conv_transpose", "addmm")


@dataclass(frozen=True)
class LRP:
    """Layer-wise relevance propagation (Bach et al., 2015; Montavon et al., 2019, section 10.2).

    Parameters
    ----------
    rule : {"epsilon", "gamma", "zplus", "epsilon_plus", "composite"}
        For linear layers and convolutions. ``"epsilon_plus"``: z⁺ in convolutions, ε in dense layers;
        ``"composite"``: γ in the lower half of the layers, ε in the upper. Everything else has the rules of AttnLRP.
    epsilon : float
        Added to denominators.
    gamma : float
        Extra weight of positive contributions.

    Notes
    -----
    Biases take part in the denominators and keep their share of relevance, which is in the gap.
    """

    name: ClassVar[str] = "lrp"
    summary: ClassVar[str] = "layer-wise relevance propagation: epsilon, gamma, z-plus, composites"

    rule: LinearRule = "epsilon"
    epsilon: float = 1e-9
    gamma: float = 0.25

    def __post_init__(self) -> None:
        if self.rule not in get_args(LinearRule):
            raise InputError(f"rule must be one of {get_args(LinearRule)}; got {self.rule!r}.")
        if self.epsilon <= 0 or self.gamma < 0:
            raise InputError(f"epsilon must be positive and gamma not negative; got {self.epsilon} and {self.gamma}.")

    def answer(self, question: Question) -> Answer:
        """Attribute in one forward and one backward pass; a composite counts the layers in another."""
        total = self._count(question) if self.rule == "composite" else 0
        seen = [0]

        def linear(call: Call) -> Tensor:
            seen[0] += 1
            return self._linear(call, seen[0] - 1, total) if call.asks_gradient else call.run()

        def rules(_: slice) -> Mapping[str, Rule]:
            seen[0] = 0
            return {**_guarded(ATTNLRP), **dict.fromkeys(_LINEAR, linear)}

        return one_pass(question, lambda value, gradient: value * gradient, rules)

    def _count(self, question: Question) -> int:
        calls = [0]

        def count(call: Call) -> Any:
            calls[0] += 1
            return call.run()

        with torch.no_grad():
            question.forward([p[:1] for p in question.parts], question.every_row()[:1], dict.fromkeys(_LINEAR, count))
        return calls[0]

    def _linear(self, call: Call, position: int, total: int) -> Tensor:
        rule = self.rule
        if rule == "composite":
            rule = "gamma" if 2 * position < total else "epsilon"
        if rule == "epsilon_plus":
            rule = "zplus" if call.operation.startswith("conv") else "epsilon"
        if rule == "epsilon":
            z = call.run()
            return carried(z * _ratio(z, z, self.epsilon), z)
        return self._signed(call, torch.inf if rule == "zplus" else self.gamma)

    def _signed(self, call: Call, gamma: float) -> Tensor:
        """Weigh positive contributions more, apart for each sign of the output; with γ → ∞ they alone count."""
        x, z = call.input, call.run().detach()
        surrogate = torch.zeros_like(z)
        signs = (1, -1) if gamma != torch.inf else (1,)
        for sign in signs:
            part = sum(
                call.run(
                    input=x.clamp(min=0) if half > 0 else x.clamp(max=0),
                    weight=_favoured(call.arguments["weight"], sign * half, gamma),
                    bias=_favoured(call.get("bias"), sign, gamma) if half > 0 else _none_like(call),
                )
                for half in (1, -1)
            )
            chosen = torch.ones_like(z) if gamma == torch.inf else (z * sign > 0).to(z)
            surrogate = surrogate + part * chosen * _ratio(z, part.detach(), self.epsilon)
        return carried(surrogate, z)


def _ratio(z: Tensor, denominator: Tensor, epsilon: float) -> Tensor:
    """Return z over a denominator kept away from zero."""
    away = torch.where(denominator >= 0, epsilon, -epsilon)
    return (z / (denominator + away)).detach()


def _favoured(weight: Tensor | None, sign: int, gamma: float) -> Tensor | None:
    """Weights with those of one sign made larger; with γ → ∞ the others are gone."""
    if weight is None:
        return None
    part = weight.clamp(min=0) if sign > 0 else weight.clamp(max=0)
    return part if gamma == torch.inf else weight + gamma * part


def _none_like(call: Call) -> Tensor | None:
    """No bias: None, or zeros for functions that must have one."""
    return torch.zeros_like(call.arguments["bias"]) if call.operation == "addmm" else None
