"""Noisy linear imputation: hidden pixels become the weighted mean of their neighbours (ROAD)."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.linalg import solveh_banded
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
    """Solve the system of one picture.

    Hidden pixels are unknowns in reading order, so each depends on few that follow it: the matrix is a narrow band,
    and positive definite, because every group of hidden pixels touches a known one.
    """
    if not hidden.any():
        return picture
    if hidden.all():
        mean: Float2 = picture.mean(axis=(1, 2), keepdims=True)
        return np.asarray(mean + NOISE * noise)
    height, width = hidden.shape
    number = np.cumsum(hidden).reshape(hidden.shape) - 1
    seen, total, known = np.where(hidden, 0.0, picture), np.zeros(hidden.shape), np.zeros(picture.shape)
    pairs = []
    for (down, right), weight in NEIGHBOURS:
        if (down, right) < (0, 0):
            continue  # it comes up from the other side
        here = (slice(0, height - down), slice(max(0, -right), width - max(0, right)))
        there = (slice(down, height), slice(max(0, right), width + min(0, right)))
        for mine, other in ((here, there), (there, here)):
            total[mine] += weight
            known[:, *mine] += weight * seen[:, *other]
        both = hidden[here] & hidden[there]
        pairs.append((number[here][both], number[there][both], weight))
    band = np.zeros((1 + max(int((last - first).max(initial=0)) for first, last, _ in pairs), int(hidden.sum())))
    band[0] = total[hidden]
    for first, last, weight in pairs:
        band[last - first, first] = -weight
    solved = solveh_banded(band, known[:, hidden].T, lower=True, overwrite_ab=True, check_finite=False)
    result = picture.copy()
    result[:, hidden] = solved.T + NOISE * noise[:, hidden]
    return result
