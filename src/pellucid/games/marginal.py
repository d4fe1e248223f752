"""The marginal game: a hidden feature takes its values from background rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TypeAlias

import numpy as np

from pellucid._base.errors import InputError, UnsupportedRequestError
from pellucid._base.typing import Array, Bool1, Bool2, Float1, Float2, Float3, Int1, Int2
from pellucid._base.words import counted
from pellucid._kernels import _native
from pellucid.ir import Model, Space
from pellucid.table import Table

Request: TypeAlias = tuple[int, Bool2]
"""An explained row and coalitions of its relevant players, of shape (coalitions, relevant players)."""

ROW_CAP = 1 << 16
"""Rows given to one predict call at most."""
CELL_CAP = 1 << 23
"""Cells of the table given to one predict call at most; wide tables get fewer rows."""
MIXED_CELLS = 1 << 19
"""Cells with hidden ones at once: an allocator hands larger pieces back, and clears them anew for the next call."""
LARGEST_KEPT = 31 << 20
"""Bytes of a piece that, handed back once, teach glibc to keep smaller ones, such as a model's own between two calls.

It learns so from any array of up to 32 MiB; until it had, a network of 1,600 weights took half as long again.
"""
LARGEST_EXACT_INTEGER = 2**53
"""Beyond it two different integers may be the same float64."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MarginalGame:
    """Mean output over the background rows when the shown players are those of the explained row.

    ``v(S) = mean over background rows b of f(x_S, b_rest)``: the interventional game of Janzing et
    al. (2020), equation 3, and the baseline game when the background is one row. Every background
    row is used, always.

    The values of one row do not depend on the other explained rows, on chunks or on threads as long as
    the model's own outputs do not depend on how many rows it is given at once.

    Parameters
    ----------
    model : Model
    background : Table
        Rows that stand for hidden players.
    space : Space
        What is measured.
    players : int64 array of shape (columns,), optional
        Player of each column; columns of one player are shown and hidden together. By default every
        column is a player.

    Raises
    ------
    InputError
        When the background is empty or players are not numbered 0, 1, ….

    Examples
    --------
    >>> import numpy as np
    >>> from pellucid import Model, Table
    >>> model = Model(label="a product", outputs=("y",), raw=lambda X: X.as_array()[:, 0] * X.as_array()[:, 1])
    >>> game = MarginalGame(model=model, background=Table.of(np.array([[1.0, 1.0], [3.0, 1.0]])))
    >>> rows = game.rows(Table.of(np.array([[5.0, 7.0]])))
    >>> rows.values(0, np.array([[False, False], [True, False], [False, True], [True, True]])).ravel()
    array([ 2.,  5., 14., 35.])
    """

    model: Model
    background: Table
    space: Space = Space.RAW
    players: Int1 | None = None
    empty: Float1 | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if len(self.background) == 0:
            raise InputError("background must have at least one row; got none.")
        columns = self.background.n_columns
        players = np.arange(columns) if self.players is None else np.asarray(self.players, dtype=np.int64)
        if len(players) != columns or not np.array_equal(np.unique(players), np.arange(players.max(initial=-1) + 1)):
            raise InputError(
                f"players must give each of the {columns} columns a player, numbered 0, 1, … without gaps."
            )
        object.__setattr__(self, "players", players)
        if self.space is not Space.LOSS:
            every = np.arange(len(self.background))[:, None].repeat(columns, axis=1)
            outputs = predict_gathered(self.model, self.background, every, self.space, None)
            object.__setattr__(self, "empty", mean_over_background(outputs[:, None])[0])

    @property
    def n_players(self) -> int:
        """Number of players."""
        return int(self.players.max(initial=-1)) + 1  # type: ignore[union-attr]

    @property
    def varying(self) -> Bool1:
        """Which players differ between background rows, of shape (players,)."""
        codes = self.background.codes(self.background.vocabulary())
        found = np.zeros(self.n_players, dtype=bool)
        for column, player in enumerate(self.players):  # type: ignore[arg-type]
            found[player] |= not _equals_all(codes[:1, column], codes[:, column])[0]
        return found

    def rows(self, X: Table, y: Array | None = None) -> "RowGames":
        """Prepare the games of explained rows; `y` has one target per row in loss space."""
        return RowGames(self, X, y)


def marginal_game(model: Model, background: Table | None, space: Space, *, method: str) -> MarginalGame:
    """Return the game a method plays, or say that it needs background rows."""
    if background is None:
        raise UnsupportedRequestError(
            f"method={method!r} replaces hidden features by background rows: pass background=, "
            "such as 100 training rows."
        )
    return MarginalGame(model=model, background=background, space=space)


