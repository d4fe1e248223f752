"""Faithfulness by hiding: insertion, deletion, and the area between most- and least-relevant-first curves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pellucid._base.errors import InputError
from pellucid._base.typing import Array, Float1, Float2
from pellucid.nn._imputation import linear_imputation
from pellucid.nn._scoring import first_input, numbers, row_scores, row_targets, targets_of, with_first
from pellucid.nn._session import session
from pellucid.quality.measures import Measured, measured

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False)
class Flipping:
    """A model's score while its input is hidden in the order of an attribution. Arrays are read-only.

    Parameters
    ----------
    share_hidden : float64 array of shape (steps + 1,)
        From 0 to 1.
    most_first, least_first : float64 arrays of shape (rows, steps + 1)
        Score of the target when the highest attributions are hidden first (MoRF), and the lowest (LeRF).
    """

    share_hidden: Float1
    most_first: Float2
    least_first: Float2

    def __post_init__(self) -> None:
        for name in ("share_hidden", "most_first", "least_first"):
            getattr(self, name).flags.writeable = False

    @property
    def deletion(self) -> Float1:
        """Area under the deletion curve by row (Petsiuk et al. 2018); lower is better."""
        return self._area(self.most_first)

    @property
    def insertion(self) -> Float1:
        """Area under the insertion curve by row; higher is better.

        Showing the highest attributions first is hiding the lowest first, read backwards.
        """
        return self._area(self.least_first)

    @property
    def abpc(self) -> Float1:
        """Area between the curves by row (Samek et al. 2017), higher is better; random orders have 0."""
        return self.insertion - self.deletion

    def _area(self, curve: Float2) -> Float1:
        return np.asarray(np.trapezoid(curve, self.share_hidden, axis=1))

    def summary(self, *, random_state: int = 0) -> dict[str, Measured]:
        """Mean over rows of each area, with its 95 % bootstrap interval."""
        return {name: measured(getattr(self, name), random_state) for name in ("insertion", "deletion", "abpc")}

    def to_frame(self) -> "pd.DataFrame":
        """Mean curves: one row per share hidden."""
        import pandas as pd  # a third party, loaded only when a frame is asked for

        return pd.DataFrame(
            {
                "share_hidden": self.share_hidden,
                "most_first": self.most_first.mean(axis=0),
                "least_first": self.least_first.mean(axis=0),
            }
        )


def flipping(
    model: Any,
    inputs: Any,
    attributions: Any,
    *,
    target: Any = None,
    hide: Any = 0.0,
    players: Any = None,
    n_steps: int = 20,
    probability: bool = False,
    batch_size: int = 64,
    random_state: int = 0,
) -> Flipping:
    """Hide the input step by step, highest attributions first and lowest first, and watch the target's score.

    Insertion and deletion (Petsiuk et al. 2018), pixel flipping and the area between MoRF and LeRF curves (Samek et
    al. 2017) are areas under these two curves. What is put in the place of what is hidden decides much of the
    outcome: a constant leaks the shape of the hidden part, ``hide="linear"`` (noisy linear imputation, ROAD, Rong et
    al. 2022) does not.

    Parameters
    ----------
    model : torch module or callable
        Returns (rows, classes), or (rows,) with ``target=None``.
    inputs : tensor, tuple or mapping of tensors
        The first is the one whose parts are hidden.
    attributions : tensor, array or Explanation
        Of the first input's shape, or one that broadcasts to it: with (rows, 1, height, width) all channels of a pixel
        are hidden together, and with the input's own shape each number by itself.
    target : int, one per row, or a function from the model's output to one number per row
    hide : number, tensor or "linear"
        What replaces hidden parts: a number, a tensor that broadcasts to the input (a blurred picture), a token's id,
        or ``"linear"`` for pictures of shape (rows, channels, height, width).
    players : bool tensor or array of the attributions' shape, optional
        Parts that may be hidden; the others (padding, special tokens) always stay.
    n_steps : int
    probability : bool
        Score softmax probabilities instead of raw outputs.
    batch_size : int
        Rows given to the model at once.
    random_state : int
        Seed for ties and for the noise of ``"linear"``.

    Returns
    -------
    Flipping

    Raises
    ------
    InputError
        When shapes do not fit, numbers are not finite, or a row has nothing to hide.

    Examples
    --------
    >>> import torch
    >>> from pellucid.nn.flipping import flipping
    >>> model = torch.nn.Linear(8, 2).eval()
    >>> x = torch.randn(5, 8)
    >>> exact = flipping(model, x, x * model.weight[0], target=0, n_steps=8)
    >>> bool((exact.abpc >= 0).all())
    True
    """
    return flippings(
        model, inputs, [attributions], target=target, hide=hide, players=players, n_steps=n_steps,
        probability=probability, batch_size=batch_size, random_state=random_state,
    )[0]  # fmt: skip


def flippings(
    model: Any,
    inputs: Any,
    several: Sequence[Any],
    *,
    target: Any,
    hide: Any,
    players: Any,
    n_steps: int,
    probability: bool = False,
    batch_size: int,
    random_state: int,
) -> list[Flipping]:
    """Give the curves of several attributions; what they have in common is asked once.

    The model is asked once about each row as it is and once with all of it hidden, whatever the attribution and the
    order, and once where two steps hide the same parts.
    """
    x = first_input(inputs)
    orders = [_ranks(attributions, players, x, random_state) for attributions in several]
    if n_steps < 1:
        raise InputError(f"n_steps must be at least 1; got {n_steps!r}.")
    if batch_size < 1:
        raise InputError(f"batch_size must be at least 1; got {batch_size!r}.")
    targets = row_targets(target, len(x), x.device)
    jobs, places = _jobs([counts for _, counts in orders], n_steps)
    scores = np.empty(len(jobs))
    at = 0
    with session(model):
        for which in _together(jobs[:, 0], batch_size):
            ranks, counts = orders[jobs[at, 0]]
            side, row, gone = torch.as_tensor(jobs[at : at + which, 1:], device=x.device).unbind(1)
            filled = _hidden(x[row], _mask(ranks[row], counts[row], side == 1, gone), hide, row, random_state)
            found = row_scores(model, with_first(inputs, filled, row), targets_of(targets, row), probability)
            scores[at : at + which] = found.double().cpu().numpy()
            at += which
    shares = np.linspace(0, 1, n_steps + 1)
    curves = scores[places].reshape(len(orders), 2, len(x), n_steps + 1)
    return [Flipping(share_hidden=shares.copy(), most_first=most, least_first=least) for most, least in curves]


def _jobs(counts: Sequence[Tensor], n_steps: int) -> tuple[Array, Array]:
    """Different (order, side, row, parts hidden), and the place among them of every order, side, row and step."""
    parts = torch.stack(list(counts)).cpu().numpy()[:, None, :, None]
    steps = np.arange(n_steps + 1)
    hidden = (2 * steps * parts + n_steps) // (2 * n_steps)  # nearest whole number, in whole numbers
    shape = (len(parts), 2, parts.shape[2], parts.max() + 1)
    order, side, row, _ = np.ogrid[: shape[0], : shape[1], : shape[2], :1]
    same = (hidden == 0) | (hidden == parts)  # nothing, or everything: whatever the order
    hidden = np.where(same & (hidden > 0), parts[:1], hidden)
    numbers_of_jobs = np.ravel_multi_index((order * ~same, side * ~same, row, hidden), shape)
    jobs, places = np.unique(numbers_of_jobs, return_inverse=True)
    return np.stack(np.unravel_index(jobs, shape), axis=1), places.ravel()


def _together(orders: Array, batch_size: int) -> Iterator[int]:
    """How many jobs go together, one after another: of one order each."""
    for count in np.unique(orders, return_counts=True)[1].tolist():
        yield from [batch_size] * (count // batch_size)
        if count % batch_size:
            yield count % batch_size


def _mask(ranks: Tensor, counts: Tensor, backwards: Tensor, gone: Tensor) -> Tensor:
    """Which parts are hidden, so many from one end of the order; parts that stay come after all others."""
    first, end = torch.where(backwards, counts - gone, 0), torch.where(backwards, counts, gone)
    return (ranks >= _beside(first, ranks)) & (ranks < _beside(end, ranks))


def _beside(values: Tensor, parts: Tensor) -> Tensor:
    """Shape one number per row so that it meets all the row's parts."""
    return values.to(parts.dtype).reshape(-1, *[1] * (parts.ndim - 1))


