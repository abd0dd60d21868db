"""What the notebook file holds, and what it shows without a kernel."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from io import BytesIO

import nbformat
from cells import BLUE, RED, SHOW, SQUARE
from lab import Lab, opened, until
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from PIL import Image
from playwright.sync_api import Browser

PICTURE = re.compile(r'src=\\?"data:image/png;base64,([^"\\]+)\\?"')


def pictures(text: str) -> list[Image.Image]:
    return [Image.open(BytesIO(b64decode(data))).convert("RGB") for data in PICTURE.findall(text)]


def save(notebook, lab: Lab, name: str) -> str:
    notebook.command("docmanager:save")
    return lab.read(name)


def test_a_saved_notebook_shows_the_last_picture_without_a_kernel_and_holds_no_key(lab: Lab, browser: Browser) -> None:
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
        page = notebook.page.content()
    server = lab.own_server
    for text in (saved, page):
        assert server["key"] not in text
        assert "framehub.ticket." not in text
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
