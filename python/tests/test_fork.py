"""Forked processes: what becomes there of the parent's widgets."""

import concurrent.futures
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import framehub
import numpy as np
import pytest
from fake_server import FakeServer
from framehub import _link
from framehub._link import Link
from framehub._server import Server
from until import TIMEOUT, until

CHILDREN = 60
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
FRAME = np.zeros((40, 50), np.uint8)


class Plot(framehub.RemoteFrameBuffer):
    def get_frame(self) -> np.ndarray:
        return FRAME


@pytest.fixture
def plot(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plot]:
    link = Link(find=lambda: Server(server.url, "key-of-the-tests"))
    monkeypatch.setattr(_link, "_links", {os.getpid(): link})
    plot = Plot()
    server.next("create")
    until(lambda: plot.url, "the widget is known")
    yield plot
    plot.close()
    link.stop(goodbye=True)


@pytest.fixture
def busy(plot: Plot) -> Iterator[None]:
    """The parent prints and pushes meanwhile, on threads that hold locks at any moment."""
    stop = threading.Event()

    def work(call: Callable[[], object]) -> None:
        while not stop.is_set():
            call()

    def title() -> None:
        plot.title = "x" if plot.title == "y" else "y"

    calls = (lambda: plot._rfb_tell("text"), lambda: plot.send_frame(FRAME), plot.request_draw, title)
    threads = [threading.Thread(target=work, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    yield
    stop.set()
    for thread in threads:
        thread.join()


def use(plot: Plot) -> None:
    """All that a program does with a widget."""
    plot._rfb_tell("from the child")
    plot.title = "the child's"
    plot.send_frame(FRAME)
    plot.request_draw()
    plot.reset_stats()
    plot.get_stats()
    plot.snapshot()
    plot.close()


def ended(child: int) -> int:
    """The status of a child that has to end; a test that fails leaves none behind."""
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError("a child hangs")


def unharmed(plot: Plot, server: FakeServer) -> None:
    """The parent's connection is the one that it had, and everything on it was understood."""
    plot._rfb_tell("the end")
    server.next("print", where=lambda message: "the end" in message["text"])
    assert len(server.connections) == 1
    assert server.connections[0].close_code is None
    texts = [str(message) for message, _ in server.received]
    assert not any("child" in text for text in texts)
    assert server.of("close") == []


def test_no_forked_child_hangs_or_writes_into_its_parents_connection(
    plot: Plot, busy: None, server: FakeServer
) -> None:
    for _ in range(CHILDREN):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                use(plot)
                status = 0
            finally:
                os._exit(status)
        assert ended(child) == 0
    unharmed(plot, server)


def test_workers_of_multiprocessing_and_of_futures_may_use_what_they_inherit(
    plot: Plot, busy: None, server: FakeServer
) -> None:
    context = multiprocessing.get_context("fork")
    process = context.Process(target=use, args=(plot,))
    process.start()
    process.join(TIMEOUT)
    assert process.exitcode == 0
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        assert list(pool.map(abs, range(-20, 0))) == list(range(20, 0, -1))
    unharmed(plot, server)


def test_a_child_is_told_once_that_a_widget_does_nothing_there(plot: Plot, server: FakeServer) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            logging.getLogger("framehub").addHandler(logging.StreamHandler(os.fdopen(write, "w")))
            plot.request_draw()
            plot._rfb_tell("from the child")
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as told:
        (line,) = told.read().splitlines()
    assert "forked" in line
    assert ended(child) == 0
    unharmed(plot, server)


def test_a_child_makes_widgets_of_its_own_over_a_connection_of_its_own(
    plot: Plot, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAMEHUB_URL", server.url)
    monkeypatch.setenv("FRAMEHUB_KEY", "key-of-the-tests")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if Plot().url != plot.url else 2
        finally:
            os._exit(status)
    assert ended(child) == 0
    assert len(server.of("hello")) == 2
    assert server.of("hello")[0]["session"] != server.of("hello")[1]["session"]
