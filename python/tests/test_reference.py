"""The same programs with jupyter_rfb and with FrameHub: they behave alike.

Each test runs against both. A `Bench` hides the one thing that differs: how a browser gets to the widget.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Protocol

import framehub
import ipywidgets
import jupyter_rfb
import numpy as np
import pytest
import traitlets
from framehub import _link
from framehub._link import Link
from framehub._server import Server
from PIL import Image
from real_server import Browser, real_server
from until import TIMEOUT

Event = dict[str, Any]
TRAITS = {
    "css_width": "500px",
    "css_height": "300px",
    "resizable": True,
    "quality": 80,
    "max_buffered_frames": 2,
    "cursor": "default",
    "title": "",
    "has_titlebar": False,
}
PRIVATE = (
    "_event_compatibility",
    "_frame_feedback",
    "_has_visible_views",
    "_output_context",
    "_repr_mimebundle_",
    "_rfb_cancel_lossless_draw",
    "_rfb_draw_requested",
    "_rfb_handle_msg",
    "_rfb_last_frame",
    "_rfb_last_resize_event",
    "_rfb_maybe_draw",
    "_rfb_schedule_maybe_draw",
    "_rfb_send_frame",
    "_use_websocket",
)
# A picture of the kind that is sent lossy while it changes.
GRAIN = np.random.default_rng(5).integers(0, 256, (64, 80, 3), np.uint8)
POINTER = {"x": 1.0, "y": 2.0, "button": 1, "buttons": [1], "modifiers": ["Shift"], "ntouches": 0, "touches": {}}


class View(Protocol):
    """A view of a widget in a browser."""

    frames: list[dict[str, Any]]

    def show(self, width: float = 100, height: float = 80, ratio: float = 1.0) -> None: ...
    def hide(self) -> None: ...
    def send(self, **event: Any) -> None: ...
    def confirm(self, frame: dict[str, Any]) -> None: ...


class SeedView:
    """A view by the messages and traits with which jupyter_rfb's page speaks."""

    def __init__(self, widget: Any) -> None:
        self._widget = widget
        self.frames: list[dict[str, Any]] = []
        widget.send = self._sent

    def _sent(self, content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        self.frames.append({**content, "data": buffers[0] if buffers else None})

    def show(self, width: float = 100, height: float = 80, ratio: float = 1.0) -> None:
        size = {"width": width, "height": height, "pwidth": width * ratio, "pheight": height * ratio, "ratio": ratio}
        self.send(type="resize", **size)
        self._widget._has_visible_views = True

    def hide(self) -> None:
        self._widget._has_visible_views = False

    def send(self, **event: Any) -> None:
        self._widget._rfb_handle_msg(self._widget, {"timestamp": 0.0, **event}, [])

    def confirm(self, frame: dict[str, Any]) -> None:
        feedback = {"index": frame["index"], "timestamp": frame["timestamp"], "localtime": time.time()}
        self._widget._frame_feedback = feedback


class FrameHubView(Browser):
    def hide(self) -> None:
        self.send(type="hide")


class Bench:
    """One of the two implementations."""

    def __init__(self, name: str, server: Server | None) -> None:
        self.name = name
        self.server = server
        self._views = ExitStack()
        self.Widget: Any = jupyter_rfb.RemoteFrameBuffer if server is None else framehub.RemoteFrameBuffer

    def view(self, widget: Any) -> View:
        if self.server is None:
            return SeedView(widget)
        widget_id = widget.url.rsplit("/", 1)[1]
        frames = "binary" if widget._use_websocket else "base64"
        return self._views.enter_context(FrameHubView(self.server, widget_id, frames))

    def close(self) -> None:
        self._views.close()

    async def until(self, condition: Callable[[], object], what: str) -> None:
        end = time.monotonic() + TIMEOUT
        while not condition():
            assert time.monotonic() < end, f"{self.name}: not within {TIMEOUT:g} s: {what}"
            await asyncio.sleep(0.002)

    async def settle(self, widget: Any) -> None:
        """Waits until what was done before has had its effects."""
        loop = asyncio.get_running_loop()
        for _ in range(4):
            # Behind what the kernel and its widget on the server still do.
            await loop.run_in_executor(None, widget.get_stats)
            await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with real_server("--deadline", "60") as server:
        yield server


@pytest.fixture(params=["jupyter_rfb", "framehub"])
def bench(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    if request.param == "jupyter_rfb":
        yield Bench(request.param, None)
        return
    server = request.getfixturevalue("server")
    link = Link(find=lambda: server)
    monkeypatch.setattr(_link, "_links", {_link.os.getpid(): link})
    bench = Bench(request.param, server)
    yield bench
    bench.close()
    link.stop(goodbye=True)


def plot(bench: Bench, base: type | None = None) -> Any:
    """A widget of a class that notes its events and draws frames of rising brightness."""

    class Plot(base or bench.Widget):  # type: ignore[misc]
        def __init__(self, **traits: Any) -> None:
            self.events: list[Event] = []
            self.draws = 0
            super().__init__(**traits)

        def handle_event(self, event: Event) -> None:
            self.events.append(event)

        def get_frame(self) -> np.ndarray | None:
            self.draws += 1
            return np.full((8, 10, 3), self.draws, np.uint8)

    return Plot()


def photograph(bench: Bench) -> Any:
    """A widget of a class that always draws `GRAIN`."""

    class Photograph(bench.Widget):  # type: ignore[misc,name-defined]
        draws = 0

        def get_frame(self) -> np.ndarray | None:
            self.draws += 1
            return GRAIN

    return Photograph()


def types(widget: Any) -> list[str]:
    return [event["type"] for event in widget.events]


# --- traits ----------------------------------------------------------------------------------------------------------


def test_traits_have_the_same_defaults(bench: Bench) -> None:
    widget = bench.Widget()
    assert {name: getattr(widget, name) for name in TRAITS} == TRAITS


def test_traits_are_taken_on_making(bench: Bench) -> None:
    widget = bench.Widget(css_width="640px", css_height="480px", quality=100, title="t")
    assert int(widget.css_width[:-2]) == 640
    assert (widget.quality, widget.title) == (100, "t")


# jupyter_rfb's own, when it closes a widget that it refused to make.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("name", "value"), [("max_buffered_frames", 0), ("quality", 0), ("quality", 101)])
def test_traits_out_of_range_are_refused(bench: Bench, name: str, value: int) -> None:
    with pytest.raises(traitlets.TraitError):
        bench.Widget(**{name: value})


@pytest.mark.parametrize("name", PRIVATE)
def test_private_names_that_programs_use_are_there(bench: Bench, name: str) -> None:
    assert hasattr(bench.Widget(), name)


# --- drawing ---------------------------------------------------------------------------------------------------------


def test_a_frame_is_drawn_when_a_view_shows_and_not_before(bench: Bench) -> None:
    async def scenario() -> None:
        widget = plot(bench)
        view = bench.view(widget)
        widget.request_draw()
        await bench.settle(widget)
        assert widget.draws == 0
        view.show()
        await bench.until(lambda: len(view.frames) == 1, "a frame arrives")
        assert widget.draws == 1

    asyncio.run(scenario())


def test_a_hidden_view_gets_no_frames_until_it_shows_again(bench: Bench) -> None:
    async def scenario() -> None:
        widget = plot(bench)
        view = bench.view(widget)
        view.show()
        await bench.until(lambda: widget.draws == 1, "it draws")
        await bench.until(lambda: view.frames, "a frame arrives")
        view.confirm(view.frames[-1])
        view.hide()
        await bench.settle(widget)
        widget.request_draw()
        await bench.settle(widget)
        assert widget.draws == 1
        view.show()
        await bench.until(lambda: widget.draws == 2, "it draws again")

    asyncio.run(scenario())


@pytest.mark.parametrize("in_flight", [1, 3])
def test_no_more_frames_are_in_flight_than_the_trait_says_and_stats_count_them(bench: Bench, in_flight: int) -> None:
    async def scenario() -> None:
        widget = plot(bench)
        widget.max_buffered_frames = in_flight
        widget.quality = 100
        view = bench.view(widget)
        assert (await stats(widget))["sent_frames"] == 0
        view.show()
        for number in range(1, in_flight + 1):
            widget.request_draw()
            await bench.until(lambda number=number: len(view.frames) == number, f"frame {number} arrives")
        widget.request_draw()
        await bench.settle(widget)
        assert widget.draws == in_flight
        assert (await stats(widget))["sent_frames"] == in_flight
        assert (await stats(widget))["confirmed_frames"] == 0

        view.confirm(view.frames[0])
        await bench.until(lambda: len(view.frames) == in_flight + 1, "the confirmation makes room")
        await bench.settle(widget)
        after = await stats(widget)
        assert (after["sent_frames"], after["confirmed_frames"]) == (in_flight + 1, 1)

        view.confirm(view.frames[-1])
        await confirmed(in_flight + 1)
        last = await stats(widget)
        assert last["fps"] > 0
        assert last["roundtrip"] > 0
        assert last["img_encoding"] > 0
        assert last["roundtrip"] < TIMEOUT

    async def stats(widget: Any) -> dict[str, float]:
        nonlocal current
        current = widget
        result: dict[str, float] = await asyncio.get_running_loop().run_in_executor(None, widget.get_stats)
        return result

    async def confirmed(count: int) -> None:
        end = time.monotonic() + TIMEOUT
        while (await stats(current))["confirmed_frames"] < count:
            assert time.monotonic() < end, "the frames are confirmed"
            await asyncio.sleep(0.01)

    current: Any = None
    asyncio.run(scenario())


def test_statistics_start_again_after_a_reset(bench: Bench) -> None:
    async def scenario() -> None:
        widget = plot(bench)
        view = bench.view(widget)
        view.show()
        await bench.until(lambda: view.frames, "a frame arrives")
        widget.reset_stats()
        await bench.settle(widget)
        loop = asyncio.get_running_loop()
        stats = await loop.run_in_executor(None, widget.get_stats)
        assert stats["sent_frames"] == 0
        keys = {"sent_frames", "confirmed_frames", "roundtrip", "delivery", "img_encoding", "fps"}
        assert keys <= stats.keys()

    asyncio.run(scenario())


def test_none_cancels_a_draw_and_the_next_request_draws_again(bench: Bench) -> None:
    async def scenario() -> None:
        widget = plot(bench)
        draws = 0

        def nothing() -> None:
            nonlocal draws
            draws += 1

        widget.get_frame = nothing
        view = bench.view(widget)
        view.show()
        await bench.until(lambda: draws == 1, "it is asked for a frame")
        assert not widget._rfb_draw_requested
        widget.request_draw()
        await bench.until(lambda: draws == 2, "it is asked again")
        assert view.frames == []

    asyncio.run(scenario())


def test_a_lossy_frame_is_followed_by_the_same_without_loss(bench: Bench) -> None:
    async def scenario() -> None:
        widget = photograph(bench)
        view = bench.view(widget)
        view.show()
        await bench.until(lambda: view.frames, "a frame arrives")
        view.confirm(view.frames[0])
        await bench.until(lambda: len(view.frames) == 2, "the lossless frame arrives")
        assert [frame["mimetype"] for frame in view.frames] == ["image/jpeg", "image/png"]
        assert np.array_equal(Image.open(io.BytesIO(view.frames[1]["data"])), GRAIN)
        assert widget.draws == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 3), (4, 6, 4)])
