"""Images, hidden area by area."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.optional import optional_import
from pellucid._base.typing import Array, Bool2, Int2, Names

WORTH_A_COPY = 8
"""Pixels in a run that are copied as one."""

Cut: TypeAlias = Literal["grid", "slic", "quickshift"]
Fill: TypeAlias = Literal["mean", "blur", "inpaint"]


def superpixels(image: Any, *, n_segments: int = 49, method: Cut = "grid") -> Int2:
    """Cut an image into areas that are hidden and shown as one.

    Parameters
    ----------
    image : array of shape (height, width) or (height, width, channels)
    n_segments : int
        About how many areas; ``"quickshift"`` finds its own number.
    method : {"grid", "slic", "quickshift"}
        Equal rectangles, or areas of like colour by scikit-image (``pip install 'pellucid[images]'``): Achanta et al.
        (2012), Vedaldi and Soatto (2008).

    Returns
    -------
    int64 array of shape (height, width)
        Area of each pixel, numbered 0, 1, … without gaps.

    Raises
    ------
    InputError
        When the image is none or the number of areas is not one of 1 to its pixels.
    MissingDependencyError
        When scikit-image is asked for and not installed.

    Examples
    --------
    >>> import numpy as np
    >>> superpixels(np.zeros((4, 6)), n_segments=6)
    array([[0, 0, 1, 1, 2, 2],
           [0, 0, 1, 1, 2, 2],
           [3, 3, 4, 4, 5, 5],
           [3, 3, 4, 4, 5, 5]])
    """
    pixels = checked_image(image)
    height, width = pixels.shape[:2]
    if method not in get_args(Cut):
        raise InputError(f"method must be one of {', '.join(map(repr, get_args(Cut)))}; got {method!r:.80}.")
    if isinstance(n_segments, bool) or not isinstance(n_segments, int) or not 1 <= n_segments <= height * width:
        raise InputError(
            f"n_segments must be a whole number from 1 to {height * width} pixels; got {n_segments!r:.80}."
        )
    if method == "grid":
        rows = min(height, max(1, round((n_segments * height / width) ** 0.5)))
        columns = min(width, max(1, round(n_segments / rows)))
        down, across = np.arange(height) * rows // height, np.arange(width) * columns // width
        return np.asarray(down[:, None] * columns + across, dtype=np.int64)
    skimage = optional_import("skimage.segmentation", extra="images", purpose=f"method={method!r}")
    colours = pixels.reshape(height, width, -1).astype(np.float64)
    colours = (colours - colours.min()) / max(float(np.ptp(colours)), 1e-300)
    if method == "slic":
        found = skimage.slic(colours, n_segments=n_segments, channel_axis=2)
    else:
        rgb = colours if colours.shape[2] == 3 else np.repeat(colours[:, :, :1], 3, axis=2)
        found = skimage.quickshift(rgb, kernel_size=4, max_dist=200, ratio=0.2, rng=0)
    return np.unique(found, return_inverse=True)[1].reshape(height, width).astype(np.int64)


def checked_image(image: Any) -> Array:
    """An image as an array of shape (height, width) or (height, width, channels).

    Raises
    ------
    InputError
        When it is none, or has pixels that are not finite.
    """
    pixels = np.asarray(image)
    if pixels.ndim not in (2, 3) or not pixels.size or pixels.dtype.kind not in "buif":
        raise InputError(
            "an image must be numbers of shape (height, width) or (height, width, channels); got "
            f"{pixels.dtype} of shape {pixels.shape}. Explain several images one by one."
        )
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise InputError("an image must have finite pixels; it has NaN or infinite ones.")
    return pixels


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageParts:
    """An image whose areas can be hidden.

    Parameters
    ----------
    image : array of shape (height, width) or (height, width, channels)
    segments : int64 array of shape (height, width)
        Area of each pixel, numbered 0, 1, … without gaps.
    hidden : array of the image's shape and dtype, or None
        What stands for hidden pixels; None paints them over from what is shown around them.
    words : str
        The fill in words.

    Examples
    --------
    >>> import numpy as np
    >>> parts = ImageParts.of(np.arange(4.0).reshape(2, 2), segments=np.array([[0, 0], [1, 1]]))
    >>> parts.show(np.array([[False, True]]))[0]
    array([[0.5, 0.5],
           [2. , 3. ]])
    """

    image: Array
    segments: Int2
    hidden: Array | None
    words: str

    @classmethod
    def of(cls, image: Any, *, segments: Any = None, fill: Any = "mean") -> "ImageParts":
        """Check an image, its areas and what stands for hidden ones.

        Parameters
        ----------
        image : array of shape (height, width) or (height, width, channels)
        segments : integer array of shape (height, width), optional
            Area of each pixel; by default a grid of `superpixels`.
        fill : {"mean", "blur", "inpaint"}, number or array
            The area's own mean, the blurred image, what is shown around it, or the number or image given.

        Raises
        ------
        InputError
            When one of them does not fit the image.
        """
        pixels = checked_image(image).copy()
        shape = pixels.shape[:2]
        areas = (
            superpixels(pixels, n_segments=min(49, shape[0] * shape[1])) if segments is None else np.asarray(segments)
        )
        if areas.shape != shape or areas.dtype.kind not in "iu":
            raise InputError(
                f"segments must be whole numbers of shape {shape}, the area of each pixel; got {areas.dtype} of shape "
                f"{areas.shape}."
            )
        if not np.array_equal(np.unique(areas), np.arange(areas.max() + 1)):
            raise InputError("segments must be numbered 0, 1, … without gaps.")
        hidden, words = _hidden(pixels, areas, fill)
        return cls(image=pixels, segments=areas.astype(np.int64), hidden=hidden, words=words)

    @property
    def names(self) -> Names:
        """``area 0``, ``area 1``, …."""
        return tuple(f"area {number}" for number in range(int(self.segments.max()) + 1))

    @property
    def n_bytes(self) -> int:
        """Bytes of the image, with what painting over takes."""
        return self.image.nbytes if self.hidden is not None else 64 * self.image.size

    @property
    def hidden_in_words(self) -> str:
        """What stands for a hidden area."""
        return f"hidden areas are {self.words}"

    def show(self, shown: Bool2) -> Array:
        """Return the image once for each row of `shown` (images, areas): an array (images, height, width, …)."""
        if self.hidden is not None:
            return self._replaced(shown)
        seen = shown[:, self.segments][..., None]
        flat = self.image.reshape(*self.image.shape[:2], -1)
        painted = np.where(seen, flat, _like(_painted(flat.astype(np.float64), seen), self.image))
        return painted.reshape(len(shown), *self.image.shape)

    def _replaced(self, shown: Bool2) -> Array:
        """Copy runs of pixels along the lines, an image at a time; of equal runs each is one copy."""
        areas, channels = self.segments.reshape(-1), self.image.size // self.segments.size
        starts = np.flatnonzero(np.diff(areas, prepend=-1))
        image, hidden = self.image.reshape(-1), np.asarray(self.hidden).reshape(-1)
        images = np.empty((len(shown), image.size), dtype=image.dtype)
        run = int(np.gcd.reduce(starts, initial=len(areas)))
        if run >= WORTH_A_COPY:
            runs, length = len(areas) // run, run * channels
            both, places = np.concatenate([hidden, image]).reshape(-1, length), np.arange(runs)
            for one, flags in zip(images, shown[:, areas[::run]], strict=True):
                # "clip" writes straight into the result; no place is out of bounds
                np.take(both, places + runs * flags, axis=0, out=one.reshape(runs, length), mode="clip")
        else:
            lengths = np.diff(starts, append=len(areas)) * channels
            images[:] = hidden
            for one, flags in zip(images, shown[:, areas[starts]], strict=True):
                np.copyto(one, image, where=np.repeat(flags, lengths))
        return images.reshape(len(shown), *self.image.shape)


def _hidden(image: Array, segments: Int2, fill: Any) -> tuple[Array | None, str]:
    """What stands for hidden pixels, and its name in words."""
    if isinstance(fill, str):
        if fill == "mean":
            return _means(image, segments), "replaced by their own mean"
        if fill == "blur":
            return _blurred(image), "replaced by the blurred image"
        if fill == "inpaint":
            return None, "painted over from what is shown around them"
        raise InputError(
            f"fill must be one of {', '.join(map(repr, get_args(Fill)))}, a number or an image; got {fill!r}."
        )
    try:
        given = np.broadcast_to(np.asarray(fill), image.shape)
    except ValueError:
        given = np.empty(0, dtype=object)
    if given.dtype.kind not in "buif" or not np.isfinite(given).all():
        raise InputError(f"fill must be a number or an image of shape {image.shape}; got {fill!r:.80}.")
    return _like(given, image), "replaced by the fill that was given"


def _like(values: Array, image: Array) -> Array:
    """Round to the image's dtype."""
    return values.astype(image.dtype) if image.dtype.kind == "f" else np.rint(values).astype(image.dtype)