class RowGames:
    """The games of several explained rows against one background.

    Attributes
    ----------
    relevant : bool array of shape (rows, players)
        False where the row's cells equal those of every background row: a null player, whose
        value is 0 whatever the model does.
    empty, full : float64 arrays of shape (rows, outputs)
        Values of showing nothing and everything; `full` is the model's own output.
    fixed_cost : int
        Model rows spent on `full` and, in loss space, `empty`.
    """

    def __init__(self, game: MarginalGame, X: Table, y: Array | None) -> None:
        np.empty(LARGEST_KEPT, dtype=np.uint8)  # handed back at once, and never touched
        self._game = game
        self._source = game.background.stack(X)
        self._y = y
        self.n_rows = len(X)
        self.relevant = _relevant(self._source, len(game.background), game)
        self.full, self.empty = self._ends()
        self.fixed_cost = self.n_rows * (1 + (len(game.background) if game.space is Space.LOSS else 0))

    def __len__(self) -> int:
        return self.n_rows

    @property
    def cost_of_one(self) -> int:
        """Model rows that one coalition of one row costs."""
        return len(self._game.background)

    @property
    def background_in_words(self) -> str:
        """What hidden players are replaced by."""
        n = len(self._game.background)
        return f"hidden features take the values of {counted(n, 'background row')} (marginal game)"

    def values(self, row: int, coalitions: Bool2) -> Float2:
        """Values of coalitions of one row's relevant players, of shape (coalitions, outputs)."""
        return self.evaluate([(row, coalitions)])[0][0]

    def evaluate(self, requests: Sequence[Request]) -> tuple[list[Float2], int]:
        """Evaluate coalitions of several rows: an array (coalitions, outputs) per request, and the model rows spent.

        Repeated coalitions of a request are evaluated once; the empty and the full one not at all.
        """
        found: dict[int, tuple[Bool2, Bool2, Int1]] = {}  # rows mostly ask for the same coalitions
        for _, coalitions in requests:
            if id(coalitions) not in found:
                found[id(coalitions)] = _distinct(coalitions)
        todo = [(row, found[id(coalitions)][0]) for row, coalitions in requests]
        answers = []
        for (row, coalitions), new in zip(requests, self._evaluate(todo), strict=True):
            _, ends, position = found[id(coalitions)]
            values = np.empty((len(coalitions), self.full.shape[1]))
            values[ends[:, 0]], values[ends[:, 1]] = self.empty[row], self.full[row]
            inside = position >= 0
            values[inside] = new[position[inside]]
            answers.append(values)
        return answers, sum(len(distinct) for _, distinct in todo) * self.cost_of_one

    def _ends(self) -> tuple[Float2, Float2]:
        """Values of the full and the empty coalition of every row."""
        game, b = self._game, len(self._game.background)
        columns = self._source.n_columns
        itself = (b + np.arange(self.n_rows))[:, None].repeat(columns, axis=1)
        full = predict_gathered(game.model, self._source, itself, game.space, self._y)
        if game.empty is not None:
            return full, np.tile(game.empty, (self.n_rows, 1))
        hidden = [(row, np.zeros((1, int(self.relevant[row].sum())), dtype=bool)) for row in range(self.n_rows)]
        return full, np.concatenate([full[:0], *self._evaluate(hidden)])

    def _evaluate(self, requests: Sequence[Request]) -> Iterator[Float2]:
        """Evaluate every coalition of every request, several requests in one predict call where they fit."""
        cap = max(1, mixed_cap(self._source.n_columns) // self.cost_of_one)
        pack: list[Request] = []
        packed = 0
        for row, shown in self._by_column(requests):
            if packed + len(shown) > cap:
                yield from self._evaluate_pack(pack)
                pack, packed = [], 0
            if len(shown) > cap:
                parts = [shown[i : i + cap] for i in range(0, len(shown), cap)]
                yield np.concatenate([self._evaluate_pack([(row, part)])[0] for part in parts])
            else:
                pack.append((row, shown))
                packed += len(shown)
        yield from self._evaluate_pack(pack)

    def _evaluate_pack(self, pack: Sequence[Request]) -> list[Float2]:
        """Values of coalitions of columns that share predict calls: the whole background at once where it fits."""
        if not pack:
            return []
        game, b = self._game, len(self._game.background)
        requests = [(b + row, shown) for row, shown in pack]
        counts = [len(shown) for _, shown in pack]
        if not sum(counts):
            return [np.empty((0, self.full.shape[1])) for _ in pack]
        y = None
        if game.space is Space.LOSS and self._y is not None:
            y = self._y[[row for row, _ in pack]]
        step = max(1, min(b, mixed_cap(self._source.n_columns) // sum(counts)))
        pieces: list[list[Float3]] = []
        for first in range(0, b, step):
            others = range(first, min(b, first + step))
            rows = [count * len(others) for count in counts]
            targets = None if y is None else np.repeat(y, rows)
            outputs = game.model.predict(self._source.mixed(others, requests), game.space, targets)
            split = (outputs[end - n : end] for n, end in zip(rows, accumulate(rows), strict=True))
            pieces.append([part.reshape(len(others), count, -1) for part, count in zip(split, counts, strict=True)])
        whole = (parts[0] if len(parts) == 1 else np.concatenate(parts) for parts in zip(*pieces, strict=True))
        return [mean_over_background(outputs) for outputs in whole]

    def _by_column(self, requests: Sequence[Request]) -> Iterator[Request]:
        """Which columns show the row's own cells, of shape (coalitions, columns), for every request.

        Rows mostly ask for the coalitions that the row before asked for, and the same players matter to them.
        """
        asked: Bool2 | None = None
        relevant = shown = np.zeros(0, dtype=bool)
        for row, coalitions in requests:
            if asked is not coalitions or not np.array_equal(relevant, self.relevant[row]):
                asked, relevant = coalitions, self.relevant[row]
                of_players = np.zeros((len(coalitions), self._game.n_players), dtype=bool)
                of_players[:, relevant] = coalitions
                shown = of_players[:, self._game.players]
            yield row, shown


def _distinct(coalitions: Bool2) -> tuple[Bool2, Bool2, Int1]:
    """Coalitions to evaluate, each once; which are the empty and the full one; each one's position or -1."""
    size = coalitions.sum(axis=1)
    ends = np.stack([size == 0, size == coalitions.shape[1]], axis=1)
    position = np.full(len(coalitions), -1, dtype=np.int64)
    open_ = np.flatnonzero(~ends.any(axis=1))
    if not len(open_):
        return coalitions[open_], ends, position
    number: dict[bytes, int] = {}
    position[open_] = [number.setdefault(key, len(number)) for key in row_keys(coalitions[open_])]
    first = np.unique(position[open_], return_index=True)[1]
    return coalitions[open_[first]], ends, position


def row_keys(flags: Bool2) -> list[bytes]:
    """A key for each row."""
    packed = np.packbits(flags, axis=1)
    joined, width = packed.tobytes(), packed.shape[1]
    return [joined[at : at + width] for at in range(0, len(joined), width)]


def row_cap(columns: int) -> int:
    """Rows of a table with so many columns that one predict call may be given."""
    return max(1, min(ROW_CAP, CELL_CAP // max(1, columns)))


def mixed_cap(columns: int) -> int:
    """Rows with hidden cells that one predict call may be given."""
    return max(1, min(ROW_CAP, MIXED_CELLS // max(1, columns)))


def mean_over_background(outputs: Float3) -> Float2:
    """Mean over axis 0 of (background rows, coalitions, outputs), added up in the order of the rows.

    Counted from the first row, so equal outputs have exactly their own value as mean, and a
    feature that the model ignores changes no bit. A running sum keeps the bits of one coalition independent of
    how many are averaged with it.
    """
    return _native.mean(np.ascontiguousarray(outputs.reshape(len(outputs), -1))).reshape(outputs.shape[1:])


def predict_gathered(model: Model, source: Table, index: Int2, space: Space, y: Array | None) -> Float2:
    """Predict gathered rows in pieces under the row cap; the gathered copies are the model's to spoil."""
    if not len(index):
        return np.empty((0, len(model.outputs_in(space))))
    cap = row_cap(source.n_columns)
    pieces = [
        model.predict(source.gather(index[i : i + cap], disposable=True), space, None if y is None else y[i : i + cap])
        for i in range(0, len(index), cap)
    ]
    return np.concatenate(pieces)


def _relevant(source: Table, n_background: int, game: MarginalGame) -> Bool2:
    """Which players of each explained row differ from some background row."""
    codes = source.codes(source.vocabulary())
    background, rows = codes[:n_background], codes[n_background:]
    relevant = np.zeros((len(rows), game.n_players), dtype=bool)
    for column, player in enumerate(game.players):  # type: ignore[arg-type]
        relevant[:, player] |= ~_equals_all(rows[:, column], background[:, column])
    return relevant


def _equals_all(values: Float1, background: Float1) -> Bool1:
    """Whether each value equals every background value; missing equals missing, 0.0 does not equal -0.0."""
    first = background[0]
    if np.isnan(first):
        return np.isnan(values) & np.isnan(background).all()
    if abs(first) >= LARGEST_EXACT_INTEGER:
        return np.zeros(len(values), dtype=bool)  # different integers beyond it become the same float64
    negative = np.signbit(first)
    if not np.all((background == first) & (np.signbit(background) == negative)):
        return np.zeros(len(values), dtype=bool)
    return np.asarray((values == first) & (np.signbit(values) == negative))
