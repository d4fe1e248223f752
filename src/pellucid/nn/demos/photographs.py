"""Photographs that come with scikit-image and scikit-learn, as a network for ImageNet is shown them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pellucid._base.optional import optional_import
from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Int1, Names

SIDE = 224
VIEWS = 12
"""Views of each photograph: its middle, and parts of it, some mirrored."""

SHOWN: dict[str, tuple[int, ...]] = {
    "brick": (825,),
    "camera": (872, 759),
    "cat": (281, 282, 285),
    "clock": (409, 892),
    "coffee": (504, 967, 968),
    "motorcycle": (665, 670),
    "page": (916, 918, 921, 922),
    "rocket": (657, 744, 812),
    "china.jpg": (698,),
    "flower.jpg": (985,),
}
"""Photographs, and the ImageNet classes that name what they show."""

CLASS_NAMES: dict[int, str] = {
    281: "tabby cat", 282: "tiger cat", 285: "Egyptian cat", 287: "lynx", 309: "bee", 409: "analog clock",
    442: "bell cote", 447: "binoculars", 450: "bobsled", 458: "brass", 483: "castle", 504: "coffee mug",
    535: "disk brake", 540: "drilling platform", 560: "football helmet", 567: "frying pan", 573: "go-kart",
    633: "loupe", 646: "maze", 650: "microphone", 657: "missile", 663: "monastery", 665: "moped",
    670: "motor scooter", 698: "palace", 744: "projectile", 752: "racket", 759: "reflex camera", 773: "saltshaker",
    812: "space shuttle", 818: "spotlight", 825: "stone wall", 872: "tripod", 892: "wall clock", 904: "window screen",
    916: "web site", 918: "crossword", 921: "book jacket", 922: "menu", 925: "consommé", 947: "mushroom",
    967: "espresso", 968: "cup", 971: "bubble", 975: "lakeside", 976: "promontory", 985: "daisy",
}  # fmt: skip
"""Names of the ImageNet classes that come up."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Photographs:
    """Views of photographs.

    Parameters
    ----------
    pictures : uint8 array of shape (rows, 224, 224, 3)
    names : tuple of str
        Which photograph each view is of.
    """

    pictures: Array
    names: Names

    def labels(self, scores: Array) -> Int1:
        """Return a fitting class for each view: of the classes that name it, the one with the highest score.

        Parameters
        ----------
        scores : array of shape (rows, 1000)
            What the network says: a photograph of a cat fits three classes, and any of them is right.
        """
        fitting = [list(SHOWN[name]) for name in self.names]
        return np.array([classes[int(row[classes].argmax())] for classes, row in zip(fitting, scores, strict=True)])


def photographs(*, views: int = VIEWS, random_state: int = 0) -> Photographs:
    """Return views of the photographs.

    Parameters
    ----------
    views : int
        Views of each photograph.
    random_state : int
        Seed of the views.

    Raises
    ------
    MissingDependencyError
        Without scikit-image.
    """
    made, names = [], []
    for name, photograph in _loaded():
        for k in range(views):
            made.append(_view(photograph, k, random_state))
            names.append(name)
    return Photographs(pictures=np.stack(made), names=tuple(names))


def class_names() -> Names:
    """Return a name for each of the 1,000 classes; those that do not come up keep their number."""
    return tuple(CLASS_NAMES.get(k, f"class {k}") for k in range(1000))


def _loaded() -> Iterator[tuple[str, Array]]:
    data = optional_import("skimage.data", extra="nn-demos", purpose="the photographs of the demo")
    from sklearn.datasets import load_sample_image

    loaders = {"cat": "chelsea"}
    for name in SHOWN:
        if name.endswith(".jpg"):
            yield name, _coloured(load_sample_image(name))
        elif name == "motorcycle":
            yield name, _coloured(data.stereo_motorcycle()[0])
        else:
            yield name, _coloured(getattr(data, loaders.get(name, name))())


def _coloured(picture: Array) -> Array:
    return np.repeat(picture[:, :, None], 3, axis=2) if picture.ndim == 2 else picture[:, :, :3]


def _view(photograph: Array, number: int, seed: int) -> Array:
    """A square of the photograph, 224 pixels wide: the largest in the middle first, then smaller ones around it."""
    resize = optional_import("skimage.transform", extra="nn-demos", purpose="the demo").resize
    rng = stream(seed, "nn.demos.views", number)
    whole = min(photograph.shape[:2])
    side = whole if number == 0 else int(whole * rng.uniform(0.75, 1.0))
    corner = [
        (size - side) // 2 if number == 0 else int(rng.integers(0, size - side + 1)) for size in photograph.shape[:2]
    ]
    part = photograph[corner[0] : corner[0] + side, corner[1] : corner[1] + side]
    if number and rng.random() < 0.5:
        part = part[:, ::-1]
    shown: Array = np.rint(resize(part, (SIDE, SIDE), anti_aliasing=True) * 255).astype(np.uint8)
    return shown
