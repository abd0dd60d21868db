import errno
import json
import logging
import threading

import numpy as np
import pytest
from fake_server import KEY, FakeServer
from framehub._connection import Connection
from framehub._dial import ConnectError
from framehub._frames import copied
from framehub._link import Link
from framehub._served import Outcome, ServedWidget
from framehub._server import Server, ServerNotFoundError
from framehub._user_thread import MAIN
from renderer import Renderer, turn
from until import until


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
    def fail(*_, **__) -> None:
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
            widget.print(f"{number}:{count}\n")
            widget.push(copied(array))

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    def told() -> list[str]:
        return "".join(message["text"] for message in server.of("print")).splitlines()

    # Prints that wait together become one message.
    until(lambda: len(told()) == 200, "all prints arrive")
    for number in range(4):
        assert [line for line in told() if line.startswith(f"{number}:")] == [
            f"{number}:{count}" for count in range(50)
        ]
    assert {server.pixels(frame) for frame in server.of("frame")} == {array.tobytes()}


def test_goodbye_is_said_at_the_end(widget, link: Link, server: FakeServer) -> None:
    link.stop(goodbye=True)
    server.next("goodbye")
