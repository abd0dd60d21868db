"""A widget's owner shares it with other users of a real JupyterHub."""

import json
import time
from urllib.parse import urljoin

import httpx
import pytest
from client import closed, frame, listed, make, view
from hub import CACHE, PREFIX, Browser, Hub, until
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

Share = dict[str, str]


def share(kernel: httpx.Client, widget: str, **wanted: object) -> Share:
    answer = kernel.post(f"api/widgets/{widget}/shares", json=wanted)
    assert answer.status_code in (200, 201), answer.text
    told: Share = answer.json()
    return told


def refused(browser: Browser, widget: str) -> int:
    """The status with which a view is refused."""
    with pytest.raises(InvalidStatus) as refusal:
        view(browser, widget)
    return int(refusal.value.response.status_code)


def told(socket: ClientConnection, kind: str) -> dict[str, object]:
    """The next text message of a type."""
    while True:
        message = socket.recv(20)
        if isinstance(message, str):
            read: dict[str, object] = json.loads(message)
            if read["type"] == kind:
                return read


def moves(socket: ClientConnection) -> bool:
    """Drags the square; answers whether its picture changes."""
    moved = {"timestamp": 1.0, "button": 1, "buttons": [1], "modifiers": [], "ntouches": 0, "touches": {}}
    socket.send(json.dumps({"type": "get_stats"}))
    drawn = told(socket, "stats")["stats"]["drawn_frames"]  # type: ignore[index]
    for kind, x in (("pointer_down", 50.0), ("pointer_move", 70.0), ("pointer_up", 70.0)):
        socket.send(json.dumps({**moved, "type": kind, "x": x, "y": 40.0}))
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        socket.send(json.dumps({"type": "get_stats"}))
        if told(socket, "stats")["stats"]["drawn_frames"] > drawn:  # type: ignore[index,operator]
            return True
    return False


def test_a_second_user_watches_then_acts_then_is_out_within_a_second(hub: Hub, kernel: httpx.Client) -> None:
    widget = make(kernel)
    bob = hub.browser("bob")
    assert bob.get("").status_code == 200
    assert (refused(bob, widget), listed(bob.http)) == (404, set())

    watching = share(kernel, widget, user="bob", role="watch")
    entry = next(each for each in bob.get("api/widgets").json()["widgets"] if each["id"] == widget)
    assert (entry["owner"], entry["role"]) == ("ann", "watch")
    with view(bob, widget) as socket:
        assert told(socket, "status")["role"] == "watch"
        assert b"framebufferdata" in frame(socket)
        assert not moves(socket)
        for method, path in (("DELETE", ""), ("DELETE", "/control"), ("GET", "/shares"), ("POST", "/stats/reset")):
            assert bob.http.request(method, f"{PREFIX}api/widgets/{widget}{path}").status_code == 403

        acting = share(kernel, widget, user="bob", role="interact")
        assert acting["id"] == watching["id"]
        assert closed(socket) == (4002, "role_changed")

    with view(bob, widget) as socket:
        assert told(socket, "status")["role"] == "interact"
        frame(socket)
        assert moves(socket)
        assert kernel.delete(f"api/widgets/{widget}/shares/{acting['id']}").status_code == 204
        revoked = time.monotonic()
        assert closed(socket) == (4003, "revoked")
        assert time.monotonic() - revoked < 1.0
    assert (refused(bob, widget), listed(bob.http)) == (404, set())
    assert bob.get(f"widgets/{widget}").status_code == 404


def test_a_third_comes_by_a_link_until_it_expires(hub: Hub, kernel: httpx.Client) -> None:
    widget = make(kernel)
    link = share(kernel, widget, link=True, role="watch", expires_in=8)
    secret = link["url"].partition("?share=")[2]
    # By way of the Hub's login, to the page without the secret.
    carl = Browser(hub)
    assert carl.http.get(link["url"]).url.path == "/hub/login"
    carl.log_in("carl")
    page = carl.http.get(urljoin(hub.origin, link["url"]))
    assert (page.status_code, page.url.path, page.url.query) == (200, f"{PREFIX}widgets/{widget}", b"")
    assert listed(carl.http) == {widget}
    with view(carl, widget) as socket:
        assert told(socket, "status")["role"] == "watch"
        frame(socket)
        assert closed(socket) == (4003, "expired")
    assert refused(carl, widget) == 404
    assert carl.http.get(link["url"]).status_code == 404
    # Somebody else's cookie of it, and one who is not signed in.
    assert Browser(hub).http.get(link["url"]).url.path == "/hub/login"
    assert secret not in hub.log.read_text(errors="replace")


def test_a_group_is_shared_with_by_its_name_while_one_is_in_it(hub: Hub, kernel: httpx.Client) -> None:
    widget = make(kernel)
    for method, path in (("POST", "groups/lab"), ("POST", "groups/lab/users")):
        hub.ask(method, path, json={"users": ["bob"]}).raise_for_status()
    share(kernel, widget, group="lab", role="watch")
    bob, carl = hub.browser("bob"), hub.browser("carl")
    assert carl.get("").status_code == 200
    assert refused(carl, widget) == 404
    until(lambda: bob.get(f"widgets/{widget}").status_code == 200, "the Hub's answer of before is over")
    with view(bob, widget) as socket:
        frame(socket)
        left = time.monotonic()
        hub.ask("DELETE", "groups/lab/users", json={"users": ["bob"]}).raise_for_status()
        assert closed(socket) == (4003, "revoked")
        assert time.monotonic() - left < 2 * CACHE
