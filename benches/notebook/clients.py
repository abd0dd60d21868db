"""Clients without a browser: they confirm each frame as soon as it is there."""

from __future__ import annotations

import json
import struct
import threading
import time
import urllib.request
import uuid
from contextlib import suppress
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

TOKEN = "test-token"


class Kernel:
    """A kernel of a Jupyter server, over the server's WebSocket, as a notebook's page has it.

    It shows a widget of jupyter_rfb, when asked to: it tells that one is visible, and confirms its frames.
    """

    def __init__(self, base: str) -> None:
        self._base = base
        self._id = str(self._rest("POST", "api/kernels", {"name": "python3"})["id"])
        url = base.replace("http", "ws", 1) + f"api/kernels/{self._id}/channels?token={TOKEN}"
        self._connection = connect(url, max_size=None)
        self._socket = self._connection.__enter__()
        self._session = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._replies: dict[str, threading.Event] = {}
        self._outputs: dict[str, list[str]] = {}
        self._errors: dict[str, str] = {}
        self._shown: str | None = None
        threading.Thread(target=self._read, daemon=True).start()

    def run(self, code: str) -> str:
        """Runs code, and answers what it printed."""
        message = self._message("execute_request", {"code": code, "silent": False, "store_history": False})
        name = message["header"]["msg_id"]
        replied = self._replies[name] = threading.Event()
        self._outputs[name] = []
        self._send(message)
        if not replied.wait(120):
            raise TimeoutError("the kernel does not answer")
        if name in self._errors:
            raise RuntimeError(self._errors[name])
        return "".join(self._outputs[name])

    def show(self, model: str, width: int, height: int) -> None:
        """Shows a widget of jupyter_rfb, by its model's id."""
        self._shown = model
        size = {"width": width, "height": height, "pwidth": width, "pheight": height, "ratio": 1.0}
        self._comm({"method": "custom", "content": {"type": "resize", "timestamp": 0.0, **size}})
        self._comm({"method": "update", "state": {"_has_visible_views": True}, "buffer_paths": []})

    def hide(self) -> None:
        """Shows it no longer."""
        self._comm({"method": "update", "state": {"_has_visible_views": False}, "buffer_paths": []})

    def close(self) -> None:
        """Ends the kernel."""
        self._rest("DELETE", f"api/kernels/{self._id}")
        self._socket.close()

    def _comm(self, data: dict[str, Any]) -> None:
        self._send(self._message("comm_msg", {"comm_id": self._shown, "data": data}))

    def _read(self) -> None:
        with suppress(ConnectionClosed):
            for data in self._socket:
                if isinstance(data, bytes):
                    # The number of parts, where each begins, the parts; the first is the message.
                    (count,) = struct.unpack_from(">I", data)
                    begins = struct.unpack_from(f">{count}I", data, 4)
                    message = json.loads(data[begins[0] : begins[1] if count > 1 else None])
                else:
                    message = json.loads(data)
                self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        kind, content = message["header"]["msg_type"], message["content"]
        parent = message["parent_header"].get("msg_id", "")
        if kind == "comm_msg" and content["comm_id"] == self._shown:
            frame = content["data"].get("content", {})
            if frame.get("type") == "framebufferdata":
                feedback = {"index": frame["index"], "timestamp": frame["timestamp"], "localtime": time.time()}
                self._comm({"method": "update", "state": {"_frame_feedback": feedback}, "buffer_paths": []})
        elif kind == "stream" and parent in self._outputs:
            self._outputs[parent].append(content["text"])
        elif kind == "error" and parent in self._outputs:
            self._errors[parent] = "\n".join(content["traceback"])
        elif kind == "status" and content["execution_state"] == "idle" and parent in self._replies:
            self._replies[parent].set()

    def _message(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": self._session, "version": "5.3"}
        header |= {"username": "", "date": ""}
        return {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}

    def _send(self, message: dict[str, Any]) -> None:
        with self._lock:
            self._socket.send(json.dumps(message))

    def _rest(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(
            self._base + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {TOKEN}"},
        )
        with urllib.request.urlopen(request) as answer:
            text = answer.read()
        return dict(json.loads(text)) if text else {}


class FrameHubView:
    """A view of a widget of FrameHub that confirms each frame at once."""

    def __init__(self, url: str, widget: str, key: str, width: int, height: int) -> None:
        address = f"{url.replace('http', 'ws', 1)}api/widgets/{widget}/view"
        self._connection = connect(
            address,
            subprotocols=[Subprotocol("framehub.view.v1")],
            additional_headers={"Authorization": f"Bearer {key}"},
            max_size=None,
        )
        self._socket = self._connection.__enter__()
        size = {"width": width, "height": height, "pwidth": width, "pheight": height, "ratio": 1.0}
        self._send(type="resize", **size)
        self._send(type="show")
        threading.Thread(target=self._read, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _read(self) -> None:
        with suppress(ConnectionClosed):
            for data in self._socket:
                now = time.time()
                if isinstance(data, bytes):
                    (length,) = struct.unpack_from("<I", data)
                    self._send(type="frame_feedback", index=json.loads(data[4 : 4 + length])["index"], localtime=now)
                    continue
                message = json.loads(data)
                if message["type"] == "ping":
                    self._send(type="pong", timestamp=message["timestamp"], localtime=now)

    def _send(self, **message: Any) -> None:
        self._socket.send(json.dumps({"timestamp": 0.0, **message}))
