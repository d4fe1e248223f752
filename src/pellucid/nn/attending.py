"""Attention weights as a network computes them, and what each head does with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pellucid._base.errors import InputError
from pellucid._base.typing import Array, Float2, Names
from pellucid.nn._attention_calls import Site, attention_calls
from pellucid.nn._scoring import call, first_input
from pellucid.nn._session import Network, session
from pellucid.nn.ablation import need_attention

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False)
class Attention:
    """Attention weights of every call, in the order of the forward pass. Arrays are read-only.

    Weights alone are a weak explanation of an output; `attention_map` sets their ablation beside them.

    Parameters
    ----------
    layers : tuple of str
        The module that made each call.
    weights : tuple of float arrays of shape (rows, heads, queries, keys)
        Each query's weights sum to 1, or are all 0 where everything is masked.
    tokens : int64 array of shape (rows, positions) or None
        The inputs, where they are token numbers.
    """

    layers: Names
    weights: tuple[Array, ...]
    tokens: Array | None

    def __post_init__(self) -> None:
        for array in self.weights:
            array.flags.writeable = False

    def heads(self) -> "pd.DataFrame":
        """One row per head: what kind of head it is, averaged over rows and queries.

        ``entropy`` is in nats; ``previous`` and ``first`` are the mean weights on the position before and on the
        first; ``induction`` is the mean weight on the position after an earlier copy of the query's own token (Olsson
        et al. 2022), NaN where no token repeats or the inputs are no tokens.
        """
        import pandas as pd  # a third party, loaded only when a frame is asked for

        parts = []
        follows = None if self.tokens is None else _after_a_copy(self.tokens)
        for layer, weights in zip(self.layers, self.weights, strict=True):
            scores = {
                "entropy": entropy(weights),
                "previous": _mean_at(weights, 1),
                "first": weights[:, :, 1:, 0].mean(axis=(0, 2)) if weights.shape[2] > 1 else _nothing(weights),
                "induction": _induction(weights, follows),
            }
            parts.append(pd.DataFrame({"layer": layer, "head": np.arange(weights.shape[1]), **scores}))
        return pd.concat(parts, ignore_index=True)

    def rollout(self) -> Array:
        """Attention rollout (Abnar and Zuidema 2020), of shape (rows, queries, keys).

        Heads are averaged, half of each layer is taken to pass by (the residual stream), and layers are multiplied.
        """
        return rollout([weights.mean(axis=1) for weights in self._square()])

    def flow(self, queries: Sequence[int] | None = None) -> Array:
        """Attention flow (Abnar and Zuidema 2020), of shape (rows, queries, keys).

        The layers are a network of pipes as wide as the weights of `rollout` are large: what can flow from a query in
        the last layer to one input position, all pipes used at once. Exact to about 1e-6. The time is that of one
        maximum flow for every query and key.

        Parameters
        ----------
        queries : sequence of int, optional
            Positions from which flows start; by default all.

        Raises
        ------
        InputError
            When a query is no position, or attention is not over the same positions in every layer.

        Examples
        --------
        >>> import torch
        >>> from pellucid.nn.attending import attention
        >>> model = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        >>> attention(model, torch.randn(1, 5, 8)).flow([0]).shape
        (1, 1, 5)
        """
        layers = [weights.mean(axis=1) for weights in self._square()]
        positions = range(layers[0].shape[-1])
        queries = positions if queries is None else queries
        if not all(query in positions for query in queries):
            raise InputError(f"queries must lie between 0 and {len(positions) - 1}; got {list(queries)!r:.80}.")
        return flow(layers, queries)

    def _square(self) -> tuple[Array, ...]:
        shapes = {weights.shape[:1] + weights.shape[2:] for weights in self.weights}
        if len(shapes) > 1 or any(w.shape[2] != w.shape[3] for w in self.weights):
            raise InputError(
                "rollout and flow need self-attention over the same positions in every layer; the shapes are "
                f"{sorted(shapes)}."
            )
        return self.weights


def attention(model: Network, inputs: Any) -> Attention:
    """Read the attention weights of a network as it comes.

    Eager, fused (SDPA), grouped-query, causal and masked attention and `nn.MultiheadAttention` are read; nothing has
    to be configured, and the network computes what it would have computed.

    Parameters
    ----------
    model : torch.nn.Module or callable
    inputs : tensor, tuple (by position) or mapping (by keyword) of tensors

    Returns
    -------
    Attention

    Raises
    ------
    InputError
        When no attention takes place.

    Examples
    --------
    >>> import torch
    >>> from pellucid.nn.attending import attention
    >>> model = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    >>> found = attention(model, torch.randn(3, 5, 8))
    >>> found.layers, found.weights[0].shape
    (('self_attn',), (3, 2, 5, 5))
    """
    x = first_input(inputs)
    seen: list[tuple[str, Tensor]] = []

    def keep(site: Site, weights: Tensor) -> None:
        seen.append((site.name, weights))

    with session(model), torch.no_grad(), attention_calls(model, len(x), weights=keep):
        call(model, inputs)
    need_attention(seen)
    tokens = x.cpu().numpy() if x.ndim == 2 and not x.is_floating_point() else None
    weights = tuple(weights.float().cpu().numpy() for _, weights in seen)
    return Attention(layers=tuple(name for name, _ in seen), weights=weights, tokens=tokens)


def entropy(weights: Array) -> Array:
    """Mean entropy of a layer's heads, in nats."""
    logs = np.log(weights, out=np.zeros_like(weights), where=weights > 0)
    return np.asarray(-(weights * logs).sum(axis=3).mean(axis=(0, 2)))


