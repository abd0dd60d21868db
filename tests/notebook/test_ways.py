"""The four ways from a page to the server."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cells import BLUE, RED, SHOW, SQUARE
from lab import ROOT, Lab, Notebook, opened, running_lab
from playwright.sync_api import Browser, WebSocket

sys.path.insert(0, str(ROOT / "python" / "tests"))
from real_server import KEY, real_server

WITHOUT_PROXY = "--ServerApp.jpserver_extensions={'jupyter_server_proxy': False}"

# The kernel says that a relay is open from another thread than it passes on what the server says: the word can be late,
# here as late as the page's first answer.
LATE_WORD = """
from framehub._page import Pages
made, handle = Pages.__init__, Pages.handle
def make(self, link, widget, send, frames):
    def hold(content, buffers):
        if content["framehub"] == "relay_opened":
            self.held = lambda: send(content, buffers)
        else:
            send(content, buffers)
    self.held = None
    made(self, link, widget, hold, frames)
def answer(self, content):
    if content["framehub"] == "relay_text" and self.held:
        self.held()
        self.held = None
    handle(self, content)
Pages.__init__, Pages.handle = make, answer
"""


@pytest.fixture(scope="module")
def bare_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab without jupyter-server-proxy."""
    with running_lab(tmp_path_factory.mktemp("bare"), WITHOUT_PROXY, "--ServerApp.allow_remote_access=True") as lab:
        yield lab


def check(notebook: Notebook, way: str) -> None:
    """The widget works, by that way."""
    notebook.run_all()
    view = notebook.view()
    view.wait_live()
    assert view.way == way
    view.wait_pixel(50, 50, BLUE)
    view.drag((30, 30), (100, 50))
    view.wait_pixel(105, 55, RED)
    assert notebook.errors == []


def test_the_notebooks_own_proxy(lab: Lab, browser: Browser) -> None:
    lab.write("way.ipynb", SQUARE, SHOW)
    with opened(lab, browser, "way.ipynb") as notebook:
        check(notebook, "proxy")


def test_the_loopback_address(bare_lab: Lab, browser: Browser) -> None:
    bare_lab.write("way.ipynb", SQUARE, SHOW)
    with opened(bare_lab, browser, "way.ipynb") as notebook:
        check(notebook, "loopback")


def test_the_notebooks_own_channel(bare_lab: Lab, browser: Browser) -> None:
    bare_lab.write("way.ipynb", SQUARE, SHOW)
    elsewhere = bare_lab.url.replace("127.0.0.1", "notebooks.test")
    with opened(bare_lab, browser, "way.ipynb", url=elsewhere) as notebook:
        check(notebook, "relay")


def test_the_notebooks_own_channel_as_text(bare_lab: Lab, browser: Browser) -> None:
    bare_lab.write("way.ipynb", SQUARE, f"{SHOW[:-2]}\nw._use_websocket = False\nw")
    elsewhere = bare_lab.url.replace("127.0.0.1", "notebooks.test")
    with opened(bare_lab, browser, "way.ipynb", url=elsewhere) as notebook:
        check(notebook, "relay")
        assert notebook.value("w.get_stats()['b64_encoding']") > 0


def test_the_server_may_speak_before_the_kernel_says_that_the_notebooks_channel_is_open(
    bare_lab: Lab, browser: Browser
) -> None:
    bare_lab.write("way.ipynb", LATE_WORD + SQUARE, SHOW)
    elsewhere = bare_lab.url.replace("127.0.0.1", "notebooks.test")
    with opened(bare_lab, browser, "way.ipynb", url=elsewhere) as notebook:
        check(notebook, "relay")


