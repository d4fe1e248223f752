"""Several attributions measured by several metrics, and what can be said of their order."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pellucid._base.errors import InputError
from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Float1, Float2, Float3, Names
from pellucid.nn._scoring import first_input, numbers
from pellucid.nn.flipping import flippings
from pellucid.quality.measures import Measured, measured, ranks

if TYPE_CHECKING:
    import pandas as pd

RANDOM = "random"


@dataclass(frozen=True, kw_only=True, eq=False)
class Pointing:
    """Where positive attribution lies in collages. Arrays are read-only.

    Parameters
    ----------
    share : float64 array of shape (rows,)
        Share of the positive attribution inside the target's cell.
    hit : bool array of shape (rows,)
        Whether the largest attribution lies inside it.
    """

    share: Float1
    hit: Array

    def __post_init__(self) -> None:
        self.share.flags.writeable = False
        self.hit.flags.writeable = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranking:
    """Methods ordered by several metrics. Arrays are read-only.

    Parameters
    ----------
    methods, metrics : tuple of str
    values : float64 array of shape (methods, metrics, rows)
        Each metric turned so that higher is better.
    rank : tuple of Measured
        Mean rank over metrics and rows of each method, 1 is best, with its 95 % bootstrap interval over rows.
    agreement : Measured
        Kendall's W of the metrics, averaged over rows: 1 where all metrics order the methods alike, about
        1 / metrics where they have nothing in common.
    """

    methods: Names
    metrics: Names
    values: Float3
    rank: tuple[Measured, ...]
    agreement: Measured

    def __post_init__(self) -> None:
        self.values.flags.writeable = False

    def to_frame(self) -> "pd.DataFrame":
        """One row per method, the best first: rank with its interval, and the mean of each metric."""
        import pandas as pd  # a third party, loaded only when a frame is asked for

        columns: dict[str, Any] = {"method": self.methods}
        columns |= {part: [getattr(rank, part) for rank in self.rank] for part in ("value", "low", "high")}
        columns |= {metric: self.values[:, j].mean(axis=1) for j, metric in enumerate(self.metrics)}
        return pd.DataFrame(columns).rename(columns={"value": "rank"}).sort_values("rank", ignore_index=True)

    def sentence(self) -> str:
        """Say which methods lead, as far as the intervals tell them apart."""
        best = min(range(len(self.methods)), key=lambda i: self.rank[i].value)
        beside = [m for i, m in enumerate(self.methods) if i != best and self.rank[i].low <= self.rank[best].high]
        others = f" {', '.join(beside)} cannot be told apart from it." if beside else " All others rank below it."
        return (
            f"{self.methods[best]} has the best mean rank, {self.rank[best]}, over {len(self.metrics)} metrics, which "
            f"agree to W = {self.agreement}.{others}"
        )


def grid_pointing(attributions: Any, cell: Any) -> Pointing:
    """Grid pointing game: how much of the positive attribution lies in the target's picture of a collage.

    Böhle, Fritz and Schiele (2021), localisation metric, and the pointing game of Zhang et al. (2016).

    Parameters
    ----------
    attributions : tensor or array of shape (rows, height, width) or (rows, channels, height, width)
        Channels are summed.
    cell : bool array of shape (rows, height, width) or (height, width)
        True inside the target's cell.

    Returns
    -------
    Pointing

    Raises
    ------
    InputError
        When shapes do not fit, or a cell is empty or covers everything.

    Examples
    --------
    >>> import numpy as np
    >>> from pellucid.nn.faithfulness import grid_pointing
    >>> cell = np.zeros((2, 4), dtype=bool)
    >>> cell[:, :2] = True
    >>> grid_pointing(np.array([[[3.0, 0, 1, 0], [0, 0, 0, -5.0]]]), cell).share.tolist()
    [0.75]
    """
    values = numbers(attributions).double().cpu().numpy()
    if values.ndim == 4:
        values = values.sum(axis=1)
    inside = np.asarray(torch.as_tensor(cell).cpu(), dtype=bool)
    if values.ndim != 3 or len(values) == 0 or not np.isfinite(values).all():
        raise InputError(f"attributions must be finite and of shape (rows, height, width); got {values.shape}.")
    if inside.shape not in (values.shape, values.shape[1:]):
        raise InputError(f"cell must have shape {values.shape} or {values.shape[1:]}; got {inside.shape}.")
    inside = np.broadcast_to(inside, values.shape).reshape(len(values), -1)
    if not (inside.any(axis=1) & ~inside.all(axis=1)).all():
        raise InputError("every cell must cover a part of its picture, not nothing and not all of it.")
    flat = values.reshape(len(values), -1)
    positive = flat.clip(0)
    total = positive.sum(axis=1)
    share = np.divide((positive * inside).sum(axis=1), total, out=np.zeros(len(flat)), where=total > 0)
    hit = np.take_along_axis(inside, flat.argmax(axis=1)[:, None], axis=1)[:, 0] & (flat.max(axis=1) > flat.min(axis=1))
    return Pointing(share=share, hit=hit)


def rank_methods(scores: Mapping[str, Mapping[str, Any]], *, random_state: int = 0) -> Ranking:
    """Average the ranks of methods over metrics, with intervals.

    Metrics of faithfulness conflict (arXiv 2409.16756), so no single one decides: methods are ranked in every row by
    every metric, ranks are averaged, rows are resampled for the interval, and Kendall's W says how far the metrics
    agree.

    Parameters
    ----------
    scores : mapping of method to mapping of metric to array of shape (rows,)
        The same metrics for every method; higher is better, so negate the others.
    random_state : int
        Seed of the bootstrap.

    Returns
    -------
    Ranking

    Raises
    ------
    InputError
        When there are fewer than two methods or rows, metrics or rows differ, or numbers are not finite.

    Examples
    --------
    >>> from pellucid.nn.faithfulness import rank_methods
    >>> found = rank_methods({"a": {"m": [3.0, 2.0]}, "b": {"m": [1.0, 1.0]}})
    >>> [rank.value for rank in found.rank]
    [1.0, 2.0]
    """
    if len(scores) < 2:
        raise InputError(f"ranks need at least 2 methods; got {len(scores)}.")
    methods = tuple(scores)
    metrics = tuple(scores[methods[0]])
    for method in methods:
        if set(scores[method]) != set(metrics) or not metrics:
            raise InputError(f"every method needs the metrics {list(metrics)}; {method!r} has {list(scores[method])}.")
    try:
        values = np.array([[scores[m][k] for k in metrics] for m in methods], dtype=np.float64)
    except ValueError as error:
        raise InputError("every method and metric needs one number for each of the same rows.") from error
    if values.ndim != 3 or values.shape[2] < 2 or not np.isfinite(values).all():
        raise InputError(
            "scores must be finite, with one number for each of at least 2 rows; their shape (methods, metrics, "
            f"rows) is {values.shape}."
        )
    order = 1 + ranks(-values.transpose(1, 2, 0))
    by_row: Float2 = order.mean(axis=0)
    n = len(methods)
    spread = ((by_row - (n + 1) / 2) ** 2).sum(axis=1) * 12 / (n**3 - n)
    return Ranking(
        methods=methods,
        metrics=metrics,
        values=values,
        rank=tuple(measured(by_row[:, i], random_state) for i in range(n)),
        agreement=measured(spread, random_state),
    )


def faithfulness(
    model: Any,
    inputs: Any,
    attributions: Mapping[str, Any],
    *,
    target: Any = None,
    hide: Mapping[str, Any] | Any = 0.0,
    players: Any = None,
    n_steps: int = 20,
    batch_size: int = 64,
    random_state: int = 0,
) -> Ranking:
    """Measure several attributions by insertion and deletion, for every way of hiding, beside a random order.

    Parameters
    ----------
    model, inputs, target, players, n_steps, batch_size
        As in `flipping`.
    attributions : mapping of method to array
        The method called ``"random"`` is added: a method that does not rank above it explains nothing.
    hide : as in `flipping`, or a mapping of names to such values
        Several ways of hiding give several metrics each; methods that lead under one only should not be believed.
    random_state : int

    Returns
    -------
    Ranking
        With the metrics ``insertion`` and ``-deletion``, each followed by the name of the way of hiding where there are
        several.

    Raises
    ------
    InputError
        As for `flipping`; or when a method is called ``"random"``, or there are fewer than two rows.

    Examples
    --------
    >>> import torch
    >>> from pellucid.nn.faithfulness import faithfulness
    >>> model = torch.nn.Linear(8, 2).eval()
    >>> x = torch.randn(20, 8)
    >>> found = faithfulness(model, x, {"gradient x input": x * model.weight[0]}, target=0)
    >>> found.to_frame()["method"].tolist()
    ['gradient x input', 'random']
    """
    if not isinstance(attributions, Mapping) or not attributions:
        raise InputError("attributions must be a mapping of method names to arrays, with at least one.")
    if RANDOM in attributions:
        raise InputError(f"the method name {RANDOM!r} is kept for the random order that is measured beside the others.")
    first = next(iter(attributions.values()))
    chance = stream(random_state, "nn.faithfulness.random").random(numbers(first).shape)
    ways = dict(hide) if isinstance(hide, Mapping) else {"": hide}
    options = {"players": players, "n_steps": n_steps, "batch_size": batch_size, "random_state": random_state}
    x = first_input(inputs)
    several = {**attributions, RANDOM: torch.from_numpy(chance).to(x.device)}
    scores: dict[str, dict[str, Float1]] = {method: {} for method in several}
    for way, filling in ways.items():
        found = flippings(model, inputs, list(several.values()), target=target, hide=filling, **options)
        for method, curves in zip(several, found, strict=True):
            scores[method] |= {
                f"insertion {way}".strip(): curves.insertion,
                f"-deletion {way}".strip(): -curves.deletion,
            }
    return rank_methods(scores, random_state=random_state)
