"""Rows of a network in folders and tables: pictures or texts, a subfolder or a column for their classes."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from pellucid._base.errors import FileError, InputError
from pellucid._base.files import path_of
from pellucid._base.optional import optional_import
from pellucid._base.progress import Progress, track
from pellucid._base.typing import Int1, Names
from pellucid.nn.files import Rows
from pellucid.nn.preparing import Preparation
from pellucid.table import listed

PICTURES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
TEXTS = (".txt",)

Prepare: TypeAlias = Preparation | Callable[[Any], Any]
"""What makes a network's input of a picture: a declaration, or a function from a PIL image to a tensor."""


def load_folder(
    path: str | Path, prepare: Any, *, classes: Sequence[str] | None = None, progress: Progress = None
) -> Rows:
    """Load a folder with a subfolder of pictures, or of ``.txt`` files, for each class.

    Parameters
    ----------
    path : str or Path
        Files below a subfolder are its class's, as deep as they lie; hidden files and other kinds are left out.
    prepare : Preparation, callable or fast tokenizer
        For pictures what `read_preparation` read, or a function from a PIL image in RGB to a tensor (channels, height,
        width), such as torchvision's transforms; for texts a fast tokenizer of transformers.
    classes : sequence of str, optional
        Names of the classes in the order of the network's outputs; by default the subfolders' names in alphabetical
        order, as torchvision's ``ImageFolder`` numbers them.
    progress : bool or callable, optional

    Returns
    -------
    Rows
        In the order of the files' names, which `about` counts.

    Raises
    ------
    FileError
        When there is no such folder, it has no subfolders or no files of one kind, or a file cannot be read.
    InputError
        When a subfolder is no class, or pictures do not come out alike.
    """
    path = path_of(path)
    if not path.is_dir():
        raise FileError(f"there is no folder {path}.")
    found = _files(path)
    pictured = [file for file, _ in found if file.suffix.lower() in PICTURES]
    written = [file for file, _ in found if file.suffix.lower() in TEXTS]
    if bool(pictured) == bool(written):
        raise FileError(
            f"{path} must hold one subfolder for each class with pictures ({', '.join(PICTURES)}) or with texts "
            f"({', '.join(TEXTS)}); it has {len(pictured)} pictures and {len(written)} texts in subfolders."
        )
    kept = [(file, label) for file, label in found if file.suffix.lower() in (PICTURES if pictured else TEXTS)]
    y, names = classes_of([label for _, label in kept], classes)
    left_out = f", and {len(found) - len(kept)} other files are left out" if len(found) > len(kept) else ""
    about = (
        f"The rows are the {len(kept)} {'pictures' if pictured else 'texts'} in {path.name or path}, numbered from 0 "
        f"in the order of their paths{left_out}. {said_of_classes(names, classes, 'subfolders')}"
    )
    each = track([file for file, _ in kept], task="reading", total=len(kept), progress=progress)
    if written:
        texts = tuple(_text(file) for file in each)
        return Rows(inputs=texts, y=y, pictures=None, class_names=names, tokenizer=prepare, about=about)
    inputs, shown = _prepared(each, prepare)
    return Rows(inputs=inputs, y=y, pictures=shown, class_names=names, about=about)


def read_classes(path: str | Path) -> Names:
    """Read the names of classes: one a line, a JSON list, or the ``id2label`` of a ``config.json``.

    Raises
    ------
    FileError
        When the file is missing or holds none of these.
    """
    path = path_of(path)
    if not path.is_file():
        raise FileError(f"there is no file {path}.")
    try:
        content = path.read_text(encoding="utf-8")
        said = json.loads(content) if path.suffix.lower() == ".json" else content.splitlines()
    except ValueError as error:
        raise FileError(f"{path} could not be read as names of classes: {error}") from error
    numbered = said.get("id2label") if isinstance(said, Mapping) else None
    if isinstance(numbered, Mapping):
        said = [numbered.get(str(k)) for k in range(len(numbered))]
    words: list[Any] = said if isinstance(said, list) else []
    names = [word.strip() for word in words if isinstance(word, str)]
    if len(names) < 2 or len(names) < len(words) or len(set(names)) < len(names) or "" in names:
        raise FileError(
            f"{path} must hold at least 2 different names of classes, in the order of the network's outputs: one a "
            "line, a JSON list of them, or JSON with id2label from 0 on, as the config.json of a model."
        )
    return tuple(names)


