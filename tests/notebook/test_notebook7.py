"""Widgets in Notebook 7, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cells import BLUE, RED, SHOW, SQUARE
from lab import Lab, opened, running_lab
from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def notebook7(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("notebook7"), app="notebook") as lab:
        yield lab


def test_a_widget_is_shown_twice_takes_a_drag_and_its_picture_is_saved(notebook7: Lab, browser: Browser) -> None:
    notebook7.write("square.ipynb", SQUARE, SHOW, "w")
    with opened(notebook7, browser, "square.ipynb") as notebook:
        assert "/notebooks/square.ipynb" in notebook.page.url
        # Those of the page itself.
        troubles = list(notebook.errors)
        notebook.run_all()
        first, second = notebook.view(0), notebook.view(1)
        for view in (first, second):
            view.wait_live()
            assert view.way == "proxy"
            view.wait_pixel(50, 50, BLUE)
        second.drag((30, 30), (100, 50))
        for view in (first, second):
            view.wait_pixel(105, 55, RED)
        assert notebook.value("w.get_stats()['views']") == 2
        notebook.command("docmanager:save")
        assert notebook.errors == troubles

    with opened(notebook7, browser, "square.ipynb") as notebook:
        # A kernel without the widget is as good as none.
        notebook.page.locator("img[alt='A square']").first.wait_for(state="visible")


def test_keys_typed_into_a_picture_that_somebody_else_controls_leave_the_cells_alone(
    notebook7: Lab, browser: Browser
) -> None:
    notebook7.write("keys.ipynb", SQUARE, "w = Square(title='Keys', has_titlebar=True)\nw", "kept = True")
    with opened(notebook7, browser, "keys.ipynb") as notebook:
        notebook.run_all()
        view = notebook.view()
        view.wait_live()
        # As another of its views takes the control.
        view.get("(view.sharing = { control: 'another' })")
        for spot in ("canvas", ".title"):
            view.element.locator(spot).click(position={"x": 9, "y": 9})
            for key in ("r", "x", "d", "d", "b", "m"):
                notebook.page.keyboard.press(key)
        cells = notebook.page.evaluate("window.testPanel.content.widgets.map((cell) => cell.model.type)")
        assert cells == ["code", "code", "code"]
        assert notebook.value("[e for e in w.events if e['type'] == 'key_down']") == []


def test_ctrl_s_in_a_picture_saves_the_notebook(notebook7: Lab, browser: Browser) -> None:
    notebook7.write("save.ipynb", SQUARE, SHOW)
    with opened(notebook7, browser, "save.ipynb") as notebook:
        notebook.run_all()
        view = notebook.view()
        view.wait_live()
        view.element.locator("canvas").click(position={"x": 9, "y": 9})
        assert notebook.page.evaluate("window.testPanel.context.model.dirty")
        notebook.page.keyboard.press("Control+s")
        notebook.page.wait_for_function("!window.testPanel.context.model.dirty")
        assert "<img" in notebook7.read("save.ipynb")
