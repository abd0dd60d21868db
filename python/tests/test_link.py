import errno
import json
import logging
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from fake_server import KEY, FakeServer
from framehub._connection import ConnectError, Connection
from framehub._frames import copied
from framehub._link import Link
from framehub._served import Outcome, ServedWidget
from framehub._server import Server, ServerNotFoundError
from framehub._user_thread import MAIN
from interrupts import interrupted
from until import until


class Renderer:
    """A widget's user side that notes what it is told."""

    def __init__(self) -> None:
        self.traits = {"title": "first"}
        self.turns: list[tuple] = []
        self.views: list[tuple[int, int]] = []
        self.closed = False
        self.outcome = Outcome()

    def _rfb_traits(self):
        return self.traits

    def _rfb_set_traits(self, traits):
        self.traits |= traits

    def _rfb_take_turn(self, events, may_draw, requested):
        self.turns.append((events, may_draw, requested))
        return self.outcome

    def _rfb_wants_draw(self):
        return self.outcome.requested

    def _rfb_views_changed(self, views, visible):
        self.views.append((views, visible))

    def _rfb_closed_by_server(self, events):
        self.closed = True


@pytest.fixture
def renderer() -> Renderer:
    return Renderer()


@pytest.fixture
def widget(link: Link, renderer: Renderer, server: FakeServer) -> ServedWidget:
    widget = ServedWidget(link, renderer, place="here", kind="Plot")
    until(lambda: widget.id, "the widget is created")
    return widget


def test_the_kernel_names_itself_with_key_and_secret(widget, server: FakeServer) -> None:
    hello = server.next("hello")
    assert 16 <= len(hello["session"]) <= 128
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


def test_a_widget_is_made_with_its_traits_place_and_kind(widget, server: FakeServer) -> None:
    create = server.next("create")
    assert (create["traits"], create["place"], create["kind"]) == ({"title": "first"}, "here", "Plot")
    assert widget.url == f"{server.url}widgets/{widget.id}"


def test_what_is_said_before_the_server_knows_the_widget_is_said_afterwards(
    link: Link, renderer: Renderer, server: FakeServer
) -> None:
    widget = ServedWidget(link, renderer, place=None, kind="Plot")
    widget.print("early")
    widget.request_draw()
    widget.push(copied(np.ones((2, 3), np.uint8)))
    assert server.next("print")["text"] == "early"
    assert server.next("request_draw")["widget"] == widget.id
    frame = server.next("frame")
    assert (frame["width"], frame["height"], frame["format"]) == (3, 2, "gray8")
    assert server.pixels(frame) == b"\1" * 6


def test_a_turn_is_taken_on_the_main_thread_and_answered(widget, renderer, server: FakeServer, serve) -> None:
    renderer.outcome = Outcome(drawn="none", draw_time=0.5, requested=True)
    server.send(turn(widget, 1))
    serve(lambda: server.of("turn_done"), "the turn is done")
    assert renderer.turns == [([{"type": "pointer_down", "view": "v1"}], True, False)]
    assert server.next("turn_done") == {
        "type": "turn_done",
        "widget": widget.id,
        "turn": 1,
        "drawn": "none",
        "draw_time": 0.5,
        "draw_error": None,
        "event_error": None,
        "requested": True,
    }


def turn(widget: ServedWidget, number: int) -> dict:
    events = [{"type": "pointer_down", "view": "v1"}]
    return {
        "type": "turn",
        "widget": widget.id,
        "turn": number,
        "events": events,
        "may_draw": True,
        "requested": False,
    }


def test_a_frame_goes_with_the_end_of_its_turn(widget, renderer, server: FakeServer, serve) -> None:
    array = np.random.default_rng(3).integers(0, 256, (480, 640, 3), np.uint8)
    renderer.outcome = Outcome(drawn=copied(array))
    server.send(turn(widget, 7))
    serve(lambda: server.of("turn_done"), "the turn is done")
    done = server.next("turn_done")
    assert (done["drawn"], done["turn"], done["width"], done["height"], done["format"]) == (
        "frame",
        7,
        640,
        480,
        "rgb8",
    )
    assert server.pixels(done) == array.tobytes()


