"""Universal Binary JSON written from its specification, for tests to read back and to damage."""

import struct

import numpy as np

NUMBERS = {"i": "b", "U": "B", "I": "h", "l": "i", "L": "q", "d": "f", "D": "d"}


def encoded(value, lists=True, mappings=False):
    """UBJSON of a value; `lists` and `mappings` say their length or are closed. By default as XGBoost writes it."""
    if isinstance(value, bool) or value is None:
        return {True: b"T", False: b"F", None: b"Z"}[value]
    if isinstance(value, int):
        return b"L" + struct.pack(">q", value)
    if isinstance(value, float):
        return b"D" + struct.pack(">d", value)
    if isinstance(value, str):
        return b"S" + text(value)
    if isinstance(value, np.ndarray):
        mark = next(mark for mark, code in NUMBERS.items() if np.dtype(code) == value.dtype.newbyteorder("="))
        return b"[$" + mark.encode() + b"#" + size(len(value)) + value.astype(value.dtype.newbyteorder(">")).tobytes()
    mapping = isinstance(value, dict)
    parts = (
        [text(k) + encoded(v, lists, mappings) for k, v in value.items()]
        if mapping
        else [encoded(v, lists, mappings) for v in value]
    )
    counted = mappings if mapping else lists
    opened, closed = (b"{", b"}") if mapping else (b"[", b"]")
    return opened + (b"#" + size(len(value)) if counted else b"") + b"".join(parts) + (b"" if counted else closed)


def size(n):
    return b"L" + struct.pack(">q", n)


def text(value):
    return size(len(value.encode())) + value.encode()
