"""`Importance`: how much a model uses each feature over many rows."""

from dataclasses import dataclass

from pellucid._base.typing import Float2, Names
from pellucid.explanation.provenance import Provenance
from pellucid.ir import Space


@dataclass(frozen=True, kw_only=True, eq=False)
class Importance:
    """One number per feature and output, with its interval.

    Parameters
    ----------
    values, low, high : float64 arrays of shape (features, outputs)
        The importance and its 95 % interval.
    features, outputs : tuple of str
        Names of the axes.
    measure : str
        What is measured, in words, such as "mean absolute Shapley value".
    space : Space
        Units.
    n_rows : int
        Rows it was measured on.
    provenance : Provenance
        How it was made.
    """

    values: Float2
    low: Float2
    high: Float2
    features: Names
    outputs: Names
    measure: str
    space: Space
    n_rows: int
    provenance: Provenance
