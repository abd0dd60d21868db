"""Users agree, and share, in pages: at a real JupyterHub that asks them whether FrameHub may know them."""

from collections.abc import Callable, Iterator

import pytest
from conftest import VENVS
from hub import Hub
from playwright.sync_api import Browser, Page
from users import BLUE, RED, SHOW, SQUARE, Notebook, User, View, end_of

# Of the Hub's configuration: users are asked whether the service may know them.
ASKING = 'service["oauth_no_confirm"] = False'
# A view that is no kernel's: it opens with the session of the page's user alone.
EMBED = """
from urllib.parse import urlsplit
from IPython.display import HTML

path = urlsplit(w.url).path
base, _, widget = path.rpartition("widgets/")
HTML(f'<script type="module" src="{base}static/view.js"></script><framehub-view widget="{widget}"></framehub-view>')
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    hub = Hub(tmp_path_factory.mktemp("asks"), VENVS[-1], {"RUST_LOG": "framehub=debug"}, labs=True, more=ASKING)
    # Before anybody signs in: an answer about a user holds for a while.
    for path, body in (("groups/lab", None), ("groups/lab/users", {"users": ["carl"]})):
        hub.ask("POST", path, json=body).raise_for_status()
    yield hub
    hub.stop()


@pytest.fixture(scope="module")
def notebook(ann: User) -> Notebook:
    notebook = ann.notebook(SQUARE, SHOW, EMBED)
    notebook.run_all()
    return notebook


@pytest.fixture(scope="module")
def guests(hub: Hub, browser: Browser) -> tuple[User, User]:
    """Bob, and Carl, who is in the group `lab`; both have agreed."""
    guests = User(hub, browser, "bob"), User(hub, browser, "carl")
    for user in guests:
        user.page.goto(f"{hub.service}{hub.prefix}")
        user.agree(user.page)
    return guests


def test_a_view_in_a_notebook_page_shows_one_button_where_the_hub_asks_and_is_live_afterwards(
    ann: User, notebook: Notebook
) -> None:
    # That of the kernel needs no session.
    drawn = notebook.view()
    drawn.wait_live()
    embedded = View(notebook.page, notebook.page.locator("framehub-view"))
    sign_in = embedded.element.get_by_role("button", name="Sign in")
    sign_in.wait_for()
    assert notebook.page.get_by_role("button", name="Sign in").filter(visible=True).count() == 1
    with notebook.page.expect_popup() as opened:
        sign_in.click()
    tab = opened.value
    assert "/hub/api/oauth2/authorize" in tab.url
    ann.agree(tab)
    tab.close()
    notebook.page.evaluate("dispatchEvent(new Event('focus'))")
    embedded.wait_live()
    embedded.wait_pixel(5, 5, RED)
    embedded.wait_pixel(50, 50, BLUE)
    assert notebook.errors == []


def shared_in_the_dialog(page: Page, with_whom: str, name: str = "") -> str:
    """Shares in the owner's dialog; answers what it lists then."""
    dialog = page.get_by_role("dialog", name="Share this widget")
    dialog.get_by_role("combobox", name="Who").select_option(with_whom)
    if name:
        dialog.get_by_role("textbox", name="Name").fill(name)
        dialog.get_by_role("combobox", name="Expires in").select_option("1 hour")
    dialog.get_by_role("button", name="Share", exact=True).click()
    dialog.get_by_role("button", name="Revoke").wait_for()
    return dialog.get_by_role("list", name="Shared with").inner_text()


def revoked_in_the_dialog(page: Page) -> float:
    """Revokes the one share; answers when the button was pressed, in Unix time."""
    page.evaluate("addEventListener('click', () => { window.pressed = Date.now() / 1000; }, true)")
    page.get_by_role("button", name="Revoke").click()
    page.get_by_text("Not shared yet.").wait_for()
    pressed: float = page.evaluate("window.pressed")
    return pressed


def is_out(view: View, revoke: Callable[[], float]) -> None:
    """A view is live until it is revoked, and ended within a second then."""
    view.wait_live()
    began = revoke()
    ended, text = end_of(view)
    assert ended - began < 1.0
    assert "no longer shared with you" in text


def test_the_owner_shares_in_the_dialog_with_a_user_a_group_and_by_a_link_and_takes_each_back(
    ann: User, guests: tuple[User, User], notebook: Notebook
) -> None:
    bob, carl = guests
    url = notebook.value("w.url")
    page = ann.view(url).page
    page.get_by_role("button", name="Share", exact=True).click()
    for target, name, listed, guest in (("user", "bob", "bob", bob), ("group", "lab", "Group lab", carl)):
        assert guest.visit(url) == 404
        told = shared_in_the_dialog(page, target, name)
        assert listed in told and "can view · expires" in told
        is_out(guest.view(url), lambda: revoked_in_the_dialog(page))
        assert guest.visit(url) == 404
    assert "can view · expires" in shared_in_the_dialog(page, "link")
    link = page.get_by_role("textbox", name="The link").input_value()
    is_out(bob.view(link), lambda: revoked_in_the_dialog(page))
    assert bob.visit(link) == 404


def test_a_kernel_shares_with_a_group_of_the_hub_and_takes_that_back(
    guests: tuple[User, User], notebook: Notebook
) -> None:
    bob, carl = guests
    notebook.execute("share = w.share(group='lab', role='interact')")
    url = notebook.value("w.url")
    assert bob.visit(url) == 404

    def revoke() -> float:
        notebook.execute("import time; began = time.time(); share.revoke()")
        return float(notebook.value("began"))

    is_out(carl.view(url), revoke)
