"""`Effect`: how outputs move along one feature."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.typing import Array, Float2, Float3, Names
from pellucid.explanation import _html
from pellucid.explanation._axes import named_positions
from pellucid.explanation._saved import Saved
from pellucid.explanation._shapes import freeze, freeze_names, rank
from pellucid.explanation.provenance import Provenance
from pellucid.ir import Space


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Effect(Saved):
    """The output along a grid of values of one feature. Arrays are read-only.

    Parameters
    ----------
    feature : str
        The feature that moves.
    kind : str
        ``"pdp"``, ``"ice"`` or ``"ale"``.
    grid : array of shape (points,)
        Values of the feature: numbers, or categories.
    values : float64 array of shape (points, outputs)
        Mean output, or the centred accumulated effect for ALE.
    low, high : float64 arrays of shape (points, outputs) or None
        95 % band.
    individual : float64 array of shape (rows, points, outputs) or None
        ICE: one curve per row.
    outputs : tuple of str
    space : Space
        Units.
    n_rows : int
        Rows it was measured on.
    provenance : Provenance

    Raises
    ------
    InputError
        When shapes do not match, or a mean output is not finite.
    """

    feature: str
    kind: str
    grid: Array
    values: Float2
    outputs: Names
    space: Space
    n_rows: int
    provenance: Provenance
    low: Float2 | None = None
    high: Float2 | None = None
    individual: Float3 | None = None

    def __post_init__(self) -> None:
        freeze_names(self, "outputs")
        points = rank(self.grid, 1, "grid", "(points,)")[0]
        grid = np.array(self.grid)
        grid.flags.writeable = False
        object.__setattr__(self, "grid", grid)
        shape = (points, len(self.outputs))
        freeze(self, "values", shape, "(points, outputs)")
        if (self.low is None) != (self.high is None):
            raise InputError("low and high make a band together; give both or none.")
        if self.low is not None:
            freeze(self, "low", shape, "(points, outputs)", finite=False)
            freeze(self, "high", shape, "(points, outputs)", finite=False)
        if self.individual is not None:
            rows = rank(self.individual, 3, "individual", "(rows, points, outputs)")[0]
            freeze(self, "individual", (rows, *shape), "(rows, points, outputs)")

    def to_frame(self, output: str | int | None = None) -> Any:
        """Return a pandas frame with the columns output, grid, value and, where there is a band, low and high.

        Parameters
        ----------
        output : str or int, optional
            The output to show; None shows all, one below the other.
        """
        import pandas as pd  # a third party, loaded only to make a frame

        chosen = [*range(len(self.outputs))] if output is None else named_positions(output, self.outputs, "output")
        columns: dict[str, Any] = {
            "output": [self.outputs[k] for k in chosen for _ in self.grid],
            "grid": np.tile(self.grid, len(chosen)),
            "value": self.values[:, chosen].T.ravel(),
        }
        if self.low is not None and self.high is not None:
            columns |= {"low": self.low[:, chosen].T.ravel(), "high": self.high[:, chosen].T.ravel()}
        return pd.DataFrame(columns)

    def _title(self) -> str:
        return f"{self.kind:.40}, {len(self.grid)} points, {self.space}, {self.n_rows} rows"

    def __repr__(self) -> str:
        ranges = "; ".join(
            f"{name if len(name) <= 40 else name[:39] + '…'!r} from {column.min(initial=np.inf):.3g} to "
            f"{column.max(initial=-np.inf):.3g}"
            for name, column in zip(self.outputs[:3], self.values.T, strict=False)
            if len(column)
        )
        feature = self.feature if len(self.feature) <= 60 else self.feature[:59] + "…"
        return f"Effect({feature!r}, {self._title()})\n  {ranges}"

    def _repr_html_(self) -> str:
        shown = range(min(len(self.outputs), _html.OUTPUTS))
        points = np.unique(np.linspace(0, len(self.grid) - 1, min(len(self.grid), 2 * _html.ROWS)).astype(int))
        rows = [[_html.escaped(self._point(p)), *(self._cell(p, k) for k in shown)] for p in points]
        lines = [
            "with 95 % intervals" if self.low is not None else "",
            _html.more(len(self.grid) - len(points), "points"),
            _html.more(len(self.outputs) - len(shown), "outputs"),
        ]
        head = [_html.escaped(self.feature), *(_html.escaped(self.outputs[k]) for k in shown)]
        return _html.block(f"Effect: {_html.escaped(self._title(), 200)}", lines, [_html.table(head, rows)])

    def _point(self, point: int) -> str:
        value = self.grid[point]
        return _html.number(float(value)) if isinstance(value, float | np.floating) else str(value)

    def _cell(self, point: int, output: int) -> str:
        cell = _html.signed(float(self.values[point, output]))
        if self.low is None or self.high is None:
            return cell
        low, high = (_html.number(band[point, output]) for band in (self.low, self.high))
        return f'{cell} <span style="color:{_html.MUTED}">[{low}, {high}]</span>'