def _means(image: Array, segments: Int2) -> Array:
    channels = image.reshape(segments.size, -1).astype(np.float64)
    index = segments.reshape(-1)
    counts = np.bincount(index)
    means = np.stack([np.bincount(index, weights=channel) / counts for channel in channels.T], axis=1)
    return _like(means[index].reshape(image.shape), image)


def _blurred(image: Array) -> Array:
    """Gaussian blur with an eighth of the shorter side as standard deviation."""
    from scipy.ndimage import gaussian_filter  # a third party, loaded only where an image is blurred

    width = min(image.shape[:2]) / 8
    sigma = (width, width) if image.ndim == 2 else (width, width, 0)
    return _like(gaussian_filter(image.astype(np.float64), sigma), image)


def _painted(image: Array, seen: Array) -> Array:
    """Means of the seen pixels around each, by normalised convolution (Knutsson and Westin, 1993, equation 10).

    A pixel's weight falls by half over a 24th of the image, in either direction. `image` has shape (height, width,
    channels), `seen` (images, height, width, 1); where nothing is seen the fill is 0.
    """
    down, across = (0.5 ** (24 / size * np.abs(np.subtract.outer(*2 * [np.arange(size)]))) for size in image.shape[:2])
    weight = np.broadcast_to(seen, (*seen.shape[:3], 1)).astype(np.float64)
    both = np.concatenate([image * weight, weight], axis=3)
    spread = across @ (down @ both.reshape(*both.shape[:2], -1)).reshape(both.shape)
    total, share = spread[..., :-1], spread[..., -1:]
    return np.asarray(np.divide(total, share, out=np.zeros_like(total), where=share > 0))
