"""Users of a Hub at browsers: they log in, open notebooks in their own JupyterLabs, and pages of widgets."""

import sys
import time
from functools import cached_property
from typing import Any
from urllib.parse import quote

from hub import PASSWORD, ROOT, Hub
from playwright.sync_api import Browser, Page

# What drives a notebook, and is in it, is another group's.
sys.path.append(str(ROOT / "tests" / "notebook"))
from cells import BLUE, RED, SHOW, SQUARE
from lab import TIMEOUT, Notebook, View, chromium, write_notebook

__all__ = ["BLUE", "RED", "SHOW", "SQUARE", "Notebook", "User", "View", "chromium", "end_of"]


class User:
    """A user at a browser of their own, logged in at the Hub."""

    def __init__(self, hub: Hub, browser: Browser, name: str) -> None:
        self.hub = hub
        self.name = name
        self.context = browser.new_context(viewport={"width": 1200, "height": 1400}, ignore_https_errors=True)
        self.context.set_default_timeout(TIMEOUT * 1000)
        self.page = self.context.new_page()
        self.log_in()

    @property
    def _hub(self) -> str:
        return f"{self.hub.origin}{self.hub.base}hub/"

    def log_in(self) -> None:
        self.page.goto(f"{self._hub}login?next={quote(self.hub.base)}hub/home")
        self.page.fill("#username_input", self.name)
        self.page.fill("#password_input", PASSWORD)
        self.page.click("#login_submit")
        self.page.wait_for_url(f"{self._hub}home")

    def log_out(self) -> None:
        self.page.goto(f"{self._hub}home")
        self.page.click("#logout")
        self.page.wait_for_url(f"{self._hub}login*")

    def notebook(self, *sources: str) -> Notebook:
        """A notebook of these cells, open in the user's own JupyterLab, which the Hub starts."""
        home = self.hub.folder / "home" / self.name
        home.mkdir(parents=True, exist_ok=True)
        write_notebook(home / "notebook.ipynb", *sources)
        notebook = Notebook(self.context.new_page())
        path = f"{self.hub.base}user/{self.name}/lab/workspaces/{time.monotonic_ns()}/tree/notebook.ipynb"
        notebook.page.goto(f"{self._hub}spawn?next={quote(path)}")
        notebook.wait_open()
        return notebook

    def agree(self, page: Page) -> None:
        """Lets FrameHub know who they are, at the Hub's page that asks."""
        page.get_by_role("button", name="Authorize").click()
        page.wait_for_url(f"{self.hub.service}{self.hub.prefix}**")

    def visit(self, url: str) -> int:
        """Opens an address in a tab of its own; answers the status."""
        page = self.context.new_page()
        answer = page.goto(url)
        assert answer is not None
        page.close()
        return answer.status

    def view(self, url: str) -> View:
        """Opens the page of a widget, at the widget's own size."""
        page = self.context.new_page()
        page.goto(f"{url}{'&' if '?' in url else '?'}size=traits")
        return View(page, page.locator("framehub-view"))

    @cached_property
    def _script(self) -> Page:
        """A page of the service's origin, where scripts of the tests run."""
        page = self.context.new_page()
        page.goto(f"{self.hub.service}{self.hub.prefix}health")
        return page

    def ask(self, path: str, method: str = "GET") -> tuple[int, Any]:
        """What a script in the user's browser is answered by the service: the status and the body."""
        status, body = self._script.evaluate(
            """async ([path, method]) => {
              const response = await fetch(path, { method });
              return [response.status, await response.json().catch(() => null)];
            }""",
            [f"{self.hub.prefix}{path}", method],
        )
        return status, body

    def opens(self, widget: str) -> bool:
        """Whether a script in the user's browser can open a view of a widget."""
        opened: bool = self._script.evaluate(
            """(path) => new Promise((resolve) => {
              const socket = new WebSocket(path, "framehub.view.v1");
              socket.onopen = () => { resolve(true); socket.close(); };
              socket.onerror = () => resolve(false);
            })""",
            f"{self.hub.prefix}api/widgets/{widget}/view",
        )
        return opened


def end_of(view: View) -> tuple[float, str]:
    """Waits until a view is taken from its user; answers when that was, in Unix time, and what the page says."""
    when, text = view.element.evaluate(
        """(view) => new Promise((resolve) => {
          const look = () => {
            if (["denied", "closed"].includes(view.state)) resolve([Date.now() / 1000, view.textContent]);
            else setTimeout(look, 5);
          };
          look();
        })"""
    )
    return when, text
