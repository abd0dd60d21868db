"""A script of a user: one widget whose picture says when it was drawn.

Prints the widget's id. The argument says how often it may draw in a second.
"""

from __future__ import annotations

import sys
import time

import numpy as np

# A row of squares, each a tile of its own: white ones are the ones of a number, the least digit first.
SIDE = 64
DIGITS = 20
WIDTH, HEIGHT = SIDE * DIGITS // 2, SIDE * 2
# The number counts these parts of a second, and begins anew after more than a day.
PER_SECOND = 10
# How far a JPEG may be from black or white.
TOLERANCE = 60


def picture(now: float) -> np.ndarray:
    number = int(now * PER_SECOND) % (1 << DIGITS)
    digits = np.array([number >> place & 1 for place in range(DIGITS)], np.uint8)
    squares = digits.reshape(2, DIGITS // 2) * 255
    return np.repeat(np.repeat(np.repeat(squares, SIDE, 0), SIDE, 1)[:, :, None], 3, 2)


def stamp_of(shown: np.ndarray) -> float | None:
    """When a picture was drawn, Unix time; None if it is none."""
    if shown.shape != (HEIGHT, WIDTH, 3):
        return None
    squares = shown.reshape(2, SIDE, DIGITS // 2, SIDE, 3)
    low, high = squares.min(axis=(1, 3, 4)).ravel(), squares.max(axis=(1, 3, 4)).ravel()
    white = low > 255 - TOLERANCE
    if not (white | (high < TOLERANCE)).all():
        return None
    number = sum(1 << place for place, digit in enumerate(white) if digit)
    now = int(time.time() * PER_SECOND)
    # The latest time that reads so.
    latest = now - (now - number) % (1 << DIGITS)
    return latest / PER_SECOND


if __name__ == "__main__":
    import framehub
    from framehub._cell import CELLS

    # As a notebook has it, where a cell that is run anew takes its widget over.
    CELLS.place = lambda kind: f"the cell of {kind}"  # type: ignore[method-assign]

    class Painter(framehub.RemoteFrameBuffer):
        """Draws as often as it may."""

        def __init__(self) -> None:
            super().__init__(max_fps=float(sys.argv[1]))

        def get_frame(self) -> np.ndarray:
            self.request_draw()
            return picture(time.time())

    painter = Painter()
    print(painter.url.rpartition("/")[2], flush=True)
    framehub.run()
