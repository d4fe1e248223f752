"""`Interactions`: how pairs of features move an output together."""

from dataclasses import InitVar, dataclass
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.typing import Array, Float2, Float3, Names
from pellucid._base.words import counted
from pellucid._kernels.answers import have_equal_halves
from pellucid.explanation import _html
from pellucid.explanation._axes import largest_first, summary
from pellucid.explanation._saved import Saved
from pellucid.explanation._shapes import freeze, freeze_names, rank
from pellucid.explanation.pairs import Pairs
from pellucid.explanation.provenance import Provenance
from pellucid.explanation.quality import Quality
from pellucid.ir import Space
from pellucid.table import Table

# far above what rounding can do to two sums of the same terms, far below any wrong transposition
_ASYMMETRY = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Interactions(Saved):
    """Shapley interaction values; each row of a matrix sums to the feature's Shapley value. Arrays are read-only.

    Parameters
    ----------
    values : float64 array of shape (rows, features, features, outputs)
        Symmetric in the two feature axes; the diagonal has the main effects.
    base_values : float64 array of shape (rows, outputs)
    std_error : float64 array of the shape of `values`, or None
        Standard errors of sampled values; None means exact.
    features, outputs : tuple of str
    space : Space
    quality : Quality
    provenance : Provenance
    data : Table or None
        The explained rows.
    symmetric : bool
        Whether the values are known to be finite and symmetric, and are not compared. Not kept.

    Raises
    ------
    InputError
        When shapes do not match, values are not symmetric or not finite, or names are doubled.
    """

    values: Array
    base_values: Float2
    features: Names
    outputs: Names
    space: Space
    quality: Quality
    provenance: Provenance
    data: Table | None = None
    std_error: Array | None = None
    symmetric: InitVar[bool] = False

    def __post_init__(self, symmetric: bool) -> None:
        axes = "(rows, features, features, outputs)"
        rows = rank(self.values, 4, "values", axes)[0]
        freeze_names(self, "features")
        freeze_names(self, "outputs")
        freeze(self, "values", (rows, *[len(self.features)] * 2, len(self.outputs)), axes, finite=False)
        if self.std_error is not None:
            freeze(self, "std_error", self.values.shape, axes)
        freeze(self, "base_values", (rows, len(self.outputs)), "(rows, outputs)")
        if not symmetric and not have_equal_halves(self.values):
            freeze(self, "values", self.values.shape, axes)
            gap = np.abs(self.values - self.values.swapaxes(1, 2)).max()
            if gap > _ASYMMETRY * np.abs(self.values).max():
                raise InputError(f"interaction values must be symmetric in the two features; they differ by {gap:.2g}.")
        if self.data is not None and len(self.data) != rows:
            raise InputError(f"data must have one row for each of the {rows} explained rows; got {len(self.data)}.")

    def __len__(self) -> int:
        return len(self.values)

    @property
    def feature_values(self) -> Float3:
        """Main effect plus all interactions of each feature: its Shapley value, (rows, features, outputs)."""
        return np.asarray(self.values.sum(axis=2))

    @property
    def prediction(self) -> Float2:
        """Base value plus all values, (rows, outputs)."""
        return np.asarray(self.base_values + self.feature_values.sum(axis=1))

    def to_pairs(self) -> Pairs:
        """Each pair once, with its whole effect (both halves of the matrix), and each main effect."""
        first, second = np.triu_indices(len(self.features))
        whole = np.where(first == second, 1.0, 2.0)[:, None]
        names = np.array(self.features, dtype=object)
        return Pairs(
            values=self.values[:, first, second] * whole,
            std_error=None if self.std_error is None else self.std_error[:, first, second] * whole,
            first=tuple(names[first]),
            second=tuple(names[second]),
            outputs=self.outputs,
            space=self.space,
            quality=self.quality,
            provenance=self.provenance,
            data=self.data,
        )

    def to_frame(self, output: str | int | None = None) -> Any:
        """Return the frame of `to_pairs`: the columns row, output, first, second, value, and std_error of samples.

        Parameters
        ----------
        output : str or int, optional
            The output to show; None shows all.
        """
        return self.to_pairs().to_frame(output)

    def _pairs(self) -> tuple[list[str], Float2]:
        """Names of pairs of different features and the mean absolute size of their effect, largest first."""
        found = self.to_pairs()
        names = [f"{i[:30]} × {j[:30]}" if i != j else "" for i, j in zip(found.first, found.second, strict=True)]
        different = np.flatnonzero([name != "" for name in names])
        order = different[largest_first(found.sizes[different])]
        return [names[i] for i in order], found.sizes[order]

    def _title(self) -> str:
        rows, features, _, outputs = self.values.shape
        size = f"{counted(rows, 'row')} × {counted(features, 'feature')} × {counted(outputs, 'output')}"
        return f"{self.provenance.method}, {size}, {self.space}"

    def __repr__(self) -> str:
        names, sizes = self._pairs()
        said = summary(names, sizes.sum(axis=1).tolist())
        return f"Interactions({self._title()})\n  {self.quality.sentence()}\n  mean |pair|: {said}"

    def _repr_html_(self) -> str:
        names, sizes = self._pairs()
        shown = range(min(len(self.outputs), _html.OUTPUTS))
        rows = [
            [_html.escaped(name), *(_html.number(size[k]) for k in shown)]
            for name, size in zip(names[: 2 * _html.ROWS], sizes, strict=False)
        ]
        lines = [
            _html.escaped(self.quality.sentence(), 200),
            "mean absolute effect of each pair",
            _html.more(len(names) - 2 * _html.ROWS, "pairs, whose effects are smaller"),
            _html.more(len(self.outputs) - len(shown), "outputs"),
        ]
        head = ["pair", *(_html.escaped(self.outputs[k]) for k in shown)]
        return _html.block(f"Interactions: {_html.escaped(self._title(), 200)}", lines, [_html.table(head, rows)])