def test_memory_of_sent_frames_is_used_again(widget, renderer, server: FakeServer) -> None:
    pixels = copied(np.ones((20, 10), np.uint8))
    widget.push(pixels)
    server.next("frame")
    # The newest is kept.
    widget.push(copied(np.ones((2, 2), np.uint8)))
    buffer = until(lambda: widget.buffer(200), "the memory comes back")
    assert buffer is pixels.data.obj
    assert widget.buffer(200) is None
    assert widget.buffer(100) is None


def test_of_frames_that_come_too_fast_the_last_arrives_and_few_others(widget, server: FakeServer) -> None:
    for number in range(200):
        widget.push(copied(np.full((480, 640, 3), number, np.uint8)))
    last = bytes([199]) * (480 * 640 * 3)
    until(lambda: server.of("frame") and server.pixels(server.of("frame")[-1]) == last, "the last frame arrives")
    assert len(server.of("frame")) < 200


def test_a_pushed_frame_is_sent_again_to_a_server_that_made_the_widget_anew(widget, server: FakeServer) -> None:
    widget.push(copied(np.full((2, 3), 7, np.uint8)))
    server.next("frame")
    server.stop()
    server.start()
    again = server.next("frame", after=1)
    assert server.pixels(again) == b"\7" * 6
    kinds = [message["type"] for message, _ in server.received]
    assert kinds.index("create", kinds.index("frame")) < kinds.index("frame", kinds.index("frame") + 1)


def test_a_pushed_frame_is_sent_again_after_an_outage_in_which_it_may_have_got_lost(widget, server) -> None:
    widget.push(copied(np.full((2, 3), 7, np.uint8)))
    server.next("frame")
    server.resumed = [widget.id]
    server.connections[-1].close()
    assert server.pixels(server.next("frame", after=1)) == b"\7" * 6


def test_a_pushed_frame_that_a_turn_outdid_is_not_sent_again(widget, renderer, server: FakeServer, serve) -> None:
    widget.push(copied(np.full((2, 3), 7, np.uint8)))
    server.next("frame")
    renderer.outcome = Outcome(drawn=copied(np.zeros((2, 3), np.uint8)))
    server.send(turn(widget, 1))
    serve(lambda: server.of("turn_done"), "the turn is done")
    server.stop()
    server.creating.clear()
    server.start()
    server.next("create", after=1)
    told: list[str | None] = []
    widget.when_created(told.append)
    server.creating.set()
    until(lambda: told, "the widget is created, and what waited sent")
    widget.print("end")
    server.next("print")
    assert len(server.of("frame")) == 1


def test_an_interrupt_anywhere_in_a_push_leaves_the_next_ones_sent(widget, server: FakeServer) -> None:
    places = 0
    for place in interrupted(lambda: widget.push(copied(np.zeros((2, 2), np.uint8)))):
        widget.push(copied(np.full((2, 2), place + 1, np.uint8)))
        until(
            lambda text=bytes([place + 1] * 4): server.of("frame") and server.pixels(server.of("frame")[-1]) == text,
            "the frame after the interrupt arrives",
        )
        places += 1
    assert places > 10


def test_a_turn_of_a_lost_connection_is_not_answered_but_its_frame_drawn_again(
    widget, renderer, link: Link, server: FakeServer, serve
) -> None:
    server.resumed = [widget.id]
    server.send(turn(widget, 1))
    until(lambda: MAIN._calls, "the turn arrives")
    server.connections[-1].close()
    server.next("hello", after=1)
    until(lambda: link.is_current(link._current), "the widget is resumed")
    serve(lambda: not MAIN._calls, "the old turn is worked off")
    assert renderer.turns == []
    assert server.of("turn_done") == []


def test_a_lost_connection_is_made_again_with_the_same_session(widget, renderer, server: FakeServer) -> None:
    server.resumed = [widget.id]
    server.connections[-1].close()
    again = server.next("hello", after=1)
    assert again["session"] == server.of("hello")[0]["session"]
    assert len(server.of("create")) == 1


def test_traits_that_others_set_are_taken_on_the_main_thread(widget, renderer, server: FakeServer, serve) -> None:
    server.send({"type": "traits", "widget": widget.id, "traits": {"title": "theirs"}, "after": 0})
    serve(lambda: renderer.traits == {"title": "theirs"}, "the trait is taken")


