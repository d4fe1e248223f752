"""Maps of tokens and patches from attention, each with the check that tells whether the output hangs on them."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pellucid._base.errors import InputError
from pellucid._base.numbers import figure, percent
from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Float1, Float2, Float3
from pellucid.nn._attention_calls import Site, attention_calls
from pellucid.nn._scoring import (
    call,
    chosen,
    first_input,
    output_tensor,
    own_targets,
    row_scores,
    taken,
    targets_of,
)
from pellucid.nn._session import Network, session
from pellucid.nn.ablation import Ablation, ablate_heads, need_attention
from pellucid.nn.attending import flow, rollout
from pellucid.nn.attribution import attribute

if TYPE_CHECKING:
    import pandas as pd

SHARE_CUT = 0.2
DRAWS = 20
KINDS = ("gradient", "attnlrp", "rollout", "flow", "last_layer")


@dataclass(frozen=True, kw_only=True, eq=False)
class AttentionCheck:
    """What happens when attention is cut. Arrays are read-only.

    Parameters
    ----------
    top : float64 array of shape (rows,)
        Fall of the score when nothing may attend to the fifth of the tokens that the map ranks first.
    random : float64 array of shape (rows, draws)
        The same for as many tokens drawn at random.
    heads : Ablation
        Fall of the score when each head is taken out.
    """

    top: Float1
    random: Float2
    heads: Ablation

    def __post_init__(self) -> None:
        self.top.flags.writeable = False
        self.random.flags.writeable = False

    @property
    def beats(self) -> float:
        """Share of random draws that move the score less than the map's tokens do, over rows; chance is a half."""
        own, others = self.top[:, None], self.random
        return float(((own > others) + 0.5 * (own == others)).mean())

    def sentence(self) -> str:
        """Say whether the map's tokens matter more than others."""
        # If the map knew nothing, its tokens' rank among the draws would be uniform in every row.
        chance = 0.5 + NormalDist().inv_cdf(0.95) / (12 * len(self.top)) ** 0.5
        verdict = "matter more than others" if self.beats > chance else "cannot be told from others"
        return (
            f"The map’s first tokens {verdict}: without attention to them the score falls by "
            f"{figure(self.top.mean())}, to as many at random by {figure(self.random.mean())} "
            f"(more in {percent(self.beats)} of draws)."
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class AttentionMap:
    """One number per token, with its check. Arrays are read-only.

    Parameters
    ----------
    kind : str
    values : float64 array of shape (rows, tokens)
        Not negative, except AttnLRP's.
    check : AttentionCheck
    grid : (int, int, int) or None
        Tokens that are no patches (they come first), and rows and columns of patches; None where the input is no
        picture.
    """

    kind: str
    values: Float2
    check: AttentionCheck
    grid: tuple[int, int, int] | None

    def __post_init__(self) -> None:
        self.values.flags.writeable = False

    def patches(self) -> Float3:
        """The map as a picture, of shape (rows, height in patches, width in patches).

        Raises
        ------
        InputError
            When the tokens are no grid of patches.
        """
        if self.grid is None:
            raise InputError(
                "this map is of tokens, not of patches: the input was not a picture, or its grid is unknown."
            )
        special, height, width = self.grid
        return self.values[:, special:].reshape(len(self.values), height, width)

    def to_frame(self) -> "pd.DataFrame":
        """One row per row of the input and token."""
        import pandas as pd  # a third party, loaded only when a frame is asked for

        rows, tokens = np.indices(self.values.shape)
        return pd.DataFrame({"row": rows.ravel(), "token": tokens.ravel(), "value": self.values.ravel()})

    def sentence(self) -> str:
        """Say what the map is, and its check."""
        return f"Attention map by {self.kind}. {self.check.sentence()} {self.check.heads.sentence()}"


def attention_map(
    model: Network,
    inputs: Any,
    *,
    kind: str = "gradient",
    target: Any = None,
    query: int | None = None,
    batch_size: int = 64,
    random_state: int = 0,
) -> AttentionMap:
    """Map which tokens or patches attention draws on, and check the map by cutting attention to them.

    Parameters
    ----------
    model : torch.nn.Module or callable
    inputs : tensor, tuple or mapping of tensors
    kind : {"gradient", "attnlrp", "rollout", "flow", "last_layer"}
        Gradient-weighted relevance (Chefer, Gur and Wolf 2021, eqs. 5 and 6) and AttnLRP relevance of the tokens'
        embeddings (``attribute(..., method="attnlrp")``), which depend on the target; attention rollout and flow
        (Abnar and Zuidema 2020), and the last layer's mean weights, which do not. Flow is slow: for one query a
        maximum flow for every token.
    target : int, one per row, or a function from the model's output to one number per row
        By default each row's own predicted class.
    query : int, optional
        The position whose view is shown; by default the last where no position sees later ones, the first where
        the tokens are patches with special tokens before them, and else the mean over all.
    batch_size : int
        Rows given to the network at once by the check.
    random_state : int
        Seed of the random tokens.

    Returns
    -------
    AttentionMap

    Raises
    ------
    InputError
        When there is no self-attention over one set of positions, or an option is unknown.

    Examples
    --------
    >>> import torch
    >>> from pellucid.nn.maps import attention_map
    >>> layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    >>> model = torch.nn.Sequential(layer, torch.nn.Flatten(), torch.nn.Linear(24, 3))
    >>> found = attention_map(model, torch.randn(2, 3, 8))
    >>> found.values.shape, found.check.random.shape
    ((2, 3), (2, 20))
    """
    if kind not in KINDS:
        raise InputError(f"kind must be one of {', '.join(KINDS)}; got {kind!r:.80}.")
    x = first_input(inputs)
    with session(model):
        targets, _ = own_targets(model, inputs, target, batch_size)
        weights, gradients = _with_gradients(model, inputs, targets, kind == "gradient")
    shapes = {values.shape[:1] + values.shape[2:] for values in weights}
    if len(shapes) > 1 or weights[0].shape[2] != weights[0].shape[3] or len(weights[0]) != len(x):
        raise InputError(
            f"a map needs self-attention over the same positions in every layer; the shapes are {sorted(shapes)}."
        )
    grid = token_grid(x, weights[0].shape[3])
    if kind == "attnlrp":
        values = _token_relevance(model, inputs, targets, weights[0].shape[3])
    else:
        causal = all(np.triu(w, 1).max() == 0 for w in weights)
        queries = _queries(weights[0].shape[3], query, grid, causal=causal)
        values = np.ascontiguousarray(_relevance(kind, weights, gradients, queries).mean(axis=1))
    heads = ablate_heads(model, inputs, target=targets, batch_size=batch_size)
    check = _check(model, inputs, targets, values, heads=heads, batch_size=batch_size, random_state=random_state)
    return AttentionMap(kind=kind, values=values, check=check, grid=grid)


def token_grid(x: Tensor, tokens: int) -> tuple[int, int, int] | None:
    """Special tokens before the patches, and rows and columns of patches, of a picture's tokens.

    The grid has the picture's proportions, and there are as few special tokens as possible, at most 8.

    Examples
    --------
    >>> import torch
    >>> token_grid(torch.zeros(1, 3, 224, 224), 197)
    (1, 14, 14)
    """
    if x.ndim != 4 or not x.is_floating_point():
        return None
    height, width = x.shape[2:]
    for special in range(min(9, tokens)):
        rows = round(((tokens - special) * height / width) ** 0.5)
        if rows and (tokens - special) % rows == 0 and rows * width == (tokens - special) // rows * height:
            return special, rows, (tokens - special) // rows
    return None


def _with_gradients(model: Network, inputs: Any, targets: Any, wanted: bool) -> tuple[list[Array], list[Array]]:
    """Weights of every call, and the score's gradients with respect to them."""
    seen: list[Tensor] = []

    def keep(_: Site, weights: Tensor) -> Tensor | None:
        seen.append(weights if not wanted or weights.requires_grad else weights.detach().requires_grad_())
        return seen[-1] if wanted else None

    with torch.set_grad_enabled(wanted), attention_calls(model, len(first_input(inputs)), weights=keep):
        output = call(model, inputs)
    need_attention(seen)
    gradients: list[Array] = []
    if wanted:
        score = chosen(output, targets).sum()
        found = torch.autograd.grad(score, seen, allow_unused=True)
        gradients = [_array(torch.zeros_like(w) if g is None else g) for w, g in zip(seen, found, strict=True)]
    return [_array(weights) for weights in seen], gradients


def _array(values: Tensor) -> Array:
    return values.detach().double().cpu().numpy()


def _token_relevance(model: Network, inputs: Any, targets: Any, tokens: int) -> Float2:
    """AttnLRP relevance of each token, summed over the width of its embedding; rows with one target share a pass."""
    x = first_input(inputs)
    groups = targets.unique().tolist() if isinstance(targets, Tensor) else [targets]
    values = np.zeros((len(x), tokens))
    for target in groups:

        def score(*args: Any, target: Any = target, **kwargs: Any) -> Tensor:
            output = model(*args, **kwargs)
            single = isinstance(target, int)
            rows = len(output_tensor(output)) if single else 0
            return chosen(output, torch.full((rows,), target, device=x.device) if single else target)

        at = (targets == target).nonzero()[:, 0] if isinstance(targets, Tensor) else torch.arange(len(x), device="cpu")
        with session(model):
            found = attribute(score, taken(inputs, at), method="attnlrp").shaped
        if found.shape[1] != tokens or found.ndim != 4:
            raise InputError(
                f"AttnLRP gives relevance of shape {found.shape[1:-1]} per row, not of {tokens} tokens: the input is "
                "no tokens. Take pellucid.nn.attribute(..., method='attnlrp') for the input itself."
            )
        values[at.cpu().numpy()] = found[..., 0].sum(axis=2)
    return values


def _relevance(kind: str, weights: list[Array], gradients: list[Array], queries: list[int]) -> Array:
    """Relevance of keys for some queries, of shape (rows, queries, keys)."""
    if kind == "flow":
        return flow([values.mean(axis=1) for values in weights], queries)
    if kind == "rollout":
        return rollout([values.mean(axis=1) for values in weights])[:, queries]
    if kind == "last_layer":
        return np.asarray(weights[-1].mean(axis=1)[:, queries])
    own = np.broadcast_to(np.eye(weights[0].shape[3]), (len(weights[0]), *weights[0].shape[2:]))
    total = own.copy()
    for values, gradient in zip(weights, gradients, strict=True):
        total += (values * gradient).clip(0).mean(axis=1) @ total
    return np.asarray(total - own)[:, queries]  # what every token starts with says nothing about any


def _queries(tokens: int, query: int | None, grid: Any, *, causal: bool) -> list[int]:
    """Positions whose views are averaged."""
    if query is None:
        if not causal and (grid is None or grid[0] == 0):
            return list(range(tokens))
        query = tokens - 1 if causal else 0
    if not -tokens <= query < tokens:
        raise InputError(f"query must lie between 0 and {tokens - 1}; got {query!r}.")
    return [query % tokens]


def _check(
    model: Network, inputs: Any, targets: Any, values: Float2, *, heads: Ablation, batch_size: int, random_state: int
) -> AttentionCheck:
    """Cut attention to the map's first tokens, and to random ones; keys that nobody attends to anyway are not drawn."""
    rows, tokens = values.shape
    alive = values != 0
    cut = np.zeros((rows, DRAWS + 1, tokens), dtype=bool)
    for row in range(rows):
        players = np.flatnonzero(alive[row]) if alive[row].any() else np.arange(tokens)
        count = max(1, round(SHARE_CUT * len(players)))
        cut[row, 0, players[np.argsort(-values[row, players], kind="stable")[:count]]] = True
        rng = stream(random_state, "nn.attention_map.random", row)
        for draw in range(1, DRAWS + 1):
            cut[row, draw, rng.choice(players, size=count, replace=False)] = True
    falls = np.empty((rows, DRAWS + 1))
    with session(model):
        for part in torch.cartesian_prod(torch.arange(rows, device="cpu"), torch.arange(DRAWS + 1, device="cpu")).split(
            batch_size
        ):
            at = part[:, 0]
            with attention_calls(model, len(part), weights=_without(torch.from_numpy(cut[at, part[:, 1]]))):
                left = row_scores(model, taken(inputs, at), targets_of(targets, at))
            falls[at, part[:, 1]] = heads.score[at] - left.double().cpu().numpy()
    return AttentionCheck(top=falls[:, 0].copy(), random=falls[:, 1:].copy(), heads=heads)


def _without(cut: Tensor) -> Callable[[Site, Tensor], Tensor]:
    """Weights as if the cut keys were masked: set to 0, and the others scaled to sum to 1."""

    def change(_: Site, weights: Tensor) -> Tensor:
        left = weights.masked_fill(cut.to(weights.device)[:, None, None], 0.0)
        return left / left.sum(dim=-1, keepdim=True).clamp(min=torch.finfo(left.dtype).tiny)

    return change
