"""Attention as it happens: every softmax(QKᵀ)V of a network, seen and changed through the interceptor.

Two forms are known, whichever module makes them: ``scaled_dot_product_attention``, and a softmax whose result is the
left operand of a matrix product (eager code, `nn.MultiheadAttention` with ``need_weights=True``) or of an ``einsum``.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from pellucid._base.errors import UnsupportedRequestError
from pellucid.nn._intercept import Call, Interceptor
from pellucid.nn._session import Network

SeeWeights: TypeAlias = Callable[["Site", Tensor], Tensor | None]
"""From weights of shape (rows, heads, queries, keys) to others, or None to leave them."""
SeeHeads: TypeAlias = Callable[["Site", Tensor], Tensor | None]
"""From what the heads give, of shape (rows, heads, queries, width), to something else, or None to leave it."""


@dataclass(frozen=True)
class Site:
    """One call of attention.

    Parameters
    ----------
    number : int
        Its place in the forward pass, from 0.
    name : str
        The innermost module that was running; ``attention#number`` outside of any.
    """

    number: int
    name: str


@contextmanager
def attention_calls(
    model: Network, rows: int, *, weights: SeeWeights | None = None, heads: SeeHeads | None = None
) -> Iterator[None]:
    """Show every call of attention of the forward passes inside to `weights` and `heads`.

    Weights are made differentiable parts of the computation only where `weights` returns some, or a gradient is asked
    for; else the network's own kernel computes the result and the weights are read beside it.
    """
    calls = _Calls(rows, weights, heads)
    with _running_modules(model, calls.path), Interceptor(calls.rules()):
        yield


@contextmanager
def _running_modules(model: Network, path: list[str]) -> Iterator[None]:
    """Keep the names of the modules that are running in `path`, the innermost last."""
    handles = []
    for name, module in model.named_modules() if isinstance(model, nn.Module) else ():

        def entered(*_: Any, name: str = name) -> None:
            path.append(name)

        def left(*_: Any) -> None:
            path.pop()

        handles += [module.register_forward_pre_hook(entered), module.register_forward_hook(left)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Calls:
    """The rules, and what they remember between a softmax and the product that uses it."""

    def __init__(self, rows: int, weights: SeeWeights | None, heads: SeeHeads | None) -> None:
        self.rows, self.weights, self.heads = rows, weights, heads
        self.path: list[str] = []
        self.number = 0
        self.pending: Tensor | None = None

    def rules(self) -> dict[str, Callable[[Call], Any]]:
        return {
            "scaled_dot_product_attention": self._fused,
            "softmax": self._softmax,
            "matmul": self._product,
            "einsum": self._einsum,
        }

    def _site(self) -> Site:
        number, self.number = self.number, self.number + 1
        return Site(number, (self.path[-1] if self.path else "") or f"attention#{number}")

    def _fused(self, call: Call) -> Any:
        names = ("query", "key", "value")
        query, key, value = (call.arguments.get(n, call.input) for n in names)
        site, result = self._site(), None
        if self.weights is not None:
            seen = weights_of(query, key, call)
            changed = self.weights(site, self._canonical(seen))
            if changed is not None:
                value = (
                    value.repeat_interleave(query.shape[-3] // value.shape[-3], -3) if call.get("enable_gqa") else value
                )
                result = changed.reshape(seen.shape).to(value.dtype) @ value
        result = call.run() if result is None else result
        return self._headed(site, result)

    def _softmax(self, call: Call) -> Tensor:
        result: Tensor = call.run()
        dim = call.get("dim")
        self.pending = result if result.ndim >= 2 and dim in (-1, result.ndim - 1) else self.pending
        return result

    def _is_weights(self, operand: Any) -> bool:
        """Whether an operand is the last softmax, as it is or in another precision."""
        last = self.pending
        if last is None or not isinstance(operand, Tensor) or operand.numel() != last.numel() or not operand.numel():
            return False
        if operand is last:
            return True
        same_place = operand.data_ptr() == last.data_ptr()
        return same_place or (operand.dtype != last.dtype and bool((operand == last.to(operand.dtype)).all()))

    def _product(self, call: Call) -> Any:
        operand = call.input
        if not self._is_weights(operand) or operand.ndim < 2:
            return call.run()
        self.pending = None
        site = self._site()
        if self.weights is not None:
            changed = self.weights(site, self._canonical(operand))
            if changed is not None:
                operand = changed.reshape(operand.shape).to(operand.dtype)
        return self._headed(site, call.run(input=operand))

    def _einsum(self, call: Call) -> Any:
        operands = [name for name in ("input", "other") if self._is_weights(call.get(name))]
        if not operands:
            return call.run()
        self.pending = None
        site, operand = self._site(), call.arguments[operands[0]]
        if self.heads is not None:
            raise UnsupportedRequestError(
                f"{site.name} computes its heads by einsum {call.get('equation')!r}, whose layout is its own: heads "
                "can be ablated to zero, but not patched or ablated to their mean."
            )
        changed = None if self.weights is None else self.weights(site, self._canonical(operand))
        return call.run() if changed is None else call.run(**{operands[0]: changed.reshape(operand.shape)})

    def _headed(self, site: Site, result: Tensor) -> Tensor:
        if self.heads is None:
            return result
        changed = self.heads(site, self._canonical(result))
        return result if changed is None else changed.reshape(result.shape).to(result.dtype)

    def _canonical(self, values: Tensor) -> Tensor:
        """Four axes: rows, heads, and the last two."""
        if values.ndim == 2:
            return values[None, None]
        if values.ndim == 3:
            heads = values.shape[0] // self.rows if values.shape[0] % self.rows == 0 else 0
            return values.reshape(self.rows, heads, *values.shape[1:]) if heads else values[None]
        return values.reshape(-1, *values.shape[-3:])


def weights_of(query: Tensor, key: Tensor, call: Call) -> Tensor:
    """Return what scaled_dot_product_attention weighs the values by, computed from its operands."""
    if call.get("enable_gqa"):
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
    scale = call.get("scale")
    logits: Tensor = query @ key.transpose(-1, -2)
    logits = logits * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    mask: Tensor | None = call.get("attn_mask")
    if call.get("is_causal"):
        mask = torch.ones(logits.shape[-2:], dtype=torch.bool, device=logits.device).tril()
    if mask is None:
        return logits.softmax(dim=-1)
    if mask.dtype != torch.bool:
        return (logits + mask).softmax(dim=-1)
    weights = logits.masked_fill(~mask, -torch.inf).softmax(dim=-1)
    return weights.masked_fill(~mask.any(dim=-1, keepdim=True), 0.0)
