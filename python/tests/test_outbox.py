"""What waits for a server that is slow to take it."""

import json
import socket
import threading

import pytest
from fake_server import FakeServer
from framehub import _outbox
from framehub._connection import Connection
from framehub._outbox import Outbox, OutboxFullError
from until import until
from websockets.client import ClientProtocol
from websockets.protocol import State
from websockets.uri import parse_uri


def messages(outbox: Outbox) -> list[dict]:
    taken = []
    while outbox:
        each = outbox.take()
        assert isinstance(each, bytes)
        taken.append(json.loads(each))
    assert outbox.waiting_bytes == 0
    return taken


@pytest.fixture
def outbox() -> Outbox:
    outbox = Outbox(longest=10_000)
    outbox.text_bytes = 100
    return outbox


def test_traits_that_wait_become_one_message_with_the_newest(outbox: Outbox) -> None:
    outbox.put({"type": "traits", "widget": "a", "traits": {"title": "1", "cursor": "x"}, "number": 1})
    outbox.put({"type": "traits", "widget": "b", "traits": {"title": "other"}, "number": 1})
    outbox.put({"type": "traits", "widget": "a", "traits": {"title": "2"}, "number": 2})
    assert messages(outbox) == [
        {"type": "traits", "widget": "a", "traits": {"title": "2", "cursor": "x"}, "number": 2},
        {"type": "traits", "widget": "b", "traits": {"title": "other"}, "number": 1},
    ]


def test_no_print_that_waits_is_lost_and_few_messages_say_them_all(outbox: Outbox) -> None:
    lines = [f"é{number}\n" for number in range(500)]
    for line in lines:
        outbox.put({"type": "print", "widget": "a", "text": line})
    told = [message["text"] for message in messages(outbox)]
    assert "".join(told) == "".join(lines)
    assert max(len(text.encode()) for text in told) <= 100
    assert len(told) < 50


def test_prints_without_end_are_cut_to_the_newest_and_do_not_end_the_connection(outbox: Outbox) -> None:
    for number in range(10_000):
        outbox.put({"type": "print", "widget": "a", "text": f"é{number}\n"})
        assert outbox.waiting_bytes < 5_200
    told = [message["text"] for message in messages(outbox)]
    assert told[0].startswith("é0\né1\n")
    assert told[-1].startswith("… ")
    assert told[-1].endswith("é9998\né9999\n")
    assert max(len(text.encode()) for text in told) <= 100


def test_requests_to_draw_are_not_told_before_what_was_said_between_them(outbox: Outbox) -> None:
    draw, done = {"type": "request_draw", "widget": "a"}, {"type": "turn_done", "widget": "a", "requested": False}
    for message in (draw, draw, done, draw, draw):
        outbox.put(message)
    assert messages(outbox) == [draw, done, draw]
    outbox.put(draw)
    outbox.put_write(lambda: None)
    outbox.put(draw)
    assert len(outbox) == 3


def test_more_than_the_server_will_ever_take_is_refused(outbox: Outbox) -> None:
    with pytest.raises(OutboxFullError):
        for number in range(10_000):
            outbox.put({"type": "relay_text", "relay": number, "text": "x" * 50})
    assert outbox.waiting_bytes < 11_000


def test_a_server_that_never_reads_costs_no_more_memory_than_the_outbox_may_have() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        connection = Connection(ours, ClientProtocol(parse_uri("ws://127.0.0.1/"), state=State.OPEN), bare=True)
        most = 0
        for number in range(1_000_000):
            connection.send_text({"type": "relay_text", "relay": number, "text": "x" * 10_000})
            most = max(most, connection._outbox.waiting_bytes)
            if connection._closed:
                break
        assert connection._closed
        assert most < _outbox.LONGEST + 20_000
        connection.close()


def test_a_link_that_was_replaced_is_back_after_a_while(
    widget, link, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.connections[-1].close(4001, "replaced")
    until(lambda: link.problem, "the link says what became of it")
    assert "another program" in link.problem
    assert len(server.of("hello")) == 1
    link.retry()
    server.next("hello", after=1)


def test_a_retry_that_is_asked_for_as_soon_as_the_problem_is_told_is_not_forgotten(
    widget, link, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(widget, "failed", lambda problem: link.retry())
    server.connections[-1].close(4001, "replaced")
    server.next("hello", after=1)


def test_a_relayed_message_that_is_too_large_ends_its_view_and_not_the_connection(
    widget, link, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("framehub._link._LONGEST_RELAYED", 1000)
    heard: list[tuple[dict, bytes]] = []
    arrived = threading.Event()

    def listen(message: dict, rest: bytes) -> None:
        heard.append((message, rest))
        arrived.set()

    link.listen(7, listen)
    server.send({"type": "relay", "relay": 7}, b"x" * 1001)
    assert server.next("relay_close")["relay"] == 7
    assert arrived.wait(30)
    assert heard == [({"type": "relay_closed", "code": 1009, "reason": "too_large"}, b"")]
    assert len(server.of("hello")) == 1
