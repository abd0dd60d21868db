"""Arrays to raw pixels, as the server takes them."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ._fork import tell_child

Array = npt.NDArray[Any]

_SPARES = 3
_FORMATS = {1: "gray8", 3: "rgb8", 4: "rgba8"}


@dataclass(frozen=True, slots=True)
class Pixels:
    """A frame's raw pixels: rows from the top, without padding, one byte a channel."""

    width: int
    height: int
    format: str
    data: memoryview


class Spares:
    """Memory of frames that were sent: fresh memory costs more than the copy.

    The garbage collector may have it called within a call of it, on the same thread.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._buffers: list[bytearray] = []
        tell_child(self)

    def _rfb_forked(self) -> None:
        self._lock = threading.RLock()

    def take(self, size: int) -> bytearray | None:
        """Memory of this size, if there is any."""
        with self._lock:
            for spare in self._buffers:
                if len(spare) == size:
                    self._buffers.remove(spare)
                    return spare
        return None

    def give_back(self, pixels: Pixels) -> None:
        """Takes the memory of pixels that are no longer needed."""
        buffer = pixels.data.obj
        with self._lock:
            if isinstance(buffer, bytearray):
                # The newest sizes are the likeliest to be asked for again.
                self._buffers = [*self._buffers[1 - _SPARES :], buffer]


def checked(frame: object) -> npt.NDArray[np.uint8] | None:
    """The frame as an array of uint8 of shape (height, width), (height, width, 3) or (height, width, 4).

    It shares the memory of `frame`. None if it has no pixels at all. Raises TypeError for what is no array and
    ValueError for an array of another type or shape.
    """
    if not isinstance(frame, np.ndarray) and not (hasattr(frame, "shape") and hasattr(frame, "dtype")):
        raise TypeError(f"a frame is an array of uint8, not {type(frame).__name__}")
    # Also of those that have rules of their own, such as a matrix, which stays of two dimensions.
    frame = np.asarray(frame)
    if frame.dtype != np.uint8:
        raise ValueError(
            f"a frame is an array of uint8, not one of {frame.dtype} (shape {frame.shape}): "
            "scale its values to 0..255 and convert it with .astype('uint8')"
        )
    array: npt.NDArray[np.uint8] = frame
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] in _FORMATS):
        raise ValueError(
            f"a frame has the shape (height, width), (height, width, 3) or (height, width, 4), not {array.shape} "
            f"({array.dtype})"
        )
    return array if array.size else None


def copied(array: npt.NDArray[np.uint8], buffer: bytearray | None = None) -> Pixels:
    """The pixels of a checked array, in memory that nobody else writes to: `buffer`, if it has the right size."""
    height, width = array.shape[:2]
    if buffer is None or len(buffer) != array.size:
        buffer = bytearray(array.size)
    np.copyto(np.frombuffer(buffer, np.uint8).reshape(array.shape), array)
    return Pixels(width, height, _format(array), memoryview(buffer))


def as_rgb(array: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """A checked array as (height, width, 3), without its alpha channel."""
    if array.ndim == 2:
        return np.repeat(array[:, :, None], 3, axis=2)
    return np.ascontiguousarray(array[:, :, :3])


def _format(array: npt.NDArray[np.uint8]) -> str:
    return _FORMATS[1 if array.ndim == 2 else array.shape[2]]
