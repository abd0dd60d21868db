"""The user of a notebook under test: a browser that shows its widget, in the same process."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3] / "python" / "tests"))

import framehub
import numpy as np
from framehub._server import Server
from PIL import Image
from real_server import Browser

POINTER = {"modifiers": [], "ntouches": 0, "touches": {}}
TIMEOUT = 60.0


class User(Browser):
    """Shows a widget as a page does: draws the parts of each frame, confirms it, and waits for pictures."""

    def __init__(self, widget: Any) -> None:
        server = Server(os.environ["FRAMEHUB_URL"], os.environ["FRAMEHUB_KEY"])
        super().__init__(server, widget.url.rsplit("/", 1)[1])
        self._canvas = Image.new("RGB", (1, 1))
        self._drawn = 0

    async def picture(self, good: Callable[[np.ndarray], object], what: str) -> np.ndarray:
        """What the canvas shows once that is good, after a frame from now on."""
        while self._next():
            continue
        end = time.monotonic() + TIMEOUT
        while True:
            assert time.monotonic() < end, f"not within {TIMEOUT:g} s: {what}; {self.shown()}"
            await asyncio.sleep(0.005)
            while self._next():
                picture = np.asarray(self._canvas).astype(int)
                if good(picture):
                    return picture

    def _next(self) -> bool:
        """Draws and confirms the next frame, if it is there."""
        if self._drawn == len(self.frames):
            return False
        frame = self.frames[self._drawn]
        self._drawn += 1
        if frame["whole"]:
            self._canvas = Image.new("RGB", (frame["width"], frame["height"]))
        images = io.BytesIO(frame["data"])
        for part in frame["parts"]:
            image = Image.open(io.BytesIO(images.read(part["bytes"])))
            self._canvas.paste(image.convert("RGB"), (part["x"], part["y"]))
        self.confirm(frame)
        return True

    def shown(self) -> str:
        """What there is to see: for whoever waits in vain."""
        width, height = self._canvas.size
        return f"frame {self._drawn} of {width} x {height} pixels; {self.errors()}"

    def errors(self) -> str:
        """What the view says that went wrong."""
        return "\n".join(status["message"] for status in self.of("status") if status["state"] == "error")

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drags with the left button."""
        (x0, y0), (x1, y1) = start, end
        self.send(type="pointer_move", x=x0, y=y0, button=0, buttons=[], **POINTER)
        self.send(type="pointer_down", x=x0, y=y0, button=1, buttons=[1], **POINTER)
        for step in (0.25, 0.5, 0.75, 1.0):
            x, y = x0 + step * (x1 - x0), y0 + step * (y1 - y0)
            self.send(type="pointer_move", x=x, y=y, button=0, buttons=[1], **POINTER)
        self.send(type="pointer_up", x=x1, y=y1, button=1, buttons=[], **POINTER)


def is_drawn(size: tuple[int, int]) -> Callable[[np.ndarray], bool]:
    """Whether a picture has that width and height, to a pixel, and shows something."""
    width, height = size

    def drawn(picture: np.ndarray) -> bool:
        fits = abs(picture.shape[1] - width) <= 1 and abs(picture.shape[0] - height) <= 1
        return fits and picture.std() > 3

    return drawn


def differs(before: np.ndarray) -> Callable[[np.ndarray], bool]:
    """Whether a picture shows something else than the one before."""
    return lambda picture: picture.shape != before.shape or np.abs(picture - before).mean() > 1


async def check(widget: Any) -> None:
    """The widget is FrameHub's, draws, turns as it is dragged, and follows its view's size."""
    assert isinstance(widget, framehub.RemoteFrameBuffer), type(widget)
    with User(widget) as user:
        user.show(320, 240)
        first = await user.picture(is_drawn((320, 240)), "it draws")
        user.drag((120, 120), (220, 160))
        await user.picture(differs(first), "a drag changes the picture")
        user.show(400, 200)
        await user.picture(is_drawn((400, 200)), "it follows the view's size")
        assert user.errors() == ""
    print("ok")
