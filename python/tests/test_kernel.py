"""A real notebook kernel with the real server, without a page."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from framehub._server import Server
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel
from real_server import Browser, binary, real_server
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
def kernel(server: Server | None = None, **variables: str) -> Iterator[Kernel]:
    """A kernel whose widgets are on that server, or on the one that the package starts."""
    if server is not None:
        variables |= {"FRAMEHUB_URL": server.url, "FRAMEHUB_KEY": server.key}
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **variables}
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


@pytest.fixture
def own(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment in which the package starts a server, which ends with the test."""
    yield {"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path), "FRAMEHUB_BIN": str(binary().resolve())}
    for process in servers(tmp_path):
        process.send_signal(signal.SIGTERM)


def servers(runtime: Path) -> list[psutil.Process]:
    """The running servers that were started for this folder."""

    def command(process: psutil.Process) -> list[str]:
        try:
            return [] if process.status() == psutil.STATUS_ZOMBIE else process.cmdline()
        except psutil.NoSuchProcess:
            return []

    told = str(runtime / "framehub" / "server.json")
    return [process for process in psutil.process_iter() if told in command(process)]


def test_two_kernels_that_start_at_once_share_the_server_that_one_of_them_starts(
    own: dict[str, str], tmp_path: Path
) -> None:
    with kernel(**own) as first, kernel(**own) as second:
        for notebook in (first, second):
            notebook.run(PLOT, "the class")
        # Neither finds a server.
        assert servers(tmp_path) == []
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda notebook: notebook.run("w = Plot(); w.url", "the widget"), (first, second)))
        (process,) = servers(tmp_path)
        told = json.loads((tmp_path / "framehub" / "server.json").read_text())
        assert told["pid"] == process.pid
        server = Server(told["url"], told["key"])
        urls = [notebook.value("w.url") for notebook in (first, second)]
        assert all(url.startswith(server.url) for url in urls)
        ids = [url.rpartition("/")[2] for url in urls]
        assert sorted(widgets(server)) == sorted(ids)
        for widget in ids:
            with Browser(server, widget) as view:
                view.show()
                until(lambda view=view: view.frames, "the widget's kernel draws")
