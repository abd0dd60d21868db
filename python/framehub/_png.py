"""A PNG encoder for snapshots: small, without further dependencies."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

from ._frames import as_rgb

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_UP = 2


def png(array: npt.NDArray[np.uint8]) -> bytes:
    """The checked array as an RGB PNG file."""
    rgb = as_rgb(array)
    height, width, _ = rgb.shape
    rows = np.empty((height, 1 + 3 * width), np.uint8)
    # Each row as its difference from the one above: cheap to compute, and plots have many equal rows.
    rows[:, 0] = _UP
    flat = rgb.reshape(height, 3 * width)
    rows[0, 1:] = flat[0]
    np.subtract(flat[1:], flat[:-1], out=rows[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 4)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