def test_traits_that_were_set_later_than_others_set_them_are_kept(widget, renderer, server: FakeServer, serve) -> None:
    renderer.traits |= {"title": "ours"}
    widget.set_traits({"title": "ours"})
    number = server.next("traits")["number"]
    stale = {"title": "theirs", "cursor": "grab"}
    server.send({"type": "traits", "widget": widget.id, "traits": stale, "after": number - 1})
    serve(lambda: renderer.traits == {"title": "ours", "cursor": "grab"}, "only what was not set here is taken")
    server.send({"type": "traits", "widget": widget.id, "traits": stale, "after": number})
    serve(lambda: renderer.traits == stale, "what comes after ours is taken")


def test_traits_that_got_lost_in_an_outage_are_told_again(widget, renderer, server: FakeServer, serve) -> None:
    widget.set_traits({"title": "taken"})
    number = server.next("traits")["number"]
    server.stop()
    renderer.traits |= {"cursor": "lost"}
    widget.set_traits({"cursor": "lost"})
    server.resumed = [widget.id]
    server.start()
    server.next("hello", after=1)
    kept = {"title": "set by others meanwhile", "cursor": "default"}
    server.send({"type": "traits", "widget": widget.id, "traits": kept, "after": number})
    assert server.next("traits", after=1)["traits"] == {"cursor": "lost"}
    serve(lambda: renderer.traits == {**kept, "cursor": "lost"}, "what others set is taken, and ours kept")


def test_traits_that_are_set_while_the_widget_is_made_are_told_afterwards(
    link: Link, renderer, server: FakeServer
) -> None:
    server.creating.clear()
    widget = ServedWidget(link, renderer, place="here", kind="Plot")
    server.next("create")
    renderer.traits |= {"title": "second"}
    widget.set_traits({"title": "second"})
    server.creating.set()
    assert server.next("traits")["traits"] == {"title": "second"}


def test_a_server_that_forgot_the_widget_makes_it_again(widget, server: FakeServer) -> None:
    before = widget.id
    server.stop()
    server.start()
    server.next("create", after=1)
    assert server.of("create")[-1]["place"] == "here"
    assert server.of("create")[-1]["widget"] == before


@pytest.fixture
def remaking(widget: ServedWidget, server: FakeServer) -> Iterator[str]:
    """The server was restarted, and has been asked to make the widget again under this id."""
    before = widget.id
    assert before is not None
    server.stop()
    server.creating.clear()
    server.start()
    server.next("create", after=1)
    yield before
    server.creating.set()


def test_a_connection_that_is_lost_while_the_widget_is_made_again_keeps_its_id(remaking, server: FakeServer) -> None:
    server.connections[-1].close()
    server.next("hello", after=2)
    server.creating.set()
    assert server.next("create", after=2)["widget"] == remaking


def test_a_widget_that_was_made_again_while_its_connection_was_lost_is_taken_up(
    widget, remaking, server: FakeServer
) -> None:
    url = widget.url
    told: list[str | None] = []
    server.resumed = [remaking]
    server.connections[-1].close()
    server.next("hello", after=2)
    until(lambda: widget.id, "the widget is known")
    widget.when_created(told.append)
    until(lambda: told, "the widget is said to be known")
    server.send({"type": "views", "widget": remaking, "views": 1, "visible": 1})
    until(lambda: widget.renderer.views, "messages reach the widget")
    widget.print("end")
    server.next("print")
    assert (told, widget.id, widget.url) == ([None], remaking, url)
    assert server.of("close") == []
    assert len(server.of("create")) == 2


def test_a_widget_that_is_made_late_as_a_lost_connection_asked_is_taken_up_and_the_next_one_closed(
    widget, remaking, server: FakeServer
) -> None:
    made = {"type": "created", "widget": remaking, "url": f"{server.url}widgets/{remaking}", "taken_over": False}
    server.send({**made, "request": 999})
    until(lambda: widget.id == remaking, "the widget is known")
    server.creating.set()
    assert server.next("close")["widget"] == "w2"
    assert widget.id == remaking


def test_a_widget_that_nobody_waits_for_is_closed(widget, server: FakeServer) -> None:
    server.send({"type": "created", "request": 999, "widget": "w9", "url": f"{server.url}widgets/w9"})
    assert server.next("close")["widget"] == "w9"


