"""What layers hold: recorded for some rows, or reduced over a data set in bounded memory."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from pellucid._base.errors import InputError
from pellucid._base.typing import Array, Float1, Float2, Float3, Int2, Names
from pellucid.nn._layers import Layers
from pellucid.nn._matrices import as_array
from pellucid.nn._reducers import Running
from pellucid.nn._scoring import batches, call, first_input
from pellucid.nn._session import Network, session

if TYPE_CHECKING:
    import pandas as pd

_CHANNELS_FIRST = (
    nn.modules.conv._ConvNd,
    nn.modules.batchnorm._BatchNorm,
    nn.modules.instancenorm._InstanceNorm,
    nn.GroupNorm,
)


class Activations(Mapping[str, Tensor]):
    """Outputs of layers by name; a mapping from name to tensor of shape (rows, …).

    The tensors are the recorder's own, without gradient, on the network's device.
    """

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        self._values = dict(values)

    def __getitem__(self, layer: str) -> Tensor:
        try:
            return self._values[layer]
        except KeyError:
            raise InputError(f"{layer!r} was not recorded; recorded were {', '.join(self._values)}.") from None

    def __contains__(self, layer: object) -> bool:
        return layer in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def layers(self) -> Names:
        """Names, in the order of the forward pass."""
        return tuple(self._values)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each layer's output."""
        return {name: tuple(value.shape) for name, value in self._values.items()}

    def to_frame(self) -> "pd.DataFrame":
        """One row per layer: shape, mean, standard deviation, extremes and the share of zeros."""
        import pandas as pd  # a third party, loaded only when a frame is asked for

        rows = []
        for name, value in self._values.items():
            flat = value.double()
            spread = (float(flat.mean()), float(flat.std(correction=0)), float(flat.min()), float(flat.max()))
            rows.append((name, tuple(value.shape), *spread, float((value == 0).double().mean())))
        return pd.DataFrame(rows, columns=["layer", "shape", "mean", "std", "min", "max", "zeros"])

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {'×'.join(map(str, shape))}" for name, shape in self.shapes.items())
        return f"Activations({len(self)} layers: {shapes if len(shapes) < 400 else shapes[:399] + '…'})"


def record(
    model: Network, inputs: Any, *, layers: str | Sequence[str] = "*", batch_size: int | None = None
) -> Activations:
    """Run the network and keep the outputs of some layers.

    Parameters
    ----------
    model : torch.nn.Module
        It is asked in evaluation mode and left as it was.
    inputs : tensor, tuple (by position) or mapping (by keyword) of tensors
    layers : str or sequence of str
        Names or globs, ``"layer?.*"``, with the number of the call where a layer is called several times,
        ``"layer4.relu#2"``.
    batch_size : int, optional
        Rows given to the network at once; by default all.

    Returns
    -------
    Activations

    Raises
    ------
    InputError
        When a pattern matches no layer (the nearest names are offered), or there are no rows.

    Examples
    --------
    >>> import torch
    >>> from pellucid.nn.activations import record
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU())
    >>> record(model, torch.randn(5, 3), layers=["0", "1"]).shapes
    {'0': (5, 4), '1': (5, 4)}
    """
    found = _layers(model, layers)
    parts: dict[str, list[Tensor]] = {}
    with session(model), torch.no_grad():
        for batch in batches(inputs, batch_size):
            rows = len(first_input(batch))
            with found.recorded() as kept:
                call(model, batch)
            for name, value in found.named(kept).items():
                if batch_size is not None and (value.ndim == 0 or len(value) != rows):
                    raise InputError(
                        f"layer {name!r} gives shape {tuple(value.shape)} for {rows} rows, so batches cannot be put "
                        "together; leave batch_size=None."
                    )
                parts.setdefault(name, []).append(value)
    return Activations({name: values[0] if len(values) == 1 else torch.cat(values) for name, values in parts.items()})


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerSummary:
    """One layer over a data set. Arrays are read-only.

    Parameters
    ----------
    layer : str
    n : int
        Rows seen.
    mean, std, low, high : float64 arrays of shape (units,)
        Over all rows and places.
    top_values : float64 array of shape (units, top)
        Largest activations, one per row of the data (its largest place).
    top_rows : int64 array of shape (units, top)
        The rows that gave them.
    edges : float64 array of shape (bins + 1,)
    histogram : int64 array of shape (units, bins)
        Rows and places with an activation between two edges.
    dead : bool array of shape (units,)
        Units that gave the same number everywhere.
    duplicates : tuple of (int, int, float), or None
        Pairs of live units with a correlation of at least 0.999 in absolute value, and that correlation; None for
        layers of more than 4,096 units, which are not compared.
    """

    layer: str
    n: int
    mean: Float1
    std: Float1
    low: Float1
    high: Float1
    top_values: Float2
    top_rows: Int2
    edges: Float1
    histogram: Int2
    dead: Array
    duplicates: tuple[tuple[int, int, float], ...] | None

    def __post_init__(self) -> None:
        for name in ("mean", "std", "low", "high", "top_values", "top_rows", "edges", "histogram", "dead"):
            getattr(self, name).flags.writeable = False

    def to_frame(self) -> "pd.DataFrame":
        """One row per unit."""
        import pandas as pd  # a third party, loaded only when a frame is asked for

        twins = {unit for pair in self.duplicates or () for unit in pair[:2]}
        units = np.arange(len(self.mean))
        columns = {name: getattr(self, name) for name in ("mean", "std", "low", "high", "dead")}
        best = {"top_value": self.top_values[:, 0], "top_row": self.top_rows[:, 0]}
        return pd.DataFrame({"unit": units, **columns, **best, "duplicate": [int(unit) in twins for unit in units]})


