"""Widgets in marimo, in a real browser: where a notebook is edited, and where it is an app, anew for each visit."""

from __future__ import annotations

import socket
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cells import BLUE, RED, SQUARE
from lab import Home, View, answers, until
from playwright.sync_api import Browser, Page

NOTEBOOK = f"""
import marimo

app = marimo.App()

@app.cell
def _():
{textwrap.indent(SQUARE, "    ")}
    return (Square,)

@app.cell
def _(Square):
    w = Square(title="A square")
    w
    return (w,)
"""
SETTINGS = """
[tool.marimo.runtime]
auto_instantiate = true
"""


class Marimo(Home):
    """A running marimo with a notebook."""

    url = ""

    def view(self, page: Page) -> View:
        """Opens the notebook in a page; the view that it shows."""
        page.goto(self.url)
        return View(page, page.locator("[data-way]"))


@contextmanager
def running_marimo(folder: Path, command: str, *arguments: str) -> Iterator[Marimo]:
    """Runs `marimo edit` or `marimo run` on a free port of 127.0.0.1."""
    marimo = Marimo(folder)
    (folder / "square.py").write_text(NOTEBOOK)
    (folder / "pyproject.toml").write_text(SETTINGS)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    marimo.url = f"http://127.0.0.1:{port}/"
    options = ("--headless", "--no-token", f"--port={port}", *arguments)
    with marimo.running("marimo", command, *options, "square.py") as process:

        def started() -> bool:
            assert process.poll() is None, marimo.log.read_text()[-2000:]
            return answers(f"{marimo.url}health")

        until(started, "marimo answers")
        yield marimo


def test_a_widget_is_shown_where_the_notebook_is_edited(tmp_path: Path, browser: Browser) -> None:
    # So high that the view is in sight, below the code.
    tall = {"width": 1200, "height": 1400}
    with running_marimo(tmp_path, "edit", "--skip-update-check") as marimo, browser.new_page(viewport=tall) as page:
        view = marimo.view(page)
        view.wait_live()
        assert view.way == "loopback"
        view.wait_pixel(50, 50, BLUE)
        view.drag((30, 30), (100, 50))
        view.wait_pixel(105, 55, RED)
        # An error of the user's code shows in the view, and the widget goes on.
        view.get("view.focus()")
        page.keyboard.press("e")
        view.wait("view.state === 'error'", "the view says that there is an error")
        view.drag((30, 5), (100, 8))
        view.wait_pixel(105, 15, RED)
        # A cell that runs again has a new widget, and the former one goes.
        former = marimo.widgets()
        page.get_by_text('"A square"').click()
        page.keyboard.press("Control+Enter")
        until(lambda: len(marimo.widgets()) == 1 and marimo.widgets() != former, "the former widget is closed")
        view.wait_live()
        view.wait_pixel(5, 5, RED)


def test_each_visit_of_an_app_has_a_widget_of_its_own_that_ends_with_it(tmp_path: Path, browser: Browser) -> None:
    with running_marimo(tmp_path, "run", "--session-ttl=1") as marimo, browser.new_page() as page:
        with browser.new_page() as other:
            views = [marimo.view(each) for each in (page, other)]
            for view in views:
                view.wait_live()
                view.wait_pixel(5, 5, RED)
            views[1].drag((30, 30), (100, 50))
            views[1].wait_pixel(105, 55, RED)
            assert views[0].pixel(5, 5) == RED
            assert len(marimo.widgets()) == 2
        # The first visit's loop works on, though another's ended.
        until(lambda: len(marimo.widgets()) == 1, "the widget ends with its visit")
        views[0].drag((30, 30), (100, 50))
        views[0].wait_pixel(105, 55, RED)
