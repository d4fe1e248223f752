"""Permutation importance: how much worse predictions get when a feature is shuffled."""

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.randomness import stream
from pellucid._base.typing import Array
from pellucid.explanation import Importance, Provenance
from pellucid.games.marginal import predict_gathered, row_cap
from pellucid.ir import Model, Space
from pellucid.table import Table


def permutation_importance(
    model: Model, X: Table, y: Array, *, n_repeats: int = 10, random_state: int = 0
) -> Importance:
    """Measure the rise of the loss when one feature's column is shuffled (Breiman, 2001).

    The loss is the squared error, or for a classifier minus the log of the true class's probability. The
    interval is for other rows of the same kind, not only for other shuffles: a row counts both where it is
    predicted and where it lends its value, the two first-order terms of a U-statistic (Hoeffding, 1948).

    Parameters
    ----------
    model : Model
    X : Table
        Rows the model was not trained on, aligned to its features.
    y : array of shape (rows,)
        True targets.
    n_repeats : int
        Shuffles per feature.
    random_state : int

    Raises
    ------
    InputError
        When there are fewer than two rows, or `n_repeats` is not positive.
    """
    if n_repeats < 1:
        raise InputError(f"n_repeats must be at least 1; got {n_repeats!r}.")
    if len(X) < 2:
        raise InputError(f"permutation importance shuffles rows, so it needs at least 2; got {len(X)}.")
    itself = np.arange(len(X))[:, None].repeat(X.n_columns, axis=1)
    loss = predict_gathered(model, X, itself, Space.LOSS, y)[:, 0]
    mean, half = np.empty(X.n_columns), np.empty(X.n_columns)
    together = max(1, row_cap(X.n_columns) // len(X))  # a call of a pipeline costs more than some thousand rows
    for j in range(X.n_columns):
        rng = stream(random_state, "importance.shuffle", j)
        suffered, caused = np.zeros(len(X)), np.zeros(len(X))
        lenders = [rng.permutation(len(X)) for _ in range(n_repeats)]
        for start in range(0, n_repeats, together):
            part = lenders[start : start + together]
            index = np.tile(itself, (len(part), 1))
            index[:, j] = np.concatenate(part)
            shuffled = predict_gathered(model, X, index, Space.LOSS, np.tile(y, len(part)))
            for lender, rise in zip(part, shuffled.reshape(len(part), -1) - loss, strict=True):
                suffered += rise
                caused[lender] += rise
        mean[j] = suffered.mean() / n_repeats
        half[j] = 1.96 * ((suffered + caused) / n_repeats).std(ddof=1) / np.sqrt(len(X))
    return Importance(
        values=mean[:, None],
        low=(mean - half)[:, None],
        high=(mean + half)[:, None],
        features=X.names,
        outputs=("loss",),
        measure=f"rise of the loss when the feature is shuffled, mean of {n_repeats} shuffles",
        space=Space.LOSS,
        n_rows=len(X),
        provenance=Provenance(
            method="permutation_importance",
            reason="asked for by name.",
            model=model.label,
            background=f"the same {len(X)} rows, shuffled",
            parameters={"n_repeats": n_repeats},
            random_state=random_state,
            hashes={"rows": X.digest()},
        ),
    )
