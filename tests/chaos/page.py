"""A view as a page has it: it connects again by itself, decodes what comes, draws it over what it had, and confirms."""

from __future__ import annotations

import io
import json
import struct
import threading
import time
from contextlib import suppress
from typing import Any

import numpy as np
import requests
from framehub._backoff import Backoff
from painter import HEIGHT, WIDTH, stamp_of
from PIL import Image
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

# As static/client/client.js has them, in seconds.
STABLE = 3.0
SOON = 3.0
CONNECT_TIMEOUT = 10.0
SILENCE = 20.0
WIDGET_CLOSED = 4000
OVER = {"closed", "revoked", "expired", "disconnected"}


class Page:
    """One view of a painter's widget."""

    def __init__(self, address: str, widget: str, key: str) -> None:
        self._address, self._widget = address, widget
        self._headers = {"Authorization": f"Bearer {key}"}
        self._backoff = Backoff(soon=SOON)
        self._ended = False
        self._reading = threading.Event()
        self._reading.set()
        self._picture: np.ndarray | None = None
        self.over: str | None = None
        """Why it gave up: only a user could bring it back."""
        self.stamp = 0.0
        """When the picture that is shown was drawn, Unix time; 0 without one."""
        self.wrong: list[str] = []
        """What was not right about pictures."""
        self.frames = 0
        self.connections = 0
        threading.Thread(target=self._live, daemon=True).start()

    def stop_reading(self) -> None:
        self._reading.clear()

    def read_on(self) -> None:
        self._reading.set()

    def close(self) -> None:
        self._ended = True
        self.read_on()

    def _live(self) -> None:
        while not self._ended and self.over is None:
            began = time.monotonic()
            try:
                self._connection()
            except ConnectionClosed as closed:
                if closed.rcvd is not None and closed.rcvd.code == WIDGET_CLOSED:
                    self.over = f"closed: {closed.rcvd.reason}"
            except (InvalidHandshake, InvalidMessage):
                self._diagnose()
            except (OSError, TimeoutError, EOFError):
                pass
            if time.monotonic() - began > STABLE:
                self._backoff.reset()
            time.sleep(self._backoff.next())

    def _diagnose(self) -> None:
        with suppress(requests.RequestException):
            asked = requests.get(f"http://{self._address}/api/widgets/{self._widget}", headers=self._headers, timeout=5)
            if asked.status_code in (401, 403, 404):
                self.over = f"refused: {asked.status_code}"

    def _connection(self) -> None:
        url = f"ws://{self._address}/api/widgets/{self._widget}/view"
        with connect(
            url,
            subprotocols=[Subprotocol("framehub.view.v1")],
            additional_headers=self._headers,
            open_timeout=CONNECT_TIMEOUT,
            close_timeout=1,
            max_size=None,
            compression=None,
            ping_interval=None,
        ) as socket:
            self.connections += 1
            self._picture = None
            size = {"width": WIDTH, "height": HEIGHT, "pwidth": WIDTH, "pheight": HEIGHT, "ratio": 1.0}
            self._send(socket, type="resize", **size)
            self._send(socket, type="show")
            while not self._ended:
                self._reading.wait()
                self._take(socket, socket.recv(timeout=SILENCE))

    def _send(self, socket: ClientConnection, **message: Any) -> None:
        socket.send(json.dumps({"timestamp": 0.0, **message}))

    def _take(self, socket: ClientConnection, data: str | bytes) -> None:
        if isinstance(data, bytes):
            (length,) = struct.unpack_from("<I", data)
            header = json.loads(data[4 : 4 + length])
            self._draw(header, data[4 + length :])
            self._send(socket, type="frame_feedback", index=header["index"], localtime=time.time())
            return
        message = json.loads(data)
        if message["type"] == "ping":
            self._send(socket, type="pong", timestamp=message["timestamp"], localtime=time.time())
        elif message["type"] == "close" and message["reason"] in OVER:
            self.over = message["reason"]

    def _draw(self, header: dict[str, Any], images: bytes) -> None:
        if header["whole"]:
            self._picture = np.zeros((header["height"], header["width"], 3), np.uint8)
        if self._picture is None:
            self.wrong.append("a frame amends nothing")
            return
        for part in header["parts"]:
            image = Image.open(io.BytesIO(images[: part["bytes"]])).convert("RGB")
            images = images[part["bytes"] :]
            x, y = part["x"], part["y"]
            self._picture[y : y + part["height"], x : x + part["width"]] = np.asarray(image)
        self.frames += 1
        stamp = stamp_of(self._picture)
        if stamp is None:
            self.wrong.append(f"frame {header['index']} shows no stamp")
        else:
            self.stamp = stamp
