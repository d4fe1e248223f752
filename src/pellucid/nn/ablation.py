"""Which units and heads the predictions need: each is taken out, and the score is watched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from pellucid._base.errors import InputError
from pellucid._base.numbers import figure
from pellucid._base.typing import Array, Float2, Int1, Names
from pellucid.nn._attention_calls import Site, attention_calls
from pellucid.nn._layers import Layers
from pellucid.nn._scoring import batches, call, first_input, own_targets, row_scores, taken, targets_of
from pellucid.nn._session import Network, session
from pellucid.nn._significance import holm
from pellucid.nn.activations import unit_axis
from pellucid.quality.measures import Measured, measured

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class Ablation:
    """Falls of the score when one part is taken out. Arrays are read-only.

    Parameters
    ----------
    kind : str
        ``"unit"`` or ``"head"``.
    layers : tuple of str
        Layer of each part.
    parts : int64 array of shape (parts,)
        Number of the unit or head in its layer.
    effect : float64 array of shape (parts, rows)
        Score of the whole network less the score without the part: above 0 where the part helps.
    p_value : float64 array of shape (parts,)
        That the mean effect is 0 (two-sided t-test over rows), Holm-adjusted over all parts; 1 with fewer than 3 rows.
    score : float64 array of shape (rows,)
        Of the whole network.
    """

    kind: str
    layers: Names
    parts: Int1
    effect: Float2
    p_value: Array
    score: Array

    def __post_init__(self) -> None:
        for name in ("parts", "effect", "p_value", "score"):
            getattr(self, name).flags.writeable = False

    @property
    def needed(self) -> tuple[int, ...]:
        """Positions of the parts that help with an adjusted p of at most 0.05, the largest mean effect first."""
        mean = self.effect.mean(axis=1)
        return tuple(int(i) for i in np.argsort(-mean, kind="stable") if mean[i] > 0 and self.p_value[i] <= LEVEL)

    @property
    def size(self) -> Array:
        """Mean absolute effect of each part: how much it moves scores, whichever way."""
        return np.asarray(np.abs(self.effect).mean(axis=1))

    def measured(self, part: int) -> Measured:
        """Mean effect of one part with its 95 % bootstrap interval over rows."""
        return measured(self.effect[part], 0)

    def by_layer(self) -> dict[str, Array]:
        """Mean effects of the parts of each layer, in the order of their numbers."""
        mean = self.effect.mean(axis=1)
        names = np.asarray(self.layers)
        return {name: mean[names == name] for name in dict.fromkeys(self.layers)}

    def to_frame(self) -> "pd.DataFrame":
        """One row per part: layer, number, mean and mean absolute effect, and adjusted p-value."""
        import pandas as pd  # a third party, loaded only when a frame is asked for

        columns = {"layer": self.layers, self.kind: self.parts, "effect": self.effect.mean(axis=1)}
        return pd.DataFrame({**columns, "size": self.size, "p_value": self.p_value})

    def sentence(self) -> str:
        """Say which parts the predictions need most."""
        largest = [int(i) for i in np.argsort(-self.size, kind="stable")[:3] if self.size[i] > 0]
        named = [f"{self.layers[i]} {self.kind} {self.parts[i]} ({figure(float(self.size[i]))})" for i in largest]
        most = f" Scores move most without {', '.join(named)}." if named else " No score moves without any of them."
        return f"{len(self.needed)} of {len(self.parts)} {self.kind}s help by themselves, beyond chance.{most}"


def ablate(
    model: Network,
    inputs: Any,
    *,
    layers: str | Sequence[str],
    units: Mapping[str, Sequence[int]] | None = None,
    target: Any = None,
    to: str = "mean",
    batch_size: int = 64,
) -> Ablation:
    """Take out every unit of some layers, one at a time.

    Parameters
    ----------
    model : torch.nn.Module
    inputs : tensor, tuple or mapping of tensors
    layers : str or sequence of str
        Names or globs, as in `record`.
    units : mapping of layer to sequence of int, optional
        Take out these only.
    target : int, one per row, or a function from the model's output to one number per row
        By default each row's own predicted class.
    to : {"mean", "zero"}
        What a unit gives instead: its mean over rows and places, or 0, which may be far from anything it ever
        gives. With one target for all rows, a unit that enters it linearly has a mean effect of 0 under ``"mean"``.
    batch_size : int
        Rows given to the network at once.

    Returns
    -------
    Ablation

    Raises
    ------
    InputError
        When a layer does not exist, has no row per input, or an option is unknown.

    Examples
    --------
    >>> import torch
    >>> from pellucid.nn.ablation import ablate
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1, bias=False))
    >>> model[2].weight.data = torch.tensor([[1.0, 0.0]])
    >>> found = ablate(model, torch.randn(20, 2), layers="1", to="zero")
    >>> bool(found.effect[1].any())
    False
    """
    _check_to(to)
    found = Layers(model, (layers,) if isinstance(layers, str) else tuple(layers))
    with session(model), torch.no_grad():
        targets, score = own_targets(model, inputs, target, batch_size)
        filling, axes, shortest = _unit_means(model, inputs, found, batch_size)
        items = _wanted_units(units, {shortest[site]: (site, len(means)) for site, means in filling.items()})
        if to == "zero":
            filling = {site: torch.zeros_like(means) for site, means in filling.items()}
        effect = torch.empty(len(items), len(score), dtype=torch.float64, device="cpu")
        for part in torch.cartesian_prod(
            torch.arange(len(items), device="cpu"), torch.arange(len(score), device="cpu")
        ).split(batch_size):
            wanted = [items[i] for i in part[:, 0].tolist()]

            def change(site: str, value: Tensor, wanted: list[tuple[str, int]] = wanted) -> Tensor:
                out = torch.zeros(len(wanted), len(filling[site]), dtype=torch.bool, device=value.device)
                for row, (where, unit) in enumerate(wanted):
                    if where == site:
                        out[row, unit] = True
                shape = [1] * value.ndim
                shape[axes[site]] = value.shape[axes[site]]
                mask = out.reshape(len(wanted), *shape[1:])
                return torch.where(mask, filling[site].to(value.dtype).reshape(shape), value)

            at = part[:, 1].to(score.device)
            with found.recorded(change):
                left = row_scores(model, taken(inputs, at), targets_of(targets, at))
            effect[part[:, 0], part[:, 1]] = (score[at] - left).double().cpu()
    names = tuple(shortest[site] for site, _ in items)
    return _ablation("unit", names, [unit for _, unit in items], effect, score)


def ablate_heads(
    model: Network, inputs: Any, *, target: Any = None, to: str = "zero", batch_size: int = 64
) -> Ablation:
    """Take out every attention head, one at a time, whichever way the network computes attention.

    Parameters
    ----------
    model, inputs, target, batch_size
        As in `ablate`.
    to : {"zero", "mean"}
        What a head gives instead: nothing, or its mean over rows and positions.

    Returns
    -------
    Ablation

    Raises
    ------
    InputError
        When the network has no attention.

    Examples
    --------
    >>> import torch
    >>> from pellucid.nn.ablation import ablate_heads
    >>> layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    >>> model = torch.nn.Sequential(layer, torch.nn.Flatten(), torch.nn.Linear(24, 3))
    >>> ablate_heads(model, torch.randn(5, 3, 8)).effect.shape
    (2, 5)
    """
    _check_to(to)
    with session(model), torch.no_grad():
        targets, score = own_targets(model, inputs, target, batch_size)
        names, counts, means = _heads(model, inputs, batch_size, to)
        items = [(site, head) for site, count in enumerate(counts) for head in range(count)]
        effect = torch.empty(len(items), len(score), dtype=torch.float64, device="cpu")
        for part in torch.cartesian_prod(
            torch.arange(len(items), device="cpu"), torch.arange(len(score), device="cpu")
        ).split(batch_size):
            wanted = torch.tensor([items[i] for i in part[:, 0].tolist()], device="cpu")

            def out(site: Site, values: Tensor, wanted: Tensor = wanted) -> Tensor:
                mask = (wanted[:, 0] == site.number)[:, None] & (
                    wanted[:, 1:] == torch.arange(values.shape[1], device="cpu")
                )
                filling = means[site.number].to(values) if means else values.new_zeros(())
                return torch.where(mask.to(values.device)[:, :, None, None], filling, values)

            at = part[:, 1].to(score.device)
            ways = {"heads": out} if means else {"weights": out}
            with attention_calls(model, len(part), **ways):
                left = row_scores(model, taken(inputs, at), targets_of(targets, at))
            effect[part[:, 0], part[:, 1]] = (score[at] - left).double().cpu()
    return _ablation("head", tuple(names[site] for site, _ in items), [head for _, head in items], effect, score)


def _check_to(to: str) -> None:
    if to not in ("mean", "zero"):
        raise InputError(f"to must be 'mean' or 'zero'; got {to!r:.80}.")


def _wanted_units(
    units: Mapping[str, Sequence[int]] | None, known: dict[str, tuple[str, int]]
) -> list[tuple[str, int]]:
    """Sites and units to take out; `known` has each layer's site and number of units."""
    if units is None:
        return [(site, unit) for site, count in known.values() for unit in range(count)]
    for layer, numbers in units.items():
        if layer not in known:
            raise InputError(f"units names the layer {layer!r}, which is not among {', '.join(known)}.")
        if not all(0 <= unit < known[layer][1] for unit in numbers):
            raise InputError(f"units of {layer!r} lie between 0 and {known[layer][1] - 1}; got {list(numbers)!r:.80}.")
    items = [(known[layer][0], int(unit)) for layer, numbers in units.items() for unit in numbers]
    if not items:
        raise InputError("units names no unit to take out.")
    return items


