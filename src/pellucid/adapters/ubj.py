"""Universal Binary JSON (ubjson.org, draft 12), as XGBoost writes it: arrays of numbers come as numpy arrays."""

import struct
from typing import Any

import numpy as np

from pellucid._base.errors import InputError

_SCALARS = {"i": ">b", "U": ">B", "I": ">h", "l": ">i", "L": ">q", "d": ">f", "D": ">d"}
_PACKED = {kind: struct.Struct(code) for kind, code in _SCALARS.items()}
_ARRAYS = {
    kind: np.dtype(code) for kind, code in zip(_SCALARS, (">i1", ">u1", ">i2", ">i4", ">i8", ">f4", ">f8"), strict=True)
}
_CONSTANTS = {"T": True, "F": False, "Z": None}
MAX_NESTING = 64


def loads(content: bytes) -> Any:
    """Parse a UBJSON document.

    Raises
    ------
    InputError
        When the bytes are not one: cut off, nested too deeply, or of unknown types.
    """
    reader = _Reader(content)
    try:
        value = reader.value(reader.mark(), 0)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise InputError(f"it is not whole: {error} at byte {reader.at} of {len(content)}.") from error
    if reader.at != len(content):
        raise InputError(f"{len(content) - reader.at} bytes follow its end.")
    return value


class _Reader:
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 0

    def mark(self) -> str:
        self.at += 1
        return chr(self.content[self.at - 1])

    def value(self, kind: str, nesting: int) -> Any:
        if nesting > MAX_NESTING:
            raise InputError(f"it is nested more than {MAX_NESTING} deep.")
        if kind in _PACKED:
            return self.number(kind)
        if kind in _CONSTANTS:
            return _CONSTANTS[kind]
        if kind == "S":
            return self.text()
        if kind == "C":
            return self.mark()
        if kind == "{":
            return self.mapping(nesting)
        if kind == "[":
            return self.array(nesting)
        raise InputError(f"it has a value of the unknown type {kind!r} at byte {self.at}.")

    def number(self, kind: str) -> Any:
        packed = _PACKED[kind]
        (value,) = packed.unpack_from(self.content, self.at)
        self.at += packed.size
        return value

    def length(self) -> int:
        kind = self.mark()
        n = self.number(kind) if kind in "iUIlL" else -1
        if not 0 <= n <= len(self.content) - self.at:
            raise InputError(f"it has a length that does not fit at byte {self.at}.")
        return int(n)

    def text(self) -> str:
        n = self.length()
        self.at += n
        return self.content[self.at - n : self.at].decode("utf-8")

    def mapping(self, nesting: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        if self.content[self.at] == ord("#"):
            self.at += 1
            for _ in range(self.length()):
                name = self.text()
                result[name] = self.value(self.mark(), nesting + 1)
            return result
        while self.content[self.at] != ord("}"):
            name = self.text()
            result[name] = self.value(self.mark(), nesting + 1)
        self.at += 1
        return result

    def array(self, nesting: int) -> Any:
        kind = None
        if self.content[self.at] == ord("$"):
            self.at += 1
            kind = self.mark()
        if kind is not None or self.content[self.at] == ord("#"):
            if self.mark() != "#":
                raise InputError(f"it has an array without a length at byte {self.at}.")
            n = self.length()
            if kind in _ARRAYS:
                return self.numbers(kind, n)
            return [self.value(self.mark() if kind is None else kind, nesting + 1) for _ in range(n)]
        items = []
        while (kind := self.mark()) != "]":
            items.append(self.value(kind, nesting + 1))
        return items

    def numbers(self, kind: str, n: int) -> Any:
        dtype = _ARRAYS[kind]
        if n * dtype.itemsize > len(self.content) - self.at:
            raise InputError(f"it has an array that is cut off at byte {self.at}.")
        values = np.frombuffer(self.content, dtype, n, self.at)
        self.at += n * dtype.itemsize
        return values.astype(dtype.newbyteorder("="))
