"""A server's end of the kernel protocol, under the control of a test."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from until import TIMEOUT, until
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

KEY = "key-of-the-tests"
Message = dict[str, Any]


class FakeServer:
    """Welcomes kernels and makes their widgets; everything else is up to the test."""

    def __init__(self) -> None:
        self.received: list[tuple[Message, bytes]] = []
        self.connections: list[ServerConnection] = []
        self.headers: list[dict[str, str]] = []
        self.refusal: Message | None = None
        self.resumed: list[str] = []
        self.taken: set[str] = set()
        # While it is not set, widgets take their time to be made.
        self.creating = threading.Event()
        self.creating.set()
        self.limits = {"message_bytes": 262144, "header_bytes": 65536, "frame_pixels": 1_000_000}
        self._widgets = 0
        self._lock = threading.Lock()
        self._server: Server | None = None
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/"

    def start(self) -> None:
        self._server = serve(
            self._handle, "127.0.0.1", self._port, subprotocols=[Subprotocol("framehub.kernel.v1")], max_size=None
        )
        self._port = self._server.socket.getsockname()[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Ends the server as a crash would: it listens no more, and its connections are gone."""
        assert self._server is not None
        self._server.shutdown()
        for connection in self.connections:
            with suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)

    def send(self, message: Message, rest: bytes | None = None) -> None:
        """Sends to the kernel that connected last."""
        header = json.dumps(message)
        if rest is None:
            self.connections[-1].send(header)
        else:
            self.connections[-1].send(struct.pack("<I", len(header)) + header.encode() + rest)

    def of(self, kind: str) -> list[Message]:
        """The messages of one type so far."""
        with self._lock:
            return [message for message, _ in self.received if message["type"] == kind]

    def next(self, kind: str, after: int = 0, where: Callable[[Message], bool] = lambda _: True) -> Message:
        """Waits for a message of one type, beyond the first `after` of them."""

        def found() -> Message | None:
            return next((message for message in self.of(kind)[after:] if where(message)), None)

        return until(found, f"the kernel sends {kind}")

    def pixels(self, message: Message) -> bytes:
        """What came with a message."""
        with self._lock:
            return next(rest for each, rest in self.received if each is message)

    def _handle(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.headers.append({name.lower(): value for name, value in connection.request.headers.raw_items()})
        self.connections.append(connection)
        for data in self._messages(connection):
            if isinstance(data, str):
                message, rest = json.loads(data), b""
            else:
                (length,) = struct.unpack_from("<I", data)
                message, rest = json.loads(data[4 : 4 + length]), data[4 + length :]
            with self._lock:
                self.received.append((message, rest))
            self._answer(connection, message)

    @staticmethod
    def _messages(connection: ServerConnection) -> Iterator[str | bytes]:
        with suppress(ConnectionClosed):
            yield from connection

    def _answer(self, connection: ServerConnection, message: Message) -> None:
        answer: Message | None = None
        if message["type"] == "hello":
            answer = {
                "type": "welcome",
                "version": "0",
                "resumed": self.resumed,
                "base": self.url,
                "limits": self.limits,
            }
        elif message["type"] == "create" and self.refusal is not None:
            answer = {"type": "refused", "request": message["request"], **self.refusal}
        elif message["type"] == "create" and message.get("widget") in self.taken:
            answer = {"type": "refused", "request": message["request"], "code": "exists", "message": "taken"}
        elif message["type"] == "create":
            self.creating.wait(TIMEOUT)
            self._widgets += 1
            widget = f"w{self._widgets}"
            answer = {"type": "created", "widget": widget, "url": f"{self.url}widgets/{widget}", "taken_over": False}
            answer["request"] = message["request"]
        elif message["type"] == "ticket":
            answer = {"type": "ticket", "request": message["request"], "ticket": "t1.secret", "expires": 0}
        if answer is not None:
            connection.send(json.dumps(answer))


@contextmanager
def fake_server() -> Iterator[FakeServer]:
    server = FakeServer()
    try:
        yield server
    finally:
        server.stop()
