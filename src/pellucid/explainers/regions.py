"""Regional effects: splits of the data in which the effect of a feature is nearly the same for all rows."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from pellucid._base.typing import Bool1, Bool2, Float1, Float2, Int1
from pellucid.explainers.effects import Output, ice
from pellucid.explanation import Effect
from pellucid.explanation.regional import Condition, Region, RegionalEffect
from pellucid.ir import Model
from pellucid.table import Table

LEVELS = 20
"""Places at most where a feature is split."""
LEAST_DROP = 0.1
"""Share of the whole's heterogeneity that a split must take away."""


def regional_effects(
    model: Model,
    X: Table,
    feature: str,
    *,
    max_depth: int = 2,
    min_rows: int = 20,
    n_points: int = 20,
    percentiles: tuple[float, float] = (5.0, 95.0),
    output: Output = None,
    space: str = "raw",
) -> RegionalEffect:
    """Find regions in which the curves of single rows are alike (after Herbinger, Bischl and Casalicchio, 2024).

    A partial dependence hides interactions: where other features turn the effect around, the mean of the curves is
    nobody's. Heterogeneity is the variance over rows of the centred curves, averaged over the grid. The data are split
    in two, again and again, at the other feature and place that lower it most, as long as a split takes away a
    tenth of the whole's. With `max_depth` splits in a row there are at most 2^max_depth regions. Where only two splits
    together would help, none is found.

    Parameters
    ----------
    model : Model
    X : Table
        Rows to average over, aligned to the model's features.
    feature : str
        The feature that is set.
    max_depth : int
        Most splits in a row.
    min_rows : int
        Fewest rows of a region.
    n_points, percentiles, output, space
        As in `pdp`.

    Raises
    ------
    ColumnError
        When there is no such feature.
    InputError
        When the feature has no value at all, or the grid is impossible.
    """
    curves = Curves.of(model, X, feature, n_points=n_points, percentiles=percentiles, output=output, space=space)
    whole = curves.region(np.arange(len(X)))
    rounding = np.finfo(float).eps * np.abs(np.asarray(curves.effect.individual)).max(initial=0.0)
    regions = [whole]
    if whole.heterogeneity > (64 * rounding) ** 2:
        splits = [split for name in X.names if name != feature for split in _splits(X, name)]
        regions = _Splitter(curves, splits, min_rows, LEAST_DROP * whole.heterogeneity).grown(whole, max_depth)
    return RegionalEffect(feature=feature, whole=whole, regions=tuple(regions))


@dataclass(frozen=True, eq=False)
class Curves:
    """The curves of all rows, of which regions take some.

    Parameters
    ----------
    effect : Effect
        The curves.
    shapes : float64 array of shape (rows, points × outputs)
        The centred curves, whose squares add up to heterogeneity.
    """

    effect: Effect
    shapes: Float2

    @classmethod
    def of(cls, model: Model, X: Table, feature: str, **options: Any) -> Self:
        """Ask the model; options are those of `ice`."""
        effect = ice(model, X, feature, **options)
        curves = np.asarray(effect.individual)
        centred = curves - curves.mean(axis=1, keepdims=True)
        return cls(effect, (centred - centred.mean(axis=0)).reshape(len(curves), -1) / np.sqrt(len(effect.grid)))

    def region(self, rows: Int1, conditions: tuple[Condition, ...] = ()) -> Region:
        """Return the rows, of which there is at least one, with their mean curve and heterogeneity."""
        curves = np.asarray(self.effect.individual)[rows]
        mean = replace(self.effect, kind="pdp", values=curves.mean(axis=0), individual=None, n_rows=len(rows))
        spread = _spread(self.shapes[rows], np.ones((1, len(rows)), dtype=bool))[0]
        return Region(conditions=conditions, rows=rows, effect=mean, heterogeneity=float(spread) / len(rows))


@dataclass(frozen=True, eq=False)
class _Splitter:
    """Cuts regions in two as long as it pays.

    Parameters
    ----------
    curves : Curves
    splits : list of (Condition, bool array of shape (rows,))
    min_rows : int
    least : float
        What a split must take from the heterogeneity of the whole.
    """

    curves: Curves
    splits: list[tuple[Condition, Bool1]]
    min_rows: int
    least: float

    def grown(self, region: Region, depth: int) -> list[Region]:
        """Return the region, or those that it is split into."""
        rows, shapes = region.rows, self.curves.shapes[region.rows]
        if not depth or not self.splits:
            return [region]
        masks = np.stack([side[rows] for _, side in self.splits])
        inside = _spread(shapes, masks) + _spread(shapes, ~masks)
        inside[np.minimum(masks.sum(axis=1), (~masks).sum(axis=1)) < self.min_rows] = np.inf
        best = int(inside.argmin())
        if not (len(rows) * region.heterogeneity - inside[best]) / len(self.curves.shapes) >= self.least:
            return [region]
        condition, found = self.splits[best][0], []
        for kept, said in ((masks[best], condition), (~masks[best], _opposite(condition))):
            part = self.curves.region(rows[kept], (*region.conditions, said))
            found += self.grown(part, depth - 1)
        return found


def _spread(shapes: Float2, masks: Bool2) -> Float1:
    """Sum of squares about the mean of the rows in each mask, of shape (masks,)."""
    weight = masks.astype(np.float64)
    total = np.einsum("sr,rc->sc", weight, shapes)
    square = np.einsum("sr,r->s", weight, (shapes**2).sum(axis=1))
    return np.asarray(np.maximum(square - (total**2).sum(axis=1) / np.maximum(weight.sum(axis=1), 1.0), 0.0))


def _splits(X: Table, name: str) -> Iterator[tuple[Condition, Bool1]]:
    """Ways to cut the rows in two at one feature."""
    column = X.column(name)
    if column.dtype != object:
        known = np.sort(column[~np.isnan(column)])
        ranks = np.ceil(np.linspace(0, 1, LEVELS + 2)[1:-1] * len(known)).astype(int) - 1
        values = np.unique(known[np.maximum(ranks, 0)]) if len(known) else known
        conditions = [Condition(feature=name, sign="≤", value=float(value)) for value in values]
    else:
        times = Counter(value for value in column.tolist() if value is not None)
        levels = sorted(times, key=lambda level: (-times[level], str(level)))[:LEVELS]
        conditions = [Condition(feature=name, sign="=", value=level) for level in levels]
    for condition in conditions:
        yield condition, condition.holds(column)


def _opposite(condition: Condition) -> Condition:
    return replace(condition, sign={"≤": ">", "=": "≠"}[condition.sign])