def classes_of(labels: Sequence[Any], classes: Sequence[str] | None) -> tuple[Int1, Names | None]:
    """Numbers of labels' classes, and the classes' names where labels or the caller name them.

    Parameters
    ----------
    labels : sequence of str or int
        Whole numbers are positions in the network's outputs.
    classes : sequence of str or None
        Names in the order of the outputs; None takes the labels' own in alphabetical order.

    Raises
    ------
    InputError
        When a label is not among the classes.
    """
    if all(isinstance(label, int | np.integer) and not isinstance(label, bool) for label in labels):
        return np.asarray(labels, dtype=np.int64), None if classes is None else tuple(classes)
    words = [str(label) for label in labels]
    names = tuple(sorted(set(words)) if classes is None else classes)
    strange = sorted(set(words) - set(names))
    if strange:
        raise InputError(f"the classes are {listed(names)}, and rows are called {listed(strange)}; name every class.")
    place = {name: k for k, name in enumerate(names)}
    return np.array([place[word] for word in words], dtype=np.int64), names


def said_of_classes(names: Names | None, classes: Sequence[str] | None, source: str) -> str:
    """How names became the network's outputs, for the report."""
    if names is None:
        return "Classes are the numbers of the network's outputs."
    if classes is not None:
        return "Classes are in the order that was given."
    return f"Classes are the names of the {source} in alphabetical order; another order would make every figure wrong."


def _files(path: Path) -> list[tuple[Path, str]]:
    """Files below subfolders that are not hidden, with the name of the subfolder."""
    found = []
    for inside in sorted(path.iterdir()):
        if inside.is_dir() and not inside.name.startswith("."):
            files = sorted(file for file in inside.rglob("*") if file.is_file() and not file.name.startswith("."))
            if not files:
                raise FileError(f"the folder {inside} of the class {inside.name!r} is empty; fill it, or take it away.")
            found += [(file, inside.name) for file in files]
    return found


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise FileError(f"{file} could not be read as text in UTF-8: {error}") from error


def _prepared(files: Iterator[Path], prepare: Prepare) -> tuple[Tensor, Any]:
    """Inputs, and the pictures as a person sees them where that is known."""
    library = optional_import("PIL.Image", extra="images", purpose="reading pictures from files")
    made: list[Tensor] = []
    shown: list[Any] = []
    for file in files:
        try:
            with library.open(file) as picture:
                picture.load()
        except Exception as error:
            raise FileError(f"{file} could not be read as a picture: {error!s:.200}") from error
        if isinstance(prepare, Preparation):
            try:
                pixels = prepare.cut(picture)
                tensor = prepare.scaled(pixels)
            except InputError as error:
                raise InputError(f"{file}: {error}") from error
            shown.append(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
        else:
            tensor = _called(prepare, picture.convert("RGB"), file)
        if made and tensor.shape != made[0].shape:
            raise InputError(
                f"{file} comes out of shape {tuple(tensor.shape)}, and the pictures before it of "
                f"{tuple(made[0].shape)}; declare a size and a crop_size, so that all come out alike."
            )
        made.append(tensor)
    return torch.stack(made), np.stack(shown) if shown else None


def _called(prepare: Callable[[Any], Any], picture: Any, file: Path) -> Tensor:
    try:
        tensor = prepare(picture)
    except Exception as error:
        raise InputError(
            f"the function that prepares pictures failed at {file}: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(tensor, Tensor) or tensor.ndim != 3:
        got = f"shape {tuple(tensor.shape)}" if isinstance(tensor, Tensor) else type(tensor).__name__
        raise InputError(
            f"the function that prepares pictures must return a tensor (channels, height, width); got {got}."
        )
    return tensor
