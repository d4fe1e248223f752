"""A model proves that it is a function of each row alone, which every explanation takes for granted."""

import numpy as np

from pellucid._base.errors import AdditivityError, ModelError
from pellucid._base.typing import Array, Float2
from pellucid.ir import Model, Space
from pellucid.table import Table

ASKED_AGAIN = 4
"""Rows that are asked again in another place."""
BEFORE_THEM = 2
"""Background rows put before them."""
ROUNDING = 1e-3
"""Share of the outputs' size by which a batch's own rounding may move them, in half precision too."""


def prove_deterministic(
    model: Model, rows: Table, predicted: Float2, space: Space = Space.RAW, y: Array | None = None
) -> None:
    """Ask for the same rows again.

    Raises
    ------
    AdditivityError
        When the answer is another one.
    """
    again = model.predict(rows, space, y)
    if not np.array_equal(again, predicted):
        raise AdditivityError(
            f"{model.label} is not deterministic: it gave the same rows outputs that differ by up to "
            f"{np.abs(again - predicted).max():.2g}. Fix its seed, or switch off what is random in it."
        )


def prove_row_by_row(model: Model, background: Table, rows: Table, predicted: Float2, space: Space) -> None:
    """Ask for a few of the rows again, in reverse after rows of the background.

    Raises
    ------
    AdditivityError
        When the model is not deterministic.
    ModelError
        When an output depends on where its row stands or on the other rows.
    """
    few = np.arange(min(ASKED_AGAIN, len(rows)))[::-1]
    before = background.take(np.arange(len(background))[::-1][:BEFORE_THEM])  # its first are often rows themselves
    said = model.predict(before.stack(rows.take(few)), space)
    gap = np.abs(said[len(before) :] - predicted[few])
    if float(gap.max(initial=0.0)) <= ROUNDING * max(np.abs(said).max(initial=0.0), np.abs(predicted).max(initial=0.0)):
        return
    prove_deterministic(model, rows, predicted, space)
    raise ModelError(
        f"{model.label} gives a row another output when it stands elsewhere among other rows: they differ by up to "
        f"{gap.max():.2g}. An explanation needs a function of each row alone; look for row numbers, neighbours or "
        "statistics of the batch in it."
    )
