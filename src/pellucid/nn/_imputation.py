"""Noisy linear imputation: hidden pixels become the weighted mean of their neighbours (ROAD)."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.linalg.lapack import dpbsv
from torch import Tensor

from pellucid._base.errors import InputError
from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Bool2, Float1, Float2

NEIGHBOURS = tuple(
    ((dy, dx), 1 / 6 if dy == 0 or dx == 0 else 1 / 12) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx
)
FOLLOWING = tuple((step, weight) for step, weight in NEIGHBOURS if step > (0, 0))
"""Those that come later in reading order; the others come up from the other side."""
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
    pictures, hidden = x.detach().double().cpu().numpy(), mask[:, 0].cpu().numpy()
    total, known = _neighbourhoods(np.where(hidden[:, None], 0.0, pictures))
    noise = {
        row: NOISE * stream(random_state, "nn.linear_imputation", row).normal(size=pictures.shape[1:])
        for row in set(rows)
    }
    result = pictures.copy()
    for picture, its, sums, row in zip(result, hidden, known, rows, strict=True):
        if not its.any():
            continue
        filled = picture.mean(axis=(1, 2))[:, None] if its.all() else _solved(its, total[its], sums[:, its])
        picture[:, its] = filled + noise[row][:, its]
    return torch.from_numpy(result).to(x)


def _neighbourhoods(seen: Array) -> tuple[Float2, Array]:
    """Each pixel's sum of its neighbours' weights, and of its neighbours, weighed: those that are hidden are 0."""
    height, width = seen.shape[2:]
    total, known = np.zeros((height, width)), np.zeros(seen.shape)
    for (down, right), weight in FOLLOWING:
        here = (slice(0, height - down), slice(max(0, -right), width - max(0, right)))
        there = (slice(down, height), slice(max(0, right), width + min(0, right)))
        for mine, other in ((here, there), (there, here)):
            total[mine] += weight
            known[:, :, *mine] += weight * seen[:, :, *other]
    return total, known


def _solved(hidden: Bool2, total: Float1, known: Float2) -> Float2:
    """Solve the system of one picture: its hidden pixels, of shape (channels, hidden).

    Hidden pixels are unknowns in reading order, so each depends on few that follow it: the matrix is a narrow band,
    and positive definite, because every group of hidden pixels touches a known one.
    """
    count = len(total)
    framed = np.full((hidden.shape[0] + 2, hidden.shape[1] + 2), -1)
    framed[1:-1, 1:-1][hidden] = np.arange(count)
    number, width = framed.ravel(), framed.shape[1]
    places = np.flatnonzero(number >= 0)
    after = [number[places + down * width + right] for (down, right), _ in FOLLOWING]
    gaps = [np.where(other < 0, 0, other - np.arange(count)) for other in after]
    band = np.zeros((1 + max(int(gap.max()) for gap in gaps), count))
    for gap, (_, weight) in zip(gaps, FOLLOWING, strict=True):
        band[gap, np.arange(count)] = -weight
    band[0] = total  # where there is no such neighbour the gap is 0
    return np.asarray(dpbsv(band, known.T, lower=1, overwrite_ab=1)[1].T)
