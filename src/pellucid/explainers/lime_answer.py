"""What every LIME hands back: coefficients with their errors, the local fit, and what a reader must be told."""

from collections.abc import Sequence

import numpy as np

from pellucid._base.typing import Bool2, Float2
from pellucid.explainers.base import Attribution, Question
from pellucid.explainers.surrogate import Surrogate
from pellucid.explanation import Evaluations

LOW_R2 = 0.5
"""Below this share of explained local variance a reader is warned."""
STABILITY_DRAWS = 256
"""Normal draws of the coefficients in which the largest are looked for."""


def lime_answer(
    question: Question,
    fits: Sequence[Surrogate],
    *,
    relevant: Bool2,
    samples: int,
    model_rows: int,
    background: str,
) -> Attribution:
    """Put the surrogates of all rows into one attribution.

    Parameters
    ----------
    question : Question
    fits : sequence of Surrogate
        One per row, over its relevant features.
    relevant : bool array of shape (rows, features)
        The others have the value 0.
    samples : int
        Most samples that a row took.
    model_rows : int
        Rows given to the model.
    background : str
        What hidden features are replaced by, in words.
    """
    rows, features = relevant.shape
    k = len(question.model.outputs_in(question.space))
    values, std_error = np.zeros((rows, features, k)), np.zeros((rows, features, k))
    for row, fit in enumerate(fits):
        values[row, relevant[row]] = fit.coefficients
        std_error[row, relevant[row]] = fit.std_error
    r2 = np.array([fit.r2 for fit in fits]).reshape(rows, k)
    return Attribution(
        values=values,
        base_values=np.array([fit.intercept for fit in fits]).reshape(rows, k),
        std_error=std_error,
        sums=False,
        local_r2=r2,
        top_stability=np.array([fit.top_stability for fit in fits]).reshape(rows, k),
        evaluations=Evaluations(coalitions=samples, model_rows=model_rows),
        warnings=_warnings(question, r2, std_error, samples),
        background=background,
    )


def _warnings(question: Question, r2: Float2, std_error: Float2, samples: int) -> tuple[str, ...]:
    said = []
    low = int((r2.min(axis=1, initial=1.0) < LOW_R2).sum())
    if low:
        said.append(
            f"LIME's surrogate explains less than {LOW_R2:.0%} of the local variance of {low} of {len(r2)} rows "
            f"(lowest R² {r2.min():.2f}): there its values describe the model poorly."
        )
    widest = 1.96 * float(std_error.max(initial=0.0))
    if question.tol is not None and widest > question.tol:
        said.append(
            f"tol={question.tol:g} was not reached with {samples} samples; the widest 95 % interval is ±{widest:.2g}. "
            "Pass a larger budget=."
        )
    return tuple(said)
