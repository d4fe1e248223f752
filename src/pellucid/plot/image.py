"""Image overlays: a signed heat over each picture, all on one scale."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.numbers import finite
from pellucid._base.typing import Array, Float2
from pellucid.explanation import Explanation
from pellucid.plot.inline import (
    DOWN,
    LEVELS,
    UP,
    Html,
    check_panels,
    figure_of,
    limit_of,
    literal,
    outputs_of,
    quality_notes,
    scale_of,
    sum_sentence,
)
from pellucid.plot.png import data_uri, png
from pellucid.plot.tables import Columns, column, need

BYTES = 680_000
"""Bytes of all PNG files of a picture, so that it stays below 1 MB as text."""
LONGEST_SIDE = 512
"""Pixels of an image's longer side; larger images are averaged down."""
SHOWN_SIDE = 336
"""Pixels to which smaller images are enlarged, by whole factors."""
STRIPE = 4
"""Width in pixels of the stripes that mark negative values without colour."""


def image_data(
    source: Explanation | Sequence[Explanation] | Columns,
    *,
    images: Any = None,
    segments: Any = None,
    output: str | int | Sequence[str | int] | None = None,
) -> dict[str, list[Any]]:
    """Return the table behind `image`: output, image, heat, total, base, prediction, one line per image and output.

    Parameters
    ----------
    source : Explanation, sequence of Explanation or mapping of str to sequence
        An explanation with a row per image, one explanation per image, or columns ``image``, ``heat`` (an array of
        shape (height, width)) and perhaps ``output``, ``total``, ``base`` and ``prediction``.
    images : array of shape (height, width) or (height, width, 1 or 3), or sequence of them, optional
        The explained images: 8-bit, or numbers from 0 to 1; others are stretched to the range that they have.
    segments : integer array of shape (height, width), or one for each image, optional
        Feature number of each pixel of an `Explanation`; without it there must be a feature for each pixel.
    output : str, int or sequence of them, optional
        Outputs of an `Explanation`; by default all, but of two classes the second.

    Raises
    ------
    InputError
        When shapes do not fit together.
    """
    if isinstance(source, Mapping):
        if images is not None or segments is not None:
            raise InputError("images= and segments= belong to an Explanation; a table has image and heat columns.")
        return _of_table(source)
    return _of_explanations(_explanations(source), images, segments, output)


def image(
    source: Explanation | Sequence[Explanation] | Columns,
    *,
    images: Any = None,
    segments: Any = None,
    output: str | int | Sequence[str | int] | None = None,
    limit: float | None = None,
    title: str = "",
    description: str = "",
) -> Html:
    """Draw a heat over each image: orange raises the output, blue with stripes lowers it.

    All images and outputs share one scale. The reader chooses the overlay's opacity (at 0 % the image has its own
    colours) and, where there are several, the output; neither needs a script.

    Parameters
    ----------
    source, images, segments, output
        See `image_data`.
    limit : float, optional
        Value at the end of the scale, to give several pictures the same one; by default the largest.
    title, description : str
        Shown above the picture; read to those who cannot see it.

    Examples
    --------
    >>> import numpy as np
    >>> heat = np.array([[0.5, 0.0], [0.0, -0.25]])
    >>> picture = image({"image": [np.eye(2)], "heat": [heat], "base": [0.0], "prediction": [0.25]})
    >>> "base 0, areas together +0.25, sum 0.25; model 0.25, gap 0." in picture
    True
    """
    table = image_data(source, images=images, segments=segments, output=output)
    names = list(dict.fromkeys(table["output"]))
    check_panels(len(names))
    end = limit_of([float(np.abs(heat).max(initial=0.0)) for heat in table["heat"]], limit)
    pixels = int(BYTES / (4.2 * max(1, len(table["heat"]))))
    panels = []
    for name in names:
        lines = [i for i, other in enumerate(table["output"]) if other == name]
        drawn = "".join(_overlay({key: cells[i] for key, cells in table.items()}, end, pixels) for i in lines)
        panels.append((name or "output", f"<div class=plv-row>{drawn}</div>"))
    explanations = _explanations(source)
    unit = f"({str(explanations[0].space).replace('_', ' ')})" if explanations else "value of an area"
    heading = title or (names[0] if len(names) == 1 else "")
    return figure_of(
        panels, scale_of(end, unit), title=heading, description=description or heading or "images under their values",
        notes=quality_notes(explanations), fades=True,
    )  # fmt: skip