def _unit_means(
    model: Network, inputs: Any, found: Layers, batch_size: int
) -> tuple[dict[str, Tensor], dict[str, int], dict[str, str]]:
    """Means of every site's units, the axis of the units, and the sites' shortest names."""
    module_of = {name: module for module, name in found.modules.items()}
    sums: dict[str, Tensor] = {}
    axes: dict[str, int] = {}
    shortest: dict[str, str] = {}
    n = 0
    for batch in batches(inputs, batch_size):
        rows = len(first_input(batch))
        with found.recorded() as kept:
            call(model, batch)
        shortest = dict(zip(kept, found.named(kept), strict=True))
        for site, value in kept.items():
            if value.ndim < 2 or len(value) != rows or not value.is_floating_point():
                raise InputError(
                    f"layer {shortest[site]!r} gives shape {tuple(value.shape)} of {value.dtype}, which has no units "
                    f"for each of the {rows} rows."
                )
            axes[site] = unit_axis(module_of[site.rpartition("#")[0]], value)
            mean = value.double().movedim(axes[site], -1).flatten(0, -2).mean(dim=0) * rows
            sums[site] = sums.get(site, torch.zeros_like(mean)) + mean
        n += rows
    return {site: total / n for site, total in sums.items()}, axes, shortest


def _heads(model: Network, inputs: Any, batch_size: int, to: str) -> tuple[Names, list[int], list[Tensor]]:
    """Names and numbers of heads of every call of attention and, where asked for, the heads' means."""
    names: dict[int, str] = {}
    counts: dict[int, int] = {}
    sums: dict[int, Tensor] = {}
    total = len(first_input(inputs))
    for batch in batches(inputs, batch_size):
        rows = len(first_input(batch))

        def see(site: Site, values: Tensor, rows: int = rows) -> None:
            if len(values) != rows:
                raise InputError(
                    f"{site.name} attends within windows: its first axis is {len(values)} for {rows} rows, so heads "
                    "cannot be taken out row by row."
                )
            names[site.number], counts[site.number] = site.name, values.shape[1]
            if to == "mean":
                mean = values.double().mean(dim=(0, 2), keepdim=True) * rows / total
                sums[site.number] = sums.get(site.number, torch.zeros_like(mean)) + mean

        ways = {"heads": see} if to == "mean" else {"weights": see}
        with attention_calls(model, rows, **ways):
            call(model, batch)
    need_attention(names)
    order = sorted(names)
    return tuple(names[i] for i in order), [counts[i] for i in order], [sums[i] for i in order if i in sums]


def need_attention(found: Any) -> None:
    """Refuse a network in which no attention was seen."""
    if not found:
        raise InputError(
            "no attention was seen in the forward pass: neither scaled_dot_product_attention nor a softmax whose "
            "result multiplies values. Does the network attend at all?"
        )


def _ablation(kind: str, names: Names, parts: list[int], effect: Tensor, score: Tensor) -> Ablation:
    table = effect.numpy()
    p_value = np.ones(len(table))
    if table.shape[1] >= 3:
        spread, mean = table.std(axis=1, ddof=1), table.mean(axis=1)
        error = spread / np.sqrt(table.shape[1])
        t = np.divide(mean, error, out=np.where(mean == 0, 0.0, np.inf), where=error > 0)
        p_value = holm(2 * stats.t.sf(np.abs(t), df=table.shape[1] - 1))
    return Ablation(
        kind=kind,
        layers=names,
        parts=np.asarray(parts, dtype=np.int64),
        effect=table,
        p_value=p_value,
        score=score.double().cpu().numpy(),
    )