def summarize(
    model: Network, data: Any, *, layers: str | Sequence[str] = "*", top: int = 9, batch_size: int = 64
) -> dict[str, LayerSummary]:
    """Reduce layers over a data set, batch by batch: memory does not grow with the number of rows.

    A unit is a channel (axis 1) of convolutions, their norms and everything of rank 4 or more, else an element of the
    last axis.

    Parameters
    ----------
    model : torch.nn.Module
    data : inputs as in `record`, or an iterable of such batches
        A ``DataLoader``'s ``(x, y)`` is a tuple of two inputs: pass ``(x for x, y in loader)``.
    layers : str or sequence of str
    top : int
        Rows kept for each unit.
    batch_size : int
        Rows at once, where `data` is not an iterable of batches.

    Returns
    -------
    dict of str to LayerSummary

    Raises
    ------
    InputError
        When a pattern matches no layer, there is no data, or an activation is not finite.

    Examples
    --------
    >>> import torch
    >>> from pellucid.nn.activations import summarize
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU())
    >>> found = summarize(model, (torch.randn(8, 3) for _ in range(10)), layers="1", top=2)
    >>> found["1"].n, found["1"].top_rows.shape
    (80, (4, 2))
    """
    found = _layers(model, layers)
    if top < 1:
        raise InputError(f"top must be at least 1; got {top!r}.")
    module_of = {name: module for module, name in found.modules.items()}
    running: dict[str, Running] = {}
    n = 0
    with session(model), torch.no_grad():
        for batch in batches(data, batch_size):
            rows = len(first_input(batch))
            with found.recorded() as kept:
                call(model, batch)
            for name, value in found.named(kept).items():
                cells = _cells(value, module_of[name.partition("#")[0]], rows, name)
                running.setdefault(name, Running(cells, top)).add(cells, n)
            n += rows
    return {name: LayerSummary(layer=name, n=n, **state.result()) for name, state in running.items()}


def _layers(model: Network, layers: str | Sequence[str]) -> Layers:
    return Layers(model, (layers,) if isinstance(layers, str) else tuple(layers))


def unit_axis(module: nn.Module, value: Tensor) -> int:
    """Axis along which a layer's units lie."""
    return 1 if value.ndim >= 4 or (isinstance(module, _CHANNELS_FIRST) and value.ndim > 1) else value.ndim - 1


def _cells(value: Tensor, module: nn.Module, rows: int, name: str) -> Tensor:
    """A layer's output as float64 of shape (rows, places, units)."""
    if value.ndim < 2 or len(value) != rows:
        raise InputError(
            f"layer {name!r} gives shape {tuple(value.shape)}, which has no row for each of the {rows} inputs."
        )
    cells = (
        value.double().movedim(unit_axis(module, value), -1).reshape(rows, -1, value.shape[unit_axis(module, value)])
    )
    if not bool(cells.isfinite().all()):
        raise InputError(f"layer {name!r} gives NaN or infinite activations; find the row with record.")
    return cells


@dataclass(frozen=True, kw_only=True, eq=False)
class ChannelGrid:
    """Channels of one layer for one input, as data for a viewer. Arrays are read-only.

    Parameters
    ----------
    channels : int64 array of shape (shown,)
        The strongest first (mean absolute activation).
    maps : float64 array of shape (shown, height, width)
    limit : float
        Largest absolute value of all channels: one scale for the whole grid.
    total : int
        Channels of the layer.
    """

    channels: Array
    maps: Float3
    limit: float
    total: int

    def __post_init__(self) -> None:
        self.channels.flags.writeable = False
        self.maps.flags.writeable = False


def channel_grid(activations: Any, *, row: int = 0, most: int = 64) -> ChannelGrid:
    """Take the strongest channels of one row, for a picture of a layer.

    Parameters
    ----------
    activations : tensor or array of shape (rows, channels, height, width)
    row : int
    most : int
        Channels to show.

    Returns
    -------
    ChannelGrid

    Raises
    ------
    InputError
        When the shape is another, or there is no such row.

    Examples
    --------
    >>> import numpy as np
    >>> from pellucid.nn.activations import channel_grid
    >>> channel_grid(np.array([[[[1.0]], [[-3.0]], [[2.0]]]]), most=2).channels.tolist()
    [1, 2]
    """
    array = as_array(activations, "activations")
    if array.ndim != 4:
        raise InputError(f"activations must have shape (rows, channels, height, width); got {array.shape}.")
    if not -len(array) <= row < len(array) or most < 1:
        raise InputError(
            f"row must lie between 0 and {len(array) - 1}, and most be at least 1; got {row!r} and {most!r}."
        )
    maps = array[row].astype(np.float64)
    strongest = np.argsort(-np.abs(maps).mean(axis=(1, 2)), kind="stable")[:most]
    return ChannelGrid(channels=strongest, maps=maps[strongest], limit=float(np.abs(maps).max()), total=len(maps))
