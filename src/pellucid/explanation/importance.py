"""`Importance`: how much a model uses each feature over many rows."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.randomness import stream
from pellucid._base.typing import Float2, Float3, Int1, Names
from pellucid.explanation import _html
from pellucid.explanation._axes import largest_first, named_positions, summary
from pellucid.explanation._saved import Saved
from pellucid.explanation._shapes import freeze, freeze_names
from pellucid.explanation.provenance import Provenance
from pellucid.ir import Space

REPLICATES = 1000
_CELLS = 4_000_000


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Importance(Saved):
    """One number per feature and output, with its interval. Arrays are read-only.

    Parameters
    ----------
    values, low, high : float64 arrays of shape (features, outputs)
        The importance and its 95 % interval; NaN where no interval can be had.
    features, outputs : tuple of str
        Names of the axes.
    measure : str
        What is measured, in words, such as "mean absolute Shapley value".
    space : Space
        Units.
    n_rows : int
        Rows it was measured on.
    provenance : Provenance
        How it was made.

    Raises
    ------
    InputError
        When shapes do not match, names are doubled, or a value is not finite.
    """

    values: Float2
    low: Float2
    high: Float2
    features: Names
    outputs: Names
    measure: str
    space: Space
    n_rows: int
    provenance: Provenance

    def __post_init__(self) -> None:
        freeze_names(self, "features")
        freeze_names(self, "outputs")
        for name in ("values", "low", "high"):
            shape = (len(self.features), len(self.outputs))
            freeze(self, name, shape, "(features, outputs)", finite=name == "values")

    def order(self, output: str | int | None = None) -> Int1:
        """Positions of the features, the most important first: of one output, or summed over all."""
        if output is None:
            return largest_first(self.values)
        return largest_first(self.values[:, named_positions(output, self.outputs, "output")])

    def top(self, k: int = 10, output: str | int | None = None) -> Self:
        """Return the `k` most important features, largest first."""
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise InputError(f"k must be a positive whole number of features; got {k!r}.")
        order = self.order(output)[:k]
        return replace(
            self,
            values=self.values[order],
            low=self.low[order],
            high=self.high[order],
            features=tuple(self.features[j] for j in order),
        )

    def to_frame(self) -> Any:
        """Return a pandas frame with the columns feature, output, value, low, high."""
        import pandas as pd  # a third party, loaded only to make a frame

        return pd.DataFrame(
            {
                "feature": np.repeat(np.array(self.features, dtype=object), len(self.outputs)),
                "output": list(self.outputs) * len(self.features),
                "value": self.values.ravel(),
                "low": self.low.ravel(),
                "high": self.high.ravel(),
            }
        )

    def _title(self) -> str:
        return f"{self.measure:.100}, {self.space}, {self.n_rows} rows"

    def __repr__(self) -> str:
        order = self.order()
        said = summary([self.features[j] for j in order], self.values.sum(axis=1)[order].tolist())
        return f"Importance({self._title()})\n  {said}"

    def _repr_html_(self) -> str:
        order = self.order()
        shown = range(min(len(self.outputs), _html.OUTPUTS))
        head = ["feature", *(_html.escaped(self.outputs[k]) for k in shown)]
        rows = [
            [
                _html.escaped(self.features[j]),
                *(_with_interval(*(a[j, k] for a in (self.values, self.low, self.high))) for k in shown),
            ]
            for j in order[: 2 * _html.ROWS]
        ]
        lines = [
            "with 95 % intervals",
            _html.more(len(self.features) - 2 * _html.ROWS, "features"),
            _html.more(len(self.outputs) - len(shown), "outputs"),
        ]
        return _html.block(f"Importance: {_html.escaped(self._title(), 200)}", lines, [_html.table(head, rows)])


def _with_interval(value: float, low: float, high: float) -> str:
    interval = "" if np.isnan(low) else f" [{_html.number(low)}, {_html.number(high)}]"
    return f'{_html.number(value)}<span style="color:{_html.MUTED}">{interval}</span>'


def mean_with_interval(sizes: Float3, random_state: int) -> tuple[Float2, Float2, Float2]:
    """Mean over rows, and the middle 95 % of its bootstrap replicates.

    Parameters
    ----------
    sizes : float64 array of shape (rows, features, outputs)
    random_state : int

    Returns
    -------
    mean, low, high : float64 arrays of shape (features, outputs)
        The last two NaN for a single row.
    """
    rows = len(sizes)
    mean = sizes.mean(axis=0)
    if rows < 2:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    flat = np.ascontiguousarray(sizes.reshape(rows, -1))
    generator = stream(random_state, "importance.bootstrap")
    means = np.empty((REPLICATES, flat.shape[1]))
    step = max(1, _CELLS // rows)
    for start in range(0, REPLICATES, step):
        count = min(step, REPLICATES - start)
        drawn = generator.integers(0, rows, size=(count, rows))
        drawn += np.arange(count)[:, None] * rows
        times = np.bincount(drawn.ravel(), minlength=count * rows).reshape(count, rows)
        # einsum adds in one order, whatever the number of threads
        means[start : start + count] = np.einsum("bi,ij->bj", times.astype(np.float64), flat) / rows
    low, high = np.percentile(means, (2.5, 97.5), axis=0).reshape(2, *mean.shape)
    return mean, low, high