def _ranks(attributions: Any, players: Any, x: Tensor, random_state: int) -> tuple[Tensor, Tensor]:
    """Position of each part in its row's order, highest first; parts that stay come last. And how many may go."""
    values = numbers(attributions).to(device=x.device, dtype=torch.float64)
    fits = values.ndim == x.ndim and len(values) == len(x)
    if not fits or any(a not in (1, b) for a, b in zip(values.shape, x.shape, strict=True)):
        raise InputError(
            f"attributions must have the input's shape {tuple(x.shape)}, or 1 in some of its axes after the first; got "
            f"{tuple(values.shape)}."
        )
    if not bool(values.isfinite().all()):
        raise InputError("attributions must be finite; some are NaN or infinite.")
    movable = torch.ones_like(values, dtype=torch.bool)
    if players is not None:
        movable = torch.as_tensor(players, dtype=torch.bool, device=x.device)
        if movable.shape != values.shape:
            raise InputError(
                f"players must have the attributions' shape {tuple(values.shape)}; got {tuple(movable.shape)}."
            )
    counts = movable.flatten(1).sum(dim=1)
    if not bool((counts > 0).all()):
        raise InputError(f"row {int((counts == 0).nonzero()[0])} has nothing to hide: all its players are False.")
    generator = torch.Generator().manual_seed(random_state)
    shuffle = torch.randperm(values[0].numel(), generator=generator).to(x.device)
    flat = torch.where(movable, values, -torch.inf).flatten(1)[:, shuffle]
    order = shuffle[flat.argsort(dim=1, descending=True, stable=True)]
    positions = torch.arange(order.shape[1], dtype=torch.int32, device=x.device).expand_as(order)
    ranks = torch.empty_like(order, dtype=torch.int32).scatter_(1, order, positions)
    return ranks.reshape(values.shape), counts


def _hidden(x: Tensor, mask: Tensor, hide: Any, rows: Tensor, random_state: int) -> Tensor:
    """Return rows whose masked parts are replaced."""
    if isinstance(hide, str):
        if hide != "linear":
            raise InputError(f"hide must be a number, a tensor or 'linear'; got {hide!r}.")
        return linear_imputation(x, mask, rows.tolist(), random_state)
    filling = torch.as_tensor(hide, dtype=x.dtype, device=x.device)
    if filling.ndim == x.ndim and len(filling) > 1:
        filling = filling[rows]
    try:
        return torch.where(mask, filling, x)
    except RuntimeError as error:
        raise InputError(
            "hide must be a number or a tensor that broadcasts to the input; its shape is "
            f"{tuple(filling.shape)} and the input's {tuple(x.shape[1:])} per row."
        ) from error