def _with_residual(weights: Array) -> Array:
    """Half the attention and half the identity, for what passes by."""
    return np.asarray(0.5 * weights + 0.5 * np.eye(weights.shape[-1]))


def rollout(layers: list[Array]) -> Array:
    """Product over layers of half the attention and half the identity."""
    total = np.broadcast_to(np.eye(layers[0].shape[-1]), layers[0].shape).copy()
    for weights in layers:
        total = _with_residual(weights) @ total
    return total


_UNIT = 1 << 30
"""What a capacity of 1 is in whole numbers, of which maximum flows are made."""


def flow(layers: list[Array], queries: Sequence[int]) -> Array:
    """Maximum flow from each query to each input position, with half the attention and half the identity as widths."""
    from scipy.sparse import csr_array  # a third party, loaded only when a flow is asked for
    from scipy.sparse.csgraph import maximum_flow

    widths = np.stack([_with_residual(weights) for weights in layers])
    depth, rows, n, _ = widths.shape
    # Node l·n + i is position i before layer l; its pipes lead to the positions of the layer below.
    below = np.repeat(np.arange(depth * n, dtype=np.int32).reshape(depth, 1, n), n, axis=1).ravel()
    starts = np.concatenate([np.zeros(n, dtype=np.int32), np.arange(0, depth * n * n + 1, n, dtype=np.int32)])
    found = np.empty((rows, len(queries), n))
    for row in range(rows):
        whole = np.round(widths[:, row] * _UNIT).astype(np.int32).ravel()
        pipes = csr_array((whole, below, starts), shape=((depth + 1) * n,) * 2)
        pipes.eliminate_zeros()
        for at, query in enumerate(queries):
            for key in range(n):
                found[row, at, key] = maximum_flow(pipes, depth * n + query, key).flow_value / _UNIT
    return found


def _nothing(weights: Array) -> Array:
    return np.full(weights.shape[1], np.nan)


def _mean_at(weights: Array, back: int) -> Array:
    """Mean weight on the position so many before the query."""
    if weights.shape[2] != weights.shape[3] or weights.shape[2] <= back:
        return _nothing(weights)
    return np.asarray(np.diagonal(weights, offset=-back, axis1=2, axis2=3).mean(axis=(0, 2)))


def _after_a_copy(tokens: Array) -> Array:
    """Whether a key comes right after an earlier copy of the query's token, of shape (rows, queries, keys)."""
    same: Array = tokens[:, :, None] == np.roll(tokens, 1, axis=1)[:, None, :]
    earlier: Float2 = np.tril(np.ones(same.shape[1:], dtype=bool))
    same = same & earlier
    same[:, :, 0] = False
    return same


def _induction(weights: Array, follows: Array | None) -> Array:
    if follows is None or follows.shape != (len(weights), *weights.shape[2:]) or not follows.any():
        return _nothing(weights)
    mass = (weights * follows[:, None]).sum(axis=3)
    queries = np.asarray(follows.any(axis=2))
    return np.asarray((mass * queries[:, None]).sum(axis=(0, 2)) / queries.sum())
