"""FrameHub behind a real JupyterHub, set up with the lines of deploy/jupyterhub and nothing else."""

import json
import time
import uuid

import httpx
import pytest
from client import closed, drawn, frame, kernel_of, listed, make, view
from hub import CACHE, PATIENCE, PREFIX, TESTER, Browser, Hub, routes, until
from websockets.exceptions import InvalidStatus

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def test_the_owner_makes_a_widget_in_the_notebook_and_opens_it_in_a_browser(hub: Hub, kernel: httpx.Client) -> None:
    widget = make(kernel)
    browser = hub.browser("ann")
    page = browser.get(f"widgets/{widget}")
    assert (page.status_code, page.url.path) == (200, f"{PREFIX}widgets/{widget}")
    assert [each.status_code for each in page.history] == [302, 302, 303]
    assert widget in listed(browser.http)
    with view(browser, widget) as socket:
        assert b"framebufferdata" in frame(socket)


def test_nobody_gets_in_without_the_hub(hub: Hub, kernel: httpx.Client) -> None:
    stranger = Browser(hub)
    page = stranger.get("")
    assert page.url.path == "/hub/login"
    widget = make(kernel)
    for path in ("api/widgets", f"api/widgets/{widget}", "api/kinds", "metrics"):
        assert stranger.get(path).status_code == 401
    with pytest.raises(InvalidStatus) as refused:
        view(stranger, widget)
    assert refused.value.response.status_code == 401
    # A token of the Hub's own, good for much, but not for this service.
    headers = {"Authorization": f"token {TESTER}"}
    assert httpx.get(f"{hub.origin}{PREFIX}api/widgets", headers=headers).status_code == 403


def test_a_second_user_gets_404_everywhere_and_lists_nothing(hub: Hub, kernel: httpx.Client) -> None:
    widget = make(kernel)
    other = hub.browser("bob")
    other.get("")
    assert listed(other.http) == set()
    paths = routes()
    assert len(paths) >= 8
    for path in paths:
        answers = []
        for method in METHODS:
            theirs, none = (
                other.http.request(method, PREFIX + path.replace("{id}", each), json={})
                for each in (widget, uuid.uuid4().hex)
            )
            assert theirs.status_code == none.status_code, (method, path)
            answers.append(theirs.status_code)
        assert set(answers) <= {404, 405}, (path, answers)
        assert 404 in answers, path
    with pytest.raises(InvalidStatus) as refused:
        view(other, widget)
    assert refused.value.response.status_code == 404
    assert other.get("metrics").status_code == 403
    assert kernel.get(f"api/widgets/{widget}").status_code == 200


def test_an_administrator_sees_and_uses_everything(hub: Hub, kernel: httpx.Client) -> None:
    widget = make(kernel)
    root = hub.browser("root")
    assert root.get(f"widgets/{widget}").status_code == 200
    assert widget in listed(root.http)
    assert root.get("metrics").status_code == 200
    with view(root, widget) as socket:
        assert b"framebufferdata" in frame(socket)
    # Not so with a token of the same user that was not given the scope.
    token = hub.ask("POST", "users/root/tokens", json={"scopes": ["access:services!service=framehub"]}).json()
    headers = {"Authorization": f"token {token['token']}"}
    with httpx.Client(base_url=hub.origin, headers=headers) as program:
        assert listed(program) == set()


def test_an_administrator_sees_who_watches_what_and_disconnects_a_view(hub: Hub, kernel: httpx.Client) -> None:
    widget = make(kernel)
    ann, bob, root = (hub.browser(name) for name in ("ann", "bob", "root"))
    for browser, status in ((ann, 403), (bob, 403), (root, 200)):
        assert browser.get("admin").status_code == status
        assert browser.get("api/users").status_code == status
        assert browser.get("api/widgets").json()["administrator"] == (status == 200)
    with view(ann, widget) as socket:
        frame(socket)
        user = next(user for user in root.get("api/users").json()["users"] if user["name"] == "ann")
        assert user["taken"]["views"] >= 1
        assert user["limits"]["max_views"] == 500
        assert user["sent_pixels"] >= 100 * 80
        found = next(each for each in user["widgets"] if each["id"] == widget)["stats"]["views"]
        assert [each["viewer"] for each in found] == [{"by": "user", "user": "ann"}]
        path = f"{PREFIX}api/widgets/{widget}/views/{found[0]['view']}"
        assert bob.http.delete(path).status_code == 404
        assert root.http.delete(path).status_code == 204
        assert closed(socket) == (4004, "disconnected")


