import numpy as np
import pytest
from fake_server import FakeServer
from framehub import RemoteFrameBuffer
from framehub._link import Link
from framehub._page import Pages, ways
from framehub._served import ServedWidget
from framehub._server import Server
from until import until


class Renderer:
    def _rfb_traits(self):
        return {}


class Channel:
    """Notes what the pages are sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[dict, list[bytes] | None]] = []

    def __call__(self, content, buffers) -> None:
        self.sent.append((content, buffers))

    def next(self, kind: str) -> tuple[dict, list[bytes] | None]:
        return until(
            lambda: next((each for each in self.sent if each[0]["framehub"] == kind), None), f"the page is sent {kind}"
        )


@pytest.fixture
def channel() -> Channel:
    return Channel()


@pytest.fixture
def renderer() -> Renderer:
    return Renderer()


@pytest.fixture
def pages(link: Link, channel: Channel, renderer: Renderer) -> Pages:
    widget = ServedWidget(link, renderer, place=None, kind="Plot")
    return Pages(link, widget, channel, lambda: "binary")


def test_a_page_gets_a_ticket_and_the_ways_to_the_server(pages, channel: Channel, server: FakeServer) -> None:
    pages.handle({"framehub": "connect", "request": "r1"})
    content, _ = channel.next("connect")
    port = int(server.url.rsplit(":", 1)[1].strip("/"))
    assert content == {
        "framehub": "connect",
        "request": "r1",
        "widget": "w1",
        "ticket": "t1.secret",
        "frames": "binary",
        "ways": [{"way": "proxy", "port": port, "path": "/"}, {"way": "loopback", "url": server.url}],
    }
    assert server.next("ticket")["role"] == "interact"


def test_a_page_gets_fresh_tickets_unasked(pages, channel: Channel) -> None:
    pages.handle({"framehub": "connect", "request": "r1"})
    channel.next("connect")
    channel.sent.clear()
    pages.push_ticket()
    assert channel.next("connect")[0]["request"] == ""


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "made again"])
def test_a_page_gets_a_fresh_ticket_as_soon_as_the_kernel_is_back(pages, channel, server: FakeServer, kept) -> None:
    pages.handle({"framehub": "connect", "request": "r1"})
    channel.next("connect")
    channel.sent.clear()
    server.resumed = ["w1"] if kept else []
    server.connections[-1].close()
    content, _ = channel.next("connect")
    assert (content["request"], content["widget"]) == ("", "w1" if kept else "w2")


def test_a_refused_widget_refuses_its_pages_with_the_reason(link, renderer, channel, server: FakeServer) -> None:
    server.refusal = {"code": "max_widgets", "message": "there are 1000 widgets", "field": None}
    Pages(link, ServedWidget(link, renderer, place=None, kind="Plot"), channel, lambda: "binary").handle(
        {"framehub": "connect", "request": "r1"}
    )
    content, _ = channel.next("refused")
    assert "there are 1000 widgets" in content["message"]
    assert content["closed"] is False


def test_a_closed_widget_refuses_its_pages_for_good(pages, channel: Channel) -> None:
    pages._widget.close()
    pages.handle({"framehub": "connect", "request": "r1"})
    assert channel.next("refused")[0]["closed"] is True


def test_a_relay_carries_text_and_bytes_both_ways(pages, channel: Channel, server: FakeServer) -> None:
    pages.handle({"framehub": "relay_open", "relay": "page-1"})
    channel.next("relay_opened")
    opened = server.next("relay_open")
    assert (opened["widget"], opened["role"], opened["frames"]) == ("w1", "interact", "binary")
    pages.handle({"framehub": "relay_text", "relay": "page-1", "text": '{"type": "show"}'})
    assert server.next("relay_text") == {"type": "relay_text", "relay": opened["relay"], "text": '{"type": "show"}'}
    server.send({"type": "relay_text", "relay": opened["relay"], "text": "{}"})
    server.send({"type": "relay", "relay": opened["relay"]}, b"frame")
    assert channel.next("relay_text")[0] == {"framehub": "relay_text", "relay": "page-1", "text": "{}"}
    assert channel.next("relay_bytes") == ({"framehub": "relay_bytes", "relay": "page-1"}, [b"frame"])


def test_a_relay_ends_from_either_side(pages, channel: Channel, server: FakeServer) -> None:
    for name in ("page-1", "page-2"):
        pages.handle({"framehub": "relay_open", "relay": name})
    until(lambda: len(server.of("relay_open")) == 2, "both relays are open")
    first, second = (opened["relay"] for opened in server.of("relay_open"))
    pages.handle({"framehub": "relay_close", "relay": "page-1"})
    assert server.next("relay_close")["relay"] == first
    server.send({"type": "relay_closed", "relay": second, "code": 4008, "reason": "deadline"})
    assert channel.next("relay_closed")[0] == {
        "framehub": "relay_closed",
        "relay": "page-2",
        "code": 4008,
        "reason": "deadline",
    }


def test_a_lost_server_ends_the_relays_and_a_page_that_speaks_on_hears_of_it(pages, channel, server) -> None:
    pages.handle({"framehub": "relay_open", "relay": "page-1"})
    server.next("relay_open")
    server.stop()
    assert channel.next("relay_closed")[0]["code"] == 1006
    channel.sent.clear()
    pages.handle({"framehub": "relay_text", "relay": "page-1", "text": "{}"})
    assert channel.next("relay_closed")[0]["relay"] == "page-1"


def test_a_relay_that_is_asked_for_while_the_server_is_away_is_closed_at_once(pages, channel, link, server) -> None:
    until(lambda: pages._widget.id, "the widget is created")
    link.stop(goodbye=False)
    until(lambda: link._connection is None, "the connection is gone")
    assert link.problem is None
    pages.handle({"framehub": "relay_open", "relay": "page-1"})
    closed = {"framehub": "relay_closed", "relay": "page-1", "code": 1006, "reason": "disconnected"}
    assert [content for content, _ in channel.sent] == [closed]
    assert link._relays == {}


def test_frames_are_text_where_the_program_asks_for_it(link: Link, server: FakeServer) -> None:
    widget = RemoteFrameBuffer()
    widget._use_websocket = False
    widget._handle_custom_msg({"framehub": "relay_open", "relay": "page-1"}, [])
    assert server.next("relay_open")["frames"] == "base64"


def test_other_messages_reach_the_programs_listeners(link: Link) -> None:
    widget = RemoteFrameBuffer()
    heard = []
    widget.on_msg(lambda _, content, buffers: heard.append((content, buffers)))
    widget._handle_custom_msg({"mine": 1}, [b"x"])
    assert heard == [({"mine": 1}, [b"x"])]


@pytest.mark.parametrize(
    ("server", "base", "expected"),
    [
        pytest.param(
            Server("http://127.0.0.1:5000/", "k", own=True),
            "http://127.0.0.1:5000/",
            [{"way": "proxy", "port": 5000, "path": "/"}, {"way": "loopback", "url": "http://127.0.0.1:5000/"}],
            id="own",
        ),
        pytest.param(
            Server("http://localhost:5000/base/", "k", "https://public/f/"),
            "",
            [
                {"way": "public", "url": "https://public/f/"},
                {"way": "proxy", "port": 5000, "path": "/base/"},
                {"way": "loopback", "url": "http://localhost:5000/base/"},
            ],
            id="public address of a server nearby",
        ),
        pytest.param(
            Server("http://framehub:8420/", "k"),
            "https://hub.example/framehub/",
            [
                {"way": "public", "url": "https://hub.example/framehub/"},
                {"way": "public", "url": "http://framehub:8420/"},
            ],
            id="another machine",
        ),
        pytest.param(
            Server("https://hub/f/", "k", "https://hub/f/"),
            "https://hub/f/",
            [{"way": "public", "url": "https://hub/f/"}],
            id="the same address",
        ),
    ],
)
def test_ways_are_public_then_proxy_then_loopback(server: Server, base: str, expected: list[dict]) -> None:
    assert ways(server, base) == expected


def test_the_models_state_does_not_change_by_connecting(link: Link, server: FakeServer) -> None:
    widget = RemoteFrameBuffer()
    widget.get_frame = lambda: np.zeros((2, 2), np.uint8)
    before = widget.get_state()
    widget._handle_custom_msg({"framehub": "connect", "request": "r"}, [])
    server.next("ticket")
    assert widget.get_state() == before
