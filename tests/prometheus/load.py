"""A server under a load: 20 widgets, 60 views, one slow, one that stalls, a large widget whose renderer takes long.

Beside them a kernel whose one widget is never drawn, although a view waits for it.
"""

import asyncio
import json
import os
import random
import subprocess
import time
import urllib.request
from collections.abc import Callable
from typing import Any, TypeVar

import websockets

T = TypeVar("T")

KEY = "key-of-the-tests"
TOKEN = "token-of-prometheus"
WIDGETS = 20
VIEWS_EACH = 3
# Between draws of a widget, in seconds.
PACE = 0.2
# The slow view confirms after this time, in seconds.
SLOW = 0.3
# Longest wait for a condition, in seconds.
PATIENCE = 60.0


def until(condition: Callable[[], T], what: str) -> T:
    """Waits until a condition gives something, and answers that."""
    end = time.monotonic() + PATIENCE
    while True:
        if value := condition():
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"waited in vain: {what}")
        time.sleep(0.1)


class Server:
    """The server under test, on a free port."""

    def __init__(self) -> None:
        binary = os.environ["FRAMEHUB_BIN"]
        arguments = ["--listen", "127.0.0.1:0", "--no-demos", "--key", KEY, "--metrics-token", TOKEN, "--deadline", "1"]
        self.process = subprocess.Popen(
            [binary, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout
        self.address = self.process.stdout.readline().split("http://")[1].split("/")[0]

    def request(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {KEY}"}
        request = urllib.request.Request(f"http://{self.address}/{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


class Load:
    """Widgets and views, for as long as the context lasts."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.widgets: list[str] = []
        # The kernel's widget, once there is one.
        self.stuck = ""
        self.drawing = True
        # Where the load runs, once it does.
        self.loop: asyncio.AbstractEventLoop
        # By widget, the view in which somebody draws.
        self.hands: dict[str, websockets.ClientConnection] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Makes the widgets and keeps them busy until `stop` is set."""
        self.loop = asyncio.get_running_loop()
        # The first widget draws large frames, each slowly; the others are small.
        kinds = [("fractal", 800)] + [("draw", 200)] * (WIDGETS - 1)
        tasks = []
        for place, (kind, size) in enumerate(kinds):
            widget = (await asyncio.to_thread(self.server.request, "POST", "api/widgets", {"kind": kind}))["id"]
            self.widgets.append(widget)
            for view in range(VIEWS_EACH):
                delay = SLOW if (place, view) == (1, 0) else 0.0
                stalls = (place, view) == (2, 0)
                draws = view == VIEWS_EACH - 1
                tasks.append(asyncio.create_task(self.view(widget, size, delay, stalls, draws)))
            tasks.append(asyncio.create_task(self.draw(widget)))
        tasks.append(asyncio.create_task(self.kernel()))
        await stop.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def draw(self, widget: str) -> None:
        """Draws strokes in changing inks, so that no frame is like the one before."""
        ink = 1
        while True:
            await asyncio.sleep(PACE)
            hand = self.hands.get(widget)
            if hand is None or not self.drawing:
                continue
            ink = ink % 4 + 1
            key = {"key": str(ink), "modifiers": []}
            (x, y), (to_x, to_y) = ((random.randrange(30, 170), random.randrange(30, 170)) for _ in range(2))
            held = {"button": 1, "buttons": [1]}
            for event in (
                {"type": "key_down", **key},
                {"type": "key_up", **key},
                {"type": "pointer_down", "x": x, "y": y, **held},
                {"type": "pointer_move", "x": to_x, "y": to_y, **held},
                {"type": "pointer_up", "x": to_x, "y": to_y, "button": 1, "buttons": []},
            ):
                await hand.send(json.dumps(event))

    async def kernel(self) -> None:
        """Is a kernel that asks for a draw of its widget and then computes something else for ever."""
        address = f"ws://{self.server.address}/api/kernel"
        headers = {"Authorization": f"Bearer {KEY}"}
        protocol = websockets.Subprotocol("framehub.kernel.v1")
        kernel = websockets.connect(address, additional_headers=headers, subprotocols=[protocol])
        async with asyncio.TaskGroup() as views, kernel as socket:
            await socket.send(json.dumps({"type": "hello", "session": "session-of-the-tests", "name": "load"}))
            async for message in socket:
                text = json.loads(message)
                if text["type"] == "welcome":
                    create = {"type": "create", "request": 1, "kind": "Stuck", "traits": {}, "place": None}
                    await socket.send(json.dumps({**create, "widget": None}))
                elif text["type"] == "created":
                    self.stuck = text["widget"]
                    views.create_task(self.view(self.stuck, 200, 0.0, stalls=False, draws=False))
                elif text["type"] == "turn":
                    await socket.send(json.dumps({"type": "request_draw", "widget": self.stuck}))

    async def view(self, widget: str, size: int, delay: float, stalls: bool, draws: bool) -> None:
        address = f"ws://{self.server.address}/api/widgets/{widget}/view"
        headers = {"Authorization": f"Bearer {KEY}"}
        protocol = websockets.Subprotocol("framehub.view.v1")
        resize = {"type": "resize", "width": size, "height": size, "pwidth": size, "pheight": size, "ratio": 1}
        while True:
            connection = websockets.connect(address, additional_headers=headers, subprotocols=[protocol], max_size=None)
            try:
                async with connection as socket:
                    await socket.send(json.dumps(resize))
                    if draws:
                        self.hands[widget] = socket
                    async for message in socket:
                        await self.answer(socket, message, delay, stalls)
            except websockets.ConnectionClosed:
                pass

    async def answer(
        self, socket: websockets.ClientConnection, message: str | bytes, delay: float, stalls: bool
    ) -> None:
        now = time.time()
        if isinstance(message, str):
            text = json.loads(message)
            if text["type"] == "ping":
                pong = {"type": "pong", "timestamp": text["timestamp"], "localtime": now}
                await socket.send(json.dumps(pong))
        elif not stalls:
            length = int.from_bytes(message[:4], "little")
            index = json.loads(message[4 : 4 + length])["index"]
            await asyncio.sleep(delay)
            await socket.send(json.dumps({"type": "frame_feedback", "index": index, "localtime": now}))
