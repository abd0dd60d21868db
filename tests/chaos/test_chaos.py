"""Each process in turn is killed, frozen and started anew; the network between them delays, loses and breaks.

Every view is live again without a click and shows what is drawn, and no widget of a kernel is lost.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from page import Page
from programs import KEY, Kernel, Server, until
from relay import Relay

# After a fault of up to a minute.
AGAIN_WITHIN = 5.0
# After a longer one.
AGAIN_LATER = 35.0
MINUTE = 60.0
# A picture that is no older is live.
LIVE = 1.0
VIEWS = 4


class World:
    """A server, a kernel and its views; relays between the server and each kind."""

    def __init__(self, folder: Path) -> None:
        self.server = Server(folder, "--shares-file", str(folder / "shares"))
        to = ("127.0.0.1", self.server.port)
        self.to_kernel, self.to_views = Relay(to), Relay(to)
        self.kernel = Kernel(folder, self.to_kernel.address)
        self.widget = self.kernel.widget
        self.pages = [Page(self.to_views.address, self.widget, KEY) for _ in range(VIEWS)]

    def close(self) -> None:
        for page in self.pages:
            page.close()
        self.kernel.end()
        self.server.end()
        self.to_kernel.close()
        self.to_views.close()

    def are_live(self, pages: list[Page] | None = None, drawn_after: float = 0.0, age: float = LIVE) -> bool:
        shown = [page.stamp for page in pages or self.pages]
        return min(shown) > drawn_after and time.time() - min(shown) < age

    def live_again(self, fault: float, pages: list[Page] | None = None) -> None:
        """Waits for the views, after a fault of so many seconds that is over now."""
        over = time.time()
        within = AGAIN_WITHIN if fault <= MINUTE else AGAIN_LATER
        until(lambda: self.are_live(pages, over), lambda: f"every view is live again: {self.told(over)}", within)
        for page in self.pages:
            assert page.over is None, f"a page gave up: {page.over}"
            assert not page.wrong, page.wrong[:3]

    def told(self, since: float) -> str:
        ages = [f"{page.stamp - since:+.1f} s" if page.stamp else "no picture" for page in self.pages]
        return f"drawn {', '.join(ages)} of the end of the fault; over: {[page.over for page in self.pages]}"


@contextmanager
def a_world(folder: Path) -> Iterator[World]:
    world = World(folder)
    try:
        until(world.are_live, lambda: f"the views are live at first: {world.told(time.time())}")
        yield world
    finally:
        world.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as world:
        yield world


@pytest.fixture
def fault(request: pytest.FixtureRequest) -> float:
    """How long faults last, in seconds; longer in the long form."""
    return float(request.config.getoption("--fault"))


def wait(seconds: float) -> None:
    """For a fault that lasts."""
    time.sleep(seconds)


def test_views_live_on_when_the_server_is_killed_and_started_anew(world: World, fault: float) -> None:
    for _ in range(2):
        world.server.kill()
        wait(fault)
        world.server.start()
        world.live_again(fault)


def test_views_live_on_when_the_server_stops_and_is_started_anew(world: World, fault: float) -> None:
    world.server.send(signal.SIGTERM)
    world.server.process.wait(30)
    wait(fault)
    world.server.start()
    world.live_again(fault)


def test_views_live_on_when_the_server_is_frozen(world: World, fault: float) -> None:
    world.server.send(signal.SIGSTOP)
    wait(fault)
    world.server.send(signal.SIGCONT)
    world.live_again(fault)


def test_views_live_on_when_the_kernel_is_killed_and_its_cell_is_run_anew(world: World, fault: float) -> None:
    world.kernel.kill()
    wait(fault)
    assert world.kernel.start() == world.widget, "the widget is taken over"
    world.live_again(fault)


def test_views_live_on_when_the_kernel_is_frozen(world: World, fault: float) -> None:
    world.kernel.send(signal.SIGSTOP)
    wait(fault)
    world.kernel.send(signal.SIGCONT)
    world.live_again(fault)


@pytest.mark.parametrize("to", ["to_kernel", "to_views"])
def test_views_live_on_when_connections_are_cut(world: World, to: str) -> None:
    for _ in range(3):
        getattr(world, to).cut()
        world.live_again(0)


@pytest.mark.parametrize("to", ["to_kernel", "to_views"])
def test_views_live_on_when_the_network_is_gone_for_a_while(world: World, to: str, fault: float) -> None:
    relay: Relay = getattr(world, to)
    relay.hold()
    wait(fault)
    relay.let_go()
    world.live_again(fault)


def test_views_are_live_over_a_network_that_delays_and_loses(world: World) -> None:
    for relay in (world.to_kernel, world.to_views):
        relay.delay, relay.loss = 0.1, 0.02
    before = time.time()
    until(lambda: world.are_live(drawn_after=before + 3, age=3 * LIVE), "the views stay live")
    for relay in (world.to_kernel, world.to_views):
        relay.delay = relay.loss = 0.0
    world.live_again(0)


def test_a_reader_that_stops_holds_nobody_up_and_lives_on(world: World, fault: float) -> None:
    slow, *others = world.pages
    slow.stop_reading()
    end = time.time() + fault
    while time.time() < end:
        until(lambda: world.are_live(others), "the others are live meanwhile", AGAIN_WITHIN)
    slow.read_on()
    world.live_again(fault)