def test_an_id_that_is_taken_is_not_asked_for_again(widget, server: FakeServer) -> None:
    server.taken = {widget.id}
    server.connections[-1].close()
    create = server.next("create", after=2)
    assert "widget" not in create
    until(lambda: widget.id == "w2", "the widget is made under another id")


def test_a_widget_that_was_closed_during_an_outage_is_closed_afterwards(widget, link, server: FakeServer) -> None:
    server.resumed = [widget.id]
    server.stop()
    until(lambda: not link.is_current(link._connection) or link._connection is None, "the connection is lost")
    widget.close()
    server.start()
    link.retry()
    assert server.next("close")["widget"] == widget.id


def test_a_replaced_connection_is_not_made_again(widget, link, server: FakeServer) -> None:
    server.connections[-1].close(4001, "replaced")
    until(lambda: not link._thread.is_alive(), "the link ends")
    assert len(server.of("hello")) == 1


def test_long_texts_are_cut_to_what_the_server_takes(widget, server: FakeServer) -> None:
    widget.print("ä" * 100_000 + "the end")
    text = server.next("print")["text"]
    assert len(text.encode()) < 30_000
    assert text.endswith("the end")


def test_a_frame_that_the_server_does_not_take_is_an_error(widget, renderer, server: FakeServer, serve) -> None:
    renderer.outcome = Outcome(drawn=copied(np.zeros((1001, 1000), np.uint8)))
    server.send(turn(widget, 1))
    serve(lambda: server.of("turn_done"), "the turn is done")
    done = server.next("turn_done")
    assert done["drawn"] == "error"
    assert "1000 x 1001 pixels" in done["draw_error"]
    with pytest.raises(ValueError, match="1000 x 1001 pixels"):
        widget.push(copied(np.zeros((1001, 1000), np.uint8)))


def test_requests_in_flight_fail_with_the_connection(widget, link: Link, server: FakeServer) -> None:
    answers: list[object] = []
    assert widget.ask({"type": "get_stats"}, answers.append)
    server.next("get_stats")
    server.stop()
    until(lambda: answers, "the request is answered")
    assert "lost" in str(answers[0])


def test_a_refused_widget_says_why(link: Link, renderer, server: FakeServer, caplog) -> None:
    server.refusal = {"code": "max_widgets", "message": "there are 1000 widgets", "field": None}
    problems: list[str | None] = []
    ServedWidget(link, renderer, place=None, kind="Plot").when_created(problems.append)
    until(lambda: problems, "the refusal arrives")
    assert problems[0] is not None and "there are 1000 widgets" in problems[0]


def test_no_server_is_a_reason_that_is_told_and_logged_once(caplog, renderer) -> None:
    attempts = 0

    def find() -> Server:
        nonlocal attempts
        attempts += 1
        raise ServerNotFoundError("there is none")

    link = Link(find=find)
    problems: list[str | None] = []
    with caplog.at_level(logging.WARNING):
        ServedWidget(link, renderer, place=None, kind="Plot").when_created(problems.append)
        until(lambda: problems, "the reason is told")
        until(lambda: link.retry() or attempts > 2, "it tries again")
    assert problems == ["there is none"]
    assert len(caplog.records) == 1
    link.stop(goodbye=False)


def test_a_connection_that_is_gone_as_soon_as_it_is_made_is_a_failed_one(server: FakeServer, monkeypatch) -> None:
    def fail(*_) -> None:
        raise OSError(errno.ENOTCONN, "not connected")

    monkeypatch.setattr(Connection, "__init__", fail)
    with pytest.raises(ConnectError, match="not connected"):
        Connection.open(server.url, KEY)


def test_an_unexpected_fault_is_told_and_the_link_tries_again(server: FakeServer, renderer, caplog) -> None:
    faults = [ValueError("what is this?")]

    def find() -> Server:
        if faults:
            raise faults.pop()
        return Server(server.url, KEY, own=True)

    link = Link(find=find)
    problems: list[str | None] = []
    widget = ServedWidget(link, renderer, place=None, kind="Plot")
    widget.when_created(problems.append)
    until(lambda: problems and widget.id, "the link connects")
    assert problems == [None] or "what is this?" in str(problems[0])
    assert "what is this?" in caplog.text
    link.stop(goodbye=False)


