"""The conditional game: hidden features take their values from background rows that resemble what is shown.

Every explained row is a game by itself, played as that of a text or an image is: the model is a function of which
players are shown, and the marginal game of that function for a row of ones against a row of zeros is the game that is
meant. So every method plays it as it plays any other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.randomness import is_whole
from pellucid._base.typing import Array, Bool2, Float2, Names
from pellucid._base.words import counted
from pellucid.explainers.counterfactuals.distances import Gower
from pellucid.explainers.groups import Groups, players_of, said
from pellucid.explainers.products import times
from pellucid.explanation import Evaluations, Explanation
from pellucid.games.marginal import predict_gathered, row_cap
from pellucid.ir import Model, Space
from pellucid.table import Table


@dataclass(frozen=True, kw_only=True, eq=False)
class Conditional:
    """Rows whose hidden features are filled from their nearest background rows.

    ``v(S) = mean of f(x_S, b_rest)`` over the `neighbours` background rows b nearest to x in S, with all that are as
    near as the last of them: the empirical conditional expectation of Aas, Jullum and Løland (2021), section 3.3, with
    the plain mean of nearest neighbours. Nearness is Gower's distance over the shown columns alone.
    With nothing shown all background rows are as near, with everything shown it is the model's own output.

    Parameters
    ----------
    model : Model
    X, background : Table
        Explained and background rows with the same columns.
    players : mapping of str to tuple of str
        Columns of each player.
    neighbours : int
    """

    model: Model
    X: Table
    background: Table
    players: Mapping[str, Names]
    neighbours: int

    @classmethod
    def of(cls, model: Model, X: Table, background: Table, groups: Groups | None, neighbours: Any) -> "Conditional":
        """Check what was asked.

        Raises
        ------
        InputError
            When there are no rows, the neighbours are none, more than the background has, or the groups are none.
        """
        if not (is_whole(neighbours) and 1 <= neighbours <= len(background)):
            raise InputError(
                f"neighbours must be a whole number from 1 to the {counted(len(background), 'background row')}; got "
                f"{neighbours!r:.80}."
            )
        if not len(X):
            raise InputError("neighbours= fills each explained row by its own neighbours: pass at least one row.")
        players = players_of(groups or {}, X.names)
        return cls(model=model, X=X, background=background, players=players, neighbours=int(neighbours))

    def games(self) -> list[Model]:
        """For each row the model as a function of which players are shown, as a table of ones and zeros."""
        source = self.background.stack(self.X)
        vocabulary = source.vocabulary()
        codes = source.codes(vocabulary)
        own, theirs = codes[len(self.background) :], codes[: len(self.background)]
        gower = Gower.of(theirs, np.array([name not in vocabulary for name in source.names]))
        apart = [gower.feature(j, own[:, j, None], theirs[None, :, j]) for j in range(source.n_columns)]
        player = np.zeros(source.n_columns, dtype=np.int64)
        for number, members in enumerate(self.players.values()):
            player[[source.names.index(name) for name in members]] = number
        return [self._game(source, row, np.stack([gap[row] for gap in apart]), player) for row in range(len(own))]

    def _game(self, source: Table, row: int, apart: Float2, player: Array) -> Model:
        def asked(space: Space) -> Callable[[Table], Array]:
            def answer(table: Table) -> Array:
                shown = (np.asarray(table.as_array()) > 0.5)[:, player]
                step = max(1, row_cap(source.n_columns) // apart.shape[1])
                parts = [self._mean(source, row, apart, shown[i : i + step], space) for i in range(0, len(shown), step)]
                return np.concatenate(parts)

            return answer

        model = self.model
        return Model(
            label=model.label,
            outputs=model.outputs,
            raw=asked(Space.RAW),
            raw_space=model.raw_space,
            probability=None if model.probability is None else asked(Space.PROBABILITY),
            classes=model.classes,
            features=tuple(self.players),
            why_no_structure=f"{model.label} is asked about each row's own neighbours",
        )

    def _mean(self, source: Table, row: int, apart: Float2, shown: Bool2, space: Space) -> Float2:
        """Mean outputs over the neighbours, counted from the first, so that equal outputs have that very mean."""
        distance = times(shown.astype(np.float64), apart)
        last = np.partition(distance, self.neighbours - 1, axis=1)[:, self.neighbours - 1]
        near = distance <= last[:, None]
        near[shown.all(axis=1), 1:], near[shown.all(axis=1), 0] = False, True  # nothing of them is left
        coalition, neighbour = np.nonzero(near)
        index = np.where(shown[coalition], len(self.background) + row, neighbour[:, None])
        outputs = predict_gathered(self.model, source, index, space, None)
        start = np.searchsorted(coalition, np.arange(len(shown)))
        first = outputs[start]
        moved = np.add.reduceat(outputs - first[coalition], start, axis=0)
        return np.asarray(first + moved / near.sum(axis=1)[:, None])

    def told(self, found: Sequence[Explanation], seconds: float) -> Explanation:
        """Put the answers of all rows together, in the rows' own words."""
        whole = reduce(_stacked, found)
        groups = {name: list(members) for name, members in self.players.items() if members != (name,)}
        made = replace(
            whole.provenance,
            background=f"hidden features take the values of the {counted(self.neighbours, 'background row')} nearest "
            f"in what is shown, of {len(self.background)} (conditional game)",
            parameters={**whole.provenance.parameters, "neighbours": self.neighbours, "groups": groups},
            hashes={"rows": self.X.digest(), "background": self.background.digest()},
            seconds=seconds,
        )
        data = self.X
        if groups:
            data = Table.of({name: said(self.X, members) for name, members in self.players.items()})
        return replace(whole, data=data, provenance=made)


def _stacked(first: Explanation, second: Explanation) -> Explanation:
    """Two explanations of the same features and outputs as one; what is said of a whole is the worse of both."""
    a, b = first.quality, second.quality
    both = {name: _below(getattr(a, name), getattr(b, name)) for name in ("local_r2", "top_stability")}
    quality = replace(
        a,
        residual=max(a.residual, b.residual),
        bound=None if a.bound is None or b.bound is None else max(a.bound, b.bound),
        evaluations=Evaluations(
            coalitions=max(a.evaluations.coalitions, b.evaluations.coalitions),
            model_rows=a.evaluations.model_rows + b.evaluations.model_rows,
        ),
        warnings=tuple(dict.fromkeys((*a.warnings, *b.warnings))),
        **both,
    )
    return replace(
        first,
        values=np.concatenate([first.values, second.values]),
        base_values=np.concatenate([first.base_values, second.base_values]),
        std_error=_below(first.std_error, second.std_error),
        data=None,
        quality=quality,
    )


def _below(first: Array | None, second: Array | None) -> Array | None:
    return None if first is None or second is None else np.concatenate([first, second])
