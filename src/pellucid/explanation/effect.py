"""`Effect`: how outputs move along one feature."""

from dataclasses import dataclass

from pellucid._base.typing import Array, Float2, Float3, Names
from pellucid.explanation.provenance import Provenance
from pellucid.ir import Space


@dataclass(frozen=True, kw_only=True, eq=False)
class Effect:
    """The output along a grid of values of one feature.

    Parameters
    ----------
    feature : str
        The feature that moves.
    kind : str
        ``"pdp"``, ``"ice"`` or ``"ale"``.
    grid : array of shape (points,)
        Values of the feature: numbers, or categories.
    values : float64 array of shape (points, outputs)
        Mean output, or the centred accumulated effect for ALE.
    low, high : float64 arrays of shape (points, outputs) or None
        95 % band.
    individual : float64 array of shape (rows, points, outputs) or None
        ICE: one curve per row.
    outputs : tuple of str
    space : Space
        Units.
    n_rows : int
        Rows it was measured on.
    provenance : Provenance
    """

    feature: str
    kind: str
    grid: Array
    values: Float2
    outputs: Names
    space: Space
    n_rows: int
    provenance: Provenance
    low: Float2 | None = None
    high: Float2 | None = None
    individual: Float3 | None = None
