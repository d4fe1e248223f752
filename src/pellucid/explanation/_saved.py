"""Saving and loading, the same for every answer: a dataclass's fields become an archive and come back."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from pellucid._base.errors import FileError, InputError
from pellucid._base.files import path_of
from pellucid._base.typing import Array
from pellucid.explanation._archive import read_archive, write_archive
from pellucid.explanation._table_archive import described_cells, described_table, restored_cells, restored_table
from pellucid.explanation.provenance import Provenance
from pellucid.explanation.quality import Evaluations, Quality
from pellucid.ir import Space
from pellucid.table import Table

_TUPLES = ("features", "first", "second", "outputs", "warnings")


class Saved:
    """A frozen dataclass that can be written to one file and read back with the same bits."""

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> Path:
        """Write everything to one file: JSON and raw arrays in a zip; nothing is pickled.

        Row labels of a frame are not kept. Parameters of the method that JSON does not know are
        written as their text.

        Parameters
        ----------
        path : path-like
            The file; by custom it ends in ``.pellucid``.
        force : bool
            Replace an existing file.

        Returns
        -------
        pathlib.Path
            Where it was written.

        Raises
        ------
        FileError
            When the file exists, cannot be written, or a cell of the data has no form in JSON.
        """
        write_archive(path, type(self).__name__, _described(self), force=force)
        return path_of(path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a file that `save` wrote; safe for files from strangers.

        All numbers come back with the same bits. The data come back as a pandas frame when they were in
        any frame, and as a numpy array when they were in an array, a sparse matrix or lists.

        Raises
        ------
        FileError
            When the file is missing, damaged, holds something else, or is from a newer pellucid.
        """
        content = read_archive(path, cls.__name__)
        try:
            restored: Self = _restored(cls, content)
            return restored
        except FileError as error:
            raise FileError(f"{path} cannot be loaded: {error}.") from None
        except Exception as error:  # whatever else damaged content provokes, damage is what it means
            raise FileError(f"{path} is damaged: {error!s:.200}") from error


def _described(answer: Any) -> dict[str, Any]:
    return {
        field.name: _described_field(field.name, getattr(answer, field.name)) for field in dataclasses.fields(answer)
    }


def _described_field(name: str, value: Any) -> Any:
    if isinstance(value, Table):
        return described_table(value)
    if dataclasses.is_dataclass(value):
        return _described(value)
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        return {"cells": described_cells(value, name)}
    return _with_text(value) if name == "parameters" else value


def _with_text(value: Any) -> Any:
    """Options of a method as JSON values; what JSON does not know as its text."""
    if isinstance(value, Mapping):
        return {str(key): _with_text(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_text(item) for item in value]
    return (
        value if value is None or isinstance(value, str | bool | int | float | np.generic | np.ndarray) else repr(value)
    )


def _restored(cls: Any, content: Any) -> Any:
    fields = dataclasses.fields(cls)
    names = {field.name for field in fields}
    needed = {f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING}
    if not isinstance(content, dict) or not needed <= set(content) <= names:
        raise InputError(f"a {cls.__name__} has the fields {', '.join(sorted(names))}")
    return cls(**{name: _restored_field(name, value) for name, value in content.items()})


def _restored_field(name: str, value: Any) -> Any:
    if name in _PARTS:
        return _restored(_PARTS[name], value)
    if name == "space":
        return Space.of(value)
    if name in _TUPLES:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise InputError(f"{name} must be a list of text")
        return tuple(value)
    if name == "data":
        return restored_table(value)
    if name == "grid" and isinstance(value, dict):
        return _objects(restored_cells(value["cells"]))
    return value


def _objects(cells: list[Any]) -> Array:
    result = np.empty(len(cells), dtype=object)
    result[:] = cells
    return result


_PARTS: dict[str, Any] = {"quality": Quality, "evaluations": Evaluations, "provenance": Provenance}
