"""Scripts, in processes of their own."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from fake_server import KEY, FakeServer
from until import until

# Tests that are started in the background by a shell hand down that interrupts are ignored.
SCRIPT = """
import signal

import framehub
import numpy as np

signal.signal(signal.SIGINT, signal.default_int_handler)

class Plot(framehub.RemoteFrameBuffer):
    def get_frame(self):
        return np.full((2, 2), 9, np.uint8)
    def handle_event(self, event):
        if event["type"] == "key_down":
            self.close()

plot = Plot()
framehub.run(**OPTIONS)
print("after", flush=True)
"""


@contextmanager
def script(server: FakeServer, key_in: str = "FRAMEHUB_KEY", options: str = "{}") -> Iterator[subprocess.Popen[str]]:
    environment = {"FRAMEHUB_URL": server.url, key_in: KEY, "PYTHONPATH": ":".join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.replace("OPTIONS", options)], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def turn(events: list[dict], may_draw: bool) -> dict:
    return {"type": "turn", "widget": "w1", "turn": 1, "events": events, "may_draw": may_draw, "requested": True}


def test_a_script_tells_its_addresses_without_the_key_where_no_terminal_is_and_draws(server: FakeServer) -> None:
    with script(server) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"Plot is at {server.url}widgets/w1\n"
        assert process.stdout.readline() == "The server's key is in FRAMEHUB_KEY.\n"
        server.send(turn([], True))
        assert server.pixels(server.next("turn_done")) == b"\t" * 4


def test_a_script_that_is_asked_to_tells_its_addresses_with_the_key(server: FakeServer) -> None:
    with script(server, options="{'print_key': True}") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"Plot is at {server.url}widgets/w1?key={KEY}\n"


def test_a_scripts_addresses_have_no_token_of_a_hub(server: FakeServer) -> None:
    with script(server, key_in="JUPYTERHUB_API_TOKEN") as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "widgets/w1" in line and KEY not in line


def test_a_script_ends_when_its_widgets_are_closed_and_says_goodbye(server: FakeServer) -> None:
    with script(server) as process:
        server.next("create")
        server.send(turn([{"type": "key_down", "key": "q"}], False))
        output, _ = process.communicate(timeout=30)
    assert output.endswith("after\n")
    server.next("goodbye")


def test_a_script_ends_by_an_interrupt(server: FakeServer) -> None:
    with script(server) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        until(lambda: process.poll() is not None, "the script ends")
        assert process.stdout.read() == "after\n"
    server.next("goodbye")
