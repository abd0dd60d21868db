"""A bench that runs the same program with jupyter_rfb and with FrameHub.

It hides the one thing that differs: how a browser gets to the widget.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Protocol

import framehub
import jupyter_rfb
import numpy as np
import pytest
from framehub._server import Server
from real_server import Browser
from until import TIMEOUT

Event = dict[str, Any]
# A picture of the kind that is sent lossy while it changes.
GRAIN = np.random.default_rng(5).integers(0, 256, (64, 80, 3), np.uint8)
POINTER = {"x": 1.0, "y": 2.0, "button": 1, "buttons": [1], "modifiers": ["Shift"], "ntouches": 0, "touches": {}}


class View(Protocol):
    """A view of a widget in a browser."""

    frames: list[dict[str, Any]]

    def show(self, width: float = 100, height: float = 80, ratio: float = 1.0) -> None: ...
    def hide(self) -> None: ...
    def send(self, **event: Any) -> None: ...
    def confirm(self, frame: dict[str, Any]) -> None: ...


class SeedView:
    """A view by the messages and traits with which jupyter_rfb's page speaks."""

    def __init__(self, widget: Any) -> None:
        self._widget = widget
        self.frames: list[dict[str, Any]] = []
        widget.send = self._sent

    def _sent(self, content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        self.frames.append({**content, "data": buffers[0] if buffers else None})

    def show(self, width: float = 100, height: float = 80, ratio: float = 1.0) -> None:
        size = {"width": width, "height": height, "pwidth": width * ratio, "pheight": height * ratio, "ratio": ratio}
        self.send(type="resize", **size)
        self._widget._has_visible_views = True

    def hide(self) -> None:
        self._widget._has_visible_views = False

    def send(self, **event: Any) -> None:
        self._widget._rfb_handle_msg(self._widget, {"timestamp": 0.0, **event}, [])

    def confirm(self, frame: dict[str, Any]) -> None:
        feedback = {"index": frame["index"], "timestamp": frame["timestamp"], "localtime": time.time()}
        self._widget._frame_feedback = feedback


class FrameHubView(Browser):
    def hide(self) -> None:
        self.send(type="hide")


class Bench:
    """One of the two implementations."""

    def __init__(self, name: str, server: Server | None) -> None:
        self.name = name
        self.server = server
        self._views = ExitStack()
        self.Widget: Any = jupyter_rfb.RemoteFrameBuffer if server is None else framehub.RemoteFrameBuffer

    def view(self, widget: Any) -> View:
        if self.server is None:
            return SeedView(widget)
        widget_id = widget.url.rsplit("/", 1)[1]
        frames = "binary" if widget._use_websocket else "base64"
        return self._views.enter_context(FrameHubView(self.server, widget_id, frames))

    def close(self) -> None:
        self._views.close()

    async def until(self, condition: Callable[[], object], what: str) -> None:
        end = time.monotonic() + TIMEOUT
        while not condition():
            assert time.monotonic() < end, f"{self.name}: not within {TIMEOUT:g} s: {what}"
            await asyncio.sleep(0.002)

    def errors(self, widget: Any, capsys: pytest.CaptureFixture[str]) -> str:
        """The errors that the notebook shows, since it was asked last."""
        if self.server is not None:
            return capsys.readouterr().err
        text = "".join(output["text"] for output in widget._output_context.outputs)
        widget._output_context.outputs = ()
        return text

    async def settle(self, widget: Any) -> None:
        """Waits until what was done before has had its effects."""
        loop = asyncio.get_running_loop()
        for _ in range(4):
            # Behind what the kernel and its widget on the server still do.
            await loop.run_in_executor(None, widget.get_stats)
            await asyncio.sleep(0.01)


def plot(bench: Bench, base: type | None = None) -> Any:
    """A widget of a class that notes its events and draws frames of rising brightness."""

    class Plot(base or bench.Widget):  # type: ignore[misc]
        def __init__(self, **traits: Any) -> None:
            self.events: list[Event] = []
            self.draws = 0
            super().__init__(**traits)

        def handle_event(self, event: Event) -> None:
            self.events.append(event)

        def get_frame(self) -> np.ndarray | None:
            self.draws += 1
            return np.full((8, 10, 3), self.draws, np.uint8)

    return Plot()


def photograph(bench: Bench) -> Any:
    """A widget of a class that always draws `GRAIN`."""

    class Photograph(bench.Widget):  # type: ignore[misc,name-defined]
        draws = 0

        def get_frame(self) -> np.ndarray | None:
            self.draws += 1
            return GRAIN

    return Photograph()


def types(widget: Any) -> list[str]:
    return [event["type"] for event in widget.events]
