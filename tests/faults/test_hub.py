"""A Hub that takes connections and says nothing: who has nothing to do with it does not wait for it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import requests
from server import PATIENCE, Server, server

BASE = "/services/framehub"
# Less than the server waits for the Hub.
AT_ONCE = 2.0


class HungHub:
    """Listens, and keeps whatever comes."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self._listening.getsockname()[1]
        self._kept: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                self._kept.append(self._listening.accept()[0])
            except OSError:
                return

    def close(self) -> None:
        self._listening.close()
        for connection in self._kept:
            connection.close()


@contextmanager
def of_hung_hub(folder: Path) -> Iterator[Server]:
    hub = HungHub()
    environment = {
        "JUPYTERHUB_SERVICE_NAME": "framehub",
        "JUPYTERHUB_API_URL": f"http://127.0.0.1:{hub.port}/hub/api",
        "JUPYTERHUB_API_TOKEN": "token-of-the-service",
    }
    try:
        flags = ("--auth", "jupyterhub", "--base-url", f"{BASE}/")
        with server(folder, *flags, environment=environment, own_key=True) as it:
            yield it
    finally:
        hub.close()


def asked(server: Server, path: str, token: str | None = None) -> tuple[int, float]:
    """The status of the answer, and the seconds until it came."""
    headers = {"Authorization": f"token {token}"} if token else {}
    began = time.monotonic()
    answer = requests.get(
        f"http://{server.address}{BASE}{path}", headers=headers, timeout=2 * PATIENCE, allow_redirects=False
    )
    return answer.status_code, time.monotonic() - began


def test_everybody_is_answered_though_the_hub_says_nothing(tmp_path: Path) -> None:
    with of_hung_hub(tmp_path) as started, ThreadPoolExecutor(300) as strangers:
        answers = [strangers.submit(asked, started, "/api/widgets", f"token-{n}") for n in range(200)]
        pages = [strangers.submit(asked, started, "/") for _ in range(100)]
        for _ in range(20):
            status, seconds = asked(started, "/health")
            assert status == 200 and seconds < AT_ONCE, f"{status} after {seconds:.1f} s"
        assert {answer.result()[0] for answer in answers} == {503}
        assert {page.result()[0] for page in pages} <= {302, 503}
        assert started.process.poll() is None