def test_a_fault_in_what_a_lost_connection_sets_off_does_not_end_the_link(widget, server: FakeServer, caplog) -> None:
    heard: list[object] = []

    def fail(answer) -> None:
        raise RuntimeError("no, please")

    assert widget.ask({"type": "get_stats"}, fail)
    assert widget.ask({"type": "get_stats"}, heard.append)
    server.resumed = [widget.id]
    server.next("get_stats", after=1)
    server.connections[-1].close()
    server.next("hello", after=1)
    assert len(heard) == 1
    assert "no, please" in caplog.text


def test_an_address_without_server_is_named(server: FakeServer) -> None:
    with pytest.raises(ConnectError, match="no FrameHub server answers at http"):
        Connection.open("http://127.0.0.1:9/", KEY)


def test_closing_is_told_once_and_ends_the_turns(widget, renderer, link: Link, server: FakeServer, serve) -> None:
    server.send(turn(widget, 1))
    until(lambda: MAIN._calls, "the turn arrives")
    widget.close()
    widget.close()
    serve(lambda: not MAIN._calls, "the turn is worked off")
    server.next("close")
    assert renderer.turns == []
    assert len(server.of("close")) == 1
    assert link.renderers() == []


def test_a_widget_that_is_gone_is_not_asked(link: Link, server: FakeServer, serve) -> None:
    renderer = Renderer()
    widget = ServedWidget(link, renderer, place=None, kind="Plot")
    until(lambda: widget.id, "the widget is created")
    del renderer
    server.send(turn(widget, 1))
    server.send({"type": "views", "widget": widget.id, "views": 1, "visible": 1})
    until(lambda: MAIN._calls, "the turn arrives")
    serve(lambda: not MAIN._calls, "the turn is worked off")
    assert server.of("turn_done") == []


def test_closing_from_elsewhere_and_views_are_passed_on(widget, renderer, server: FakeServer, serve) -> None:
    server.send({"type": "views", "widget": widget.id, "views": 2, "visible": 1})
    server.send({"type": "closed", "widget": widget.id, "reason": "api", "events": []})
    serve(lambda: renderer.closed, "the renderer is closed")
    assert renderer.views == [(2, 1)]


def test_a_bad_message_does_not_end_the_connection(widget, renderer, server: FakeServer, caplog) -> None:
    server.connections[-1].send("nonsense")
    server.connections[-1].send(json.dumps({"type": "views", "widget": widget.id, "views": "many", "visible": 1}))
    server.send({"type": "views", "widget": widget.id, "views": 3, "visible": 3})
    until(lambda: renderer.views, "the good message arrives")
    assert renderer.views == [(3, 3)]


def test_what_the_garbage_collector_sets_off_may_use_a_widget_that_is_in_the_midst_of_something(
    widget, server: FakeServer
) -> None:
    class Collected(dict):
        def __ior__(self, other):
            widget.request_draw()
            return super().__ior__(other)

    widget._numbers = Collected(widget._numbers)
    threading.Thread(target=lambda: widget.set_traits({"title": "second"}), daemon=True).start()
    server.next("traits")


def test_many_threads_send_whole_messages(widget, server: FakeServer) -> None:
    array = np.random.default_rng(4).integers(0, 256, (300, 400), np.uint8)

    def talk(number: int) -> None:
        for count in range(50):
            widget.print(f"{number}:{count}")
            widget.push(copied(array))

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: len(server.of("print")) == 200, "all prints arrive")
    for number in range(4):
        told = [m["text"] for m in server.of("print") if m["text"].startswith(f"{number}:")]
        assert told == [f"{number}:{count}" for count in range(50)]
    assert {server.pixels(frame) for frame in server.of("frame")} == {array.tobytes()}


def test_goodbye_is_said_at_the_end(widget, link: Link, server: FakeServer) -> None:
    link.stop(goodbye=True)
    server.next("goodbye")


def test_an_interrupt_anywhere_in_a_print_leaves_the_connection_usable(widget, server: FakeServer) -> None:
    places = 0
    for place in interrupted(lambda: widget.print("interrupted")):
        widget.print(f"after {place}")
        server.next("print", where=lambda message, text=f"after {place}": message["text"] == text)
        places += 1
    assert places > 10
