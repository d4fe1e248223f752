"""The cheap measures of error that travel with every explanation."""

from dataclasses import dataclass, field

from pellucid._base.typing import Float2


@dataclass(frozen=True, kw_only=True)
class Evaluations:
    """What an answer cost.

    Parameters
    ----------
    coalitions : int
        Distinct sets of shown features evaluated, per row.
    model_rows : int
        Rows given to the model's predict, over all explained rows.
    """

    coalitions: int = 0
    model_rows: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Quality:
    """How far an explanation can be trusted, measured while it was made.

    Parameters
    ----------
    residual : float
        Largest absolute difference, over rows and outputs, between base value plus values and the
        original model's output.
    bound : float or None
        What rounding alone can explain. Exact methods raise above it; None where the method does
        not promise to add up (LIME).
    evaluations : Evaluations
        What it cost.
    local_r2 : array of shape (rows, outputs) or None
        LIME: share of the model's local variance that the surrogate explains.
    top_stability : array of shape (rows, outputs) or None
        LIME: probability that the largest features stay the same in a fresh sample.
    warnings : tuple of str
        Sentences a reader must see.
    """

    residual: float
    bound: float | None
    evaluations: Evaluations = field(default_factory=Evaluations)
    local_r2: Float2 | None = None
    top_stability: Float2 | None = None
    warnings: tuple[str, ...] = ()
