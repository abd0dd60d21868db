"""What interrupts end, and what they leave as it has to be."""

import signal
from functools import partial

import numpy as np
import pytest
from fake_server import FakeServer
from framehub._frames import copied
from interrupts import interrupted
from plot import Plot, take, turn
from until import until

pytestmark = pytest.mark.usefixtures("link")


def test_an_interrupt_anywhere_in_a_push_leaves_the_next_ones_sent(widget, server: FakeServer) -> None:
    places = 0
    for place in interrupted(lambda: widget.push(copied(np.zeros((2, 2), np.uint8)))):
        widget.push(copied(np.full((2, 2), place + 1, np.uint8)))
        until(
            lambda text=bytes([place + 1] * 4): server.of("frame") and server.pixels(server.of("frame")[-1]) == text,
            "the frame after the interrupt arrives",
        )
        places += 1
    assert places > 10


def test_an_interrupt_anywhere_in_a_print_leaves_the_connection_usable(widget, server: FakeServer) -> None:
    places = 0
    for place in interrupted(lambda: widget.print("interrupted")):
        widget.print(f"after {place}")
        server.next("print", where=lambda message, text=f"after {place}": message["text"] == text)
        places += 1
    assert places > 10


def test_a_request_that_was_interrupted_anywhere_is_made_again(server: FakeServer, serve) -> None:
    plot = Plot()
    assert plot.url
    places = 0
    for place in interrupted(plot.request_draw):
        plot.request_draw()
        server.next("request_draw", after=places)
        done = take(server, serve, turn(plot, number=place, may_draw=True, requested=True))
        assert (done["drawn"], done["requested"]) == ("frame", False)
        places = len(server.of("request_draw"))
    assert places > 10


def test_an_interrupt_ends_the_draw_and_not_the_program(server: FakeServer, serve) -> None:
    plot = Plot()

    def draw():
        raise KeyboardInterrupt

    plot.get_frame = draw
    assert "KeyboardInterrupt" in take(server, serve, turn(plot, may_draw=True, requested=True))["draw_error"]


def test_an_interrupt_in_a_kernel_ends_the_users_code_and_never_ours(server: FakeServer, serve, monkeypatch) -> None:
    plot = Plot()
    interrupt = partial(signal.raise_signal, signal.SIGINT)
    plot.handle_event = lambda event: interrupt()
    monkeypatch.setattr(plot._output_context, "succeeded", interrupt)
    # As kernels do between cells.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        done = take(server, serve, turn(plot, {"type": "wheel"}, may_draw=True, requested=True))
        assert "KeyboardInterrupt" in done["event_error"]
        assert done["drawn"] == "frame"
        done = take(server, serve, turn(plot, number=2, may_draw=True, requested=True))
        assert (done["event_error"], done["drawn"]) == (None, "frame")
    finally:
        signal.signal(signal.SIGINT, before)
