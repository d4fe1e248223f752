"""`RegionalEffect`: the effect of a feature in parts of the data where it is nearly the same for all rows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid._base.numbers import number_text
from pellucid._base.typing import Array, Bool1, Float1, Int1
from pellucid.explanation.effect import Effect

_COMPARED: dict[str, Callable[[Array, Any], Any]] = {
    "≤": np.less_equal,
    ">": lambda column, value: ~(column <= value),  # and what is missing
    "<": np.less,
    "≥": np.greater_equal,
}


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One side of a split.

    Parameters
    ----------
    feature : str
    sign : str
        ``"≤"`` or ``">"`` for a number, ``"="`` or ``"≠"`` for the rest; what is missing is ``">"`` and ``"≠"``.
        Splits of others may also say ``"<"`` or ``"≥"``, and ``"∈"`` for several values; what is missing is none.
    value : float or str or other
        The number or category compared with; for ``"∈"`` a tuple of them.
    """

    feature: str
    sign: str
    value: Any

    def holds(self, column: Array) -> Bool1:
        """Return for each cell of the feature's column, as `Table.column` gives it, whether it meets the condition."""
        if self.sign in _COMPARED:
            return np.asarray(_COMPARED[self.sign](column, self.value))
        levels = self.value if self.sign == "∈" else (self.value,)
        found = np.array([cell in levels for cell in column.tolist()], dtype=bool)
        return ~found if self.sign == "≠" else found

    def __str__(self) -> str:
        values = self.value if self.sign == "∈" else (self.value,)
        texts = ", ".join(number_text(value, 4) if isinstance(value, float) else str(value) for value in values)
        return f"{self.feature} {self.sign} " + (f"{{{texts}}}" if self.sign == "∈" else texts)


@dataclass(frozen=True, kw_only=True, eq=False)
class Region:
    """Rows that meet some conditions, and the effect among them.

    Parameters
    ----------
    conditions : tuple of Condition
        All of which hold; none for the whole.
    rows : int64 array
        Positions of the rows.
    effect : Effect
        Partial dependence averaged over these rows only.
    heterogeneity : float
        How much the rows' own curves differ: the variance over rows of curves centred on their own mean, averaged over
        the grid and summed over the outputs.
    """

    conditions: tuple[Condition, ...]
    rows: Int1
    effect: Effect
    heterogeneity: float

    def __str__(self) -> str:
        return " and ".join(map(str, self.conditions)) or "all rows"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RegionalEffect:
    """The effect of one feature, whole and by regions.

    Parameters
    ----------
    feature : str
    whole : Region
        All rows.
    regions : tuple of Region
        Each row is in one; only the whole where no split helps.
    """

    feature: str
    whole: Region
    regions: tuple[Region, ...]

    @property
    def shares(self) -> Float1:
        """Share of the rows in each region."""
        return np.array([len(region.rows) for region in self.regions]) / len(self.whole.rows)

    @property
    def explained(self) -> float:
        """Share of the whole's heterogeneity that the regions take away; 0 where there is none."""
        inside = float(self.shares @ [region.heterogeneity for region in self.regions])
        return 1.0 - inside / self.whole.heterogeneity if self.whole.heterogeneity else 0.0

    def to_frame(self, output: str | int | None = None) -> Any:
        """Return a pandas frame with the columns region, output, grid, value."""
        import pandas as pd  # a third party, loaded only to make a frame

        frames = []
        for region in self.regions:
            frame = region.effect.to_frame(output)[["output", "grid", "value"]]
            frame.insert(0, "region", str(region))
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    def __repr__(self) -> str:
        lines = [
            f"  {region!s:.120}: {share:.0%} of the rows, heterogeneity {region.heterogeneity:.3g}"
            for region, share in zip(self.regions, self.shares, strict=True)
        ]
        said = f"heterogeneity {self.whole.heterogeneity:.3g}, of which the regions take away {self.explained:.0%}"
        return "\n".join([f"RegionalEffect({self.feature[:60]!r}, {len(self.whole.rows)} rows, {said})", *lines])
