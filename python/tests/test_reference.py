"""The same programs with jupyter_rfb and with FrameHub: they behave alike, in their traits and in how they draw.

Each test runs against both.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import traitlets
from bench import GRAIN, Bench, photograph, plot
from PIL import Image
from until import TIMEOUT

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


def test_programs_that_look_for_feedback_find_that_none_has_come(bench: Bench) -> None:
    assert bench.Widget()._frame_feedback.get("index", 0) == 0


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


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 3), (4, 6, 4)])
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
        expected = np.broadcast_to(array.reshape(4, 6, -1)[:, :, :3], (4, 6, 3))
        assert np.array_equal(np.asarray(image), expected[::-1])

    asyncio.run(scenario())


def read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


def strided(array: np.ndarray) -> np.ndarray:
    return np.repeat(array, 2, axis=1)[:, ::2]


@pytest.mark.parametrize("quality", [80, 100])
@pytest.mark.parametrize("layout", [np.asfortranarray, read_only, strided])
def test_the_memory_of_an_array_may_be_of_any_kind(
    bench: Bench, layout: Callable[[np.ndarray], np.ndarray], quality: int
) -> None:
    async def scenario() -> None:
        widget = bench.Widget(quality=quality)
        widget.get_frame = lambda: layout(GRAIN)
        view = bench.view(widget)
        view.show()
        await bench.until(lambda: view.frames, "a frame arrives")
        view.confirm(view.frames[0])
        # A lossy one is followed by the same without loss.
        await bench.until(lambda: view.frames[-1]["mimetype"] == "image/png", "the exact frame arrives")
        assert np.array_equal(Image.open(io.BytesIO(view.frames[-1]["data"])), GRAIN)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 6, 3)),
        np.zeros((4, 6), bool),
        np.zeros((4, 6, 3), np.int32),
        np.zeros(6, np.uint8),
        np.zeros((4, 6, 2), np.uint8),
        np.zeros((4, 6, 5), np.uint8),
    ],
    ids=lambda array: f"{array.dtype} {array.shape}",
)
def test_an_array_of_another_type_or_shape_is_refused(bench: Bench, array: np.ndarray) -> None:
    with pytest.raises(ValueError) as refused:
        bench.Widget().send_frame(array)
    if bench.name == "framehub":
        for part in (array.dtype, array.shape):
            assert str(part) in str(refused.value)


@pytest.mark.parametrize("error", ["not this frame", "uint8"])
def test_a_draw_that_fails_is_shown_and_the_next_one_comes(
    bench: Bench, error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        widget = plot(bench)
        good = widget.get_frame

        def bad() -> np.ndarray:
            if error == "uint8":
                return np.zeros((8, 10, 3))
            raise RuntimeError(error)

        widget.get_frame = bad
        view = bench.view(widget)
        view.show()
        await bench.until(lambda: error in bench.errors(widget, capsys), "the error is shown")
        assert view.frames == []
        widget.get_frame = good
        widget.request_draw()
        await bench.until(lambda: view.frames, "a frame arrives")

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
