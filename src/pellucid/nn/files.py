"""Networks and their rows in files."""

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pellucid._base.errors import FileError
from pellucid._base.files import path_of
from pellucid._base.typing import Array, Names
from pellucid.adapters.files import modules_here, trusted_bytes

PICTURES, CLASS_NAMES = "pictures", "class_names"
"""Arrays of a file of rows that are neither inputs nor truth."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Rows for a network, as `pellucid.nn.audit` takes them.

    Parameters
    ----------
    inputs : tensor of shape (rows, …), or tuple of str
    y : array of shape (rows,)
    pictures : uint8 array of shape (rows, height, width, 3), or None
    class_names : tuple of str, or None
    tokenizer : fast tokenizer or None
        Of texts.
    about : str
        What the rows are, for the report.
    """

    inputs: Tensor | Names
    y: Array
    pictures: Array | None
    class_names: Names | None
    tokenizer: Any = None
    about: str = ""


def load_network(path: str | Path, *, trust_pickle: str | None = None) -> nn.Module:
    """Load a network that ``torch.save`` (``.pt``, ``.pth``) or ``torch.export.save`` (``.pt2``) wrote whole.

    Parameters
    ----------
    path : str or Path
    trust_pickle : str, optional
        SHA-256 of the file. Both kinds may hold pickles, and loading those runs any code they contain.

    Returns
    -------
    torch.nn.Module
        On the CPU. An exported network keeps its modules' names, but not their classes.

    Raises
    ------
    FileError
        When the file is missing, damaged, not trusted, or holds weights without a network.
    """
    path = path_of(path)
    if not path.is_file():
        raise FileError(f"there is no file {path}.")
    content = io.BytesIO(trusted_bytes(path, trust_pickle, "Name the network in code instead (--model module:name)"))
    try:
        found = _exported(content) if path.suffix.lower() == ".pt2" else _saved(content)
    except Exception as error:
        raise FileError(
            f"{path} could not be read as a network: {type(error).__name__}: {error!s:.200}. The classes of a network "
            "that torch.save wrote must be importable from the working directory; torch.export.save needs none."
        ) from error
    if isinstance(found, Mapping):
        raise FileError(
            f"{path} holds weights without the network they belong to. Save the network whole, with "
            "torch.save(network, path) or torch.export.save, or name it in code (--model module:name)."
        )
    if not isinstance(found, nn.Module):
        raise FileError(f"{path} holds no network but {type(found).__name__}.")
    return found


def _saved(content: io.BytesIO) -> Any:
    with modules_here():
        return torch.load(content, map_location="cpu", weights_only=False)


def _exported(content: io.BytesIO) -> nn.Module:
    """Read an exported network, in the modules it was made of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PyTorch's, of PyTorch
        network = torch.export.unflatten(torch.export.load(content))
    for module in network.modules():
        module.training = False  # what was exported has its mode in its calls
        for node in getattr(getattr(module, "graph", None), "nodes", ()):
            node.meta.clear()  # sizes that were assumed, which cannot be copied
    return network


def load_rows(path: str | Path, target: str) -> Rows:
    """Load rows of a network from a NumPy ``.npz`` file.

    Parameters
    ----------
    path : str or Path
        It holds the inputs as the network takes them, under any name, the truth under the name `target`, and maybe
        ``pictures`` and ``class_names``.
    target : str

    Raises
    ------
    FileError
        When the file is missing or damaged, has no such array, or not one for the inputs.
    """
    path = path_of(path)
    if not path.is_file():
        raise FileError(f"there is no file {path}.")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception as error:
        raise FileError(f"{path} could not be read as NumPy arrays: {error}") from error
    if target not in arrays:
        raise FileError(f"{path} has no array {target!r} for --target. It has {', '.join(map(repr, arrays))}.")
    inputs = [name for name in arrays if name not in (target, PICTURES, CLASS_NAMES)]
    if len(inputs) != 1 or arrays[inputs[0]].dtype.kind not in "fiu":
        raise FileError(
            f"{path} must hold one array of numbers beside {target!r}, {PICTURES!r} and {CLASS_NAMES!r}, the network's "
            f"inputs; it has {', '.join(f'{name!r} ({arrays[name].dtype})' for name in inputs) or 'none'}."
        )
    names = arrays.get(CLASS_NAMES)
    return Rows(
        inputs=torch.from_numpy(arrays[inputs[0]]),
        y=arrays[target],
        pictures=arrays.get(PICTURES),
        class_names=None if names is None else tuple(map(str, names)),
    )
