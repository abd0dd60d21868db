"""The server under test, as a process of its own, and what is asked of it."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

BINARY = Path(os.environ["FRAMEHUB_BIN"])
KEY = "key-of-the-tests"
BEARER = {"Authorization": f"Bearer {KEY}"}
PATIENCE = 30.0

T = TypeVar("T")


def until(condition: Callable[[], T | None], what: str, patience: float = PATIENCE) -> T:
    """Waits until the condition gives something."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain: {what}")


class Server:
    """A server that runs."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process = process
        self.address = address

    def ask(self, method: str, path: str, *, bearer: bool = True, **more: Any) -> requests.Response:
        """One request on a connection of its own."""
        headers = {"Connection": "close", **(BEARER if bearer else {}), **more.pop("headers", {})}
        url = f"http://{self.address}{path}"
        return requests.request(method, url, headers=headers, timeout=PATIENCE, allow_redirects=False, **more)

    def make(self, kind: str = "square") -> str:
        made = self.ask("POST", "/api/widgets", json={"kind": kind})
        assert made.status_code == 201, made.text
        widget: str = made.json()["id"]
        return widget

    def share(self, widget: str, **more: Any) -> requests.Response:
        """Shares a widget by a link to watch."""
        return self.ask("POST", f"/api/widgets/{widget}/shares", json={"link": True, "role": "watch", **more})

    def opened(self, shared: requests.Response) -> requests.Response:
        """What is answered to somebody who opens the link of a share."""
        return self.ask("GET", shared.json()["url"], bearer=False)

    def visitor(self, shared: requests.Response) -> dict[str, str]:
        """The cookie of somebody who opened the link of a share."""
        arrived = self.opened(shared)
        assert arrived.status_code == 303, arrived.text
        return {"Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in arrived.cookies)}

    def is_well(self) -> bool:
        """Whether it runs, and says so."""
        return self.process.poll() is None and self.ask("GET", "/health").status_code == 200

    def resident(self) -> int:
        """What it holds of the memory, in bytes."""
        return self._status("VmRSS") * 1024

    def most_resident(self) -> int:
        """What it held at most."""
        return self._status("VmHWM") * 1024

    def _status(self, name: str) -> int:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))

    def view(
        self, widget: str, query: str = "", headers: Mapping[str, str] = BEARER
    ) -> AbstractContextManager[ClientConnection]:
        """The socket of a view."""
        url = f"ws://{self.address}/api/widgets/{widget}/view{query}"
        protocol = Subprotocol("framehub.view.v1")
        return connect(url, subprotocols=[protocol], additional_headers=dict(headers), max_size=None)

    def kernel(self) -> AbstractContextManager[ClientConnection]:
        """The socket of a kernel, before its `hello`."""
        protocol = Subprotocol("framehub.kernel.v1")
        url = f"ws://{self.address}/api/kernel"
        return connect(url, subprotocols=[protocol], additional_headers=BEARER, max_size=None, compression=None)


@contextmanager
def server(
    folder: Path,
    *flags: str,
    environment: Mapping[str, str] | None = None,
    address_space: int | None = None,
    descriptors: int | None = None,
    demos: bool = False,
    own_key: bool = False,
    log: Path | None = None,
    ends_well: bool = True,
) -> Iterator[Server]:
    """Runs the server on a free port.

    `address_space`: the most that it may map, in bytes. `descriptors`: the most that it may have open.
    `own_key`: it has the key of its file. `log`: where its log goes.
    """
    command = [str(BINARY), "--listen", "127.0.0.1:0", *([] if demos else ["--no-demos"]), *flags]
    variables = {"HOME": str(folder), "PATH": os.environ["PATH"], **(environment or {})}
    if not own_key:
        variables["FRAMEHUB_KEY"] = KEY

    limits = []
    if address_space is not None:
        limits.append(f"ulimit -v {address_space // 1024}")
    if descriptors is not None:
        limits.append(f"ulimit -n {descriptors}")
    limited = ["sh", "-c", "; ".join([*limits, 'exec "$@"']), "sh", *command]

    with (log or folder / "log").open("a") as stderr:
        process = subprocess.Popen(
            limited,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    try:
        yield Server(process, announced(process))
        assert process.poll() is None or not ends_well, f"the server ended: {process.returncode}"
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def announced(process: subprocess.Popen[str]) -> str:
    """Name and port of the address that the server prints at its start."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    assert process.stdout
    threading.Thread(target=lambda out: lines.put(out.readline()), args=(process.stdout,), daemon=True).start()
    line = lines.get(timeout=PATIENCE)
    assert " is at http://" in line, f"the server did not start: {line!r}"
    return urlsplit(next(word for word in line.split() if word.startswith("http://"))).netloc


def next_of(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of a type that comes as text."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        message = socket.recv(timeout=PATIENCE)
        if isinstance(message, str) and (parsed := json.loads(message))["type"] == kind:
            return dict(parsed)
    raise AssertionError(f"waited in vain for `{kind}`")
