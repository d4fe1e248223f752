"""Networks and data whose inner workings are known by construction, to compare with what a method finds."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Float2


class InductionModel(nn.Module):
    """A two-layer attention-only language model that completes repeated sequences, with weights set by hand.

    Head 0.0 attends to the position before and writes down its token; head 1.1 looks for the position whose written
    token is the query's own, and copies that position's token to the output (Olsson et al. 2022). The other heads
    have small random weights. It has no norm and no MLP; head 1.1 works from any position.

    Parameters
    ----------
    n_tokens, n_positions : int
    fused : bool
        Use ``scaled_dot_product_attention``; else a softmax and a matrix product.
    """

    heads = (("layers.0", 0), ("layers.1", 1))
    """The heads that the completion needs, as (layer, head)."""

    def __init__(self, n_tokens: int = 12, n_positions: int = 16, *, fused: bool = True) -> None:
        super().__init__()
        width = 3 * n_tokens + n_positions
        token = slice(0, n_tokens)
        place = slice(n_tokens, n_tokens + n_positions)
        before = slice(n_tokens + n_positions, 2 * n_tokens + n_positions)
        answer = slice(2 * n_tokens + n_positions, width)
        self.tokens, self.places = nn.Embedding(n_tokens, width), nn.Embedding(n_positions, width)
        size = max(n_tokens, n_positions)
        first, second = (_Attention(width, 3, size, fused=fused) for _ in range(2))
        self.layers = nn.ModuleList([first, second])
        self.unembed = nn.Linear(width, n_tokens, bias=False)
        with torch.no_grad():
            for embedding, part in ((self.tokens, token), (self.places, place)):
                embedding.weight.zero_()
                embedding.weight[:, part] = torch.eye(len(embedding.weight))
            rng = stream(0, "testing.induction")
            for layer in self.layers:
                for weight in layer.parameters():
                    weight.copy_(torch.from_numpy(0.05 * rng.normal(size=weight.shape)))
            shift = torch.eye(n_positions).roll(1, 1)  # the query of position i is the key of i - 1
            shift[:, 0] = 0
            first.set_head(0, query=(place, 30 * shift.T), key=(place, torch.eye(n_positions)))
            first.set_values(0, token, before)
            second.set_head(1, query=(token, 30 * torch.eye(n_tokens)), key=(before, torch.eye(n_tokens)))
            second.set_values(1, token, answer)
            self.unembed.weight.zero_()
            self.unembed.weight[:, answer] = 10 * torch.eye(n_tokens)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits of the next token, of shape (rows, positions, tokens)."""
        hidden = self.tokens(ids) + self.places(torch.arange(ids.shape[1], device=ids.device))
        for layer in self.layers:
            hidden = hidden + layer(hidden)
        logits: Tensor = self.unembed(hidden)
        return logits


