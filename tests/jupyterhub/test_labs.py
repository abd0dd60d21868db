"""FrameHub beside users' real JupyterLabs at a real JupyterHub, in a real browser."""

import base64
import hashlib
import re
import time
import uuid
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import VENVS, Way
from hub import CACHE, Hub
from playwright.sync_api import Browser
from users import BLUE, RED, SHOW, SQUARE, Notebook, User, end_of

GREEN = (0, 150, 0)
# So long a link is good, in seconds.
LINK = 8.0


# Of each version there is a second way besides.
@pytest.fixture(
    scope="module",
    params=[*map(Way, VENVS), Way(VENVS[0], external=True, base="/team/"), Way(VENVS[-1], subdomains=True)],
    ids=str,
)
def hub(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    way: Way = request.param
    environment = {"FRAMEHUB_AUTH_CACHE": str(CACHE), "RUST_LOG": "framehub=debug"}
    hub = way.hub(tmp_path_factory.mktemp(str(way)), environment, labs=True)
    yield hub
    hub.stop()


@pytest.fixture(scope="module")
def notebook(ann: User) -> Notebook:
    """Ann's, whose cells have run."""
    notebook = ann.notebook(SQUARE, SHOW)
    notebook.run_all()
    return notebook


def nothing(user: User, url: str) -> None:
    """A widget is to this user as one that nobody ever made."""
    widget = url.rpartition("/")[2]
    none = uuid.uuid4().hex
    assert user.ask("api/widgets") == (200, {"administrator": False, "widgets": []})
    for path in ("", "/shares", "/stats", "/snapshot"):
        theirs, nobodys = (user.ask(f"api/widgets/{each}{path}") for each in (widget, none))
        assert theirs[0] == nobodys[0] == 404
        assert str(theirs[1]).replace(widget, none) == str(nobodys[1])
    assert user.ask(f"api/widgets/{widget}", "DELETE")[0] == 404
    assert user.visit(url) == 404
    assert not user.opens(widget)


def presses(notebook: Notebook) -> list[str]:
    """The views in which a button was pressed."""
    found: list[str] = notebook.value("[event['view'] for event in w.events if event['type'] == 'pointer_down']")
    return found


def test_the_owners_notebook_draws(hub: Hub, ann: User, notebook: Notebook) -> None:
    assert notebook.page.url.startswith(f"{hub.origin_of('ann')}{hub.base}user/ann/")
    view = notebook.view()
    view.wait_live()
    assert view.way == "public"
    view.wait_pixel(5, 5, RED)
    view.wait_pixel(50, 50, BLUE)
    view.drag((30, 30), (100, 50))
    view.wait_pixel(105, 55, RED)
    assert notebook.errors == []
    # It is the Hub's server, and the widget is hers there.
    url = notebook.value("w.url")
    assert url.startswith(f"{hub.service}{hub.prefix}widgets/")
    page = ann.view(url)
    page.wait_live()
    page.wait_pixel(105, 55, RED)
    _, listed = ann.ask("api/widgets")
    assert [(entry["url"], entry["owner"]) for entry in listed["widgets"]] == [(url.removeprefix(hub.service), "ann")]


def test_a_second_user_watches_then_acts_then_is_out_within_a_second(
    hub: Hub, browser: Browser, notebook: Notebook
) -> None:
    bob = User(hub, browser, "bob")
    url = notebook.value("w.url")
    widget = url.rpartition("/")[2]
    assert bob.visit(f"{hub.service}{hub.prefix}") == 200
    nothing(bob, url)

    notebook.execute("share = w.share(user='bob', role='watch')")
    assert [entry["id"] for entry in bob.ask("api/widgets")[1]["widgets"]] == [widget]
    assert bob.opens(widget)
    view = bob.view(url)
    reason = view.page.locator("#why-not")
    view.wait_live()
    assert reason.inner_text() == "Watching"
    notebook.execute("w.events.clear()")
    view.drag((30, 30), (150, 70))
    # What the owner does is seen, and what he did before is not.
    notebook.view().drag((30, 30), (120, 60))
    view.wait_pixel(125, 65, RED)
    assert len(presses(notebook)) == 1

    notebook.execute("share = w.share(user='bob', role='interact')")
    reason.wait_for(state="hidden")
    view.wait_live()
    view.drag((30, 30), (60, 40))
    for shown in (view, notebook.view()):
        shown.wait_pixel(65, 45, RED)
    assert len(presses(notebook)) == 2

    notebook.execute("import time; began = time.time(); share.revoke()")
    ended, text = end_of(view)
    assert ended - notebook.value("began") < 1.0
    assert "no longer shared with you" in text
    nothing(bob, url)


def test_a_third_comes_by_a_link_until_it_expires(hub: Hub, browser: Browser, notebook: Notebook) -> None:
    carl = User(hub, browser, "carl")
    notebook.execute(f"link = w.share(link=True, role='watch', expires={LINK})")
    expires, url = notebook.value("[link.expires, link.url]")
    view = carl.view(url)
    view.wait_live()
    left, top = notebook.value("w.corner")
    view.wait_pixel(left + 5, top + 5, RED)
    # He comes by the way of the Hub, and nobody reads the link off his screen.
    assert "share=" in url
    assert "share=" not in view.page.url
    ended, text = end_of(view)
    assert 0 <= ended - expires < 1.0
    assert "has expired" in text
    assert carl.visit(url) == 404
    nothing(carl, notebook.value("w.url"))
    # The Hub's proxy names addresses when it tells all in detail, and this one was opened; nobody else names it.
    named = [line for line in hub.log.read_text(errors="replace").splitlines() if url.partition("share=")[2] in line]
    assert [line for line in named if "PROXY WEB" not in line] == []


def test_an_administrator_sees_who_watches_what_disconnects_and_closes(
    hub: Hub, browser: Browser, notebook: Notebook
) -> None:
    bob, root = (User(hub, browser, name) for name in ("bob", "root"))
    gallery, administration = f"{hub.service}{hub.prefix}", f"{hub.service}{hub.prefix}admin"
    notebook.execute("other = Square(title='The other'); other.share(user='bob')")
    url = notebook.value("other.url")
    view = bob.view(url)
    view.wait_live()
    bob.page.goto(gallery)
    bob.page.get_by_role("link", name="The other").first.wait_for()
    assert bob.page.get_by_role("link", name="Administration").count() == 0
    assert bob.visit(administration) == 403

    root.page.goto(gallery)
    root.page.get_by_role("link", name="Administration").click()
    root.page.wait_for_url(administration)
    root.page.get_by_role("row", name="ann").first.wait_for()
    dialog = root.page.get_by_role("alertdialog")
    root.page.get_by_role("button", name="Disconnect v1, bob, of The other").click()
    dialog.get_by_role("button", name="Disconnect view").click()
    view.page.get_by_text("disconnected by the widget's owner or an administrator").wait_for()
    root.page.get_by_role("button", name="Close The other").click()
    dialog.get_by_role("button", name="Close widget").click()
    root.page.get_by_text("“The other” is closed.").wait_for()
    assert bob.visit(url) == 404
    notebook.view().wait_live()


def test_the_kernel_restarts_and_its_views_come_back(ann: User, notebook: Notebook) -> None:
    url = notebook.value("w.url")
    page = ann.view(url)
    page.wait_live()
    notebook.page.evaluate("async () => { await window.testPanel.sessionContext.session.kernel.restart(); }")
    page.wait("view.state === 'gone'", "the view waits for the kernel")
    notebook.run_all()
    assert notebook.value("w.url") == url
    notebook.execute(f"w.background = {GREEN}; w.request_draw()")
    for view in (page, notebook.view()):
        view.wait_live()
        view.wait_pixel(50, 50, GREEN)


def test_a_logout_ends_the_owners_views_in_pages_and_in_the_open_notebook_until_the_next_login(
    ann: User, notebook: Notebook
) -> None:
    page = ann.view(notebook.value("w.url"))
    page.wait_live()
    view = notebook.view()
    view.wait_live()
    ann.log_out()
    left = time.time()
    for each in (page, view):
        ended, text = end_of(each)
        assert ended - left < 2 * CACHE
        assert "signed out" in text
    assert ann.ask("api/widgets")[0] == 401
    # Jupyter lets the notebook go on with its kernel; but a view that is made now stays away, too.
    notebook.run(1)
    view = notebook.view()
    assert "signed out" in end_of(view)[1]
    assert notebook.value("w.get_stats()['views']") == 0
    ann.log_in()
    with notebook.page.expect_popup() as tab:
        view.element.get_by_role("button", name="Sign in").click()
    tab.value.wait_for_load_state()
    tab.value.close()
    notebook.page.evaluate("dispatchEvent(new Event('focus'))")
    view.wait_live()
    view.wait_pixel(50, 50, BLUE)
    assert view.way == "public"


def challenge(verifier: str) -> str:
    """What the Hub is told of a secret of PKCE before it is shown the secret."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def test_no_secret_is_in_the_log_of_the_hub_its_proxy_the_service_or_a_notebook_server(
    hub: Hub, browser: Browser, ann: User, notebook: Notebook
) -> None:
    asked: list[str] = []
    root = User(hub, browser, "root")
    root.context.on("request", lambda request: asked.append(request.url))
    assert root.visit(f"{hub.service}{hub.prefix}") == 200
    challenges = {each for url in asked for each in parse_qs(urlsplit(url).query).get("code_challenge", [])}
    assert len(challenges) == 1

    offered: list[str] = []
    handshakes = ann.context.new_cdp_session(notebook.page)
    handshakes.send("Network.enable")
    handshakes.on(
        "Network.webSocketWillSendHandshakeRequest",
        lambda event: offered.append(event["request"]["headers"]["Sec-WebSocket-Protocol"]),
    )
    notebook.run(1)
    notebook.view().wait_live()
    tickets = {ticket for each in offered for ticket in re.findall(r"framehub\.ticket\.([^, ]+)", each)}
    cookies = {
        each["value"] for user in (ann, root) for each in user.context.cookies() if each["name"].startswith("framehub")
    }
    secrets = {*tickets, *cookies, hub.service_token()}
    secrets |= set(notebook.value("[framehub._link.link()._session, __import__('os').environ['JUPYTERHUB_API_TOKEN']]"))
    assert tickets
    assert len(secrets - tickets) >= 5

    log = hub.log.read_text(errors="replace")
    # All of them speak, and in detail.
    for line in (r"\[D .* JupyterHub", r"\[ConfigProxy\] .*debug", r"DEBUG .*framehub", r"\[D .* ServerApp"):
        assert re.search(line, log), line
    assert [secret[:4] for secret in secrets if secret in log] == []
    assert challenges.isdisjoint(map(challenge, re.findall(r"[\w.~-]{43,128}", log)))