def _explanations(source: Explanation | Sequence[Explanation] | Columns) -> list[Explanation]:
    """The explanations that are asked to be drawn; none where a table is.

    Raises
    ------
    InputError
        When it is neither.
    """
    if isinstance(source, Mapping):
        return []
    several = list(source) if isinstance(source, Sequence) else []
    explanations = [source] if isinstance(source, Explanation) else several
    if not explanations or not all(isinstance(each, Explanation) for each in explanations):
        raise InputError("source must be an Explanation, a sequence of them, or a table with image and heat columns.")
    return explanations


def _of_table(table: Columns) -> dict[str, list[Any]]:
    rows = need(table, "image", "image", "heat")
    images = [_pixels(picture) for picture in table["image"]]
    heats = [_checked_heat(heat, picture) for heat, picture in zip(table["heat"], images, strict=True)]
    totals = column(table, "total", rows)
    return {
        "output": ["" if name is None else str(name) for name in column(table, "output", rows)],
        "image": images,
        "heat": heats,
        "total": [
            float(heat.sum()) if total is None else finite(total) for heat, total in zip(heats, totals, strict=True)
        ],
        "base": [finite(value) for value in column(table, "base", rows)],
        "prediction": [finite(value) for value in column(table, "prediction", rows)],
    }


def _of_explanations(
    explanations: list[Explanation], images: Any, segments: Any, output: str | int | Sequence[str | int] | None
) -> dict[str, list[Any]]:
    rows = [(each, row) for each in explanations for row in range(len(each))]
    pictures = [_pixels(picture) for picture in _each(images, len(rows), "images")]
    areas = [None] * len(rows) if segments is None else _each(segments, len(rows), "segments")
    table: dict[str, list[Any]] = {
        name: [] for name in ("output", "image", "heat", "total", "base", "prediction")
    }  # fmt: skip
    for (explanation, row), picture, area in zip(rows, pictures, areas, strict=True):
        for k in outputs_of(explanation.outputs, output):
            values = explanation.values[row, :, k]
            table["output"].append(explanation.outputs[k])
            table["image"].append(picture)
            table["heat"].append(_spread(values, area, picture))
            table["total"].append(float(values.sum()))
            table["base"].append(float(explanation.base_values[row, k]))
            table["prediction"].append(None)
    return table


def _each(given: Any, rows: int, name: str) -> list[Array]:
    """One array per row: of a list or stack of them, or the one that serves all rows."""
    if given is None:
        raise InputError(f"an Explanation knows no pixels: pass {name}=, one for each of its {rows} rows.")
    if isinstance(given, list | tuple):
        arrays = [np.asarray(each) for each in given]
    else:
        stack = np.asarray(given)
        one = stack.ndim == 2 or (name == "images" and stack.ndim == 3 and stack.shape[2] in (1, 3))
        arrays = [stack] if one else list(np.atleast_1d(stack))
    if name == "segments" and len(arrays) == 1:
        arrays *= rows
    if len(arrays) != rows:
        raise InputError(f"{name} must be one for each of the {rows} explained rows; got {len(arrays)}.")
    return arrays


def _pixels(image: Any) -> Array:
    """An image as 8-bit colours of shape (height, width, 3)."""
    array = np.asarray(image)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3) or not array.size or array.dtype.kind not in "buif":
        raise InputError(
            "an image must be numbers of shape (height, width), (height, width, 1) or (height, width, 3); got "
            f"{array.dtype} of shape {np.shape(image)}. Move the channels to the end if they come first."
        )
    if array.dtype != np.uint8:
        array = array.astype(np.float64)
        if not np.isfinite(array).all():
            raise InputError("an image must have finite pixels; it has NaN or infinite ones.")
        low, high = min(0.0, float(array.min())), max(1.0, float(array.max()))
        if (low, high) != (0.0, 1.0):
            low, high = float(array.min()), float(array.max())
        array = np.rint((array - low) * (255.0 / max(high - low, 1e-300))).astype(np.uint8)
    return np.broadcast_to(array, (*array.shape[:2], 3))


