"""From a picture in a file to what a network takes: by what the user declares, nothing is guessed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pellucid._base.errors import FileError, InputError
from pellucid._base.files import path_of
from pellucid._base.typing import Array
from pellucid.table import listed

SAID_OF_NOTHING = frozenset(
    {
        "image_processor_type", "feature_extractor_type", "processor_class", "_processor_class",
        "_valid_processor_keys", "data_format", "input_data_format", "return_tensors", "device", "default_to_square",
        "disable_grouping",
    }
)  # fmt: skip
"""Entries that say where a file comes from, or in what form a library returns pictures."""
STEPS = {
    "do_resize": ("size", "resample"),
    "do_center_crop": ("crop_size",),
    "do_rescale": ("rescale_factor",),
    "do_normalize": ("image_mean", "image_std"),
}
"""Steps, in the order in which they are made, and the entries that each needs."""
UNSAID = ("do_rescale", "do_normalize")
"""Steps that must be declared or switched off: without them a network answers nonsense and nobody is told."""


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """What is done to a picture before a network sees it.

    Parameters
    ----------
    size : tuple of int or None
        One number is the shorter side to which the picture is resized, two are height and width.
    resample : int or None
        PIL's filter.
    crop : tuple of int or None
        Height and width cut from the middle.
    scale : float or None
        What pixels from 0 to 255 are multiplied by.
    mean, std : tuple of float or None
        What is taken off each channel, and what it is divided by.
    rgb : bool
        Make every picture three channels; without it pictures are taken as they are, grey or in colours.
    """

    size: tuple[int, ...] | None
    resample: int | None
    crop: tuple[int, int] | None
    scale: float | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    rgb: bool

    def cut(self, picture: Any) -> Array:
        """The picture as a person sees what the network takes.

        Parameters
        ----------
        picture : PIL.Image.Image

        Returns
        -------
        uint8 array of shape (height, width, 1 or 3)

        Raises
        ------
        InputError
            When the picture is smaller than what is to be cut from it, or of another mode than grey and colours.
        """
        if self.rgb:
            picture = picture.convert("RGB")
        if picture.mode not in ("L", "RGB"):
            raise InputError(
                f"its mode is {picture.mode}, and grey (L) or colours (RGB) are expected; declare "
                '"do_convert_rgb": true to make every picture RGB.'
            )
        if self.size is not None:
            picture = picture.resize(_resized(picture.size, self.size), self.resample)
        pixels = np.asarray(picture)
        pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
        if self.crop is None:
            return pixels
        spare = [have - wanted for have, wanted in zip(pixels.shape[:2], self.crop, strict=True)]
        if min(spare) < 0:
            raise InputError(
                f"it is {pixels.shape[0]} × {pixels.shape[1]} pixels, smaller than the {self.crop[0]} × {self.crop[1]} "
                "of crop_size; declare a larger size."
            )
        top, left = (number // 2 for number in spare)
        return pixels[top : top + self.crop[0], left : left + self.crop[1]]

    def scaled(self, pixels: Array) -> Tensor:
        """Pixels of shape (height, width, channels) as numbers of shape (channels, height, width), scaled.

        Raises
        ------
        InputError
            When there are not as many means as channels.
        """
        numbers = pixels.transpose(2, 0, 1).astype(np.float32)
        if self.scale is not None:
            numbers = numbers * np.float32(self.scale)
        if self.mean is not None:
            if len(self.mean) != len(numbers):
                raise InputError(f"it has {len(numbers)} channels, and image_mean has {len(self.mean)} numbers.")
            mean, std = (np.asarray(side, dtype=np.float32)[:, None, None] for side in (self.mean, self.std))
            numbers = (numbers - mean) / std
        return torch.from_numpy(np.ascontiguousarray(numbers))


def read_preparation(path: str | Path) -> Preparation:
    """Read how pictures are prepared from a ``preprocessor_config.json``, as Hugging Face's models come with.

    Parameters
    ----------
    path : str or Path
        JSON with ``size`` (``{"shortest_edge": …}`` or ``{"height": …, "width": …}``) and ``resample`` (PIL's number:
        2 bilinear, 3 bicubic), ``crop_size``, ``rescale_factor``, ``image_mean`` and ``image_std``, and
        ``do_convert_rgb``. Scaling must be declared, or switched off by ``"do_rescale": false`` and ``"do_normalize":
        false``; pictures are resized and cropped only where this is declared.

    Returns
    -------
    Preparation

    Raises
    ------
    FileError
        When the file is missing or no JSON, says too little, or asks for a step that is not known here.
    """
    path = path_of(path)
    if not path.is_file():
        raise FileError(f"there is no file {path}.")
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FileError(f"{path} is no JSON: {error}. A preprocessor_config.json is expected.") from error
    if not isinstance(said, Mapping):
        raise FileError(
            f"{path} must hold a JSON object such as a preprocessor_config.json; got {type(said).__name__}."
        )
    try:
        return _declared(said)
    except InputError as error:
        raise FileError(
            f"{path}: {error} Where a picture is prepared in another way, name a function of yours instead "
            "(--preprocess module:name)."
        ) from error


def _declared(said: Mapping[str, Any]) -> Preparation:
    known = {"do_convert_rgb", *STEPS, *(name for needed in STEPS.values() for name in needed)}
    strange = [
        name for name, value in said.items() if name not in known | SAID_OF_NOTHING and value not in (None, False)
    ]
    if strange:
        raise InputError(f"it asks for {listed(strange)}, which is not known here.")
    given = {step: _values(said, step, needed) for step, needed in STEPS.items()}
    size, resample = given["do_resize"] or (None, None)
    crop = given["do_center_crop"]
    rescaled = given["do_rescale"]
    mean, std = given["do_normalize"] or (None, None)
    found = Preparation(
        size=None if size is None else _size(size),
        resample=None if resample is None else _whole(resample, "resample", least=0, most=5),
        crop=None if crop is None else _crop(crop[0]),
        scale=None if rescaled is None else _number(rescaled[0], "rescale_factor"),
        mean=None if mean is None else _channels(mean, "image_mean"),
        std=None if std is None else _channels(std, "image_std"),
        rgb=said.get("do_convert_rgb") is True or (isinstance(mean, list) and len(mean) == 3),
    )
    if found.mean is not None and (len(found.mean) != len(found.std or ()) or 0 in (found.std or ())):
        raise InputError(
            "image_mean and image_std must have one number for each channel, and image_std none that is 0."
        )
    return found


def _values(said: Mapping[str, Any], step: str, needed: tuple[str, ...]) -> tuple[Any, ...] | None:
    """What a step needs; None where it is not made."""
    there = [name for name in needed if said.get(name) is not None]
    asked = said.get(step)
    if asked is False or (asked is None and not there and step not in UNSAID):
        return None
    if len(there) < len(needed):
        lacking = listed([name for name in needed if name not in there])
        raise InputError(f'it does not say {lacking}: give it, or say "{step}": false.')
    return tuple(said[name] for name in needed)


def _size(size: Any) -> tuple[int, ...]:
    for names in (("shortest_edge",), ("height", "width")):
        if isinstance(size, Mapping) and {key for key, value in size.items() if value is not None} == set(names):
            return tuple(_whole(size[name], f"size[{name!r}]") for name in names)
    raise InputError(f'size must be {{"shortest_edge": …}} or {{"height": …, "width": …}}; got {size!r:.80}.')


def _crop(size: Any) -> tuple[int, int]:
    if isinstance(size, Mapping):
        found = _size(size)
        if len(found) == 2:
            return found[0], found[1]
        raise InputError(f'crop_size must be a number or {{"height": …, "width": …}}; got {size!r:.80}.')
    return (side := _whole(size, "crop_size")), side


def _whole(value: Any, name: str, least: int = 1, most: int = 10_000) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InputError(f"{name} must be a whole number from {least} to {most}; got {value!r:.80}.")
    return value


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise InputError(f"{name} must be a number; got {value!r:.80}.")
    return float(value)


def _channels(values: Any, name: str) -> tuple[float, ...]:
    if not isinstance(values, list) or len(values) not in (1, 3):
        raise InputError(f"{name} must be a list of 1 or 3 numbers; got {values!r:.80}.")
    return tuple(_number(value, name) for value in values)


def _resized(size: tuple[int, int], wanted: tuple[int, ...]) -> tuple[int, int]:
    """Width and height of a picture of this width and height, made so large."""
    if len(wanted) == 2:
        return wanted[1], wanted[0]
    width, height = size
    short, long = min(size), max(size)
    other = int(wanted[0] * long / short)
    return (wanted[0], other) if width <= height else (other, wanted[0])
