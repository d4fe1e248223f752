"""Difference-from-reference rules: one for every operation that is not linear, composed of `Pair` arithmetic."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pellucid.nn import _pairs
from pellucid.nn._intercept import Call, Rule
from pellucid.nn._operations import ELEMENTWISE, name_of
from pellucid.nn._pairs import Pair, largest_of


def pair(call: Call, reference: Call, name: str) -> Pair:
    """Return an operand and its reference as tensors."""
    value, other = call.arguments[name], reference.arguments[name]
    like = next(a for a in call.arguments.values() if isinstance(a, Tensor))
    return Pair(
        *(t if isinstance(t, Tensor) else torch.as_tensor(t, device=like.device).to(like) for t in (value, other))
    )


def elementwise(call: Call, reference: Call) -> Tensor:
    """Apply the rescale rule."""
    return pair(call, reference, "input").map(lambda x: call.run(input=x)).value


def product(call: Call, reference: Call) -> Tensor:
    """Split a product between its factors; a factor that is constant takes nothing."""
    factors = [pair(call, reference, name) for name in ("input", "other")]

    def again(a: Tensor, b: Tensor) -> Tensor:
        result: Tensor = call.run(input=a, other=b)
        return result

    return factors[0].times(factors[1], again).value


def quotient(call: Call, reference: Call) -> Tensor:
    """Multiply by the reciprocal; other ways of rounding are left as they are."""
    if call.get("rounding_mode") is not None:
        result: Tensor = call.run()
        return result
    divisor = pair(call, reference, "other").map(torch.reciprocal)
    return pair(call, reference, "input").times(divisor).value


def extreme(sign: int, call: Call, reference: Call) -> Tensor:
    """Maximum (sign 1) or minimum (sign -1) of two tensors: their mean and half their distance."""
    a, b = (pair(call, reference, name) for name in ("input", "other"))
    distance = a.minus(b).map(torch.abs).value
    return (a.value + b.value + sign * distance) / 2


def pooled(call: Call, reference: Call) -> Any:
    """Give the maxima of windows to their winners."""
    x = pair(call, reference, "input")
    name = name_of(call.function)
    spatial = x.value.ndim - int(name.removesuffix("_with_indices")[-2])
    options = {k: v for k, v in call.arguments.items() if k not in ("input", "return_indices")}
    with torch.no_grad():
        pool = getattr(functional, name.removesuffix("_with_indices"))
        found = [pool(t, **options, return_indices=True) for t in (x.value, x.reference)]
    places = (found[0][1].flatten(spatial), found[1][1].flatten(spatial))
    y = largest_of(x.linear(lambda t: t.flatten(spatial)), places).value.view(found[0][0].shape)
    return (y, found[0][1]) if call.get("return_indices") else y


def reduced(sign: int, call: Call, reference: Call) -> Any:
    """Give the maximum or minimum along an axis to its winner."""
    if isinstance(call.get("dim"), Tensor) or call.get("other") is not None:
        other = "other" if call.get("other") is not None else "dim"
        changed = [
            Call(c.operation, c.function, {"input": c.input, "other": c.arguments[other]}, ())
            for c in (call, reference)
        ]
        return extreme(sign, changed[0], changed[1])
    x, dim = pair(call, reference, "input"), call.get("dim")
    dims = tuple(range(x.value.ndim)) if dim is None or dim == () else dim if isinstance(dim, tuple | list) else (dim,)
    dims = tuple(d % x.value.ndim for d in dims)
    kept = [d for d in range(x.value.ndim) if d not in dims]
    flat = x.linear(lambda t: sign * t.permute(*kept, *dims).flatten(len(kept)))
    places = (flat.value.detach().argmax(-1, keepdim=True), flat.reference.argmax(-1, keepdim=True))
    y = sign * largest_of(flat, places).value.squeeze(-1)
    if call.get("keepdim"):
        for d in sorted(dims):
            y = y.unsqueeze(d)
    named = isinstance(dim, int) and call.operation in ("max", "min")
    if not named:
        return y
    plain = call.run()
    return type(plain)((y, plain[1]))


def softmax(call: Call, reference: Call) -> Tensor:
    """Spread a softmax over its logits."""
    return _cast(call, _pairs.softmax(pair(call, reference, "input"), _dim(call)).value)


def log_softmax(call: Call, reference: Call) -> Tensor:
    """Spread a log-softmax over its logits."""
    x = pair(call, reference, "input")
    return _cast(call, x.minus(_pairs.logsumexp(x, _dim(call))).value)


def logsumexp(call: Call, reference: Call) -> Tensor:
    """Spread a log-sum-exp over its operand."""
    y = _pairs.logsumexp(pair(call, reference, "input"), _dim(call)).value
    return y if call.get("keepdim") else y.squeeze(_dim(call))


def _dim(call: Call) -> int:
    dim = call.get("dim")
    return int(dim[0] if isinstance(dim, tuple | list) else -1 if dim is None else dim)


def _cast(call: Call, tensor: Tensor) -> Tensor:
    return tensor if call.get("dtype") is None else tensor.to(call.arguments["dtype"])


def normalisation(call: Call, reference: Call) -> Tensor:
    """Layer, RMS, group and instance norm: deviation times the reciprocal root of its mean square."""
    x = pair(call, reference, "input")
    if call.operation == "instance_norm" and call.get("use_input_stats") is False:
        result: Tensor = call.run()
        return result
    shape = x.value.shape
    folded = x.linear(partial(fold, call))
    dims = tuple(range(-normalised_axes(call), 0))
    deviation = folded if call.operation == "rms_norm" else _pairs.centred(folded, dims)
    eps = call.get("eps")
    eps = torch.finfo(x.value.dtype).eps if eps is None else eps
    scale = _pairs.mean_square(deviation, dims).map(lambda v: torch.rsqrt(v + eps))
    return affine(call, deviation.times(scale).value.reshape(shape))


def normalised_axes(call: Call) -> int:
    """Count the trailing axes that a norm is taken over, after `fold`."""
    shape = call.get("normalized_shape")
    return 1 if shape is None else len(shape)


def fold(call: Call, x: Tensor) -> Tensor:
    """Reshape so that the trailing axes are normalised together."""
    if call.get("normalized_shape") is not None:
        return x
    groups = call.arguments["num_groups"] if call.operation == "group_norm" else x.shape[1]
    return x.reshape(len(x), groups, -1)


def affine(call: Call, x: Tensor) -> Tensor:
    """Multiply by a norm's weight and add its bias, by channel or by element."""
    weight, bias = call.get("weight"), call.get("bias")
    spread = (1, -1, *(1,) * (x.ndim - 2)) if call.get("normalized_shape") is None else None
    if weight is not None:
        x = x * (weight if spread is None else weight.view(spread))
    return x if bias is None else x + (bias if spread is None else bias.view(spread))


