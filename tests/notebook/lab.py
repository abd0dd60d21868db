"""A JupyterLab or Notebook under test, with folders of its own, and what a user does there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import nbformat
from playwright.sync_api import Browser, Locator, Page, sync_playwright

ROOT = Path(__file__).parents[2]
TOKEN = "test-token"
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A name that is not this machine's, for the page of a notebook elsewhere.
    "--host-resolver-rules=MAP notebooks.test 127.0.0.1",
]
# Generous: a machine that also compiles starts a kernel slowly.
TIMEOUT = 90.0

Value = TypeVar("Value")


def until(condition: Callable[[], Value | None], what: str, timeout: float = TIMEOUT) -> Value:
    """The first value of `condition` that is true. Raises AssertionError when there is none in time."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout:g} s: {what}")
        time.sleep(0.02)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Runs a browser without windows."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def write_notebook(file: Path, *sources: str) -> None:
    """Writes a notebook of code cells."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, file)


class Home:
    """A folder with notebooks, whose kernels start a FrameHub server of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.runtime = folder / "run"
        self.runtime.mkdir(mode=0o700)

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of processes here."""
        return {
            **os.environ,
            "XDG_RUNTIME_DIR": str(self.runtime),
            "HOME": str(self.folder),
            "PYTHONPATH": str(ROOT / "python"),
            "FRAMEHUB_BIN": os.environ.get("FRAMEHUB_BIN", str(ROOT / "target/release/framehub")),
        }

    @property
    def own_server(self) -> dict[str, Any]:
        """What the kernels' own FrameHub server tells of itself."""
        told: dict[str, Any] = json.loads((self.runtime / "framehub" / "server.json").read_text())
        return told

    def widgets(self) -> list[str]:
        """The ids of that server's widgets."""
        return [widget["id"] for widget in json.loads(self._asked("api/widgets"))["widgets"]]

    def metrics(self) -> str:
        """That server's metrics, a line each."""
        return self._asked("metrics")

    def _asked(self, path: str) -> str:
        server = self.own_server
        key = {"Authorization": f"Bearer {server['key']}"}
        with urllib.request.urlopen(urllib.request.Request(f"{server['url']}{path}", headers=key)) as answer:
            return str(answer.read().decode())

    @contextmanager
    def running(self, *command: str) -> Iterator[subprocess.Popen[bytes]]:
        """Runs a program here, and ends it and that server."""
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            process.terminate()
            process.wait()
            self.end_server()

    def end_server(self) -> None:
        """Ends that server, if it runs."""
        with suppress(OSError, ValueError):
            os.kill(self.own_server["pid"], signal.SIGTERM)


class Lab(Home):
    """A running JupyterLab or Notebook."""

    def __init__(self, app: str, folder: Path, more: dict[str, str]) -> None:
        super().__init__(folder)
        self.app = app
        """`jupyterlab` or `notebook`."""
        self.more = more
        """Environment variables of its own."""
        self.url = ""
        self.pid = 0
        """Of Jupyter's server."""

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of processes here."""
        folders = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")
        own = {name: str(self.folder / name.lower()) for name in folders}
        return {**super().environment, **own, "JUPYTER_RUNTIME_DIR": str(self.runtime), **self.more}

    def path(self, name: str) -> str:
        """Where a notebook opens, in a window of its own."""
        if self.app == "notebook":
            return f"notebooks/{name}"
        return f"lab/workspaces/test-{time.monotonic_ns()}/tree/{name}"

    def write(self, name: str, *sources: str) -> None:
        """Writes a notebook of code cells."""
        write_notebook(self.folder / name, *sources)

    def read(self, name: str) -> str:
        """A notebook file's text."""
        return (self.folder / name).read_text()


def answers(url: str) -> bool:
    """Whether something takes requests at an address."""
    try:
        urllib.request.urlopen(url).close()
    except OSError:
        return False
    return True


