"""What the notebook file holds, and what it shows without a kernel."""

from __future__ import annotations

import json
import re
import sys
from base64 import b64decode
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

import nbformat
import pytest
from cells import BLUE, RED, SHOW, SQUARE
from lab import ROOT, Lab, opened, running_lab, until
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from PIL import Image
from playwright.sync_api import Browser

sys.path.insert(0, str(ROOT / "python" / "tests"))
from real_server import real_server

# EXPIRES.ROLE.SIGNATURE
TICKET = re.compile(r"\d{10,}\.(?:interact|watch)\.[\w-]{20,}")
# In the kernel, after the cell with the class: the tickets that the pages are given from then on.
NOTE_TICKETS = """
tickets, _send = [], framehub.RemoteFrameBuffer._rfb_send_to_pages
def _noting(self, content, buffers):
    if content["framehub"] == "connect":
        tickets.append(content["ticket"])
    _send(self, content, buffers)
framehub.RemoteFrameBuffer._rfb_send_to_pages = _noting
"""
STATE = "application/vnd.jupyter.widget-state+json"
PICTURE = re.compile(r'src=\\?"data:image/png;base64,([^"\\]+)\\?"')


def pictures(text: str) -> list[Image.Image]:
    return [Image.open(BytesIO(b64decode(data))).convert("RGB") for data in PICTURE.findall(text)]


def save(notebook, lab: Lab, name: str) -> str:
    notebook.command("docmanager:save")
    return lab.read(name)


def test_a_saved_notebook_shows_the_last_picture_without_a_kernel(lab: Lab, browser: Browser) -> None:
    lab.write("saved.ipynb", SQUARE, SHOW)
    with opened(lab, browser, "saved.ipynb") as notebook:
        notebook.run_all()
        view = notebook.view()
        view.wait_live()
        view.drag((30, 30), (100, 50))
        view.wait_pixel(105, 55, RED)
        saved = until(
            lambda: next(
                (text for text in [save(notebook, lab, "saved.ipynb")] if pictures(text)[0].getpixel((105, 55)) == RED),
                None,
            ),
            "the saved picture is the one that rests",
        )
    (picture,) = pictures(saved)
    assert picture.size == (200, 100)
    assert picture.getpixel((50, 20)) == BLUE

    with opened(lab, browser, "saved.ipynb") as notebook:
        # A kernel without the widget is as good as none.
        image = notebook.page.locator("img[alt='A square']")
        image.wait_for(state="visible")
        box = image.bounding_box()
        assert box is not None
        assert (box["width"], box["height"]) == (200, 100)
        until(lambda: "model not found" in notebook.page.content(), "JupyterLab looked for the model")
        assert "model not found" not in notebook.outputs(1)


@pytest.mark.parametrize("configured", [False, True], ids=["the package's own server", "a server with FRAMEHUB_KEY"])
def test_no_key_and_no_ticket_is_in_the_file_or_the_page(configured: bool, tmp_path: Path, browser: Browser) -> None:
    with ExitStack() as running:
        environment = {}
        if configured:
            server = running.enter_context(real_server())
            environment = {"FRAMEHUB_URL": server.url, "FRAMEHUB_KEY": server.key}
        lab = running.enter_context(running_lab(tmp_path, environment=environment))
        lab.write("secrets.ipynb", SQUARE, SHOW)
        notebook = running.enter_context(opened(lab, browser, "secrets.ipynb"))
        # With all that is known of the widgets: the most that a file can hold.
        notebook.command("@jupyter-widgets/jupyterlab-manager:saveWidgetState")
        notebook.run(0)
        notebook.execute(NOTE_TICKETS)
        notebook.run(1)
        notebook.view().wait_live()
        saved = until(
            lambda: next((text for text in [save(notebook, lab, "secrets.ipynb")] if STATE in text), None),
            "the file has the widgets' state",
        )
        page = notebook.page.content()
        tickets = notebook.value("tickets")
        key = server.key if configured else lab.own_server["key"]
    assert tickets
    assert all(TICKET.fullmatch(ticket) for ticket in tickets)
    # The picture's own text could hold any word.
    for text in (PICTURE.sub("", saved), PICTURE.sub("", page)):
        assert key not in text
        assert not TICKET.search(text)
        assert not [ticket for ticket in tickets if ticket.rpartition(".")[2] in text]


def test_a_notebook_that_ran_without_a_browser_holds_a_picture(lab: Lab, monkeypatch) -> None:
    notebook = executed(lab, SQUARE, SHOW)
    (picture,) = pictures(json.dumps(notebook))
    assert picture.size == (200, 100)
    assert picture.getpixel((5, 5)) == RED


def test_an_exported_page_shows_the_picture(lab: Lab, browser: Browser) -> None:
    html, _ = HTMLExporter().from_notebook_node(executed(lab, SQUARE, SHOW))
    page = browser.new_page()
    # No network: the page alone.
    page.route("**/*", lambda route: route.abort())
    page.set_content(html, wait_until="domcontentloaded")
    page.locator("img[alt='A square']").wait_for(state="visible")
    page.close()


def test_a_widget_whose_frame_comes_later_gets_its_picture_then(lab: Lab) -> None:
    late = """
import asyncio
class Late(framehub.RemoteFrameBuffer):
    pass
w = Late(title='Late')
display(w)
w.send_frame(np.full((10, 20), 77, np.uint8))
"""
    wait = "while w._rfb_picture.is_news(w._rfb_frame_number): await asyncio.sleep(0.01)"
    (picture,) = pictures(json.dumps(executed(lab, SQUARE, late, wait)))
    assert picture.getpixel((0, 0)) == (77, 77, 77)


def executed(lab: Lab, *sources: str) -> nbformat.NotebookNode:
    """A notebook after its cells have run, without a browser."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    environment = lab.environment
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute(cwd=str(lab.folder), env=environment)
    return notebook