def euclidean(call: Call, reference: Call) -> Any:
    """Spread a Euclidean norm, a variance or a standard deviation; norms of other orders keep their gradient."""
    x, dim = pair(call, reference, "input"), call.get("dim")
    order = call.get("p", call.get("ord", 2))
    if call.operation == "norm" and order not in (2, 2.0, None, "fro"):
        return call.run()
    dims = tuple(range(x.value.ndim)) if dim is None or isinstance(dim, bool) else dim
    dims = (dims,) if isinstance(dims, int) else tuple(dims)
    n = 1
    for d in dims:
        n *= x.value.shape[d]
    if call.operation == "norm":
        mean = _pairs.mean_square(x, dims).linear(lambda t: t * n)
    else:
        lost = call.get("correction", int(call.get("unbiased", True) and dim is not False))
        mean = _pairs.mean_square(_pairs.centred(x, dims), dims).linear(lambda t: t * (n / (n - lost)))
    y = mean.value if call.operation == "var" else mean.map(torch.sqrt).value
    return y if call.get("keepdim") else y.squeeze(dims)


def gated(call: Call, reference: Call) -> Tensor:
    """Gated linear unit: one half times the sigmoid of the other."""
    x, dim = pair(call, reference, "input"), call.get("dim", -1)
    first, second = (x.linear(lambda t, k=k: t.chunk(2, dim)[k]) for k in (0, 1))  # type: ignore[misc]
    return first.times(second.map(torch.sigmoid)).value


