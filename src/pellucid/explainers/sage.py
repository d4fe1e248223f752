"""SAGE: how much of a model's loss each feature takes away."""

import numpy as np

from pellucid._base.errors import InputError, UnsupportedRequestError
from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Float1, Float2
from pellucid.explainers.base import Question
from pellucid.explainers.estimation import watched_map
from pellucid.explainers.permutation import along, moves
from pellucid.explanation import Importance, Provenance
from pellucid.games import MarginalGame, RowGames
from pellucid.ir import Model, Space
from pellucid.table import Table


def sage_importance(question: Question, X: Table, y: Array) -> Importance:
    """Shapley values of the mean loss of the mean prediction over hidden features (Covert et al., 2020, equation 6).

    The loss is the squared error, or for a classifier minus the log of the true class's probability. Every row takes
    one random order of the features and its reverse, drawn for that row, so rows are independent and the
    interval is that of their mean: it counts the orders and the rows, not the background.

    Parameters
    ----------
    question : Question
        Model, background, seed, threads and progress.
    X : Table
        Rows the model was not trained on, aligned to its features.
    y : array of shape (rows,)
        True targets.

    Raises
    ------
    UnsupportedRequestError
        Without a background.
    InputError
        When there are fewer than two rows.
    """
    model = question.model
    if question.background is None:
        raise UnsupportedRequestError(
            "measure='sage' replaces hidden features by background rows: pass background=, such as 100 training rows."
        )
    if len(X) < 2:
        raise InputError(f"measure='sage' averages over rows, so it needs at least 2; got {len(X)}.")
    space = Space.RAW if model.classes is None else Space.PROBABILITY
    games = MarginalGame(model=model, background=question.background, space=space).rows(X)

    def work(row: int) -> Float1:
        return _of_row(model, games, row, y[row : row + 1], question.random_state)

    found = np.stack(watched_map(work, range(len(X)), question))
    mean, half = found.mean(axis=0), 1.96 * found.std(axis=0, ddof=1) / np.sqrt(len(X))
    return Importance(
        values=mean[:, None],
        low=(mean - half)[:, None],
        high=(mean + half)[:, None],
        features=X.names,
        outputs=("loss",),
        measure="loss that the feature takes away (SAGE)",
        space=Space.LOSS,
        n_rows=len(X),
        provenance=Provenance(
            method="sage",
            reason="asked for by name.",
            model=model.label,
            background=games.background_in_words,
            parameters={},
            random_state=question.random_state,
            hashes={"rows": X.digest(), "background": question.background.digest()},
        ),
    )


def _of_row(model: Model, games: RowGames, row: int, y: Array, random_state: int) -> Float1:
    """What each feature takes from the loss of one row, along an order and its reverse."""
    found = np.zeros(games.relevant.shape[1])
    n = int(games.relevant[row].sum())
    if n:
        order = stream(random_state, "importance.sage", row).permutation(n)
        between = games.values(row, along(order))
        ends = np.stack([games.empty[row], games.full[row]])
        losses = _loss(model, np.concatenate([ends, between]), y)[:, None]
        found[games.relevant[row]] = -moves(order, losses[2:], losses[0], losses[1])[:, 0]
    return found


def _loss(model: Model, outputs: Float2, y: Array) -> Float1:
    """Loss of several predictions for one target."""
    if model.classes is None:
        return np.asarray(((outputs - float(y[0])) ** 2).sum(axis=1))
    true = outputs[:, model.class_index(y)[0]]
    return np.asarray(-np.log(np.maximum(true, np.finfo(float).tiny)))