def test_quality_100_sends_each_shape_without_loss(bench: Bench, shape: tuple[int, ...]) -> None:
    async def scenario() -> None:
        array = np.random.default_rng(5).integers(0, 256, shape, np.uint8)
        widget = bench.Widget(quality=100)
        widget.get_frame = lambda: array[::-1]
        view = bench.view(widget)
        view.show(6, 4)
        await bench.until(lambda: view.frames, "a frame arrives")
        assert view.frames[0]["mimetype"] == "image/png"
        image = Image.open(io.BytesIO(view.frames[0]["data"])).convert("RGB")
        expected = np.repeat(array[:, :, None], 3, 2) if array.ndim == 2 else array[:, :, :3]
        assert np.array_equal(np.asarray(image), expected[::-1])

    asyncio.run(scenario())


def test_frames_can_be_sent_after_get_frame_returned_none(bench: Bench) -> None:
    async def scenario() -> None:
        widget = plot(bench)
        view = bench.view(widget)

        def draw() -> None:
            loop = asyncio.get_running_loop()
            loop.call_soon(widget.send_frame, np.full((8, 10, 3), 200, np.uint8))

        widget.get_frame = draw
        view.show()
        await bench.until(lambda: view.frames, "the frame arrives")

    asyncio.run(scenario())


