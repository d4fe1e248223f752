"""Comparisons of two sets of attributions, row by row, and the interval of their mean."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.numbers import interval_text
from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Float1, Float2, Float3
from pellucid.explanation import Explanation
from pellucid.ir import Model, Space
from pellucid.table import Table

BOOTSTRAP = 1000


class Explains(Protocol):
    """What these measures need of an explainer; `pellucid.Explainer` has it."""

    @property
    def model(self) -> Model:
        """The explained model."""
        ...

    @property
    def background(self) -> Table | None:
        """Rows that stand for hidden features."""
        ...

    @property
    def space(self) -> Space:
        """Units of the values."""
        ...

    def __call__(self, X: Any, y: Any = None) -> Explanation:
        """Explain rows."""
        ...

    def with_background(self, background: Any) -> "Explains":
        """Return the same question against other background rows."""
        ...


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A mean over rows with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return interval_text(self.value, self.low, self.high)


def measured(by_row: Float1, random_state: int) -> Measured:
    """Mean over rows and its percentile bootstrap interval."""
    n = len(by_row)
    picks = stream(random_state, "quality.bootstrap").integers(n, size=(BOOTSTRAP, n))
    low, high = np.percentile(by_row[picks].mean(axis=1), [2.5, 97.5])
    return Measured(value=float(by_row.mean()), low=float(low), high=float(high), n=n)


def need_rows(n: int, what: str) -> None:
    """Refuse fewer rows than an interval needs."""
    if n < 2:
        raise InputError(f"{what} is a mean over rows with an interval, so it needs at least 2 rows; got {n}.")


def rank_correlation(a: Float3, b: Float3) -> Float1:
    """Spearman's correlation over features, per row, mean over outputs.

    Where one side gives every feature the same value there is no order: 1 if both do, else 0.
    """
    return _by_row(a, b, _spearman)


def sign_agreement(a: Float3, b: Float3) -> Float1:
    """Share of a's absolute values whose sign is the same in b, per row, mean over outputs."""
    size = np.abs(a).sum(axis=1)
    same = (np.abs(a) * (np.sign(a) == np.sign(b))).sum(axis=1)
    share = np.divide(same, size, out=np.ones_like(size), where=size > 0)
    return np.asarray(share.mean(axis=1))


def top_overlap(a: Float3, b: Float3, k: int) -> Float1:
    """Share of the k largest absolute values that both name, per row, mean over outputs."""
    return _by_row(a, b, lambda x, y: len(set(_top(x, k)) & set(_top(y, k))) / min(k, len(x)))


def ranks(values: Array) -> Array:
    """Ranks from 0 along the last axis, ties at their mean; what is not a number ties at the end."""
    order = values.argsort(axis=-1)
    risen = np.take_along_axis(values, order, axis=-1)
    rises = (risen[..., 1:] != risen[..., :-1]) & ~np.isnan(risen[..., :-1])
    edge = np.ones((*values.shape[:-1], 1), dtype=bool)
    place = np.arange(values.shape[-1])
    first = np.maximum.accumulate(np.where(np.concatenate([edge, rises], axis=-1), place, 0), axis=-1)
    last = np.where(np.concatenate([rises, edge], axis=-1), place, len(place))
    last = np.minimum.accumulate(last[..., ::-1], axis=-1)[..., ::-1]
    found = np.empty(values.shape)
    np.put_along_axis(found, order, (first + last) / 2, axis=-1)
    return found


def _top(values: Float1, k: int) -> list[int]:
    return [int(j) for j in np.argsort(-np.abs(values), kind="stable")[:k]]


def _spearman(x: Float1, y: Float1) -> float:
    a, b = ranks(x), ranks(y)
    a, b = a - a.mean(), b - b.mean()
    size = np.sqrt((a @ a) * (b @ b))
    if size == 0:
        return float(not a.any() and not b.any())
    return float(a @ b / size)


def _by_row(a: Float3, b: Float3, compare: Any) -> Float1:
    table: Float2 = np.array(
        [[compare(a[i, :, k], b[i, :, k]) for k in range(a.shape[2])] for i in range(len(a))], dtype=float
    )
    return np.asarray(table.mean(axis=1))
