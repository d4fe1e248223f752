"""Permutation importance: how much worse predictions get when a feature is shuffled."""

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.randomness import stream
from pellucid._base.typing import Array
from pellucid.explanation import Importance, Provenance
from pellucid.games.marginal import predict_gathered
from pellucid.ir import Model, Space
from pellucid.table import Table


def permutation_importance(
    model: Model, X: Table, y: Array, *, n_repeats: int = 10, random_state: int = 0
) -> Importance:
    """Measure the rise of the loss when one feature's column is shuffled (Breiman, 2001).

    The loss is the squared error, or for a classifier minus the log of the true class's probability. The
    interval is a normal one over the rows, each with its mean rise over the repeats, so it covers both the
    draw of these rows and the shuffling.

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
    rise = np.empty((X.n_columns, len(X)))
    for j, name in enumerate(X.names):
        rng = stream(random_state, f"importance.shuffle.{name}")
        total = np.zeros(len(X))
        for _ in range(n_repeats):
            index = itself.copy()
            index[:, j] = rng.permutation(len(X))
            total += predict_gathered(model, X, index, Space.LOSS, y)[:, 0] - loss
        rise[j] = total / n_repeats
    mean = rise.mean(axis=1)
    half = 1.96 * rise.std(axis=1, ddof=1) / np.sqrt(len(X))
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