def test_a_configured_public_address(tmp_path: Path, browser: Browser) -> None:
    with real_server("--base-url", "/framehub/") as server:
        # Under another origin than both the notebook's and the one that the kernel uses.
        public = server.url.replace("127.0.0.1", "localhost")
        environment = {"FRAMEHUB_URL": server.url, "FRAMEHUB_KEY": KEY, "FRAMEHUB_PUBLIC_URL": public}
        with running_lab(tmp_path, environment=environment) as lab:
            lab.write("way.ipynb", SQUARE, SHOW)
            with opened(lab, browser, "way.ipynb") as notebook:
                check(notebook, "public")
                assert not (tmp_path / "run" / "framehub").exists()


@contextmanager
def address(kind: str, lab: Lab) -> Iterator[str]:
    """An address that does not lead to the server."""
    with socket.socket() as nobody, socket.create_server(("127.0.0.1", 0)) as silent:
        # Nobody else gets this port, and nobody listens there.
        nobody.bind(("127.0.0.1", 0))
        ports = {"refuses": nobody.getsockname()[1], "is silent": silent.getsockname()[1]}
        yield f"http://127.0.0.1:{ports[kind]}/" if kind in ports else f"{lab.url}nothing/"


def tried(notebook: Notebook) -> list[str]:
    """The addresses to which the page opens views from now on."""
    addresses: list[str] = []

    def note(socket: WebSocket) -> None:
        if "/api/widgets/" in socket.url:
            addresses.append(socket.url.partition("api/widgets/")[0].replace("ws", "http", 1))

    notebook.page.on("websocket", note)
    return addresses


def assert_tried(addresses: list[str], expected: list[str]) -> None:
    """The page tried these in this order and no others; all of them again where a slow machine had it start over."""
    assert addresses[: len(expected)] == expected
    assert set(addresses) == set(expected)


def with_public_address(url: str) -> str:
    """The cell with the class, in a kernel where this public address is configured."""
    return f"import os\nos.environ['FRAMEHUB_PUBLIC_URL'] = {url!r}\n{SQUARE}"


@pytest.mark.parametrize("kind", ["refuses", "is silent", "is another's"])
def test_a_public_address_that_does_not_lead_to_the_server_is_passed_over(
    kind: str, lab: Lab, browser: Browser
) -> None:
    with address(kind, lab) as public:
        lab.write("way.ipynb", with_public_address(public), SHOW)
        with opened(lab, browser, "way.ipynb") as notebook:
            addresses = tried(notebook)
            check(notebook, "proxy")
    port = urlsplit(lab.own_server["url"]).port
    assert_tried(addresses, [public, f"{lab.url}proxy/{port}/"])


@pytest.mark.parametrize("host", ["127.0.0.1", "notebooks.test"])
def test_one_way_after_the_other_is_tried_until_one_works(host: str, bare_lab: Lab, browser: Browser) -> None:
    url = bare_lab.url.replace("127.0.0.1", host)
    with address("refuses", bare_lab) as public:
        bare_lab.write("way.ipynb", with_public_address(public), SHOW)
        with opened(bare_lab, browser, "way.ipynb", url=url) as notebook:
            addresses = tried(notebook)
            # A page of another machine has no use for this one's loopback address.
            check(notebook, "loopback" if host == "127.0.0.1" else "relay")
    server = bare_lab.own_server["url"]
    before = [public, f"{url}proxy/{urlsplit(server).port}/"]
    assert_tried(addresses, [*before, server] if host == "127.0.0.1" else before)


def test_the_last_way_is_reached_however_long_the_others_take_to_fail(bare_lab: Lab, browser: Browser) -> None:
    with address("is silent", bare_lab) as first, address("is silent", bare_lab) as second:
        # As of a server on another machine whose addresses are all behind a firewall.
        ways = [{"way": "public", "url": url} for url in (first, second)]
        only = f"import framehub._page\nframehub._page.ways = lambda server, base: {ways!r}\n"
        bare_lab.write("way.ipynb", only + SQUARE, SHOW)
        with opened(bare_lab, browser, "way.ipynb") as notebook:
            addresses = tried(notebook)
            check(notebook, "relay")
            assert_tried(addresses, [first, second])