def test_frames_are_base64_where_the_program_asks_for_it(bench: Bench) -> None:
    async def scenario() -> None:
        widget = photograph(bench)
        widget._use_websocket = False
        view = bench.view(widget)
        view.show()
        await bench.until(lambda: view.frames, "a frame arrives")
        assert view.frames[0]["data_b64"].startswith("data:image/jpeg;base64,")

    asyncio.run(scenario())


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


def test_a_snapshots_data_is_the_last_frame_and_its_size_that_of_the_view(bench: Bench) -> None:
    async def scenario() -> None:
        widget = plot(bench)
        view = bench.view(widget)
        view.show(200, 150)
        await bench.until(lambda: view.frames, "a frame arrives")
        await bench.settle(widget)
        snapshot = widget.snapshot()
        assert snapshot.data.shape == (8, 10, 3)
        assert (snapshot.width, snapshot.height) == (200, 150)
        assert "<img" in snapshot._repr_html_()

    asyncio.run(scenario())


def test_a_snapshot_of_nothing_is_one_gray_pixel(bench: Bench) -> None:
    snapshot = bench.Widget(css_width="320px").snapshot()
    assert snapshot.data.tolist() == [[[127] * 3]]
    assert (snapshot.width, snapshot.height) == (320, 300)


def test_the_cells_output_is_a_view(bench: Bench) -> None:
    bundle, _ = bench.Widget()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