class _Attention(nn.Module):
    """Causal attention with heads of a given size."""

    def __init__(self, width: int, heads: int, size: int, *, fused: bool) -> None:
        super().__init__()
        self.n_heads, self.size, self.fused = heads, size, fused
        self.query, self.key, self.value = (nn.Linear(width, heads * size, bias=False) for _ in range(3))
        self.out = nn.Linear(heads * size, width, bias=False)

    def set_head(self, head: int, *, query: tuple[slice, Tensor], key: tuple[slice, Tensor]) -> None:
        """Let a head read these parts of the residual stream through these matrices, and nothing else."""
        rows = slice(head * self.size, (head + 1) * self.size)
        for linear, (part, matrix) in ((self.query, query), (self.key, key)):
            linear.weight[rows] = 0
            linear.weight[rows][: len(matrix), part] = matrix.T if linear is self.query else matrix

    def set_values(self, head: int, read: slice, write: slice) -> None:
        """Let a head copy one part of the residual stream into another."""
        rows = slice(head * self.size, (head + 1) * self.size)
        count = read.stop - read.start
        self.value.weight[rows] = 0
        self.value.weight[rows][:count, read] = torch.eye(count)
        self.out.weight[:, rows] = 0
        self.out.weight[write, rows.start : rows.start + count] = torch.eye(count)

    def forward(self, hidden: Tensor) -> Tensor:
        """What all heads write."""
        query, key, value = (
            part(hidden).unflatten(-1, (self.n_heads, self.size)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        if self.fused:
            mixed = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True, scale=1.0)
        else:
            later = torch.ones(hidden.shape[1], hidden.shape[1], dtype=torch.bool, device=hidden.device).triu(1)
            logits = (query @ key.transpose(-1, -2)).masked_fill(later, -torch.inf)
            mixed = logits.softmax(dim=-1) @ value
        written: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return written


def repeated_sequences(
    rows: int, *, n_tokens: int = 12, length: int = 7, random_state: int = 0
) -> tuple[Tensor, Tensor]:
    """Sequences whose last token has come before, and the same with that earlier token changed.

    Returns
    -------
    clean, corrupt : int64 tensors of shape (rows, length + 1)
        The last token of `clean` stands, once, earlier in it; what followed it there is the completion. In `corrupt`
        the earlier one is another token, so nothing tells the completion.
    """
    clean = np.stack(
        [stream(random_state, "testing.repeated", i).permutation(n_tokens)[: length + 1] for i in range(rows)]
    )
    corrupt = clean.copy()
    at = stream(random_state, "testing.repeated.at").integers(1, length - 1, size=rows)
    other = clean[:, -1].copy()
    clean[:, -1] = clean[np.arange(rows), at]
    corrupt[:, -1] = clean[:, -1]
    corrupt[np.arange(rows), at] = other
    return torch.from_numpy(clean), torch.from_numpy(corrupt)


def completions(clean: Tensor) -> Tensor:
    """Return the token that followed the earlier copy of each row's last token."""
    at = (clean[:, :-1] == clean[:, -1:]).int().argmax(dim=1)
    return clean[torch.arange(len(clean)), at + 1]


@dataclass(frozen=True, eq=False)
class ShapesOnTextures:
    """Pictures with known shapes, and a network of which some units are known to detect them.

    Parameters
    ----------
    images : float32 tensor of shape (rows, 2, 32, 32)
        The first channel has the shapes, the second a texture that knows nothing of them.
    masks : dict of str to bool array of shape (rows, 32, 32)
    model : nn.Module
        Its layer ``"units"`` has one template of each shape, then eight random filters of the texture.
    planted : dict of int to str
        The unit that detects each shape.
    """

    images: Tensor
    masks: dict[str, Array]
    model: nn.Module
    planted: dict[int, str]


def shapes_on_textures(rows: int = 120, *, random_state: int = 0) -> ShapesOnTextures:
    """Make pictures of lying bars, standing bars or checks, at a random place on a random texture."""
    templates = _templates()
    images = np.zeros((rows, 2, 32, 32), dtype=np.float32)
    masks = {name: np.zeros((rows, 32, 32), dtype=bool) for name in templates}
    rng = stream(random_state, "testing.shapes")
    names = list(templates)
    for row in range(rows):
        name, (y, x) = names[rng.integers(len(names))], rng.integers(0, 32 - 7, size=2)
        images[row, 0, y : y + 7, x : x + 7] = templates[name]
        masks[name][row, y : y + 7, x : x + 7] = True
        noise = rng.normal(size=(32, 32))
        images[row, 1] = noise + np.roll(noise, 1, axis=int(rng.integers(2)))
    weight = np.zeros((len(names) + 8, 2, 7, 7))
    for unit, template in enumerate(templates.values()):
        weight[unit, 0] = (template - template.mean()) / 49
    weight[len(names) :, 1] = rng.normal(size=(8, 7, 7)) / 7
    model = nn.Sequential()
    units = nn.Conv2d(2, len(weight), 7, padding=3, bias=False)
    units.weight.data = torch.from_numpy(weight).float()
    model.add_module("units", units)
    model.add_module("relu", nn.ReLU())
    return ShapesOnTextures(torch.from_numpy(images), masks, model.eval(), dict(enumerate(names)))


def _templates() -> dict[str, Float2]:
    """Three shapes of 7 × 7 that have nothing in common."""
    y, x = np.mgrid[0:7, 0:7]
    lying, standing = y // 2 % 2 == 0, x // 2 % 2 == 0
    shapes = {"lying bars": lying, "standing bars": standing, "checks": lying == standing}
    return {name: shape.astype(float) for name, shape in shapes.items()}


def toy_superposition(
    rows: int = 4000, *, n_features: int = 24, width: int = 12, active: float = 0.06, random_state: int = 0
) -> tuple[Any, Float2]:
    """Activations in which more features than dimensions are stored (Elhage et al. 2022).

    Returns
    -------
    activations : float64 array of shape (rows, width)
    dictionary : float64 array of shape (n_features, width)
        The features' directions, of unit length; each is active in a share `active` of the rows, between 0.5 and 1.5.
    """
    rng = stream(random_state, "testing.superposition")
    dictionary = rng.normal(size=(n_features, width))
    dictionary /= np.linalg.norm(dictionary, axis=1, keepdims=True)
    sizes = (rng.random((rows, n_features)) < active) * rng.uniform(0.5, 1.5, size=(rows, n_features))
    return sizes @ dictionary, dictionary
