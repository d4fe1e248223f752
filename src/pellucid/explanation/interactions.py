"""`Interactions`: how pairs of features move an output together."""

from dataclasses import dataclass

from pellucid._base.typing import Array, Float2, Names
from pellucid.explanation.provenance import Provenance
from pellucid.explanation.quality import Quality
from pellucid.ir import Space
from pellucid.table import Table


@dataclass(frozen=True, kw_only=True, eq=False)
class Interactions:
    """Shapley interaction values; each row of a matrix sums to the feature's Shapley value.

    Parameters
    ----------
    values : float64 array of shape (rows, features, features, outputs)
        Symmetric in the two feature axes; the diagonal has the main effects.
    base_values : float64 array of shape (rows, outputs)
    features, outputs : tuple of str
    space : Space
    quality : Quality
    provenance : Provenance
    data : Table or None
        The explained rows.
    """

    values: Array
    base_values: Float2
    features: Names
    outputs: Names
    space: Space
    quality: Quality
    provenance: Provenance
    data: Table | None = None
