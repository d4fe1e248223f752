"""Feature visualisation: pictures that a unit answers to most."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pellucid._base.errors import InputError
from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Float1, Int1
from pellucid.nn._layers import Layers
from pellucid.nn._session import Network, session
from pellucid.nn.activations import unit_axis


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureImages:
    """Pictures made for units. Arrays are read-only.

    Parameters
    ----------
    layer : str
    units : int64 array of shape (units,)
    images : float64 array of shape (units, channels, height, width)
        In the network's input units.
    activation : float64 array of shape (units,)
        The unit's mean activation on its own picture.
    random : float64 array of shape (units,)
        On the picture it started from, which has the same spectrum and no meaning. A picture that is not far above
        it shows nothing.
    """

    layer: str
    units: Int1
    images: Array
    activation: Float1
    random: Float1

    def __post_init__(self) -> None:
        for name in ("units", "images", "activation", "random"):
            getattr(self, name).flags.writeable = False


def visualize(
    model: Network,
    *,
    layer: str,
    units: Sequence[int],
    shape: tuple[int, int, int],
    low: float = 0.0,
    high: float = 1.0,
    n_steps: int = 128,
    learning_rate: float = 0.05,
    random_state: int = 0,
) -> FeatureImages:
    """Make a picture for each unit by gradient ascent (Olah, Mordvintsev and Schubert 2017).

    The picture is held as Fourier coefficients, scaled by frequency, so that fine noise costs as much as it is worth,
    and every step is taken on a shifted, scaled and turned copy, so that what it shows does not hang on single
    pixels. All units share the passes.

    Parameters
    ----------
    model : torch.nn.Module
        Takes pictures of shape (rows, channels, height, width).
    layer : str
        One layer, called once.
    units : sequence of int
    shape : (channels, height, width)
    low, high : float
        Range of the input's numbers.
    n_steps : int
    learning_rate : float
    random_state : int

    Returns
    -------
    FeatureImages

    Raises
    ------
    InputError
        When the layer or a unit does not exist, or an option is out of range.

    Examples
    --------
    >>> import torch
    >>> from pellucid.nn.visualisation import visualize
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU())
    >>> found = visualize(model, layer="0", units=[1], shape=(1, 16, 16), n_steps=5)
    >>> found.images.shape, bool(found.activation[0] > found.random[0])
    ((1, 1, 16, 16), True)
    """
    units = [int(unit) for unit in units]
    if not units or len(shape) != 3 or min(shape) < 1 or not low < high or n_steps < 1:
        raise InputError(
            "give at least one unit, shape=(channels, height, width), low below high, and n_steps of at least 1; got "
            f"{len(units)} units, {shape!r}, {low!r}, {high!r} and {n_steps!r}."
        )
    found = Layers(model, (layer,))
    rng = stream(random_state, "nn.visualize")
    with session(model):
        device = next((p.device for module in found.modules for p in module.parameters()), torch.device("cpu"))
        scale = _frequency_scale(shape[1:]).to(device)
        start = 0.01 * rng.normal(size=(1, *shape[:1], *scale.shape, 2)).repeat(len(units), axis=0)
        spectrum = torch.from_numpy(start).float().to(device).requires_grad_()
        adam = torch.optim.Adam([spectrum], learning_rate)
        first = _answers(model, found, _picture(spectrum, scale, shape, low, high), units, layer).detach()
        for _ in range(n_steps):
            moved = _moved(_picture(spectrum, scale, shape, low, high), rng)
            score = _answers(model, found, moved, units, layer).sum()
            adam.zero_grad()
            (-score).backward()
            adam.step()
        images = _picture(spectrum, scale, shape, low, high).detach()
        last = _answers(model, found, images, units, layer).detach()
    return FeatureImages(
        layer=layer,
        units=np.asarray(units, dtype=np.int64),
        images=images.double().cpu().numpy(),
        activation=last.double().cpu().numpy(),
        random=first.double().cpu().numpy(),
    )


def _frequency_scale(size: tuple[int, ...]) -> Tensor:
    """One over the frequency, of shape (height, width // 2 + 1)."""
    y, x = torch.fft.fftfreq(size[0])[:, None], torch.fft.rfftfreq(size[1])
    frequency: Tensor = (y.square() + x.square()).sqrt().clamp(min=1 / max(size))
    return frequency.reciprocal() * math.sqrt(size[0] * size[1])


def _picture(spectrum: Tensor, scale: Tensor, shape: tuple[int, int, int], low: float, high: float) -> Tensor:
    signal = torch.fft.irfft2(torch.view_as_complex(spectrum) * scale, s=shape[1:])
    return low + (high - low) * torch.sigmoid(signal)


def _moved(images: Tensor, rng: np.random.Generator) -> Tensor:
    """The same random small shift, scale and turn of all pictures."""
    angle, size = rng.uniform(-0.1, 0.1), rng.uniform(0.9, 1.1)
    shift = rng.uniform(-0.1, 0.1, size=2)
    cosine, sine = size * np.cos(angle), size * np.sin(angle)
    matrix = torch.tensor([[cosine, -sine, shift[0]], [sine, cosine, shift[1]]], device=images.device).to(images)
    grid = functional.affine_grid(matrix.expand(len(images), 2, 3), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _answers(model: Network, found: Layers, images: Tensor, units: list[int], layer: str) -> Tensor:
    """Mean activation of each picture's own unit."""
    with found.recorded() as kept:
        model(images)
    named = found.named(kept)
    if len(named) != 1:
        raise InputError(f"layer must name one layer that is called once; {layer!r} gave {', '.join(named)}.")
    value = next(iter(named.values()))
    module = next(iter(found.modules))
    cells = value.movedim(unit_axis(module, value), -1).flatten(1, -2)
    if not all(0 <= unit < cells.shape[-1] for unit in units):
        raise InputError(f"units must lie between 0 and {cells.shape[-1] - 1}; got {units}.")
    return cells.mean(dim=1).gather(1, torch.tensor(units, device=cells.device)[:, None])[:, 0]
