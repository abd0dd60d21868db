"""One WebSocket connection to the server, as bytes and text.

The protocol is that of the package `websockets`, without its network half: raw frames are large, and go from the
caller's memory to the socket without being masked and copied on the way.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from ._dial import SILENCE, ConnectError, check_clear_text, dial, is_loopback
from ._outbox import Outbox, OutboxFullError, encoded
from ._proof import proves

_log = logging.getLogger("framehub")
SUBPROTOCOL = Subprotocol("framehub.kernel.v1")
# The server is trusted, and sends relayed views what they show: a whole picture of the largest kind. The bound is for
# what is no server of ours.
_LONGEST_MESSAGE = 1024 * 1024 * 1024
_CHUNK = 256 * 1024

Content = Callable[[], tuple[dict[str, Any], memoryview] | None]


class Connection:
    """An open connection. Any thread may send; one reads. Nothing that is sent blocks the caller."""

    def __init__(self, sock: socket.socket, protocol: ClientProtocol, *, bare: bool) -> None:
        self._sock = sock
        self._protocol = protocol
        # Guards the protocol's state.
        self._state = threading.Lock()
        # Guards what follows. Whoever may be interrupted enters the lock itself: an interrupt within the condition's
        # own entry or exit would leave it locked.
        self._lock = threading.RLock()
        self._waiting = threading.Condition(self._lock)
        self._outbox = Outbox()
        # Answers to pings, and the rest of a message that has begun: they do not wait behind frames.
        self._first: deque[Callable[[], None]] = deque()
        # Whether bytes are on their way to the socket, so that others have to queue behind them. It may stay set after
        # an interrupt; the writer clears it.
        self._busy = False
        self._closed = False
        self._bare = bare
        self._writer = threading.Thread(target=self._write, name="framehub-write", daemon=True)
        self._writer.start()

    @classmethod
    def open(cls, url: str, key: str, proof: str | None = None, *, hub: bool = False) -> Connection:
        """Connects to the server with the base address `url`, which first proves to know `proof`, if that is given.
        `hub` says that the key is a token of a JupyterHub. Raises ConnectError.
        """
        parts = urlsplit(url)
        scheme = "wss" if parts.scheme == "https" else "ws"
        address = urlunsplit((scheme, parts.netloc, f"{parts.path.rstrip('/')}/api/kernel", "", ""))
        sock = dial(url)
        protocol = ClientProtocol(parse_uri(address), subprotocols=[SUBPROTOCOL], max_size=_LONGEST_MESSAGE)
        try:
            # On the very connection that the key goes over: the port may be another program's a moment later.
            if proof is not None and not proves(sock, url, proof):
                raise ConnectError(f"what answers at {url} is not the FrameHub server that was started")
            if hub and scheme == "ws":
                check_clear_text(sock, url)
            _shake_hands(sock, protocol, key)
            sock.settimeout(None)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@qq", SILENCE, 0))
            # Masking keeps pages from writing bytes of their choice to proxies: this is no page, and loopback has none.
            return cls(sock, protocol, bare=scheme == "ws" and is_loopback(parts.hostname or ""))
        except ConnectError:
            sock.close()
            raise
        except (OSError, WebSocketException) as error:
            sock.close()
            raise ConnectError(f"the FrameHub server at {url} refused the kernel's connection: {error}") from error

    def take_texts_of(self, longest: int) -> None:
        """The server takes texts of up to so many bytes."""
        with self._lock:
            self._outbox.text_bytes = longest

    def send_text(self, message: dict[str, Any]) -> None:
        """Sends a JSON message, after all that was sent before it."""
        with self._lock:
            if self._closed:
                return
            # Without a hand-over to the writer where nothing is on its way: that would cost some of its latency.
            if not self._outbox and not self._first and not self._busy:
                self._busy = True
                try:
                    rest = self._try_send(self._framed(encoded(message)))
                except WebSocketException:
                    # It is closing; the reader notices.
                    return
                finally:
                    self._busy = False
                if not rest:
                    return
                self._first.append(lambda: self._sock.sendall(rest))
            else:
                try:
                    self._outbox.put(message)
                except OutboxFullError:
                    # The server takes nothing. The next connection tells it how everything is.
                    _log.warning("the FrameHub server takes no messages: connecting again")
                    self._end()
                    return
            self._waiting.notify()

    def send_pixels(self, content: Content, done: Callable[[], None]) -> None:
        """Sends a JSON header and pixels as one binary message. `content` is called when it is their turn, and answers
        None to send nothing after all; `done` is called when the pixels are no longer needed, sent or not.
        """

        def write() -> None:
            try:
                message = content()
                if message is not None:
                    header, pixels = message
                    self._write_pixels(encoded(header), pixels)
            finally:
                done()

        with self._lock:
            if not self._closed:
                self._outbox.put_write(write)
                self._waiting.notify()
                return
        done()

    def messages(self) -> Iterator[str | bytes]:
        """The messages that arrive, until the connection ends."""
        parts: list[bytes] = []
        text = False
        while True:
            try:
                data = self._sock.recv(_CHUNK)
            except OSError:
                return
            with self._state:
                if data:
                    self._protocol.receive_data(data)
                else:
                    self._protocol.receive_eof()
                events = self._protocol.events_received()
                answer = b"".join(self._protocol.data_to_send())
                ended = self._protocol.state in (State.CLOSING, State.CLOSED)
            for event in events:
                if not isinstance(event, Frame) or event.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                    continue
                if event.opcode is not Opcode.CONT:
                    text = event.opcode is Opcode.TEXT
                parts.append(bytes(event.data))
                if event.fin:
                    whole = b"".join(parts)
                    parts = []
                    yield whole.decode() if text else whole
            if answer:
                self._answer(lambda answer=answer: self._sock.sendall(answer))  # type: ignore[misc]
            if ended or not data:
                return

    @property
    def close_code(self) -> int | None:
        """The code with which the server ended the connection; None if it did not."""
        told = self._protocol.close_rcvd
        return None if told is None else told.code

    def flush(self, timeout: float) -> None:
        """Waits until all that was sent is on its way, but no longer than `timeout` seconds."""
        written = threading.Event()
        with self._lock:
            if self._closed:
                return
            self._outbox.put_write(written.set)
            self._waiting.notify()
        written.wait(timeout)

    def close(self) -> None:
        """Ends the connection."""
        self._end()
        if threading.current_thread() is not self._writer:
            self._writer.join()
        self._sock.close()

    def abandon(self) -> None:
        """In a forked process: gives its copy of the connection up, without a word to the server: the parent goes on
        speaking to it.
        """
        self._closed = True
        with suppress(OSError):
            os.close(self._sock.detach())

    def _end(self) -> None:
        with self._lock:
            self._closed = True
            self._waiting.notify()
        # Wakes the reader, too.
        self._shut()

    def _answer(self, write: Callable[[], None]) -> None:
        with self._lock:
            self._first.append(write)
            self._waiting.notify()

    def _write(self) -> None:
        while True:
            with self._lock:
                self._waiting.wait_for(lambda: self._first or self._outbox or self._closed)
                if self._closed and not self._first and not self._outbox:
                    return
                first = self._first.popleft() if self._first else self._outbox.take()
                self._busy = True
            try:
                if callable(first):
                    first()
                else:
                    self._sock.sendall(self._framed(first))
            except (OSError, WebSocketException):
                # The reader notices that the connection is gone; what waits is dropped, and its memory given back.
                with self._lock:
                    self._closed = True
                self._shut()
            finally:
                with self._lock:
                    self._busy = False

    def _shut(self) -> None:
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def _framed(self, text: bytes) -> bytes:
        with self._state:
            self._protocol.send_text(text)
            return b"".join(self._protocol.data_to_send())

    def _try_send(self, data: bytes) -> bytes:
        """Sends what goes at once, and answers the rest."""
        if isinstance(self._sock, ssl.SSLSocket):
            return data
        try:
            return data[self._sock.send(data, socket.MSG_DONTWAIT) :]
        except BlockingIOError:
            return data
        except OSError:
            # The reader notices.
            return b""

    def _write_pixels(self, header: bytes, pixels: memoryview) -> None:
        prefix = struct.pack("<I", len(header)) + header
        if not self._bare:
            with self._state:
                self._protocol.send_binary(prefix + pixels)
                data = b"".join(self._protocol.data_to_send())
            self._sock.sendall(data)
            return
        # A final binary frame with a length of 64 bits and a mask of zeros, which leaves the bytes as they are.
        opening = struct.pack(">BBQI", 0x82, 0xFF, len(prefix) + len(pixels), 0)
        views = [memoryview(opening + prefix), pixels]
        while views:
            sent = self._sock.sendmsg(views)
            while views and sent >= len(views[0]):
                sent -= len(views.pop(0))
            if views:
                views[0] = views[0][sent:]


def _shake_hands(sock: socket.socket, protocol: ClientProtocol, key: str) -> None:
    request = protocol.connect()
    request.headers["Authorization"] = f"Bearer {key}"
    protocol.send_request(request)
    sock.sendall(b"".join(protocol.data_to_send()))
    while True:
        data = sock.recv(_CHUNK)
        if not data:
            raise ConnectError(
                "the server ended the connection before it answered; is there a FrameHub at FRAMEHUB_URL?"
            )
        protocol.receive_data(data)
        if protocol.state is not State.CONNECTING or protocol.handshake_exc is not None:
            break
    if protocol.handshake_exc is not None:
        raise _refusal(protocol.handshake_exc)


def _refusal(error: Exception) -> ConnectError:
    response: Response | None = error.response if isinstance(error, InvalidStatus) else None
    if response is None:
        return ConnectError(f"the server does not speak FrameHub's kernel protocol: {error}")
    if response.status_code in (401, 403):
        return ConnectError(
            "the FrameHub server does not accept the key: check FRAMEHUB_KEY; at a JupyterHub, its administrator has "
            "to give the role `server` the scope that accesses the service"
        )
    if response.status_code == 404:
        return ConnectError(
            "this server takes no kernels: check FRAMEHUB_URL, and that the server is not older than this package"
        )
    return ConnectError(f"the FrameHub server answered {response.status_code} {response.reason_phrase}")
