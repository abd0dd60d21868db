"""What becomes of widgets whose connection is lost."""

from collections.abc import Iterator

import numpy as np
import pytest
from fake_server import FakeServer
from framehub import _link
from framehub._frames import copied
from framehub._link import Link
from framehub._served import Outcome, ServedWidget
from framehub._user_thread import MAIN
from renderer import turn
from until import until


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


def test_a_replaced_connection_is_made_again_after_a_minute(widget, server: FakeServer, monkeypatch) -> None:
    assert _link._AFTER_REPLACED == 60
    monkeypatch.setattr(_link, "_AFTER_REPLACED", 0.0)
    server.connections[-1].close(4001, "replaced")
    until(lambda: len(server.of("hello")) == 2, "it connects again")


def test_requests_in_flight_fail_with_the_connection(widget, link: Link, server: FakeServer) -> None:
    answers: list[object] = []
    assert widget.ask({"type": "get_stats"}, answers.append)
    server.next("get_stats")
    server.stop()
    until(lambda: answers, "the request is answered")
    assert "lost" in str(answers[0])


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
