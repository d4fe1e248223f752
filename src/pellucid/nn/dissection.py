"""Network dissection: which concept's pixels a unit answers to, and whether chance could do the same."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pellucid._base.errors import InputError
from pellucid._base.numbers import figure
from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Float1, Float2, Names
from pellucid.nn._matrices import as_array, need_same_rows
from pellucid.nn._significance import holm

if TYPE_CHECKING:
    import pandas as pd

LEAST_IOU = 0.04
"""A detector's intersection over union is at least this (Bau et al. 2017)."""

ENOUGH = 10
"""A p-value is known well enough when this many permutations have beaten the unit (Besag and Clifford 1991)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Dissection:
    """Units of a layer against concepts. Arrays are read-only.

    Parameters
    ----------
    concepts : tuple of str
    threshold : float64 array of shape (units,)
        A unit is on where its activation is above this.
    iou : float64 array of shape (units, concepts)
        Intersection over union of where the unit is on and where the concept is, over all pictures.
    p_value : float64 array of shape (units, concepts)
        Of that overlap when the unit's pictures are dealt to the masks at random, Holm-adjusted over all units and
        concepts.
    alpha : float
    n : int
        Pictures.
    """

    concepts: Names
    threshold: Float1
    iou: Float2
    p_value: Float2
    alpha: float
    n: int

    def __post_init__(self) -> None:
        for name in ("threshold", "iou", "p_value"):
            getattr(self, name).flags.writeable = False

    @property
    def detectors(self) -> dict[int, str]:
        """Units that detect a concept: adjusted p at most `alpha` and IoU at least 0.04; with their best concept."""
        found = (self.p_value <= self.alpha) & (self.iou >= LEAST_IOU)
        best = np.where(found, self.iou, -1.0).argmax(axis=1)
        return {int(unit): self.concepts[best[unit]] for unit in np.flatnonzero(found.any(axis=1))}

    def to_frame(self) -> "pd.DataFrame":
        """One row per unit: its best concept, IoU, adjusted p-value, and whether it is a detector."""
        import pandas as pd  # a third party, loaded only when a frame is asked for

        best = self.iou.argmax(axis=1)
        units = range(len(best))
        detectors = self.detectors
        return pd.DataFrame(
            {
                "unit": units,
                "concept": [detectors.get(unit, self.concepts[best[unit]]) for unit in units],
                "iou": self.iou[units, best],
                "p_value": self.p_value[units, best],
                "detector": [unit in detectors for unit in units],
            }
        )

    def sentence(self) -> str:
        """Say how many units detect a concept, and which ones best."""
        found = self.detectors
        best = sorted(found, key=lambda unit: -self.iou[unit].max())[:3]
        named = "; ".join(
            f"unit {u}: {found[u]} (IoU {figure(self.iou[u, self.concepts.index(found[u])])})" for u in best
        )
        return (
            f"{len(found)} of {len(self.iou)} units detect one of {len(self.concepts)} concepts more than chance "
            f"would, at an adjusted level of {figure(self.alpha)}{': ' + named if named else ''}."
        )


def dissect(
    activations: Any,
    concepts: Mapping[str, Any],
    *,
    share_on: float = 0.005,
    alpha: float = 0.01,
    n_permutations: int | None = None,
    random_state: int = 0,
) -> Dissection:
    """Measure the overlap of every unit with every concept (Bau et al. 2017), against a permutation null.

    A unit is on where its activation is in its top `share_on` over all pictures and places; maps are scaled to the
    masks bilinearly. Under the null the unit's pictures are dealt to the masks in random order: that keeps everything
    a unit can do without seeing the picture, such as liking its middle. A pair stops being permuted once 10
    permutations have beaten it.

    Parameters
    ----------
    activations : tensor or array of shape (rows, units, height, width)
        Of one layer, such as ``record(model, x, layers="conv3")["conv3"]``.
    concepts : mapping of name to bool array of shape (rows, height, width)
        Where each concept is in each picture; all of one size.
    share_on : float
        Share of places at which a unit is on.
    alpha : float
        Level at which a unit is called a detector, after Holm's adjustment.
    n_permutations : int, optional
        At most so many; by default as many as Holm's adjustment needs to reach `alpha`, and at least 1,000.
    random_state : int

    Returns
    -------
    Dissection

    Raises
    ------
    InputError
        When shapes do not fit, a concept is nowhere, or there are fewer than 5 pictures.

    Examples
    --------
    >>> import numpy as np
    >>> from pellucid.nn.dissection import dissect
    >>> rng = np.random.default_rng(0)
    >>> masks = np.zeros((40, 8, 8), dtype=bool)
    >>> for mask, y, x in zip(masks, rng.integers(6, size=40), rng.integers(6, size=40)):
    ...     mask[y : y + 2, x : x + 2] = True
    >>> units = np.stack([masks + 0.1 * rng.random((40, 8, 8)), rng.random((40, 8, 8))], axis=1)
    >>> dissect(units, {"square": masks}, share_on=0.05).detectors
    {0: 'square'}
    """
    maps = as_array(activations, "activations")
    if maps.ndim != 4 or len(maps) < 5:
        raise InputError(
            f"activations must have shape (rows, units, height, width) with at least 5 rows; got {maps.shape}."
        )
    masks = _masks(concepts, len(maps))
    if not 0 < share_on < 1 or not 0 < alpha < 1:
        raise InputError(f"share_on and alpha must lie between 0 and 1; got {share_on!r} and {alpha!r}.")
    units = maps.shape[1]
    pairs = units * len(masks)
    most = max(1000, math.ceil(pairs / alpha)) if n_permutations is None else n_permutations
    if most < 1:
        raise InputError(f"n_permutations must be at least 1; got {n_permutations!r}.")
    threshold = np.quantile(maps.swapaxes(0, 1).reshape(units, -1), 1 - share_on, axis=1).astype(np.float64)
    flat = masks.flatten(2)
    area = flat.sum(dim=(1, 2))
    iou, p_value = np.empty((2, units, len(masks)))
    for unit in range(units):
        on = _switched_on(maps[:, unit], threshold[unit], masks.shape[2:])
        overlap = torch.einsum("ip,cjp->cij", on, flat)
        together = overlap.diagonal(dim1=1, dim2=2).sum(dim=1)
        iou[unit] = (together / (area + on.sum() - together)).numpy()
        p_value[unit] = _permutation_p(overlap, most, random_state)
    return Dissection(
        concepts=tuple(map(str, concepts)),
        threshold=threshold,
        iou=iou,
        p_value=holm(p_value),
        alpha=alpha,
        n=len(maps),
    )


def _masks(concepts: Mapping[str, Any], n: int) -> Tensor:
    """Concepts as floats of shape (concepts, rows, height, width)."""
    if not isinstance(concepts, Mapping) or not concepts:
        raise InputError("concepts must be a mapping of names to masks, with at least one.")
    arrays: list[Array] = []
    for name, values in concepts.items():
        array = as_array(values, f"concept {name!r}").astype(bool)
        if array.ndim != 3 or (arrays and array.shape[1:] != arrays[0].shape[1:]):
            raise InputError(
                f"every concept must have shape (rows, height, width), all of one size; {name!r} has {array.shape}."
            )
        need_same_rows(len(array), n, f"concept {name!r}", "activations")
        if not array.any() or array.all():
            raise InputError(
                f"concept {name!r} is {'everywhere' if array.any() else 'nowhere'}, so no unit can tell it."
            )
        arrays.append(array)
    return torch.from_numpy(np.stack(arrays)).float()


def _switched_on(maps: Array, threshold: float, size: Any) -> Tensor:
    scaled = torch.from_numpy(np.ascontiguousarray(maps)).float()[:, None]
    if scaled.shape[2:] != size:
        scaled = functional.interpolate(scaled, size=tuple(size), mode="bilinear", align_corners=False)
    return (scaled[:, 0] > threshold).float().flatten(1)


def _permutation_p(overlap: Tensor, most: int, random_state: int) -> Array:
    """Sequential permutation p-values of the total overlap, by concept (Besag and Clifford 1991).

    Sampling stops at the `ENOUGH`-th permutation that does as well, with p = ENOUGH / tried; without it
    p = (beaten + 1) / (tried + 1).
    """
    n = overlap.shape[1]
    rng = stream(random_state, "nn.dissect.permutations")
    seen = overlap.diagonal(dim1=1, dim2=2).sum(dim=1)
    p_value = np.full(len(overlap), np.nan)
    beaten = torch.zeros(len(overlap), device="cpu")
    rows = torch.arange(n, device="cpu")
    tried = 0
    while np.isnan(p_value).any() and tried < most:
        count = min(1000, most - tried)
        deals = torch.from_numpy(rng.permuted(np.tile(np.arange(n), (count, 1)), axis=1))
        for c in np.flatnonzero(np.isnan(p_value)):
            better = overlap[c][rows, deals].sum(dim=1) >= seen[c]
            reached = (beaten[c] + better.cumsum(0) >= ENOUGH).nonzero()
            if len(reached):
                p_value[c] = ENOUGH / (tried + int(reached[0]) + 1)
            beaten[c] += better.sum()
        tried += count
    return np.where(np.isnan(p_value), (beaten.numpy() + 1) / (most + 1), p_value)
