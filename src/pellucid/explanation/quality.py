"""The cheap measures of error that travel with every explanation."""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.typing import Float2, Int1


@dataclass(frozen=True, kw_only=True)
class Evaluations:
    """What an answer cost.

    Parameters
    ----------
    coalitions : int
        Distinct sets of shown features evaluated, per row.
    model_rows : int
        Rows given to the model's predict, over all explained rows.
    gradients : int
        Gradients of an output for a row, over all explained rows.
    """

    coalitions: int = 0
    model_rows: int = 0
    gradients: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Quality:
    """How far an explanation can be trusted, measured while it was made.

    Parameters
    ----------
    residual : float
        Largest absolute difference, over rows and outputs, between base value plus values and the
        original model's output; NaN where nobody could ask the model.
    bound : float or None
        What rounding alone can explain, or the tolerance that was asked for. Exact methods raise above it; None
        where the method does not promise to add up (LIME).
    evaluations : Evaluations
        What it cost.
    local_r2 : array of shape (rows, outputs) or None
        LIME: share of the model's local variance that the surrogate explains.
    top_stability : array of shape (rows, outputs) or None
        LIME: probability that the largest features stay the same in a fresh sample.
    gap : array of shape (rows, outputs) or None
        Networks: base value plus values, less the network's output (the gap of completeness or conservation).
    warnings : tuple of str
        Sentences a reader must see.
    """

    residual: float
    bound: float | None
    evaluations: Evaluations = field(default_factory=Evaluations)
    local_r2: Float2 | None = None
    top_stability: Float2 | None = None
    gap: Float2 | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.residual < 0 or (self.bound is not None and not self.bound >= 0):
            raise InputError(f"residual and bound must not be negative; got {self.residual} and {self.bound}.")
        for name in _BY_ROW:
            if getattr(self, name) is not None:
                array = np.array(getattr(self, name), dtype=np.float64)
                array.flags.writeable = False
                object.__setattr__(self, name, array)

    def sentence(self) -> str:
        """Say the residual and what it may be."""
        if math.isnan(self.residual):
            return "residual against the model not measured"
        if self.bound is None:
            return f"residual {self.residual:.2g} against the model (this method does not promise to add up)"
        return f"residual {self.residual:.2g} against the model, bound {self.bound:.2g}"

    def part(self, rows: Int1, outputs: list[int]) -> "Quality":
        """Return the measures of these rows and outputs; residual, bound and cost stay those of the whole."""
        cut = np.ix_(rows, np.asarray(outputs, dtype=np.int64))
        r2, stability, gap = (None if a is None else a[cut] for a in (self.local_r2, self.top_stability, self.gap))
        return replace(self, local_r2=r2, top_stability=stability, gap=gap)


_BY_ROW = ("local_r2", "top_stability", "gap")
