"""Noisy linear imputation: hidden pixels become the weighted mean of their neighbours (ROAD)."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.linalg.lapack import dpbsv
from torch import Tensor

from pellucid._base.errors import InputError
from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Float1, Float2

FOLLOWING = np.array([(0, 1), (1, -1), (1, 0), (1, 1)])
"""Steps down and right to the neighbours that come later in reading order; the others come up from the other side."""
WEIGHTS = np.array([1 / 6, 1 / 12, 1 / 6, 1 / 12])
"""Theirs: those of direct and of diagonal neighbours."""
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
    pictures = np.moveaxis(x.detach().double().cpu().numpy(), 1, -1).copy()
    hidden = mask[:, 0].cpu().numpy()
    known = _smoothed(np.where(hidden[..., None], 0.0, pictures))[hidden] / 12  # without itself, which is 0
    weight = (_smoothed(np.ones((1, *x.shape[2:]))) - 4) / 12
    total = np.broadcast_to(weight, hidden.shape)[hidden]
    gaps, ends, filled = _gaps(hidden), hidden.sum(axis=(1, 2)).cumsum(), np.empty_like(known)
    for picture, start, end in zip(pictures, [0, *ends], ends, strict=False):
        if end - start == hidden[0].size:
            filled[start:end] = picture.mean(axis=(0, 1))
        elif end > start:
            filled[start:end] = _solved(gaps[:, start:end], total[start:end], known[start:end])
    drawn, of_picture = np.unique(rows, return_inverse=True)
    noise = np.stack([stream(random_state, "nn.linear_imputation", row).normal(size=x.shape[1:]) for row in drawn])
    pictures[hidden] = filled + NOISE * np.moveaxis(noise, 1, -1)[of_picture][hidden]
    return torch.from_numpy(np.moveaxis(pictures, -1, 1)).to(x).contiguous()


def _smoothed(pictures: Array) -> Array:
    """Each pixel's sum over itself and its neighbours, weighed 1, 2, 1 down and across: 12 times the weights, 4 itself.

    Nothing lies beyond the border.
    """
    for axis in (1, 2):
        turned = pictures.swapaxes(axis, 0)
        found = 2 * turned
        found[1:] += turned[:-1]
        found[:-1] += turned[1:]
        pictures = found.swapaxes(axis, 0)
    return pictures


def _gaps(hidden: Array) -> Array:
    """How far behind each unknown its neighbours that follow it come, 0 where they are not hidden.

    Unknowns are the hidden pixels of all pictures in reading order; the shape is (neighbours, unknowns).
    """
    framed = np.pad(hidden, ((0, 0), (0, 1), (1, 1)))
    places = np.flatnonzero(framed)
    number = framed.ravel().cumsum(dtype=np.int32)
    after = places + (FOLLOWING @ (framed.shape[2], 1))[:, None]
    return np.where(framed.ravel()[after], number[after] - number[places], 0)


def _solved(gaps: Array, total: Float1, known: Float2) -> Float2:
    """Solve the system of one picture: its hidden pixels, of shape (hidden, channels).

    Hidden pixels are unknowns in reading order, so each depends on few that follow it: the matrix is a narrow band,
    and positive definite, because every group of hidden pixels touches a known one.
    """
    unknown = np.arange(len(total))
    band = np.zeros((len(total), 1 + gaps.max()))
    band[unknown, gaps] = -WEIGHTS[:, None]
    band[:, 0] = total  # where there is no such neighbour the gap is 0
    return np.asarray(dpbsv(band.T, known, lower=1, overwrite_ab=1)[1])
