"""Hashes of models, rows and configurations that another process, and another machine, finds again."""

import copy
import hashlib
import json
import pickle
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pellucid._base.errors import FileError, InputError
from pellucid._base.files import path_of
from pellucid.adapters import as_model
from pellucid.table import Table

STAMPED = ("catboost",)
"""Libraries that write a new identifier into every copy of a model: its trees count instead."""


def canonical(value: Any) -> str:
    """Return JSON that equal values share: sorted keys, no spaces, ASCII, shortest floats."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(text: str) -> str:
    """Hexadecimal SHA-256 of text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def file_digest(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file.

    Raises
    ------
    FileError
        When it cannot be read.
    """
    file = path_of(path)
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise FileError(f"{file} cannot be read: {error.strerror or error}.") from error


def model_digest(model: Any, background: Table) -> str:
    """Hash a model: what it is made of where that can be walked through, else its trees or weights and its answers.

    Parameters
    ----------
    model : object
        A fitted model or a function.
    background : Table
        Rows a function is asked about: a function's own code has no hash that two machines share.

    Returns
    -------
    str
        ``"state:"`` or ``"answers:"`` and a SHA-256.
    """
    state = _state(model) if hasattr(model, "predict") or hasattr(model, "score_samples") else None
    if state is not None:
        return f"state:{state}"
    read = as_model(model, reference=background)
    answers = np.ascontiguousarray(read.predict(background), dtype="<f8")
    return f"answers:{_part((read.outputs, read.structure, answers))}"


def _state(model: Any) -> str | None:
    """Hash of everything a model holds; None where it cannot be walked through, or its copies hash otherwise.

    A copy is hashed, because a model as it was fitted may hold what a loaded one does not (LightGBM's does).
    """
    try:
        once = copy.deepcopy(model)
        first, second = _part(once), _part(copy.deepcopy(once))
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError, ValueError):
        return None
    return first if first == second else None


class _Walker(pickle.Pickler):
    """Everything an object is made of, as one hash; nothing is stored and nothing can be loaded from it.

    Arrays count by dtype, shape and cells, whatever their layout; sets by their members, whatever their order; and
    equal parts count the same whether or not they are one object.
    """

    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        super().__init__(self, protocol=5)
        self.fast = True

    def write(self, data: Any) -> int:
        """Take the bytes that a file would get."""
        self._sha.update(data)
        return len(data)

    def persistent_id(self, obj: Any) -> Any:
        """Stand in for what has no bytes of its own that two processes share."""
        if isinstance(obj, np.ndarray) and not obj.dtype.hasobject:
            cells = hashlib.sha256(np.ascontiguousarray(obj).tobytes()).hexdigest()
            return ("array", repr(obj.dtype.descr) if obj.dtype.names else obj.dtype.str, obj.shape, cells)
        if isinstance(obj, set | frozenset):
            return ("set", sorted(_part(member) for member in obj))
        if type(obj).__module__.partition(".")[0] in STAMPED and hasattr(obj, "predict"):
            return ("trees", _part(_structure(obj)))
        return None

    def hexdigest(self) -> str:
        """Return the hash of everything dumped so far."""
        return self._sha.hexdigest()


def _structure(model: Any) -> Any:
    structure = as_model(model).structure
    if structure is None:
        raise TypeError("there is no structure to walk through")
    return structure


def _part(value: Any) -> str:
    walker = _Walker()
    walker.dump(value)
    return walker.hexdigest()


def row_digests(table: Table) -> list[str]:
    """Hash each row alone: names and cells, whatever the container, the dtypes and the other rows.

    A number counts as float64, a category as its text, and everything missing is the same.
    """
    columns = [[_cell(value) for value in table.column(name).tolist()] for name in table.names]
    header = hashlib.sha256(canonical(list(table.names)).encode())
    found = []
    for cells in zip(*columns, strict=True):
        sha = header.copy()
        for cell in cells:
            sha.update(struct.pack("<q", len(cell)))
            sha.update(cell)
        found.append(sha.hexdigest())
    return found


def _cell(value: Any) -> bytes:
    if value is None or value != value:  # noqa: PLR0124 - NaN and NaT
        return b""
    if isinstance(value, float | int):
        return b"n" + struct.pack("<d", float(value))
    text = value if isinstance(value, str) else repr(value)
    return b"t" + text.encode("utf-8", "surrogatepass")


def json_value(value: Any, what: str) -> Any:
    """Return an option as JSON holds it.

    Raises
    ------
    InputError
        When it has no form there.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float) and np.isfinite(value):
        return value
    if isinstance(value, Mapping):
        return {str(key): json_value(item, what) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item, what) for item in value]
    raise InputError(f"{what} has the value {value!r:.60}, which a record cannot hold. Use text and finite numbers.")
