"""Where a notebook shows a widget: within other widgets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cells import RED, SQUARE
from lab import Lab, Notebook, opened, running_lab
from playwright.sync_api import Browser, Locator

OUTPUT = """
from ipywidgets import Output
out = Output()
display(out)
w = Square(title='A square')
with out:
    print('text beside it')
    display(w)
"""
INTERACT = """
from ipywidgets import interact
w = Square(title='A square')
def show(k):
    print('text beside it')
    display(w)
interact(show, k=(0, 9));
"""
TAB = """
from ipywidgets import Output, Tab
first, second = Output(), Output()
display(Tab([first, second], titles=['the first tab', 'the second tab']))
w = Square(title='A square')
for out in (first, second):
    with out:
        print('text beside it')
        display(w)
"""
TEXT = "text beside it"
TAB_LABEL = ".lm-TabBar-tab"
SLIDER = ".widget-slider .noUi-handle"


@pytest.fixture(scope="module", params=["jupyterlab", "notebook"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("places"), app=request.param) as lab:
        yield lab


def is_shown(element: Locator) -> bool:
    """Whether it takes room in the page."""
    box = element.bounding_box()
    return box is not None and box["width"] > 0 and box["height"] > 0


def shown_beside(notebook: Notebook) -> None:
    """Waits until a live view and the text beside it are shown, and not the still picture."""
    view = notebook.view()
    view.wait_live()
    view.wait_pixel(5, 5, RED)
    text = notebook.page.locator(".jp-OutputArea-output pre", has_text=TEXT).first
    text.wait_for(state="visible")
    assert is_shown(text)
    box = view.element.bounding_box()
    assert box is not None
    assert box["width"] >= 200
    assert box["height"] >= 100
    picture = notebook.page.locator("img[alt='A square']")
    assert picture.count() > 0
    assert not any(is_shown(each) for each in picture.all())


@pytest.mark.parametrize(
    ("source", "control"), [(OUTPUT, None), (INTERACT, SLIDER), (TAB, TAB_LABEL)], ids=["Output", "interact", "Tab"]
)
def test_a_widget_within_another_is_live_beside_the_rest_of_it(
    source: str, control: str | None, place: Lab, browser: Browser
) -> None:
    place.write("place.ipynb", SQUARE, source)
    with opened(place, browser, "place.ipynb") as notebook:
        notebook.run_all()
        shown_beside(notebook)
        if control is not None:
            assert is_shown(notebook.page.locator(f".jp-CodeCell {control}").first)
