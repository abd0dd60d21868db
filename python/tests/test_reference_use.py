"""The same programs with jupyter_rfb and with FrameHub: they behave alike, in events and in how programs use them.

Each test runs against both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import ipywidgets
import pytest
from bench import POINTER, Bench, Event, plot, types
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

VIEW = "application/vnd.jupyter.widget-view+json"

# --- events ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("compatibility", "new", "old"), [(None, True, True), (1, False, True), (2, True, False)])
def test_events_have_the_names_that_the_class_asks_for(
    bench: Bench, compatibility: int | None, new: bool, old: bool
) -> None:
    async def scenario() -> None:
        base = type("Base", (bench.Widget,), {"_event_compatibility": compatibility})
        widget = plot(bench, base)
        view = bench.view(widget)
        view.show(ratio=2.0)
        view.send(type="pointer_down", **POINTER)
        await bench.until(lambda: len(widget.events) == 2, "the events arrive")
        resize, down = widget.events
        assert ("type" in down, "timestamp" in down, "ratio" in resize) == (new, new, new)
        assert ("event_type" in down, "time_stamp" in down, "pixel_ratio" in resize) == (old, old, old)
        assert (down["buttons"], down["modifiers"]) == ((1,), ("Shift",))
        assert (down["x"], down["y"], down["button"]) == (1.0, 2.0, 1)
        assert resize.get("ratio", resize.get("pixel_ratio")) == 2.0
        assert (resize["width"], resize["height"], resize["pwidth"], resize["pheight"]) == (100, 80, 200, 160)

    asyncio.run(scenario())


def test_classes_of_rendercanvas_get_old_names(bench: Bench) -> None:
    base = type("Base", (bench.Widget,), {"__module__": "rendercanvas.jupyter"})
    assert plot(bench, base)._event_compatibility == 1


def test_events_come_in_order(bench: Bench) -> None:
    async def scenario() -> None:
        widget = plot(bench)
        view = bench.view(widget)
        view.show()
        view.send(type="pointer_down", **POINTER)
        view.send(type="wheel", x=1, y=2, dx=0, dy=3, buttons=[], modifiers=[])
        view.send(type="key_down", key="a", modifiers=[])
        view.send(type="key_up", key="a", modifiers=[])
        view.send(type="pointer_up", **{**POINTER, "buttons": []})
        await bench.until(lambda: len(widget.events) == 6, "the events arrive")
        assert types(widget) == ["resize", "pointer_down", "wheel", "key_down", "key_up", "pointer_up"]

    asyncio.run(scenario())


def test_focus_double_clicks_and_text_come_with_their_fields(bench: Bench) -> None:
    async def scenario() -> None:
        widget = plot(bench)
        view = bench.view(widget)
        view.show()
        place = {"x": 1.0, "y": 2.0, "button": 1}
        view.send(type="focus_in")
        view.send(type="double_click", **place, buttons=[1], modifiers=["Shift"])
        view.send(type="char", data="é", input_type="insertText", is_composing=False)
        view.send(type="focus_out")
        await bench.until(lambda: len(widget.events) == 5, "the events arrive")
        assert types(widget) == ["resize", "focus_in", "double_click", "char", "focus_out"]
        double_click, char = widget.events[2:4]
        expected = {**place, "buttons": (1,), "modifiers": ("Shift",)}
        assert {name: double_click[name] for name in expected} == expected
        assert (char["data"], char["input_type"], char["is_composing"]) == ("é", "insertText", False)

    asyncio.run(scenario())


def test_an_error_in_a_handler_is_shown_and_the_next_event_comes(bench: Bench, capsys: Any) -> None:
    async def scenario() -> None:
        widget = plot(bench)
        heard = []

        def handle(event: Event) -> None:
            heard.append(event["type"])
            if event["type"] == "key_down":
                raise RuntimeError("not this key")

        widget.handle_event = handle
        view = bench.view(widget)
        view.show()
        view.send(type="key_down", key="a", modifiers=[])
        view.send(type="key_up", key="a", modifiers=[])
        await bench.until(lambda: heard == ["resize", "key_down", "key_up"], "the events arrive")
        assert "not this key" in bench.errors(widget, capsys)

    asyncio.run(scenario())


def test_closing_emits_a_close_event(bench: Bench) -> None:
    widget = plot(bench)
    widget.close()
    assert types(widget) == ["close"]
    assert widget.comm is None


def test_requests_before_a_draw_are_one(bench: Bench) -> None:
    async def scenario() -> None:
        widget = plot(bench)
        view = bench.view(widget)
        view.show()
        await bench.until(lambda: view.frames, "a frame arrives")
        view.confirm(view.frames[0])
        for _ in range(5):
            widget.request_draw()
        await bench.until(lambda: widget.draws == 2, "it draws")
        await bench.settle(widget)
        assert widget.draws == 2

    asyncio.run(scenario())


# --- how programs use the class --------------------------------------------------------------------------------------


def test_a_class_that_initialises_each_base_by_name(bench: Bench) -> None:
    class Backend:
        def __init__(self, canvas: object) -> None:
            self.canvas = canvas

    class Canvas(Backend, bench.Widget):  # type: ignore[misc, name-defined]
        _event_compatibility = 2

        def __init__(self, canvas: object) -> None:
            Backend.__init__(self, canvas)
            bench.Widget.__init__(self)
            self.resizable = False
            self.request_draw()

    assert Canvas("c").resizable is False


def test_a_class_whose_bases_work_together(bench: Bench) -> None:
    class BaseCanvas:
        def __init__(self, *args: Any, size: int = 0, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.size = size

        def close(self) -> None:
            self.closed()

        def closed(self) -> None:
            raise NotImplementedError

    class Canvas(BaseCanvas, bench.Widget):  # type: ignore[misc, name-defined]
        events = ()

        def closed(self) -> None:
            bench.Widget.close(self)

        def handle_event(self, event: Event) -> None:
            self.events += (event["type"],)
            if event["type"] == "close" and len(self.events) < 5:
                self.close()

        def request_draw(self) -> None:
            bench.Widget.request_draw(self)

    canvas = Canvas(size=3, title="t")
    canvas.request_draw()
    assert (canvas.size, canvas.title) == (3, "t")
    canvas.close()
    assert set(canvas.events) == {"close"}


def test_a_handler_on_the_instance_is_found(bench: Bench) -> None:
    async def scenario() -> None:
        widget = bench.Widget()
        heard: list[str] = []
        widget.handle_event = lambda event: heard.append(event["event_type"])
        bench.view(widget).show()
        await bench.until(lambda: heard == ["resize"], "the event arrives")

    asyncio.run(scenario())


def test_it_is_a_widget_that_boxes_take(bench: Bench) -> None:
    widget = bench.Widget()
    assert isinstance(widget, ipywidgets.DOMWidget)
    assert ipywidgets.VBox([widget]).children == (widget,)
    widget.layout.display = "none"


def test_print_takes_what_the_builtin_takes(bench: Bench) -> None:
    bench.Widget().print("a", 1, sep="-", end="\n")


# --- pictures --------------------------------------------------------------------------------------------------------


async def drawn(bench: Bench) -> Any:
    """A plot that rests, in a view of 200 x 150."""
    widget = plot(bench)
    view = bench.view(widget)
    view.show(200, 150)
    await bench.until(lambda: view.frames, "a frame arrives")
    await bench.settle(widget)
    return widget


def test_a_snapshots_data_is_the_last_frame_and_its_size_that_of_the_view(bench: Bench) -> None:
    async def scenario() -> None:
        widget = await drawn(bench)
        snapshot = widget.snapshot()
        assert snapshot.data.shape == (8, 10, 3)
        assert (snapshot.width, snapshot.height) == (200, 150)
        assert "<img" in snapshot._repr_html_()

    asyncio.run(scenario())


def test_a_snapshot_takes_a_pixel_ratio_and_has_the_size_of_the_view_all_the_same(bench: Bench) -> None:
    async def scenario() -> None:
        widget = await drawn(bench)
        for snapshot in (widget.snapshot(pixel_ratio=2), widget.snapshot(2), widget.snapshot(pixel_ratio=None)):
            assert snapshot.data.shape == (8, 10, 3)
            assert (snapshot.width, snapshot.height) == (200, 150)

    asyncio.run(scenario())


def test_a_snapshot_of_nothing_is_one_gray_pixel(bench: Bench) -> None:
    snapshot = bench.Widget(css_width="320px").snapshot()
    assert snapshot.data.tolist() == [[[127] * 3]]
    assert (snapshot.width, snapshot.height) == (320, 300)


def test_the_cells_output_is_a_view(bench: Bench) -> None:
    bundle, _ = bench.Widget()._repr_mimebundle_()
    assert VIEW in bundle


@pytest.fixture
def shell() -> Iterator[None]:
    InteractiveShell.instance()
    yield
    InteractiveShell.clear_instance()


@pytest.mark.usefixtures("shell")
def test_display_shows_a_view(bench: Bench) -> None:
    widget = plot(bench)
    with capture_output() as shown:
        widget.display()
    assert VIEW in shown.outputs[-1].data
