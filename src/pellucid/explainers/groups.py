"""Groups of features as players of the marginal game.

The rows are rewritten as a table with one column for each player, whose cells number the different things the player's
features say together. A model of that table looks them up, so the marginal game of the new table is the game in which
the features of a group are shown and hidden together, and every method plays it as it plays any other.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, TypeVar

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.typing import Array, Float2, Int1, Names
from pellucid.explanation import Explanation, Interactions
from pellucid.games.marginal import LARGEST_EXACT_INTEGER, predict_gathered
from pellucid.ir import Model, Space
from pellucid.table import Table, listed

Answer = TypeVar("Answer", Explanation, Interactions)
Groups: TypeAlias = Mapping[str, Sequence[str]]
"""Features of each group, under the name that the group gets."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Grouped:
    """A question in which some features move as one.

    Parameters
    ----------
    model : Model
        The model as a function of the players' table.
    X, background : Table
        The players' tables, of shape (rows, players).
    players : dict of str to tuple of str
        Features of each player.
    source : Table
        Background and rows as they were given.
    """

    model: Model
    X: Table
    background: Table
    players: Mapping[str, Names]
    source: Table

    def told(self, found: Answer) -> Answer:
        """Put the rows' own cells, those of a group as one text, in place of their numbers."""
        n = len(self.background)
        hidden, rows = self.source.take(np.arange(n)), self.source.take(np.arange(n, len(self.source)))
        groups = {name: list(members) for name, members in self.players.items() if members != (name,)}
        made = replace(
            found.provenance,
            parameters={**found.provenance.parameters, "groups": groups},
            hashes={"rows": rows.digest(), "background": hidden.digest()},
        )
        data = Table.of({name: said(rows, members) for name, members in self.players.items()})
        return replace(found, data=data, provenance=made)


def grouped(model: Model, X: Table, background: Table, groups: Groups) -> Grouped:
    """Rewrite a question for groups of features.

    Parameters
    ----------
    model : Model
    X, background : Table
        Explained and background rows with the same features.
    groups : mapping of str to sequence of str
        Features of each group; those in none stand alone.

    Raises
    ------
    InputError
        When `groups` is no such mapping, names a feature that is not there or twice, or a group is called like a
        feature that stands alone.
    """
    players = players_of(groups, X.names)
    source = background.stack(X)
    codes = source.codes(source.vocabulary())
    columns = {name: [source.names.index(feature) for feature in members] for name, members in players.items()}
    first, cells = [], []
    for members in columns.values():
        where, number = _different(codes[:, members])
        first.append(where)
        cells.append(number)
    table = Table.of(np.stack(cells, axis=1).astype(np.float64), names=tuple(players))
    asked = _asker(model, source, list(columns.values()), first)
    n = len(background)
    return Grouped(
        model=Model(
            label=model.label,
            outputs=model.outputs,
            raw=asked(Space.RAW),
            raw_space=model.raw_space,
            probability=None if model.probability is None else asked(Space.PROBABILITY),
            classes=model.classes,
            features=tuple(players),
            why_no_structure=f"{model.label} is asked about groups of features",
        ),
        X=table.take(np.arange(n, len(table))),
        background=table.take(np.arange(n)),
        players=players,
        source=source,
    )


def _different(codes: Float2) -> tuple[Int1, Int1]:
    """A row that has each different combination of cells, and the number of each row's combination."""
    # bit by bit, so that 0.0 is not -0.0; integers that float64 does not tell apart are all different
    bits = np.where(np.isnan(codes), np.nan, codes).view(np.int64)
    unsure = (np.abs(codes) >= LARGEST_EXACT_INTEGER).any(axis=1)
    keys = np.column_stack([bits, np.where(unsure, np.arange(len(codes)), -1)])
    _, first, number = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return first, number.reshape(-1)


def players_of(groups: Groups, features: Names) -> dict[str, Names]:
    """Features of each player, in the order in which their first features stand in the table."""
    if not isinstance(groups, Mapping):
        raise InputError(f"groups must be a dict such as {{'place': ['latitude', 'longitude']}}; got {groups!r:.80}.")
    group_of: dict[str, str] = {}
    for name, members in groups.items():
        if not isinstance(name, str) or isinstance(members, str) or not isinstance(members, Sequence) or not members:
            raise InputError(f"group {name!r:.60} must be a name with a list of features; got {members!r:.80}.")
        for feature in members:
            if feature not in features:
                raise InputError(
                    f"group {name!r:.60} has {feature!r:.60}, which is no feature. There are {listed(features, 12)}."
                )
            if feature in group_of:
                raise InputError(f"{feature!r:.60} can be in one group, once; it is in {name!r:.60} again.")
            group_of[feature] = name
    players: dict[str, list[str]] = {}
    for feature in features:
        if feature not in group_of and feature in groups:
            raise InputError(f"a group is called {feature!r:.60}, like a feature outside it. Give it another name.")
        players.setdefault(group_of.get(feature, feature), []).append(feature)
    return {name: tuple(members) for name, members in players.items()}


def _asker(
    model: Model, source: Table, columns: list[list[int]], first: list[Int1]
) -> Callable[[Space], Callable[[Table], Array]]:
    """Functions of the players' table."""

    def asked(space: Space) -> Callable[[Table], Array]:
        def answer(table: Table) -> Array:
            numbers = np.asarray(table.as_array()).astype(np.int64)
            index = np.empty((len(numbers), source.n_columns), dtype=np.int64)
            for player, members in enumerate(columns):
                index[:, members] = first[player][numbers[:, player]][:, None]
            return predict_gathered(model, source, index, space, None)

        return answer

    return asked


def said(X: Table, members: Names) -> Any:
    """Cells of a player for people."""
    columns = [X.column(name) for name in members]
    if len(columns) == 1:
        return columns[0]
    return [", ".join(map(_text, row)) for row in zip(*(column.tolist() for column in columns), strict=True)]


def _text(cell: Any) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return "missing"
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)
