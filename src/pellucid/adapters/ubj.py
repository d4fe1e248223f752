"""Universal Binary JSON (ubjson.org, draft 12), as XGBoost writes it: arrays of numbers come as numpy arrays.

A model is tens of thousands of small values, and reading them is most of the time of loading it. So
readers are plain functions from a place in the bytes to a value and the place behind it, and the
mappings of a list, which are trees, are read by the keys of the one before as long as these fit.
"""

import struct
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from pellucid._base.errors import InputError

Reader: TypeAlias = Callable[[bytes, int, int], tuple[Any, int]]
"""Content, place and nesting to a value and the place behind it."""
Keys: TypeAlias = tuple[tuple[bytes, str, Reader], ...]
"""Of each value of a mapping: the bytes before it, its name and its reader."""

MAX_NESTING = 64
_NUMBERS = {"i": "b", "U": "B", "I": "h", "l": "i", "L": "q", "d": "f", "D": "d"}
_PACKED = {ord(mark): struct.Struct(f">{code}") for mark, code in _NUMBERS.items()}
_DTYPES = {ord(mark): np.dtype(f">{code}") for mark, code in _NUMBERS.items()}
_LENGTHS = {ord(mark): _PACKED[ord(mark)] for mark in "iUIlL"}
_CONSTANTS = {"T": True, "F": False, "Z": None}
_ARRAY, _END_OF_ARRAY, _MAPPING, _END_OF_MAPPING, _TYPED, _COUNTED = b"[]{}$#"


def loads(content: bytes) -> Any:
    """Parse a UBJSON document.

    Raises
    ------
    InputError
        When the bytes are not one: cut off, nested too deeply, or of unknown types.
    """
    try:
        value, at = _value(content, 0, 0)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise InputError(f"it is not whole: {error}, in {len(content)} bytes.") from error
    if at != len(content):
        raise InputError(f"{len(content) - at} bytes follow its end.")
    return value


def _value(content: bytes, at: int, nesting: int) -> tuple[Any, int]:
    return _reader(content[at], at)(content, at + 1, nesting)


def _reader(mark: int, at: int) -> Reader:
    if mark not in _READERS:
        raise InputError(f"it has a value of the unknown type {chr(mark)!r} at byte {at}.")
    return _READERS[mark]


def _length(content: bytes, at: int) -> tuple[int, int]:
    packed = _LENGTHS.get(content[at])
    if packed is None:
        raise InputError(f"it has something without a length at byte {at}.")
    (n,) = packed.unpack_from(content, at + 1)
    at += 1 + packed.size
    if not 0 <= n <= len(content) - at:
        raise InputError(f"it has a length that does not fit at byte {at}.")
    return n, at


def _text(content: bytes, at: int, _nesting: int = 0) -> tuple[str, int]:
    n, at = _length(content, at)
    return content[at : at + n].decode(), at + n


def _letter(content: bytes, at: int, _nesting: int) -> tuple[str, int]:
    return chr(content[at]), at + 1


def _constant(value: bool | None) -> Reader:
    return lambda _content, at, _nesting: (value, at)


def _number(packed: struct.Struct) -> Reader:
    return lambda content, at, _nesting: (packed.unpack_from(content, at)[0], at + packed.size)


def _mapping(content: bytes, at: int, nesting: int) -> tuple[dict[str, Any], int]:
    result, _, at = _entries(content, at, nesting, ())
    return result, at


def _mapping_like(keys: Keys) -> Reader:
    def read(content: bytes, at: int, nesting: int) -> tuple[dict[str, Any], int]:
        result, _, at = _entries(content, at, nesting, keys)
        return result, at

    return read


def _entries(content: bytes, at: int, nesting: int, keys: Keys) -> tuple[dict[str, Any], Keys, int]:
    """Read a mapping: by the keys of one before it as far as they fit, then one by one, never twice."""
    left, at = _begun(content, at, nesting)
    result: dict[str, Any] = {}
    found: list[tuple[bytes, str, Reader]] = []
    for key in keys if left is None else ():
        before, name, reader = key
        if not content.startswith(before, at):
            break
        result[name], at = reader(content, at + len(before), nesting + 1)
        found.append(key)
    while left if left is not None else content[at] != _END_OF_MAPPING:
        begin = at
        name, at = _text(content, at)
        result[name], reader, behind, at = _entry(content, at, nesting + 1)
        found.append((content[begin:behind], name, reader))
        left = None if left is None else left - 1
    return result, tuple(found), at if left is not None else at + 1


def _entry(content: bytes, at: int, nesting: int) -> tuple[Any, Reader, int, int]:
    """Read a value; return it, its reader, where that began to read, and the place behind the value."""
    mark, behind = content[at], at + 1
    if mark == _MAPPING:
        value, keys, at = _entries(content, behind, nesting, ())
        return value, _mapping_like(keys), behind, at
    reader = _reader(mark, at)
    if mark == _ARRAY and content[behind] == _TYPED and content[behind + 1] in _DTYPES:
        reader, behind = _typed_numbers(content, behind + 1), behind + len(b"$?#")
    value, at = reader(content, behind, nesting)
    return value, reader, behind, at


def _array(content: bytes, at: int, nesting: int) -> tuple[Any, int]:
    if content[at] == _TYPED:
        return _typed(content, at + 1, nesting)
    left, at = _begun(content, at, nesting)
    items: list[Any] = []
    keys: Keys = ()
    while left if left is not None else content[at] != _END_OF_ARRAY:
        if content[at] == _MAPPING:
            item, keys, at = _entries(content, at + 1, nesting + 1, keys)
        else:
            item, at = _value(content, at, nesting + 1)
        items.append(item)
        left = None if left is None else left - 1
    return items, at if left is not None else at + 1


def _begun(content: bytes, at: int, nesting: int) -> tuple[int | None, int]:
    """Number of values to come where it is said, and the place of the first."""
    if nesting > MAX_NESTING:
        raise InputError(f"it is nested more than {MAX_NESTING} deep.")
    return _length(content, at + 1) if content[at] == _COUNTED else (None, at)


def _typed(content: bytes, at: int, nesting: int) -> tuple[Any, int]:
    """Read values of one type, which is said once before them."""
    mark = content[at]
    if mark in _DTYPES:
        return _typed_numbers(content, at)(content, at + 2, nesting)
    reader = _reader(mark, at)
    if content[at + 1] != _COUNTED:
        raise InputError(f"it has an array without a length at byte {at}.")
    n, at = _length(content, at + 2)
    items = []
    for _ in range(n):
        item, at = reader(content, at, nesting + 1)
        items.append(item)
    return items, at


def _typed_numbers(content: bytes, at: int) -> Reader:
    """Return a reader of a length and so many numbers, left in the order of bytes that they are stored in."""
    dtype = _DTYPES[content[at]]
    if content[at + 1] != _COUNTED:
        raise InputError(f"it has an array without a length at byte {at}.")

    def read(content: bytes, at: int, _nesting: int) -> tuple[Any, int]:
        n, at = _length(content, at)
        end = at + n * dtype.itemsize
        if end > len(content):
            raise InputError(f"it has an array that is cut off at byte {at}.")
        return np.frombuffer(content, dtype, n, at), end

    return read


_READERS: dict[int, Reader] = {
    **{mark: _number(packed) for mark, packed in _PACKED.items()},
    **{ord(mark): _constant(value) for mark, value in _CONSTANTS.items()},
    ord("S"): _text,
    ord("C"): _letter,
    _MAPPING: _mapping,
    _ARRAY: _array,
}
