"""What programs and pages do with the service: make widgets, list them, and open views."""

import asyncio
import contextlib
import itertools
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
from hub import PATIENCE, PREFIX, Browser
from websockets.asyncio.client import ClientConnection as AsyncConnection
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

# Of the views of many, in pixels.
SIZE = {"width": 320, "height": 240, "pwidth": 320, "pheight": 240, "ratio": 1.0}


def make(client: httpx.Client) -> str:
    answer = client.post("api/widgets", json={"kind": "square"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def listed(client: httpx.Client) -> set[str]:
    answer = client.get(f"{PREFIX}api/widgets")
    assert answer.status_code == 200, answer.text
    return {widget["id"] for widget in answer.json()["widgets"]}


def view(browser: Browser, widget: str) -> ClientConnection:
    """A view as a page opens it, through the proxy."""
    path = f"api/widgets/{widget}/view"
    return connect(
        f"{browser.hub.origin.replace('http', 'ws')}{PREFIX}{path}",
        origin=browser.hub.origin,
        additional_headers={"Cookie": browser.cookies(path)},
        subprotocols=["framehub.view.v1"],
        open_timeout=PATIENCE,
    )


@contextlib.contextmanager
def kernel_of(told: dict[str, str]) -> Iterator[ClientConnection]:
    """The connection of a kernel that is told so."""
    with connect(
        f"{told['FRAMEHUB_URL'].replace('http', 'ws')}api/kernel",
        additional_headers={"Authorization": f"Bearer {told['JUPYTERHUB_API_TOKEN']}"},
        subprotocols=["framehub.kernel.v1"],
        open_timeout=PATIENCE,
    ) as socket:
        socket.send(json.dumps({"type": "hello", "session": uuid.uuid4().hex, "name": "Test"}))
        answer(socket, "welcome")
        yield socket


def drawn(kernel: ClientConnection) -> str:
    """A new widget of a kernel."""
    kernel.send(json.dumps({"type": "create", "request": 1, "number": 1, "kind": "test", "traits": {}}))
    return str(answer(kernel, "created")["widget"])


def answer(kernel: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of that type to a kernel."""
    while True:
        message: dict[str, Any] = json.loads(kernel.recv(PATIENCE))
        if message["type"] == kind:
            return message


def frame(socket: ClientConnection) -> bytes:
    """The first frame of a view, confirmed."""
    size = {"width": 100, "height": 80, "pwidth": 100, "pheight": 80, "ratio": 1.0}
    socket.send(json.dumps({"type": "resize", "timestamp": time.time(), **size}))
    while True:
        message = socket.recv(PATIENCE)
        if isinstance(message, bytes):
            feedback = {"type": "frame_feedback", "index": 1, "timestamp": 1.0, "localtime": time.time()}
            socket.send(json.dumps(feedback))
            return message


def closed(socket: ClientConnection) -> tuple[int, str]:
    """How a view is ended by the server."""
    try:
        while True:
            socket.recv(PATIENCE)
    except ConnectionClosed as end:
        assert end.rcvd is not None
        return end.rcvd.code, end.rcvd.reason


class Viewer:
    """A browser's view: confirms each frame as soon as it is there."""

    def __init__(self, socket: AsyncConnection) -> None:
        self.socket = socket
        self.frames = 0

    async def show(self) -> None:
        """Until the connection ends."""
        with contextlib.suppress(ConnectionClosed):
            await self.answer()

    async def answer(self) -> None:
        await self.send(type="resize", **SIZE)
        async for message in self.socket:
            now = time.time()
            if isinstance(message, bytes):
                self.frames += 1
                await self.send(type="frame_feedback", index=self.frames, localtime=now)
            elif '"ping"' in message:
                await self.send(type="pong", localtime=now, timestamp=json.loads(message)["timestamp"])

    async def send(self, **message: object) -> None:
        await self.socket.send(json.dumps({"timestamp": 0.0, **message}))

    async def drag(self, rate: float, until: float) -> None:
        """Moves the square, `rate` times a second."""
        pointer = {"button": 1, "buttons": [1], "modifiers": [], "ntouches": 0, "touches": {}}
        await self.send(type="pointer_down", x=160.0, y=120.0, **pointer)
        began = time.monotonic()
        for step in itertools.count(1):
            await asyncio.sleep(began + step / rate - time.monotonic())
            if time.monotonic() >= until:
                return
            await self.send(type="pointer_move", x=120.0 + 8.0 * (step % 10), y=120.0, **pointer)
