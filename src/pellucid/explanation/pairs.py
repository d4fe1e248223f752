"""`Pairs`: chosen pairs of features, for tables too wide for a matrix of all of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.typing import Float2, Float3, Names
from pellucid._base.words import counted
from pellucid.explanation._axes import named_positions, summary
from pellucid.explanation._saved import Saved
from pellucid.explanation._shapes import freeze, freeze_names, rank
from pellucid.explanation.provenance import Provenance
from pellucid.explanation.quality import Quality
from pellucid.ir import Space
from pellucid.table import Table


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Pairs(Saved):
    """Shapley interactions of chosen pairs of features, each with its whole effect. Arrays are read-only.

    Parameters
    ----------
    values : float64 array of shape (rows, pairs, outputs)
        Whole effects: both halves of the symmetric matrix of `Interactions`. A feature's pair with itself is its
        main effect.
    first, second : tuple of str
        The two features of each pair.
    outputs : tuple of str
    space : Space
    quality : Quality
        Of the Shapley values that all interactions add up to.
    provenance : Provenance
    data : Table or None
        The explained rows.
    std_error : float64 array of the shape of `values`, or None
        Standard errors of sampled effects; None means exact.

    Raises
    ------
    InputError
        When shapes do not match or values are not finite.
    """

    values: Float3
    first: Names
    second: Names
    outputs: Names
    space: Space
    quality: Quality
    provenance: Provenance
    data: Table | None = None
    std_error: Float3 | None = None

    def __post_init__(self) -> None:
        axes = "(rows, pairs, outputs)"
        rows = rank(self.values, 3, "values", axes)[0]
        freeze_names(self, "outputs")
        object.__setattr__(self, "first", tuple(self.first))
        object.__setattr__(self, "second", tuple(self.second))
        if len(self.first) != len(self.second):
            raise InputError(f"each pair needs two features; got {len(self.first)} and {len(self.second)} names.")
        freeze(self, "values", (rows, len(self.first), len(self.outputs)), axes)
        if self.std_error is not None:
            freeze(self, "std_error", self.values.shape, axes)
        if self.data is not None and len(self.data) != rows:
            raise InputError(f"data must have one row for each of the {rows} explained rows; got {len(self.data)}.")

    def __len__(self) -> int:
        return len(self.values)

    @property
    def sizes(self) -> Float2:
        """Mean absolute effect of each pair over the rows, (pairs, outputs)."""
        return np.asarray(np.abs(self.values).sum(axis=0) / max(len(self), 1))

    def to_frame(self, output: str | int | None = None) -> Any:
        """Return a frame of the user's own type with the columns row, output, first, second, value.

        Sampled effects have a further column std_error.

        Parameters
        ----------
        output : str or int, optional
            The output to show; None shows all.
        """
        chosen = [*range(len(self.outputs))] if output is None else named_positions(output, self.outputs, "output")
        like = self.data if self.data is not None else Table.of(np.empty((0, 0)))
        times = len(self) * len(chosen)
        columns = {
            "row": np.repeat(np.arange(len(self)), len(chosen) * len(self.first)),
            "output": [self.outputs[k] for k in chosen for _ in self.first] * len(self),
            "first": [*self.first] * times,
            "second": [*self.second] * times,
            "value": self.values[:, :, chosen].transpose(0, 2, 1).ravel(),
        }
        if self.std_error is not None:
            columns["std_error"] = self.std_error[:, :, chosen].transpose(0, 2, 1).ravel()
        return like.frame_like(columns)

    def __repr__(self) -> str:
        rows, pairs, outputs = self.values.shape
        names = [f"{i[:30]} × {j[:30]}" for i, j in zip(self.first, self.second, strict=True)]
        size = f"{counted(rows, 'row')} × {counted(pairs, 'pair')} × {counted(outputs, 'output')}"
        said = summary(names, self.sizes.sum(axis=1).tolist())
        return (
            f"Pairs({self.provenance.method}, {size}, {self.space})\n  {self.quality.sentence()}\n  mean |pair|: {said}"
        )
