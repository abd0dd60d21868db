"""What the tests share: a fake server, a link to it, and a widget there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import pytest
from bench import Bench
from fake_server import KEY, FakeServer, fake_server
from framehub import _link
from framehub._link import Link
from framehub._served import ServedWidget
from framehub._server import Server
from framehub._user_thread import MAIN
from real_server import real_server
from renderer import Renderer
from until import TIMEOUT, until


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with fake_server() as server:
        yield server


@pytest.fixture
def link(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Link]:
    """This process's link, to the fake server."""
    link = Link(find=lambda: Server(server.url, KEY, own=True))
    monkeypatch.setitem(_link._links, os.getpid(), link)
    yield link
    link.stop(goodbye=False)


@pytest.fixture
def renderer() -> Renderer:
    return Renderer()


@pytest.fixture
def widget(link: Link, renderer: Renderer, server: FakeServer) -> ServedWidget:
    widget = ServedWidget(link, renderer, place="here", kind="Plot")
    until(lambda: widget.id, "the widget is created")
    return widget


@pytest.fixture
def serve() -> Callable[[Callable[[], object], str], None]:
    """Makes the main thread's calls until a condition holds."""

    def serve(condition: Callable[[], object], what: str) -> None:
        end = time.monotonic() + TIMEOUT

        def done() -> bool:
            assert time.monotonic() < end, f"not within {TIMEOUT:g} s: {what}"
            if condition():
                return True
            if not MAIN._calls:
                time.sleep(0.002)
                # Has it asked again at once.
                MAIN.submit(lambda: None)
            return False

        MAIN.serve(until=done)

    return serve


@pytest.fixture(scope="module")
def bench_server() -> Iterator[Server]:
    with real_server("--deadline", "60") as server:
        yield server


@pytest.fixture(params=["jupyter_rfb", "framehub"])
def bench(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """Each of the two implementations."""
    if request.param == "jupyter_rfb":
        yield Bench(request.param, None)
        return
    server = request.getfixturevalue("bench_server")
    link = Link(find=lambda: server)
    monkeypatch.setattr(_link, "_links", {os.getpid(): link})
    bench = Bench(request.param, server)
    yield bench
    bench.close()
    link.stop(goodbye=True)
