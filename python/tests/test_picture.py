"""The picture that a notebook keeps of a widget."""

from __future__ import annotations

import re
from base64 import b64decode
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from framehub import RemoteFrameBuffer, _picture, _widget
from PIL import Image
from until import until

pytestmark = pytest.mark.usefixtures("link")


class Display:
    """What a notebook has of the displays that its kernel publishes."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.published = 0

    def publish(self, data: dict[str, str], *, transient: dict[str, str], update: bool) -> None:
        name = transient["display_id"]
        assert update is (name in self.kept)
        self.kept[name] = data["text/html"]
        self.published += 1

    def picture(self) -> np.ndarray | None:
        """The pixels of the only picture."""
        (html,) = self.kept.values()
        image = re.search(r'src="data:image/png;base64,([^"]+)"', html)
        return None if image is None else np.asarray(Image.open(BytesIO(b64decode(image[1]))).convert("L"))


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Display:
    display = Display()
    kernel = SimpleNamespace(shell=SimpleNamespace(display_pub=display))
    for module in (_picture, _widget):
        monkeypatch.setattr(module, "kernel", lambda: kernel)
    monkeypatch.setattr(_picture, "_RESTING", 0.0)
    return display


class Sheet(RemoteFrameBuffer):
    """Draws one array for ever, which is changed in place."""

    def __init__(self, **traits: Any) -> None:
        self.sheet = np.zeros((4, 6), np.uint8)
        super().__init__(**traits)

    def get_frame(self) -> np.ndarray:
        return self.sheet


def kept(display: Display, value: int) -> bool:
    picture = display.picture()
    return picture is not None and bool((picture == value).all())


def test_the_picture_follows_an_array_that_is_drawn_again_and_again_and_changed_in_place(display: Display) -> None:
    sheet = Sheet()
    sheet._repr_mimebundle_()
    assert kept(display, 0)
    for value in (50, 100, 150):
        sheet.sheet[:] = value
        sheet._rfb_take_turn([], may_draw=True, requested=True)
        until(lambda value=value: kept(display, value), f"the picture is of the drawn {value}")


def test_the_picture_follows_an_array_that_is_sent_again_and_again_and_changed_in_place(display: Display) -> None:
    widget = RemoteFrameBuffer()
    widget._repr_mimebundle_()
    assert display.picture() is None
    array = np.zeros((4, 6), np.uint8)
    for value in (50, 100, 150):
        array[:] = value
        widget.send_frame(array)
        until(lambda value=value: kept(display, value), f"the picture is of the sent {value}")


def test_a_frame_that_the_picture_has_is_not_published_again(display: Display) -> None:
    sheet = Sheet()
    sheet._repr_mimebundle_()
    sheet._rfb_update_picture()
    assert display.published == 1
