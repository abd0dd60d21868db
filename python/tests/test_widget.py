import asyncio
import gc
import threading
import weakref

import ipywidgets
import numpy as np
import pytest
from fake_server import KEY, FakeServer
from framehub import RemoteFrameBuffer
from framehub._link import Link
from framehub._user_thread import MAIN, UserThread
from plot import Plot, take, turn
from until import until

pytestmark = pytest.mark.usefixtures("link")


def test_traits_are_told_on_making_and_on_change(server: FakeServer) -> None:
    plot = Plot(css_width="640px", title="A")
    create = server.next("create")
    assert (create["traits"]["css_width"], create["traits"]["title"], create["traits"]["quality"]) == ("640px", "A", 80)
    assert create["kind"] == "Plot"
    assert plot.url
    plot.quality = 90
    assert server.next("traits")["traits"] == {"quality": 90}
    plot.show_pointers = True
    assert server.next("traits", after=1)["traits"] == {"show_pointers": True}


def test_the_buttons_of_the_title_bar_are_off_until_a_program_wants_them(server: FakeServer) -> None:
    plot = Plot()
    assert (plot.is_minimizable, plot.is_closable) == (False, False)
    assert plot.url
    plot.is_minimizable = True
    plot.is_closable = True
    server.next("traits", where=lambda message: message["traits"] == {"is_minimizable": True})
    server.next("traits", where=lambda message: message["traits"] == {"is_closable": True})


def test_traits_that_others_set_reach_observers_and_are_not_told_back(server: FakeServer, serve) -> None:
    plot = Plot()
    assert plot.url
    seen = []
    plot.observe(lambda change: seen.append((change["name"], change["new"])), ["quality", "title"])
    traits = {**server.next("create")["traits"], "quality": 40}
    server.send({"type": "traits", "widget": plot._rfb_served.id, "traits": traits, "after": 0})
    serve(lambda: seen, "the trait is taken")
    assert (seen, plot.quality) == ([("quality", 40)], 40)
    plot.title = "Ours"
    assert server.next("traits")["traits"] == {"title": "Ours"}


def test_an_observer_that_fails_leaves_the_trait_set_and_shows_its_error(server: FakeServer, serve, capsys) -> None:
    plot = Plot()
    assert plot.url

    def fail(change: object) -> None:
        raise RuntimeError("the observer fails")

    plot.observe(fail, "quality")
    traits = {**server.next("create")["traits"], "quality": 40, "title": "Theirs"}
    server.send({"type": "traits", "widget": plot._rfb_served.id, "traits": traits, "after": 0})
    serve(lambda: plot.title == "Theirs", "the traits are taken")
    assert plot.quality == 40
    assert "the observer fails" in capsys.readouterr().err


def test_events_come_before_the_draw_in_their_order(server: FakeServer, serve) -> None:
    plot = Plot()
    done = take(
        server,
        serve,
        turn(plot, {"type": "key_down", "key": "a"}, {"type": "key_up", "key": "a"}, may_draw=True, requested=True),
    )
    assert [event["type"] for event in plot.events] == ["key_down", "key_up"]
    assert done["drawn"] == "frame"
    assert server.pixels(done) == b"\1" * 24


def test_a_frame_is_drawn_only_if_it_was_requested_and_may_be(server: FakeServer, serve) -> None:
    plot = Plot()
    assert take(server, serve, turn(plot, may_draw=True))["drawn"] == "no"
    plot.request_draw()
    refused = take(server, serve, turn(plot, may_draw=False))
    assert (refused["drawn"], refused["requested"]) == ("no", True)
    allowed = take(server, serve, turn(plot, may_draw=True))
    assert (allowed["drawn"], allowed["requested"]) == ("frame", False)
    assert plot.draws == 1


def test_requests_before_a_draw_are_one(server: FakeServer) -> None:
    plot = Plot()
    assert plot.url
    for _ in range(5):
        plot.request_draw()
    plot.print("end")
    server.next("print")
    assert len(server.of("request_draw")) == 1


