"""Descriptors, threads and memory that the operating system does not give."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from control import Faults
from server import PATIENCE, Server, next_of, server, until

SHOWN = (
    '{"type":"resize","width":64,"height":48,"pwidth":64,"pheight":48,"ratio":1}',
    '{"type":"show"}',
)


def shows(server: Server, widget: str) -> bool:
    """Whether a new view of the widget gets a picture."""
    with server.view(widget, "?frames=base64") as view:
        for message in SHOWN:
            view.send(message)
        return bool(next_of(view, "framebufferdata"))


@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ECONNABORTED])
def test_connections_that_cannot_be_accepted_wait_and_end_nothing(error: int, faults: Faults, tmp_path: Path) -> None:
    with server(tmp_path, environment=faults.environment) as started:
        widget = started.make()
        with started.view(widget) as view:
            view.recv(timeout=PATIENCE)
            faults.fail(accept=error)
            host, port = started.address.split(":")
            waiting = socket.create_connection((host, int(port)), timeout=PATIENCE)
            waiting.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            view.send('{"type":"get_stats"}')
            assert next_of(view, "stats"), "those who are there are served"
            faults.mend()
            assert waiting.recv(12) == b"HTTP/1.1 200", "those who waited are served"
        assert started.is_well()


def test_threads_that_cannot_be_made_end_nothing(faults: Faults, tmp_path: Path) -> None:
    with server(tmp_path, environment=faults.environment) as started:
        before = started.make()
        assert shows(started, before)
        with faults.failing(thread=errno.EAGAIN):
            # What needs a thread fails, and may end its connection.
            for kind in ["square", "image", "surface", "fractal"]:
                with suppress(requests.ConnectionError):
                    started.ask("POST", "/api/widgets", json={"kind": kind})
            with suppress(requests.ConnectionError):
                started.ask("GET", f"/api/widgets/{before}/snapshot?pixel_ratio=2")
            assert started.is_well()
        assert shows(started, before), "a widget of before lives on"
        assert shows(started, started.make()), "a new one can be made"


def test_more_connections_than_descriptors_leave_room_for_files_and_requests(tmp_path: Path) -> None:
    shares = tmp_path / "shares"
    with server(tmp_path, "--shares-file", str(shares), descriptors=128) as started:
        widget = started.make()
        host, port = started.address.split(":")
        idle = [socket.create_connection((host, int(port)), timeout=PATIENCE) for _ in range(400)]

        def share() -> requests.Response | None:
            # The oldest connection makes room for the newest, which may come a moment too soon.
            with suppress(requests.ConnectionError):
                return started.share(widget)
            return None

        shared = until(share, "a request gets in while the others stay")
        assert shared.status_code == 201, shared.text
        assert shared.json()["id"] in shares.read_text()
        for connection in idle:
            connection.close()
        until(started.is_well, "it answers as before")
