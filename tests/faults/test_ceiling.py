"""A ceiling on memory: no message, request or frame makes the server hold more than its flags say.

Memory that the operating system refuses ends nothing.
"""

from __future__ import annotations

import json
import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from server import PATIENCE, Server, next_of, server, until
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection

MIB = 1 << 20
# The server at rest takes 60 MiB with all its threads, of which most is the program itself.
AT_REST = 100 * MIB
MAX_MEMORY = 256
FLAGS = ("--max-memory", f"{MAX_MEMORY}M")
MOST = AT_REST + MAX_MEMORY * MIB
# What is mapped is more than what is held: each thread's stack and arena is mapped whole.
ADDRESS_SPACE = 3 << 30

SIZES = [
    (1, 65535, 65535, 65535, 1),
    (65535, 1, 65535, 65535, 1),
    (0.001, 0.001, 65535, 65535, 20),
    (65535, 65535, 1, 65535, 0.1),
    (1, 1, 65535, 1, 20),
    (65535, 0.5, 1, 65535, 0.1),
]


def resize(width: float, height: float, pwidth: int, pheight: int, ratio: float) -> str:
    fields = {"width": width, "height": height, "pwidth": pwidth, "pheight": pheight, "ratio": ratio}
    return json.dumps({"type": "resize", **fields})


def hello() -> str:
    return json.dumps({"type": "hello", "session": "s" * 20, "name": "test"})


def assert_within(server: Server) -> None:
    most = server.most_resident()
    assert server.is_well()
    assert most < MOST, f"{most / MIB:.0f} MiB were held"


@pytest.mark.parametrize("kind", ["square", "draw", "grid", "fractal", "surface", "performance", "image"])
def test_no_size_of_a_view_makes_a_renderer_too_large(kind: str, tmp_path: Path) -> None:
    with server(tmp_path, *FLAGS, address_space=ADDRESS_SPACE) as started:
        widget = started.make(kind)
        for size in SIZES:
            with started.view(widget, "?frames=base64") as view:
                view.send(resize(*size))
                view.send('{"type":"show"}')
                with suppress(AssertionError, ConnectionClosed, TimeoutError):
                    next_of(view, "framebufferdata")
        assert_within(started)


def test_kernels_before_their_hello_hold_no_more_than_a_message(tmp_path: Path) -> None:
    announced = b"\x82\xff" + struct.pack(">Q", 500 * MIB) + bytes(4)
    with server(tmp_path, *FLAGS, address_space=ADDRESS_SPACE) as started, ExitStack() as opened:
        for _ in range(60):
            with suppress(WebSocketException, OSError):
                kernel = opened.enter_context(started.kernel())
                with suppress(ConnectionClosed, OSError):
                    kernel.socket.settimeout(PATIENCE)
                    kernel.socket.sendall(announced + bytes(8 * MIB))
        assert_within(started)


def test_snapshots_that_nobody_takes_are_bounded(tmp_path: Path) -> None:
    with server(tmp_path, *FLAGS, address_space=ADDRESS_SPACE) as started:
        widget = started.make("grid")

        def snapshot(number: int) -> int:
            path = f"/api/widgets/{widget}/snapshot?format=webp&pixel_ratio=8.{number}"
            return started.ask("GET", path).status_code

        with ThreadPoolExecutor(100) as askers:
            answers = set(askers.map(snapshot, range(100)))
        assert answers <= {200, 413, 429, 503}, answers
        assert_within(started)


def test_widgets_whose_pictures_are_too_much_together_are_refused(tmp_path: Path) -> None:
    with server(tmp_path, *FLAGS, address_space=ADDRESS_SPACE) as started, ExitStack() as opened:
        for _ in range(40):
            made = started.ask("POST", "/api/widgets", json={"kind": "fractal"})
            if made.status_code == 429:
                break
            with suppress(WebSocketException, ConnectionClosed, AssertionError):
                view = opened.enter_context(started.view(made.json()["id"], "?frames=base64"))
                view.send(resize(3840, 2160, 3840, 2160, 1))
                view.send('{"type":"show"}')
                shown_or_refused(view)
        assert_within(started)


def shown_or_refused(view: ClientConnection) -> None:
    """Waits until a view shows a picture, or says that there can be none."""
    while True:
        message = json.loads(view.recv(timeout=PATIENCE))
        if message["type"] == "framebufferdata" or message.get("state") == "error":
            return


def test_events_that_wait_for_a_busy_renderer_are_bounded_in_bytes(tmp_path: Path) -> None:
    char = json.dumps({"type": "char", "data": "x" * 60_000, "timestamp": 0})
    with server(tmp_path, *FLAGS, address_space=ADDRESS_SPACE) as started, started.kernel() as kernel:
        kernel.send(hello())
        next_of(kernel, "welcome")
        kernel.send(json.dumps({"type": "create", "request": 1, "kind": "Busy"}))
        widget = next_of(kernel, "created")["widget"]
        before = started.resident()
        with started.view(widget) as view, suppress(ConnectionClosed):
            for _ in range(900):
                view.send(char)
            view.send('{"type":"get_stats"}')
            next_of(view, "stats")
        assert started.resident() - before < 32 * MIB, "what waits is bounded by a few MiB"
        assert_within(started)


def test_memory_that_is_refused_ends_nothing(tmp_path: Path) -> None:
    """The limit is below what the flags allow, so that it is met."""
    flags = ("--max-memory", "4G", "--max-frame-pixels", "16384x8192")
    with server(tmp_path, *flags, address_space=ADDRESS_SPACE // 2) as started, started.kernel() as kernel:
        kernel.send(hello())
        next_of(kernel, "welcome")
        kernel.send(json.dumps({"type": "create", "request": 1, "kind": "Large"}))
        widget = next_of(kernel, "created")["widget"]
        header = json.dumps(
            {"type": "frame", "widget": widget, "width": 16384, "height": 8192, "format": "rgba8"}
        ).encode()
        with suppress(ConnectionClosed, OSError):
            for _ in range(4):
                kernel.send(struct.pack("<I", len(header)) + header + bytes(16384 * 8192 * 4))
        until(started.is_well, "it answers")
        with started.view(started.make()) as view:
            assert view.recv(timeout=PATIENCE)