def test_the_hub_hears_of_a_user_who_acts_and_not_of_an_open_page(hub: Hub, kernel: httpx.Client) -> None:
    def active() -> str:
        return str(hub.ask("GET", "users/ann").json()["servers"][""]["last_activity"])

    widget = make(kernel)
    browser = hub.browser("ann")
    assert browser.get("").status_code == 200
    before = active()
    with view(browser, widget) as socket:
        frame(socket)
        socket.send(json.dumps({"type": "get_stats"}))
        until(lambda: '"stats"' in str(socket.recv(PATIENCE)), "an answer")
        assert active() == before
        pointer = {"button": 0, "buttons": [], "modifiers": [], "ntouches": 0, "touches": {}}
        socket.send(json.dumps({"type": "pointer_move", "timestamp": 1.0, "x": 10.0, "y": 10.0, **pointer}))
        until(lambda: active() > before, "the Hub to hear of it")


def test_the_hub_hears_of_the_named_server_whose_kernel_draws(hub: Hub) -> None:
    def active(server: str) -> str:
        return str(hub.ask("GET", "users/bob").json()["servers"][server]["last_activity"])

    hub.notebook("bob")
    told = hub.notebook("bob", "gpu")
    browser = hub.browser("bob")
    assert browser.get("").status_code == 200
    with kernel_of(told) as drawing:
        widget = drawn(drawing)
        before, default = active("gpu"), active("")
        with view(browser, widget) as socket:
            pointer = {"button": 0, "buttons": [], "modifiers": [], "ntouches": 0, "touches": {}}
            socket.send(json.dumps({"type": "pointer_move", "timestamp": 1.0, "x": 10.0, "y": 10.0, **pointer}))
            until(lambda: active("gpu") > before, "the Hub to hear of it")
    assert active("") == default


def test_a_logout_ends_the_view_and_the_widget_stays(hub: Hub, kernel: httpx.Client) -> None:
    widget = make(kernel)
    leaving, staying = hub.browser("ann"), hub.browser("root")
    for browser in (leaving, staying):
        assert browser.get("").status_code == 200
    with view(leaving, widget) as socket, view(staying, widget) as other:
        frame(socket)
        frame(other)
        began = time.monotonic()
        leaving.log_out()
        assert closed(socket) == (4003, "signed_out")
        assert time.monotonic() - began < 2 * CACHE
        assert leaving.get("").url.path == "/hub/login"
        assert leaving.get("api/widgets").status_code == 401
        other.send(json.dumps({"type": "get_stats"}))
        until(lambda: '"stats"' in str(other.recv(PATIENCE)), "an answer to who stays")
    assert kernel.get(f"api/widgets/{widget}").status_code == 200


def test_a_token_that_is_revoked_opens_nothing_any_more(hub: Hub) -> None:
    made = hub.ask("POST", "users/ann/tokens", json={"scopes": ["access:services!service=framehub"]}).json()
    headers = {"Authorization": f"token {made['token']}"}
    with httpx.Client(base_url=hub.origin, headers=headers) as program:
        assert listed(program) is not None
        assert hub.ask("DELETE", f"users/ann/tokens/{made['id']}").status_code == 204
        refused = until(
            lambda: next(iter([a for a in [program.get(f"{PREFIX}api/widgets")] if a.status_code != 200]), None),
            "the end of the answer",
        )
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "signed_out")


def test_when_the_hub_is_gone_the_known_go_on_until_their_answers_expire(hub: Hub, kernel: httpx.Client) -> None:
    """The last test of this Hub: it ends it."""
    widget = make(kernel)
    new = hub.ask("POST", "users/bob/tokens", json={"scopes": ["access:services!service=framehub"]}).json()["token"]
    browser = hub.browser("ann")
    assert browser.get("").status_code == 200
    with view(browser, widget) as socket:
        frame(socket)
        kernel.get("api/widgets")
        hub.kill()
        assert kernel.get("api/widgets").status_code == 200
        assert browser.get("api/widgets").status_code == 200
        headers = {"Authorization": f"token {new}"}
        refused = httpx.get(f"{hub.origin}{PREFIX}api/widgets", headers=headers, timeout=PATIENCE)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
        assert "JupyterHub" in refused.json()["error"]["message"]
        assert closed(socket) == (4003, "signed_out")
        until(lambda: kernel.get("api/widgets").status_code == 503, "the end of the kernel's answer")
        assert browser.get("").status_code == 503
        assert httpx.get(f"{hub.origin}{PREFIX}health").status_code == 200
    # All of it was logged, in detail; nothing that opens anything was.
    log = hub.log.read_text(errors="replace")
    assert "a token cannot be checked" in log
    secrets = {TESTER, new, kernel.headers["authorization"].split()[1]}
    secrets |= {part.split("=", 1)[1] for part in browser.cookies("api/widgets").split("; ") if "framehub" in part}
    assert len(secrets) >= 4
    assert [secret[:4] for secret in secrets if secret in log] == []
