"""A real notebook kernel with the real server, without a page."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from framehub._server import Server
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel
from real_server import real_server
from until import TIMEOUT, until

PLOT = """
import framehub
import numpy as np

class Plot(framehub.RemoteFrameBuffer):
    def get_frame(self):
        return np.zeros((8, 10), np.uint8)
"""


class Kernel:
    """Runs cells, as a notebook's page has them run."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self._client = client

    def run(self, source: str, cell: str) -> None:
        self._execute(source, {"cellId": cell})

    def value(self, expression: str) -> Any:
        """The value of an expression, as JSON carries it."""
        expressions = self._execute("import json", {}, value=f"json.dumps({expression})")
        assert expressions["value"]["status"] == "ok", expressions
        return json.loads(expressions["value"]["data"]["text/plain"].strip("'"))

    def _execute(self, source: str, metadata: dict[str, str], **expressions: str) -> dict[str, Any]:
        content = {"code": source, "silent": False, "store_history": False, "allow_stdin": False}
        content["user_expressions"] = expressions
        message = self._client.session.msg("execute_request", content, metadata=metadata)
        self._client.shell_channel.send(message)
        while True:
            reply = self._client.get_shell_msg(timeout=TIMEOUT)
            if reply["parent_header"]["msg_id"] == message["header"]["msg_id"]:
                assert reply["content"]["status"] == "ok", reply["content"]
                return dict(reply["content"]["user_expressions"])


@contextmanager
def kernel(server: Server) -> Iterator[Kernel]:
    """A kernel whose widgets are on that server."""
    environment = {
        **os.environ,
        "FRAMEHUB_URL": server.url,
        "FRAMEHUB_KEY": str(server.key),
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    manager, client = start_new_kernel(env=environment)
    try:
        yield Kernel(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def widgets(server: Server) -> list[str]:
    request = urllib.request.Request(f"{server.url}api/widgets", headers={"Authorization": f"Bearer {server.key}"})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        return [widget["id"] for widget in json.load(answer)["widgets"]]


def test_a_cell_that_runs_a_thousand_times_leaves_one_widget() -> None:
    with real_server() as server, kernel(server) as notebook:
        notebook.run(PLOT, "the class")
        notebook.run("w = Plot()\nw", "the widget")
        states = "len(__import__('ipywidgets').Widget.get_manager_state()['state'])"
        before = notebook.value(states)
        for _ in range(1000):
            notebook.run("w = Plot()\nw", "the widget")
        last = notebook.value("w.url").rpartition("/")[2]
        until(lambda: widgets(server) == [last], "the former widgets are closed")
        assert notebook.value(states) == before
        # IPython keeps the last three outputs.
        assert notebook.value("sum(isinstance(each, Plot) for each in __import__('gc').get_objects())") <= 4


def test_a_widget_that_is_collected_is_closed_on_the_server() -> None:
    with real_server() as server, kernel(server) as notebook:
        notebook.run(PLOT, "the class")
        notebook.run("w = Plot(); w.url", "the widget")
        assert len(widgets(server)) == 1
        notebook.run("del w; None", "its end")
        until(lambda: widgets(server) == [], "the widget is closed")


def test_the_widgets_of_a_kernel_that_crashes_wait_for_it() -> None:
    with real_server("--kernel-grace", "300") as server:
        with kernel(server) as notebook:
            notebook.run(PLOT, "the class")
            notebook.run("w = Plot(); w.url", "the widget")
            (widget,) = widgets(server)
        # It was killed, and said no goodbye.
        assert widgets(server) == [widget]
        with kernel(server) as notebook:
            notebook.run(PLOT, "the class")
            notebook.run("w = Plot(); w.url", "the widget")
            assert notebook.value("w.url").rpartition("/")[2] == widget
            assert widgets(server) == [widget]
