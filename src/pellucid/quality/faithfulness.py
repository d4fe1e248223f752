"""Faithfulness: whether hiding what the explanation ranks first moves the model more than chance."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.numbers import figure
from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Bool2, Float1, Int1
from pellucid.games import MarginalGame, RowGames
from pellucid.quality.measures import Explains, Measured, measured, need_rows
from pellucid.table import Table

MOST_STEPS = 20
"""Points of a deletion curve; with more features several are hidden at a time."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Faithfulness:
    """Areas under deletion curves: the mean fall of the output while features are hidden.

    Parameters
    ----------
    ordered, random : Measured
        Area when features are hidden from the largest value down, and in random order, in units of the
        output.
    difference : Measured
        ordered - random, paired by row; above 0 the explanation knows more than chance.
    share_hidden : array of shape (steps,)
        Share of the features that is hidden at each point of the curves.
    ordered_curve, random_curve : arrays of shape (steps,)
        Mean fall of the output.
    sentence : str
    """

    ordered: Measured
    random: Measured
    difference: Measured
    share_hidden: Float1
    ordered_curve: Float1
    random_curve: Float1
    sentence: str


def faithfulness(
    explainer: Explains,
    X: Any,
    *,
    y: Any = None,
    background: Any = None,
    n_random: int = 10,
    random_state: int = 0,
) -> Faithfulness:
    """Hide features in the explanation's order and compare with random orders (deletion test).

    Features are hidden from the largest value down, and the fall of the output, ``v(all) - v(rest)`` of the
    marginal game, is averaged over the steps. For an additive model the explanation's order
    is the best there is. The same rows, with features in `n_random` random orders, are the yardstick.
    Intervals are 95 % bootstrap intervals over rows.

    Parameters
    ----------
    explainer : Explainer
    X : table of shape (rows, features)
        At least 2 rows.
    y : array of shape (rows,), optional
        True targets; needed in loss space.
    background : table, optional
        Rows that replace hidden features; by default the explainer's own.
    n_random : int
    random_state : int

    Raises
    ------
    InputError
        When there is no background, or fewer than two rows.

    Examples
    --------
    >>> import pellucid
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = Ridge(alpha=0.1).fit(X, y)
    >>> explainer = pellucid.Explainer(model, X)
    >>> found = pellucid.quality.faithfulness(explainer, X.head(20))
    >>> bool(found.difference.low > 0)
    True
    """
    need_rows(len(Table.of(X)), "faithfulness")
    if n_random < 1:
        raise InputError(f"n_random must be at least 1; got {n_random!r}.")
    explanation = explainer(X, y)
    rows = explanation.data if explanation.data is not None else Table.of(X)
    hidden_by = explainer.background if background is None else Table.of(background).aligned(rows.names)
    if hidden_by is None:
        raise InputError("faithfulness hides features behind background rows: pass background=.")
    game = MarginalGame(model=explainer.model, background=hidden_by, space=explainer.space)
    games = game.rows(rows, None if y is None else np.asarray(y))
    outputs = explainer.model.outputs_in(explainer.space)
    at = [outputs.index(name) for name in explanation.outputs]
    steps = np.unique(np.round(np.linspace(0, 1, MOST_STEPS + 1) * len(rows.names)).astype(int))[1:] / len(rows.names)
    ordered = np.empty((len(rows), len(at), len(steps)))
    chance = np.empty_like(ordered)
    for row in range(len(rows)):
        values = explanation.values[row, games.relevant[row]]
        own = list(np.argsort(-values, axis=0, kind="stable").T)
        falls = _falls(games, row, own + _random_orders(games, row, n_random, random_state), steps)[:, :, at]
        for k in range(len(at)):
            ordered[row, k], chance[row, k] = falls[k, :, k], falls[len(own) :, :, k].mean(axis=0)
    return _result(ordered.mean(axis=1), chance.mean(axis=1), steps, random_state)


def _random_orders(games: RowGames, row: int, n_random: int, random_state: int) -> list[Int1]:
    rng = stream(random_state, "faithfulness.orders", row)
    return [rng.permutation(int(games.relevant[row].sum())) for _ in range(n_random)]


def _falls(games: RowGames, row: int, orders: list[Int1], steps: Float1) -> Array:
    """Fall of the outputs along each order, of shape (orders, steps, outputs)."""
    n, outputs = len(orders[0]), games.full.shape[1]
    if n == 0:
        return np.zeros((len(orders), len(steps), outputs))
    hidden = np.ceil(steps * n).astype(int)
    coalitions = np.concatenate([_without_first(order, hidden) for order in orders])
    return np.asarray(games.full[row] - games.values(row, coalitions).reshape(len(orders), len(steps), outputs))


def _without_first(order: Int1, hidden: Int1) -> Bool2:
    """Coalitions that hide the first `hidden` players of an order."""
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return np.asarray(rank >= hidden[:, None])


def _result(ordered: Array, chance: Array, steps: Float1, random_state: int) -> Faithfulness:
    own, other = ordered.mean(axis=1), chance.mean(axis=1)
    difference = measured(own - other, random_state)
    verdict = (
        "moves the output more than hiding at random"
        if difference.low > 0
        else "cannot be told from hiding at random"
        if difference.high >= 0
        else "moves the output less than hiding at random"
    )
    return Faithfulness(
        ordered=measured(own, random_state),
        random=measured(other, random_state),
        difference=difference,
        share_hidden=steps,
        ordered_curve=ordered.mean(axis=0),
        random_curve=chance.mean(axis=0),
        sentence=(
            f"Hiding features in the explanation’s order {verdict}: the mean fall is {figure(own.mean())} against "
            f"{figure(other.mean())}, a difference of {difference} over {difference.n} rows."
        ),
    )