def test_a_request_within_a_turn_goes_with_its_end(server: FakeServer, serve) -> None:
    plot = Plot()
    plot.handle_event = lambda event: plot.request_draw()
    done = take(server, serve, turn(plot, {"type": "wheel"}))
    assert done["requested"] is True
    assert server.of("request_draw") == []


def test_a_request_from_another_thread_at_the_end_of_a_turn_is_not_denied_by_it(
    server: FakeServer, serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    plot = Plot()
    assert plot.url
    served = plot._rfb_served
    settled = served._too_large

    def request(drawn):
        # The turn's outcome is settled, and not sent yet.
        thread = threading.Thread(target=plot.request_draw)
        thread.start()
        thread.join()
        return settled(drawn)

    monkeypatch.setattr(served, "_too_large", request)
    take(server, serve, turn(plot, may_draw=True, requested=True))
    plot.print("end")
    server.next("print")
    told = [message for message, _ in server.received if message["type"] in ("request_draw", "turn_done")]
    assert told[-1]["type"] == "request_draw" or told[-1]["requested"]


def test_a_resize_requests_a_draw(server: FakeServer, serve) -> None:
    plot = Plot()
    assert take(server, serve, turn(plot, {"type": "resize", "width": 3, "height": 2, "ratio": 1}))["requested"] is True


def test_none_cancels_the_draw(server: FakeServer, serve) -> None:
    plot = Plot()
    plot.get_frame = lambda: None
    assert take(server, serve, turn(plot, may_draw=True, requested=True))["drawn"] == "none"


def test_a_handler_that_is_set_on_the_instance_is_called(server: FakeServer, serve) -> None:
    plot = Plot()
    heard = []
    plot.handle_event = heard.append
    take(server, serve, turn(plot, {"type": "wheel"}))
    assert [event["event_type"] for event in heard] == ["wheel"]


def test_an_overridden_message_handler_sees_the_events(server: FakeServer, serve) -> None:
    class Listening(Plot):
        heard = ()

        def _rfb_handle_msg(self, widget, content, buffers):
            super()._rfb_handle_msg(widget, content, buffers)
            self.heard += (content["type"],)

    plot = Listening()
    take(server, serve, turn(plot, {"type": "wheel"}))
    assert plot.heard == ("wheel",)


def test_an_error_in_an_event_is_told_and_the_others_come(server: FakeServer, serve, capsys) -> None:
    plot = Plot()

    def handle(event):
        if event["key"] == "a":
            raise RuntimeError("no a, please")
        plot.events.append(event)

    plot.handle_event = handle
    done = take(server, serve, turn(plot, {"type": "key_down", "key": "a"}, {"type": "key_down", "key": "b"}))
    assert "RuntimeError: no a, please" in done["event_error"]
    assert done["draw_error"] is None
    assert [event["key"] for event in plot.events] == ["b"]
    assert "no a, please" in capsys.readouterr().err


def test_an_error_in_a_draw_is_told_each_time_and_printed_once(server: FakeServer, serve, capsys) -> None:
    plot = Plot()
    broken = True

    def draw():
        if broken:
            raise RuntimeError("no picture")
        return np.zeros((1, 1), np.uint8)

    plot.get_frame = draw
    for number in range(3):
        done = take(server, serve, turn(plot, number=number, may_draw=True, requested=True))
        assert done["drawn"] == "error"
        assert "no picture" in done["draw_error"]
    assert capsys.readouterr().err.count("RuntimeError: no picture") == 1
    broken = False
    assert take(server, serve, turn(plot, may_draw=True, requested=True))["draw_error"] is None
    broken = True
    take(server, serve, turn(plot, may_draw=True, requested=True))
    assert capsys.readouterr().err.count("RuntimeError: no picture") == 1


def test_a_bad_array_is_an_error_that_names_it(server: FakeServer, serve) -> None:
    plot = Plot()
    plot.get_frame = lambda: np.zeros((2, 3, 3), float)
    done = take(server, serve, turn(plot, may_draw=True, requested=True))
    assert "float64 (shape (2, 3, 3))" in done["draw_error"]


def test_the_cancelled_result_that_a_handler_asks_for_is_its_error(server: FakeServer, serve) -> None:
    plot = Plot()

    def handle(event):
        raise asyncio.CancelledError

    plot.handle_event = handle
    assert "CancelledError" in take(server, serve, turn(plot, {"type": "wheel"}))["event_error"]


def test_an_error_in_an_overridden_message_handler_is_told_and_the_other_events_come(server: FakeServer, serve) -> None:
    class Failing(Plot):
        def _rfb_handle_msg(self, widget, content, buffers):
            super()._rfb_handle_msg(widget, content, buffers)
            raise RuntimeError("no, please")

    plot = Failing()
    done = take(server, serve, turn(plot, {"type": "key_down", "key": "a"}, {"type": "key_up", "key": "a"}))
    assert done["event_error"].count("RuntimeError: no, please") == 2
    assert len(plot.events) == 2


def test_a_turn_that_fails_beyond_the_users_code_is_ended(server: FakeServer, serve, monkeypatch) -> None:
    plot = Plot()

    def fail():
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(plot._output_context, "succeeded", fail)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        take(server, serve, turn(plot, may_draw=True, requested=True))
    assert "a fault of ours" in server.next("turn_done")["event_error"]


def test_frames_can_be_pushed_from_any_thread(server: FakeServer) -> None:
    plot = Plot()
    thread = threading.Thread(target=lambda: plot.send_frame(np.full((2, 2, 3), 5, np.uint8)))
    thread.start()
    thread.join()
    frame = server.next("frame")
    assert (frame["format"], server.pixels(frame)) == ("rgb8", b"\5" * 12)


def test_frames_go_out_while_the_main_thread_computes(server: FakeServer) -> None:
    plot = Plot()
    plot.send_frame(np.zeros((2, 2), np.uint8))
    # The main thread does nothing but this until the frame is there.
    while not server.of("frame"):
        sum(range(1000))


def test_a_frame_pushed_within_get_frame_precedes_the_turns_end(server: FakeServer, serve) -> None:
    plot = Plot()

    def draw():
        plot.send_frame(np.zeros((2, 2), np.uint8))

    plot.get_frame = draw
    assert take(server, serve, turn(plot, may_draw=True, requested=True))["drawn"] == "none"
    kinds = [message["type"] for message, _ in server.received]
    assert kinds.index("frame") < kinds.index("turn_done")


def test_closing_emits_one_event_also_when_the_handler_closes_again(server: FakeServer) -> None:
    plot = Plot()

    def handle(event):
        plot.events.append(event["type"])
        plot.close()
        RemoteFrameBuffer.close(plot)

    plot.handle_event = handle
    assert plot.url
    RemoteFrameBuffer.close(plot)
    plot.close()
    assert plot.events == ["close"]
    server.next("close")
    assert len(server.of("close")) == 1
    assert plot.comm is None


def test_closing_from_elsewhere_brings_the_last_events_and_is_not_answered(server: FakeServer, serve) -> None:
    plot = Plot()
    assert plot.url
    events = [{"type": "pointer_up", "button": 1}, {"type": "close", "timestamp": 0}]
    server.send({"type": "closed", "widget": plot._rfb_served.id, "reason": "closed", "events": events})
    serve(lambda: plot._rfb_closed, "the widget is closed")
    assert [event["type"] for event in plot.events] == ["pointer_up", "close"]
    other = Plot()
    other.print("end")
    server.next("print")
    assert server.of("close") == []


def test_a_collected_widget_is_closed_on_the_server_and_leaves_nothing(server: FakeServer, link: Link) -> None:
    gc.collect()
    before = len(ipywidgets.Widget.get_manager_state()["state"])
    gc.disable()
    try:
        plot = Plot()
        assert plot.url
        gone = weakref.ref(plot)
        del plot
        assert gone() is None
    finally:
        gc.enable()
    server.next("close")
    assert link.renderers() == []
    assert len(ipywidgets.Widget.get_manager_state()["state"]) == before


def test_a_widget_in_a_box_lives_with_it() -> None:
    box = ipywidgets.HBox([Plot()])
    gc.collect()
    assert not box.children[0]._rfb_closed
    assert box.children[0].model_id in ipywidgets.Widget.get_manager_state()["state"]
    box.children = []


def test_the_state_that_notebooks_save_has_no_secret(server: FakeServer) -> None:
    plot = Plot()
    assert plot.url
    plot._handle_custom_msg({"framehub": "connect", "request": "r"}, [])
    server.next("ticket")
    state = str(plot.get_state()) + str(plot._repr_mimebundle_())
    for secret in (KEY, "t1.secret", server.next("hello")["session"]):
        assert secret not in state


def test_print_goes_to_the_output_and_to_the_views(server: FakeServer, capsys) -> None:
    plot = Plot()
    plot.print("one", 2, sep="-", end="!\n")
    assert capsys.readouterr().out == "one-2!\n"
    assert server.next("print")["text"] == "one-2!\n"


def test_statistics_have_the_known_keys_and_the_number_of_views(server: FakeServer) -> None:
    plot = Plot()
    assert plot.url

    def answer() -> None:
        request = server.next("get_stats")["request"]
        server.send({"type": "stats", "request": request, "stats": {"sent_frames": 3, "fps": 2.5, "views": [{}, {}]}})

    thread = threading.Thread(target=answer)
    thread.start()
    stats = plot.get_stats()
    thread.join()
    assert stats == {
        "sent_frames": 3,
        "confirmed_frames": 0,
        "roundtrip": 0,
        "delivery": 0,
        "img_encoding": 0,
        "b64_encoding": 0,
        "fps": 2.5,
        "views": 2,
    }
    plot.reset_stats()
    server.next("reset_stats")


def test_a_picture_of_a_widget_never_shown_is_drawn_after_a_resize_from_its_css_size() -> None:
    plot = Plot(css_width="320px", css_height="50%")
    snapshot = plot.snapshot()
    assert [event["type"] for event in plot.events] == ["resize"]
    size = ("width", "height", "pwidth", "pheight", "ratio")
    assert [plot.events[0][name] for name in size] == [320, 300, 320, 300, 1]
    assert snapshot.data.tolist() == [[1] * 6] * 4
    assert (snapshot.width, snapshot.height) == (320, 300)


def test_a_snapshot_is_the_last_frame(server: FakeServer, serve) -> None:
    plot = Plot()
    take(server, serve, turn(plot, may_draw=True, requested=True))
    assert plot.snapshot().data.max() == 1
    assert plot.draws == 1


def test_a_snapshot_keeps_its_picture_when_the_program_draws_into_the_same_array(server: FakeServer, serve) -> None:
    plot = Plot()
    array = np.zeros((4, 6), np.uint8)

    def draw():
        array[:] += 1
        return array

    plot.get_frame = draw
    take(server, serve, turn(plot, may_draw=True, requested=True))
    first = plot.snapshot()
    take(server, serve, turn(plot, number=2, may_draw=True, requested=True))
    assert (first.data.max(), plot.snapshot().data.max()) == (1, 2)


def test_a_snapshot_has_what_a_pending_draw_would_show(server: FakeServer, serve) -> None:
    plot = Plot()
    take(server, serve, turn(plot, {"type": "resize", "width": 3, "height": 2, "ratio": 1.0}, may_draw=True))
    plot.request_draw()
    assert plot.snapshot().data.max() == 2
    # The views get it, too.
    assert plot._rfb_draw_requested


def test_a_snapshot_of_another_ratio_restores_the_size(server: FakeServer, serve) -> None:
    plot = Plot()
    take(server, serve, turn(plot, {"type": "resize", "width": 3.0, "height": 2.0, "ratio": 1.0}, may_draw=True))
    plot.snapshot(pixel_ratio=2)
    resizes = [(event["ratio"], event.get("pwidth")) for event in plot.events]
    assert resizes == [(1.0, None), (2, 6), (1.0, None)]


def test_a_snapshot_of_another_ratio_leaves_those_after_it_as_they_would_be_without_any_view() -> None:
    class Sized(Plot):
        def get_frame(self):
            return np.zeros((self.events[-1]["pheight"], self.events[-1]["pwidth"]), np.uint8)

    widget = Sized(css_width="300px", css_height="200px")
    shapes = [widget.snapshot(pixel_ratio=ratio).data.shape for ratio in (2, None, 2, 1, None)]
    assert shapes == [(400, 600), (200, 300), (400, 600), (200, 300), (200, 300)]


def test_a_widget_whose_class_forgot_to_initialise_it_says_so_where_it_is_shown() -> None:
    class Forgetful(RemoteFrameBuffer):
        def __init__(self) -> None:
            self.size = 1

    with pytest.raises(RuntimeError, match=r"call super\(\).__init__\(\)"):
        Forgetful()._repr_mimebundle_()


def test_a_snapshot_of_another_ratio_that_fails_restores_the_size_and_draws_again(server: FakeServer, serve) -> None:
    plot = Plot()
    take(server, serve, turn(plot, {"type": "resize", "width": 3.0, "height": 2.0, "ratio": 1.0}, may_draw=True))

    def draw():
        plot.request_draw()
        raise KeyboardInterrupt

    plot.get_frame = draw
    before = len(server.of("request_draw"))
    with pytest.raises(KeyboardInterrupt):
        plot.snapshot(pixel_ratio=2)
    assert [event["ratio"] for event in plot.events] == [1.0, 2, 1.0]
    # One for the size of the snapshot, and one after it.
    server.next("request_draw", after=before + 1)


def test_a_snapshot_that_older_programs_take_as_their_first_says_so() -> None:
    assert Plot().snapshot(_initial=True).title == "initial snapshot"
    assert Plot(title="A").snapshot(None, True).title == "A"


def test_a_snapshot_of_a_widget_that_draws_nothing_is_one_gray_pixel() -> None:
    assert RemoteFrameBuffer().snapshot().data.shape == (1, 1, 3)


def test_the_cells_output_has_a_picture_with_the_title_as_its_text() -> None:
    plot = Plot(title="Sea level")
    bundle, _ = plot._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert 'alt="Sea level"' in bundle["text/html"]
    assert 'width="500" height="300"' in bundle["text/html"]


def test_an_error_while_the_picture_is_drawn_is_printed_and_the_widget_shown(capsys) -> None:
    plot = Plot()

    def draw():
        raise RuntimeError("not yet")

    plot.get_frame = draw
    bundle, _ = plot._repr_mimebundle_()
    assert "text/html" not in bundle
    assert "not yet" in capsys.readouterr().err


def test_a_program_that_keeps_its_cell_running_draws_by_itself(server: FakeServer) -> None:
    plot = Plot()
    assert plot.url
    server.send({"type": "views", "widget": plot._rfb_served.id, "views": 1, "visible": 1})
    until(lambda: plot._has_visible_views, "the view is known")
    plot._rfb_draw_requested = True
    plot._rfb_cancel_lossless_draw()
    plot._rfb_maybe_draw()
    assert server.pixels(server.next("frame")) == b"\1" * 24
    plot._rfb_maybe_draw()
    assert plot.draws == 1


def test_an_unserved_turn_tells_the_views_what_to_do(server: FakeServer, link: Link, monkeypatch) -> None:
    plot = Plot()
    monkeypatch.setattr(UserThread, "served", property(lambda self: False))
    server.send(turn(plot))
    assert "framehub.run()" in server.next("error")["text"]
    MAIN._calls.clear()


def test_a_url_without_server_raises_the_reason(monkeypatch, server: FakeServer, link: Link) -> None:
    server.refusal = {"code": "max_widgets", "message": "there are 1000 widgets", "field": None}
    with pytest.raises(RuntimeError, match="there are 1000 widgets"):
        Plot().url  # noqa: B018


def test_many_widgets_of_a_loop_are_all_made(server: FakeServer) -> None:
    plots = [Plot() for _ in range(50)]
    assert len({plot.url for plot in plots}) == 50