@contextmanager
def running_lab(
    folder: Path, *arguments: str, environment: dict[str, str] | None = None, app: str = "jupyterlab"
) -> Iterator[Lab]:
    """Runs JupyterLab, or Notebook, on a free port of 127.0.0.1."""
    lab = Lab(app, folder, environment or {})
    command = [
        *(app, "--allow-root", "--no-browser", "--ServerApp.ip=127.0.0.1"),
        *("--ServerApp.port=0", f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}"),
        *("--expose-app-in-browser", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"),
        *("--LabApp.news_url=", *arguments),
    ]
    with lab.running(*command) as process:

        def told() -> dict[str, Any] | None:
            if process.poll() is not None:
                raise AssertionError(f"Jupyter's server ended: {lab.log.read_text()[-2000:]}")
            with suppress(IndexError, ValueError):
                return json.loads(next(iter(lab.runtime.glob("jpserver-*.json"))).read_text())  # type: ignore[no-any-return]
            return None

        with suppress(StopIteration):
            until(lambda: list(lab.runtime.glob("jpserver-*.json")), "Jupyter's server starts")
        server = until(told, "Jupyter's server tells its address")
        until(lambda: answers(f"{server['url']}api"), "Jupyter's server answers")
        lab.url, lab.pid = server["url"], process.pid
        yield lab


class Notebook:
    """A notebook that is open in a browser."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def wait_open(self) -> None:
        """Waits until the notebook is open, after loading its page, and has a kernel."""
        self.page.wait_for_function(
            """() => {
              const panel = window.jupyterapp?.shell.currentWidget;
              if (!window.testPanel && panel?.content?.widgets?.length > 0) window.testPanel = panel;
              return ["idle", "busy"].includes(window.testPanel?.sessionContext.session?.kernel?.status);
            }"""
        )

    def command(self, name: str, **arguments: Any) -> None:
        """Runs a command of JupyterLab, and waits for its end."""
        self.page.evaluate("([name, args]) => jupyterapp.commands.execute(name, args)", [name, arguments])

    def run_all(self) -> None:
        self.command("notebook:run-all-cells")

    def start(self, name: str, **arguments: Any) -> None:
        """Runs a command without waiting."""
        self.page.evaluate("([name, args]) => void jupyterapp.commands.execute(name, args)", [name, arguments])

    def select(self, cell: int) -> None:
        self.page.evaluate(
            "(cell) => { window.testPanel.content.activeCellIndex = cell; }",
            cell,
        )

    def run(self, cell: int) -> None:
        """Runs one cell and waits for its end."""
        self.select(cell)
        self.command("notebook:run-cell")

    def execute(self, source: str) -> None:
        """Runs code in the kernel, without a cell."""
        self.page.evaluate(
            """async (code) => {
              const { kernel } = window.testPanel.sessionContext.session;
              const reply = await kernel.requestExecute({ code, stop_on_error: false }).done;
              if (reply.content.status !== "ok") throw new Error(reply.content.evalue);
            }""",
            source,
        )

    def value(self, expression: str) -> Any:
        """The value of an expression in the kernel, as JSON carries it."""
        text = self.page.evaluate(
            """async (code) => {
              const { kernel } = window.testPanel.sessionContext.session;
              const future = kernel.requestExecute({ code, silent: false, store_history: false });
              let text = "";
              future.onIOPub = (message) => { if (message.header.msg_type === "stream") text += message.content.text; };
              const reply = await future.done;
              if (reply.content.status !== "ok") throw new Error(reply.content.evalue);
              return text;
            }""",
            f"import json as _json; print(_json.dumps({expression}))",
        )
        return json.loads(text)

    def outputs(self, cell: int) -> str:
        """The text that a cell's output shows."""
        area = self.page.locator(".jp-CodeCell").nth(cell).locator(".jp-OutputArea-output")
        return "\n".join(area.filter(visible=True).all_inner_texts())

    def view(self, number: int = 0) -> View:
        # An element whose name has the version of the modules in it.
        element = self.page.locator("xpath=//*[starts-with(name(), 'framehub-cell-')]").nth(number)
        return View(self.page, element)


class View:
    """A live view of a widget, in a cell's output or in a page of the server."""

    def __init__(self, page: Page, element: Locator) -> None:
        self.page = page
        self.element = element

    def get(self, expression: str) -> Any:
        """The value of an expression of `view`, the element."""
        return self.element.evaluate(f"(view) => {expression}")

    @property
    def way(self) -> str | None:
        return self.element.get_attribute("data-way")

    def pixel(self, x: int, y: int) -> tuple[int, int, int]:
        """A pixel of the frame that is shown."""
        red, green, blue, _ = self.get(f"Array.from(view.canvas.getContext('2d').getImageData({x}, {y}, 1, 1).data)")
        return red, green, blue

    def size(self) -> tuple[int, int]:
        width, height = self.get("[view.canvas.width, view.canvas.height]")
        return width, height

    def wait(self, expression: str, what: str) -> Any:
        """Waits until an expression of `view` is true."""
        try:
            return until(lambda: self.element.count() and self.get(expression), what)
        except AssertionError as error:
            told = self.page.locator("body").inner_text()[-1000:]
            raise AssertionError(f"{error}; {self.page.url} says {told!r}") from None

    def wait_pixel(self, x: int, y: int, color: tuple[int, int, int]) -> None:
        self.wait("view.frameIndex !== null", "a frame is shown")
        until(lambda: self.pixel(x, y) == color, f"pixel {x}, {y} becomes {color}")

    def wait_live(self) -> None:
        self.wait("view.state === 'live' && view.frameIndex > 0", "the view is live")

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drags from one place to another, in logical pixels of the picture."""
        self.element.scroll_into_view_if_needed()
        box = self.get("(({x, y}) => ({x, y}))(view.canvas.getBoundingClientRect())")
        mouse = self.page.mouse
        mouse.move(box["x"] + start[0], box["y"] + start[1])
        mouse.down()
        mouse.move(box["x"] + end[0], box["y"] + end[1], steps=4)
        mouse.up()


@contextmanager
def opened(lab: Lab, browser: Browser, name: str, *, url: str | None = None) -> Iterator[Notebook]:
    """Opens a notebook, in a window of its own, with a kernel that ends with it."""
    context = browser.new_context(viewport={"width": 1200, "height": 1400})
    page = context.new_page()
    page.set_default_timeout(TIMEOUT * 1000)
    notebook = Notebook(page)
    try:
        page.goto(f"{url or lab.url}{lab.path(name)}?token={TOKEN}")
        notebook.wait_open()
        yield notebook
        page.evaluate("async () => { await window.testPanel.sessionContext.shutdown(); }")
    finally:
        context.close()