def _checked_heat(heat: Any, picture: Array) -> Float2:
    array = np.asarray(heat, dtype=np.float64)
    if array.shape != picture.shape[:2] or not np.isfinite(array).all():
        raise InputError(
            f"heat must be finite numbers of shape {picture.shape[:2]}, one per pixel of its image; got shape "
            f"{array.shape}."
        )
    return array


def _spread(values: Array, area: Array | None, picture: Array) -> Float2:
    """The value of each pixel's feature."""
    shape = picture.shape[:2]
    if area is None:
        if len(values) != shape[0] * shape[1]:
            raise InputError(
                f"{len(values)} features are not the {shape[0]} × {shape[1]} pixels of the image: pass segments=, the "
                "feature number of each pixel."
            )
        return np.asarray(values.reshape(shape))
    if area.shape != shape or area.dtype.kind not in "iu" or area.min() < 0 or area.max() >= len(values):
        raise InputError(
            f"segments must be whole numbers from 0 to {len(values) - 1} of shape {shape}, the feature of each pixel; "
            f"got {area.dtype} of shape {area.shape}."
        )
    return np.asarray(values[area])


def _overlay(line: dict[str, Any], limit: float, pixels: int) -> str:
    """An image under its heat, and what the values add up to."""
    height, width = line["heat"].shape
    step = max(1, -(-max(height, width) // LONGEST_SIDE))
    while (height // step) * (width // step) > pixels:
        step += 1
    photo, heat = _shrunk(line["image"], step), _shrunk(line["heat"][:, :, None], step)[:, :, 0]
    times = max(1, SHOWN_SIDE // max(photo.shape[:2]))
    tall, wide = photo.shape[0] * times, photo.shape[1] * times
    said = sum_sentence("areas", line["total"], line["base"], line["prediction"])
    label = literal(f"{line['output']}: {said}" if line["output"] else said)
    over_file = data_uri(heat_file(heat.repeat(times, 0).repeat(times, 1), limit))
    photo_file = data_uri(png(np.rint(photo).astype(np.uint8)))
    size = f"width={wide} height={tall}"
    return (
        f'<figure><div class=plv-stack><img class=plv-photo {size} src="{photo_file}" alt="{label}">'
        f'<img class=plv-heat {size} src="{over_file}" alt=""></div><figcaption>{literal(said)}</figcaption></figure>'
    )


def _shrunk(array: Array, step: int) -> Array:
    """Means of blocks of step × step pixels; incomplete blocks at the ends are cut off."""
    if step == 1:
        return array
    height, width = (size // step for size in array.shape[:2])
    cut = array[: height * step, : width * step].astype(np.float64)
    return np.asarray(cut.reshape(height, step, width, step, -1).mean(axis=(1, 3)))


def heat_file(heat: Float2, limit: float) -> bytes:
    """The heat as a PNG of few colours: opacity for size, stripes for negative values."""
    share = np.clip(np.abs(heat) / limit, 0.0, 1.0) if limit else np.zeros_like(heat)
    level = np.rint(share * LEVELS).astype(np.int64)
    rows, columns = np.indices(heat.shape)
    gap = (heat < 0) & ((rows + columns) // STRIPE % 2 == 1)
    codes = np.where((heat < 0) & (level > 0), LEVELS + level, level)
    opacity = np.rint(np.arange(LEVELS + 1) * (255 / LEVELS)).astype(np.uint8)
    palette = np.zeros((3 * LEVELS + 1, 4), dtype=np.uint8)
    palette[1 : LEVELS + 1, :3], palette[LEVELS + 1 :, :3] = UP, DOWN
    palette[1 : LEVELS + 1, 3] = palette[LEVELS + 1 : 2 * LEVELS + 1, 3] = opacity[1:]
    palette[2 * LEVELS + 1 :, 3] = opacity[1:] // 2
    return png(np.where(gap & (level > 0), codes + LEVELS, codes).astype(np.uint8), palette)
