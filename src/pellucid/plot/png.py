"""PNG files from arrays (ISO/IEC 15948), with nothing but zlib."""

import base64
import struct
import zlib

import numpy as np

from pellucid._base.typing import Array


def png(pixels: Array, palette: Array | None = None) -> bytes:
    r"""Return an image as a PNG file.

    Parameters
    ----------
    pixels : uint8 array of shape (height, width, 3), or (height, width) with a palette
        Red, green and blue, or positions in the palette.
    palette : uint8 array of shape (colours, 4), optional
        Red, green, blue and opacity of each colour.

    Examples
    --------
    >>> import numpy as np
    >>> png(np.zeros((2, 2, 3), dtype=np.uint8))[:4]
    b'\x89PNG'
    """
    height, width = pixels.shape[:2]
    lines = pixels.reshape(height, -1)
    kind, method = 3, 0
    if palette is None:  # each line as its difference from the line above: photographs get smaller
        kind, method = 2, 2
        lines = np.diff(lines, axis=0, prepend=np.zeros_like(lines[:1]))
    body = np.concatenate([np.full((height, 1), method, dtype=np.uint8), lines], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    chunks = [(b"IHDR", header)]
    if palette is not None:
        chunks += [(b"PLTE", palette[:, :3].tobytes()), (b"tRNS", palette[:, 3].tobytes())]
    chunks += [(b"IDAT", zlib.compress(body.tobytes(), 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def data_uri(file: bytes) -> str:
    """Return a PNG file as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(file).decode()}"
