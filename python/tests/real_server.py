"""The real server, and browsers of it that do what a test says."""

from __future__ import annotations

import base64
import json
import os
import queue
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from framehub._server import Server
from typing_extensions import Self
from until import until
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

KEY = "key-of-the-tests"
Message = dict[str, Any]


def binary() -> Path:
    """The program under test."""
    default = Path(__file__).parents[2] / "target" / "release" / "framehub"
    return Path(os.environ.get("FRAMEHUB_BIN", default))


@contextmanager
def real_server(*arguments: str, port: int = 0) -> Iterator[Server]:
    """Runs the server on a free port of 127.0.0.1, or a certain one."""
    command = [str(binary()), "--listen", f"127.0.0.1:{port}", "--key", KEY, "--no-demos", *arguments]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        assert process.stdout is not None
        threading.Thread(target=lambda out: lines.put(out.readline()), args=(process.stdout,), daemon=True).start()
        line = lines.get(timeout=30)
        address = urlsplit(line.split()[-1])
        yield Server(f"http://{address.netloc}{address.path}", KEY)
    finally:
        process.terminate()
        process.communicate()


class Browser:
    """A view of a widget, as a page would have it. Frames are confirmed only when the test says so."""

    def __init__(self, server: Server, widget: str, frames: str = "binary") -> None:
        url = f"{server.url.replace('http', 'ws', 1)}api/widgets/{widget}/view?frames={frames}"
        self._connecting = connect(
            url,
            subprotocols=[Subprotocol("framehub.view.v1")],
            additional_headers={"Authorization": f"Bearer {server.key}"},
            max_size=None,
        )
        self.messages: list[Message] = []
        self.frames: list[Message] = []
        """The frames so far: their headers, and the image as `data`."""

    def __enter__(self) -> Self:
        self._socket = self._connecting.__enter__()
        threading.Thread(target=self._read, daemon=True).start()
        until(lambda: self.of("status"), "the view joins")
        return self

    def __exit__(self, *error: Any) -> None:
        self._socket.close()

    def of(self, kind: str) -> list[Message]:
        return [message for message in self.messages if message["type"] == kind]

    def show(self, width: float = 100, height: float = 80, ratio: float = 1.0) -> None:
        self.send(
            type="resize",
            width=width,
            height=height,
            pwidth=round(width * ratio),
            pheight=round(height * ratio),
            ratio=ratio,
        )
        self.send(type="show")

    def send(self, **message: Any) -> None:
        self._socket.send(json.dumps({"timestamp": 0.0, **message}))

    def confirm(self, frame: Message) -> None:
        self.send(type="frame_feedback", index=frame["index"], localtime=time.time())

    def _read(self) -> None:
        with suppress(ConnectionClosed):
            for data in self._socket:
                if isinstance(data, bytes):
                    (length,) = struct.unpack_from("<I", data)
                    self.frames.append({**json.loads(data[4 : 4 + length]), "data": data[4 + length :]})
                    continue
                message = json.loads(data)
                if message["type"] == "framebufferdata":
                    image = base64.b64decode(message["data_b64"].partition(",")[2])
                    self.frames.append({**message, "data": image})
                elif message["type"] == "ping":
                    self.send(type="pong", timestamp=message["timestamp"], localtime=time.time())
                else:
                    self.messages.append(message)