def attention(call: Call, reference: Call) -> Tensor:
    """Scaled dot-product attention as two products and a softmax."""
    query, key, value = (pair(call, reference, name) for name in ("query", "key", "value"))
    key, value = (p.linear(lambda t: heads_repeated(call, t)) for p in (key, value))
    scores = query.times(key.linear(lambda t: t.transpose(-1, -2)), torch.matmul)
    weights = _pairs.softmax(scores.linear(lambda t: masked_scores(call, t)), -1)
    return weights.times(value, torch.matmul).value


def heads_repeated(call: Call, t: Tensor) -> Tensor:
    """Repeat the heads of grouped-query keys or values until each query has its own."""
    if not call.get("enable_gqa"):
        return t
    return t.repeat_interleave(call.arguments["query"].shape[-3] // t.shape[-3], -3)


def masked_scores(call: Call, scores: Tensor) -> Tensor:
    """Scale scores and hide what the call's masks hide."""
    width = call.arguments["query"].shape[-1]
    scale = call.get("scale")
    scores = scores * (width**-0.5 if scale is None else scale)
    if call.get("is_causal"):
        causal = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        scores = scores.masked_fill(~causal, -torch.inf)
    mask = call.get("attn_mask")
    if mask is None:
        return scores
    return scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask


DIFFERENCE_RULES: dict[str, Callable[[Call, Call], Any]] = {
    **dict.fromkeys((*ELEMENTWISE, "prelu"), elementwise),
    **dict.fromkeys(("mul", "matmul", "einsum"), product),
    "div": quotient,
    "maximum": partial(extreme, 1),
    "minimum": partial(extreme, -1),
    **dict.fromkeys(("max_pool", "adaptive_max_pool"), pooled),
    **dict.fromkeys(("max", "amax"), partial(reduced, 1)),
    **dict.fromkeys(("min", "amin"), partial(reduced, -1)),
    "softmax": softmax,
    "log_softmax": log_softmax,
    "logsumexp": logsumexp,
    **dict.fromkeys(("layer_norm", "rms_norm", "group_norm", "instance_norm"), normalisation),
    **dict.fromkeys(("norm", "var", "std"), euclidean),
    "glu": gated,
    "scaled_dot_product_attention": attention,
}
"""Rule of each operation, given the call and the same call of the reference."""


class References:
    """The calls of a reference's forward pass, in order, to be met again in that of the explained rows."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._next = 0

    def noting(self) -> Mapping[str, Rule]:
        """Rules that note every call and change nothing."""

        def note(call: Call) -> Any:
            kept = {
                name: a.detach().clone() if isinstance(a, Tensor) and not isinstance(a, nn.Parameter) else a
                for name, a in call.arguments.items()
            }
            self._calls.append(Call(call.operation, call.function, kept, call.positional))
            return call.run()

        return dict.fromkeys(DIFFERENCE_RULES, note)

    def comparing(self) -> Mapping[str, Rule]:
        """Rules that compare every call with the one noted in its place."""

        def rule(call: Call) -> Any:
            reference = self._calls[self._next]
            self._next += 1
            return DIFFERENCE_RULES[call.operation](call, reference) if call.asks_gradient else call.run()

        return dict.fromkeys(DIFFERENCE_RULES, rule)
