"""Noisy linear imputation: hidden pixels become the weighted mean of their neighbours (ROAD)."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import factorized
from torch import Tensor

from pellucid._base.errors import InputError
from pellucid._base.randomness import stream
from pellucid._base.typing import Bool2, Float2, Float3

NEIGHBOURS = tuple(
    ((dy, dx), 1 / 6 if dy == 0 or dx == 0 else 1 / 12) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx
)
NOISE = 0.01


def linear_imputation(x: Tensor, mask: Tensor, rows: Sequence[int], random_state: int) -> Tensor:
    """Fill hidden pixels so that each is the weighted mean of its eight neighbours, plus a little noise.

    Rong et al. (2022), section 4: direct neighbours weigh 1/6, diagonal ones 1/12, at the border they are scaled to
    sum to 1; the unknowns of each picture solve one sparse linear system. The noise has standard deviation 0.01.

    Parameters
    ----------
    x : tensor of shape (rows, channels, height, width)
    mask : bool tensor of shape (rows, 1, height, width)
        True where a pixel is hidden.
    rows : sequence of int
        Numbers of the rows, which with the seed decide the noise.
    """
    if x.ndim != 4 or mask.shape[1] != 1 or mask.shape[2:] != x.shape[2:]:
        raise InputError(
            "hide='linear' is for pictures of shape (rows, channels, height, width) with attributions of shape (rows, "
            f"1, height, width); got {tuple(x.shape)} and {tuple(mask.shape)}. Sum the attributions over channels."
        )
    pictures = x.detach().double().cpu().numpy()
    filled = [
        _filled(picture, hidden[0], stream(random_state, "nn.linear_imputation", row).normal(size=picture.shape))
        for picture, hidden, row in zip(pictures, mask.cpu().numpy(), rows, strict=True)
    ]
    return torch.from_numpy(np.stack(filled)).to(x)


def _filled(picture: Float3, hidden: Bool2, noise: Float3) -> Float3:
    if not hidden.any():
        return picture
    if hidden.all():
        mean: Float2 = picture.mean(axis=(1, 2), keepdims=True)
        return np.asarray(mean + NOISE * noise)
    height, width = hidden.shape
    at_y, at_x = np.nonzero(hidden)
    number = np.full(hidden.shape, -1)
    number[at_y, at_x] = np.arange(len(at_y))
    total = np.zeros(len(at_y))
    known = np.zeros((len(at_y), len(picture)))
    cells: list[tuple[Float2, Float2, Float2]] = []
    for (dy, dx), weight in NEIGHBOURS:
        y, x = at_y + dy, at_x + dx
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        total[inside] += weight
        mine, y, x = np.nonzero(inside)[0], y[inside], x[inside]
        other = number[y, x]
        np.add.at(known, mine[other < 0], weight * picture[:, y[other < 0], x[other < 0]].T)
        cells.append((mine[other >= 0], other[other >= 0], np.full(int((other >= 0).sum()), -weight)))
    mine, other, weights = (np.concatenate(part) for part in zip(*cells, strict=True))
    system = coo_matrix((weights, (mine, other)), shape=(len(at_y), len(at_y))) + diags(total)
    solve = factorized(system.tocsc())
    result = picture.copy()
    for channel in range(len(picture)):
        result[channel, at_y, at_x] = solve(known[:, channel]) + NOISE * noise[channel, at_y, at_x]
    return result
