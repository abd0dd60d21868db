"""What programs and pages do with the service: make widgets, list them, and open views."""

import json
import time

import httpx
from hub import PATIENCE, PREFIX, Browser
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect


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
