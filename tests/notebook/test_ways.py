"""The four ways from a page to the server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cells import BLUE, RED, SHOW, SQUARE
from lab import ROOT, Lab, Notebook, opened, running_lab
from playwright.sync_api import Browser

sys.path.insert(0, str(ROOT / "python" / "tests"))
from real_server import KEY, real_server

WITHOUT_PROXY = "--ServerApp.jpserver_extensions={'jupyter_server_proxy': False}"


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
