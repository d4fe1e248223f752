"""One file per answer: a zip of ``explanation.json`` and raw ``.npy`` arrays. Nothing is ever pickled.

Members are stored, not compressed, so a file can never be larger in memory than on the disk, and
equal answers make equal files. In the JSON an array is ``{"array": "0"}``, a number that JSON does not
know ``{"float": "nan"}``; a table is described by `_table_archive`.
"""

import io
import json
import math
import os
import zipfile
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from pellucid._base.errors import FileError, InputError
from pellucid._base.files import path_of, write_atomically
from pellucid._base.typing import Array

SCHEMA = 1
DOCUMENT = "explanation.json"
_TIME = (1980, 1, 1, 0, 0, 0)


def write_archive(path: str | os.PathLike[str], kind: str, content: Any, *, force: bool) -> None:
    """Write JSON values, floats and arrays, nested in dicts and lists, as an archive called `kind`.

    Raises
    ------
    FileError
        When the file exists and not `force`, or cannot be written, or a value has no JSON form.
    """
    arrays: list[Array] = []
    document = {"format": "pellucid", "schema": SCHEMA, "kind": kind, "content": _encoded(content, arrays)}
    text = json.dumps(document, allow_nan=False, sort_keys=True, indent=1).encode("ascii")

    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(zipfile.ZipInfo(DOCUMENT, _TIME), text)
            for number, array in enumerate(arrays):
                member = zipfile.ZipInfo(f"{number}.npy", _TIME)
                with archive.open(member, "w", force_zip64=True) as stream:
                    np.lib.format.write_array(stream, array, allow_pickle=False)

    write_atomically(path, write, force=force)


def read_archive(path: str | os.PathLike[str], kind: str) -> Any:
    """Read what `write_archive` wrote.

    Raises
    ------
    FileError
        When the file is missing, damaged, of another kind, or from a newer pellucid.
    """
    file = path_of(path)
    try:
        with zipfile.ZipFile(file) as archive:
            _check_members(archive, file.stat().st_size)
            document = json.loads(archive.read(DOCUMENT))
            _check_header(document, kind)
            known = {DOCUMENT}
            content = _decoded(document["content"], archive, known)
            unknown = sorted(set(archive.namelist()) - known)
            if unknown:
                raise FileError(f"it holds members that do not belong to it: {unknown[0]!r:.60}")
            return content
    except FileError as error:
        raise FileError(f"{path} cannot be loaded: {error}.") from None
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}.") from error
    except Exception as error:  # whatever else a damaged file provokes, damage is what it means
        raise FileError(f"{path} is not a saved pellucid {kind}, or is damaged: {error!s:.200}.") from error


def _check_members(archive: zipfile.ZipFile, size: int) -> None:
    members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1 for member in members):
        raise FileError("a member is compressed or encrypted, which pellucid never does")
    if len({member.filename for member in members}) < len(members) or sum(m.file_size for m in members) > size:
        raise FileError("its members overlap")
    if DOCUMENT not in archive.namelist():
        raise FileError(f"it has no {DOCUMENT}")


def _check_header(document: Any, kind: str) -> None:
    if not isinstance(document, dict) or document.get("format") != "pellucid":
        raise FileError(f"its {DOCUMENT} was not written by pellucid")
    schema = document.get("schema")
    if not isinstance(schema, int) or schema < 1:
        raise FileError("it has no schema version")
    if schema > SCHEMA:
        raise FileError(f"its schema is {schema} and this pellucid reads up to {SCHEMA}; install a newer pellucid")
    if document.get("kind") != kind:
        raise FileError(
            f"it holds {document.get('kind')!r:.40}, not {kind!r}; load it with the class it was saved from"
        )


def _encoded(value: Any, arrays: list[Array]) -> Any:
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise InputError("an array of objects cannot be saved")
        arrays.append(value)
        return {"array": str(len(arrays) - 1)}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | bool | int):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, Mapping):
        return {"map": {str(key): _encoded(item, arrays) for key, item in value.items()}}
    if isinstance(value, tuple | list):
        return [_encoded(item, arrays) for item in value]
    raise FileError(f"a {type(value).__name__} ({value!r:.60}) has no place in a saved file; give text or numbers.")


def _decoded(value: Any, archive: zipfile.ZipFile, known: set[str]) -> Any:
    if isinstance(value, list):
        return [_decoded(item, archive, known) for item in value]
    if not isinstance(value, dict):
        return value
    ((tag, inner),) = value.items()
    if tag == "map":
        return {key: _decoded(item, archive, known) for key, item in inner.items()}
    if tag == "float" and inner in ("nan", "inf", "-inf"):
        return float(inner)
    if tag == "array":
        member = f"{inner}.npy"
        known.add(member)
        return _array(archive.read(member))
    raise FileError(f"it has an entry of unknown kind {tag!r:.40}")


def _array(data: bytes) -> Array:
    """Read an ``.npy`` member, whose header must promise exactly the bytes that are there."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise FileError(f"an array has the unknown format version {version}")
    shape, fortran, dtype = readers[version](stream)
    start = stream.tell()
    if dtype.hasobject or min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(data) - start:
        raise FileError("an array is not as long as its header says")
    if math.prod(shape) == 0:
        return np.empty(shape, dtype=dtype)
    return np.frombuffer(data, dtype=dtype, offset=start).reshape(shape, order="F" if fortran else "C")
