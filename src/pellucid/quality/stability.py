"""Stability: whether explanations survive other background rows and small changes of the input."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Float1, Float3
from pellucid.quality.measures import (
    Explains,
    Measured,
    measured,
    need_rows,
    rank_correlation,
    sign_agreement,
)
from pellucid.table import Table


@dataclass(frozen=True, kw_only=True)
class Stability:
    """How alike explanations stay, 1 being identical.

    Parameters
    ----------
    background_rank, background_sign : Measured or None
        Rank correlation and sign agreement with explanations against resampled background rows; None
        where the method has no background.
    input_rank, input_sign : Measured
        The same with explanations of slightly moved rows.
    noise : float
        How far numbers were moved, as a share of the ranks of the data.
    n_repeats : int
        Resamples and moves per row.
    sentence : str
    """

    background_rank: Measured | None
    background_sign: Measured | None
    input_rank: Measured
    input_sign: Measured
    noise: float
    n_repeats: int
    sentence: str


def stability(
    explainer: Explains,
    X: Any,
    *,
    y: Any = None,
    n_repeats: int = 10,
    noise: float = 0.02,
    random_state: int = 0,
) -> Stability:
    """Measure how far explanations change when nothing that matters should have changed.

    The background is resampled with replacement. Separately, every number in the rows is replaced by a
    value of the data that is at most `noise` of the ranks away; other columns stay. Attributions
    are compared row by row by Spearman's rank correlation over features, and by the share of their absolute
    size that keeps its sign. Intervals are 95 % bootstrap intervals over rows.

    Parameters
    ----------
    explainer : Explainer
    X : table of shape (rows, features)
        At least 2 rows.
    y : array of shape (rows,), optional
        True targets; needed in loss space.
    n_repeats : int
    noise : float
        In (0, 1].
    random_state : int

    Examples
    --------
    >>> import pellucid
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = Ridge(alpha=0.1).fit(X, y)
    >>> explainer = pellucid.Explainer(model, X)
    >>> found = pellucid.quality.stability(explainer, X.head(20), n_repeats=3)
    >>> bool(found.input_rank.low > 0.7)
    True
    """
    table = Table.of(X)
    need_rows(len(table), "stability")
    if n_repeats < 1 or not 0 < noise <= 1:
        raise InputError(f"n_repeats must be at least 1 and noise in (0, 1]; got {n_repeats!r} and {noise!r}.")
    base = explainer(table, y)
    if base.data is not None:
        table = base.data
    ranked, signed = _against(
        base.values, [explainer(t, y).values for t in _moved(explainer, table, noise, n_repeats, random_state)]
    )
    input_rank, input_sign = measured(ranked, random_state), measured(signed, random_state)
    background_rank = background_sign = None
    if explainer.background is not None:
        resampled = [
            explainer.with_background(rows)(table, y).values
            for rows in _resampled(explainer.background, n_repeats, random_state)
        ]
        ranked, signed = _against(base.values, resampled)
        background_rank, background_sign = measured(ranked, random_state), measured(signed, random_state)
    return Stability(
        background_rank=background_rank,
        background_sign=background_sign,
        input_rank=input_rank,
        input_sign=input_sign,
        noise=noise,
        n_repeats=n_repeats,
        sentence=_sentence(background_rank, input_rank, noise),
    )


def _against(base: Float3, others: list[Float3]) -> tuple[Float1, Float1]:
    """Rank correlation and sign agreement per row, mean over the others."""
    ranked = np.mean([rank_correlation(base, other) for other in others], axis=0)
    signed = np.mean([sign_agreement(base, other) for other in others], axis=0)
    return ranked, signed


def _resampled(background: Table, n_repeats: int, random_state: int) -> list[Table]:
    n = len(background)
    return [
        background.take(stream(random_state, "stability.background", k).integers(n, size=n)) for k in range(n_repeats)
    ]


def _moved(explainer: Explains, X: Table, noise: float, n_repeats: int, random_state: int) -> list[Table]:
    """Copy the rows with small moves: numbers take a near value of the data; dtypes stay."""
    data = X if explainer.background is None else X.stack(explainer.background)
    copies = []
    for k in range(n_repeats):
        index = np.arange(len(X))[:, None].repeat(X.n_columns, axis=1)
        for j, kind in enumerate(X.kinds):
            if kind == "number":
                rng = stream(random_state, f"stability.input.{j}", k)
                index[:, j] = _near(data.column(data.names[j]), len(X), noise, rng)
        copies.append(data.gather(index))
    return copies


def _near(values: Float1, n: int, noise: float, rng: np.random.Generator) -> Array:
    """For each of the first n rows, a row whose value is near in rank; a missing value stays."""
    order = np.argsort(values, kind="stable")
    present = int((~np.isnan(values)).sum())
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = np.arange(len(values))
    reach = max(1, round(noise * present))
    step = rng.integers(1, reach + 1, size=n) * rng.choice([-1, 1], size=n)
    return np.where(np.isnan(values[:n]), np.arange(n), order[np.clip(rank[:n] + step, 0, max(0, present - 1))])


def _sentence(background: Measured | None, moved: Measured, noise: float) -> str:
    by_input = (
        f"When every number of a row moves by up to {100 * noise:g} % of the ranks, the order of the features keeps a "
        f"rank correlation of {moved} over {moved.n} rows"
    )
    if background is None:
        return f"{by_input}."
    return f"{by_input}; when the background is resampled, of {background}."
