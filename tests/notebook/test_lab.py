"""Widgets in JupyterLab, in a real browser."""

from __future__ import annotations

import json
import os
import signal

import pytest
from cells import BLUE, RED, SHOW, SQUARE
from lab import TIMEOUT, Lab, Notebook, opened, until
from playwright.sync_api import Browser, WebSocket

# How long a view may leave a frame unconfirmed, in seconds: that of a server which the package starts.
DEADLINE = 10.0


@pytest.fixture
def notebook(lab: Lab, browser: Browser):
    """A notebook whose cells have run: the class, a widget, and the same widget again."""
    lab.write("square.ipynb", SQUARE, SHOW, "w")
    with opened(lab, browser, "square.ipynb") as notebook:
        notebook.run_all()
        yield notebook
        assert notebook.errors == []


def test_a_widget_is_shown_with_its_pixels_and_takes_a_drag(notebook: Notebook) -> None:
    view = notebook.view()
    view.wait_live()
    view.wait_pixel(5, 5, RED)
    view.wait_pixel(50, 50, BLUE)
    assert view.size() == (200, 100)
    view.drag((30, 30), (100, 50))
    view.wait_pixel(105, 55, RED)
    view.wait_pixel(5, 5, BLUE)
    types = notebook.value("[event['type'] for event in w.events]")
    assert types[-1] == "pointer_up"
    assert "pointer_down" in types


def test_a_second_view_shows_the_same_and_either_drags(notebook: Notebook) -> None:
    first, second = notebook.view(0), notebook.view(1)
    for view in (first, second):
        view.wait_live()
    second.drag((30, 30), (120, 60))
    for view in (first, second):
        view.wait_pixel(125, 65, RED)
    assert notebook.value("w.get_stats()['views']") == 2


def test_a_view_is_resized_by_its_corner(notebook: Notebook) -> None:
    view = notebook.view()
    view.wait_live()
    view.drag((195, 95), (295, 145))
    until(lambda: view.size() == (300, 150), "the frame has the new size")
    view.wait_pixel(290, 140, BLUE)


def test_a_busy_kernel_does_not_keep_a_further_view_from_painting_at_once_and_no_view_is_dropped(
    notebook: Notebook, lab: Lab
) -> None:
    notebook.view().wait_live()
    notebook.view().wait_pixel(5, 5, RED)
    gate = lab.folder / "gate"
    busy = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)"
    notebook.page.evaluate(
        """(code) => {
          const { kernel } = window.testPanel.sessionContext.session;
          window.busy = kernel.requestExecute({ code });
          window.busyEnded = false;
          window.busy.done.then(() => { window.busyEnded = true; });
        }""",
        busy,
    )
    notebook.page.wait_for_function("() => window.testPanel.sessionContext.session.kernel.status === 'busy'")
    notebook.select(1)
    with notebook.page.expect_websocket(lambda socket: "/view?" in socket.url) as joining:
        notebook.start("notebook:create-output-view")
    view = notebook.view(2)
    view.wait("view.frameIndex > 0", "the further view has a frame of the server")
    view.wait_pixel(5, 5, RED)
    assert notebook.page.evaluate("window.busyEnded") is False

    # By the clock that the server tells this view, with each of the pings that it answers.
    wait_server_time(joining.value, 2 * DEADLINE)
    assert "framehub_deadline_drops_total 0" in lab.metrics().splitlines()
    for number in range(3):
        assert notebook.view(number).get("view.state") == "live"
    assert notebook.page.evaluate("window.busyEnded") is False

    # What the user does meanwhile is done when the kernel is free.
    view.drag((30, 30), (100, 50))
    for number in range(3):
        # Not at once: what takes a moment is no news.
        says = "view.state === 'busy' && view.textContent.includes('The kernel is busy')"
        notebook.view(number).wait(says, "the view says what keeps it waiting")
    view.wait_pixel(5, 5, RED)
    assert notebook.page.evaluate("window.busyEnded") is False
    gate.touch()
    view.wait_pixel(105, 55, RED)
    view.wait("view.state === 'live'", "the view waits no longer")
    gate.unlink()


def wait_server_time(socket: WebSocket, seconds: float) -> None:
    """Waits until the server's clock, as its pings tell it to a view, went on by so much."""
    first: list[float] = []

    def went_on(data: str | bytes) -> bool:
        message = json.loads(data) if isinstance(data, str) else {}
        if message.get("type") != "ping":
            return False
        first.append(message["timestamp"])
        return first[-1] - first[0] > seconds

    # It raises if the connection ends before.
    socket.wait_for_event("framereceived", went_on, timeout=TIMEOUT * 1000)


def test_frames_are_pushed_while_a_cell_computes(notebook: Notebook, lab: Lab) -> None:
    view = notebook.view()
    view.wait_live()
    gate = lab.folder / "pushed"
    notebook.page.evaluate(
        "(code) => void window.testPanel.sessionContext.session.kernel.requestExecute({ code })",
        "w.send_frame(np.full((100, 200, 3), (0, 200, 0), np.uint8))\n"
        f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)",
    )
    view.wait_pixel(50, 50, (0, 200, 0))
    assert not gate.exists()
    gate.touch()


def test_an_error_shows_in_the_cell_and_behind_a_click_in_every_view_and_the_widget_goes_on(notebook: Notebook) -> None:
    views = [notebook.view(0), notebook.view(1)]
    for view in views:
        view.wait_live()
    views[0].get("view.focus()")
    notebook.page.keyboard.press("e")
    until(lambda: "raise RuntimeError" in notebook.outputs(1), "the cell shows the traceback")
    assert "raise RuntimeError" not in notebook.outputs(2)
    for view in views:
        view.wait("view.state === 'error'", "the view says that there is an error")
        assert "this key is broken" in view.get("view.textContent")
        traceback = view.element.locator("details pre")
        assert not traceback.is_visible()
        view.element.get_by_text("Details").click()
        traceback.wait_for(state="visible")
        assert "Traceback" in traceback.inner_text()
        assert "raise RuntimeError" in traceback.inner_text()
        view.element.get_by_text("Details").click()
        traceback.wait_for(state="hidden")
    # Above the notice.
    views[0].drag((30, 5), (100, 8))
    for view in views:
        view.wait_pixel(105, 15, RED)
        view.wait("view.state === 'live'", "the error is over")


def test_what_the_widget_prints_shows_in_its_cell_and_in_every_view(notebook: Notebook) -> None:
    views = [notebook.view(0), notebook.view(1)]
    for view in views:
        view.wait_live()
        assert not view.element.get_by_role("log").is_visible()
    # The kernel runs something else last: the print still belongs to the widget's cell.
    assert notebook.value("1") == 1
    views[0].get("view.focus()")
    notebook.page.keyboard.press("k")
    until(lambda: "the key k" in notebook.outputs(1), "the cell shows the print")
    assert "the key k" not in notebook.outputs(2)
    for view in views:
        printed = view.element.get_by_role("log")
        printed.wait_for(state="visible")
        until(lambda printed=printed: printed.inner_text().strip() == "the key k", "the view shows the print")


def test_the_notebooks_shortcuts_rest_while_the_view_has_the_focus(notebook: Notebook) -> None:
    view = notebook.view()
    view.wait_live()
    cells = notebook.page.locator(".jp-CodeCell").count()
    view.get("view.focus()")
    for key in ("x", "d", "d", "a"):
        notebook.page.keyboard.press(key)
    until(
        lambda: notebook.value("[e['key'] for e in w.events if e['type'] == 'key_down']") == ["x", "d", "d", "a"],
        "the widget gets the keys",
    )
    assert notebook.page.locator(".jp-CodeCell").count() == cells


def test_an_interrupt_ends_a_draw_and_the_widget_goes_on(notebook: Notebook) -> None:
    view = notebook.view()
    view.wait_live()
    notebook.execute(
        "import time\n"
        "def slow():\n"
        "    w.drawing = True\n"
        "    while True: time.sleep(0.01)\n"
        "draw, w.get_frame = w.get_frame, slow\n"
        "w.request_draw()"
    )
    view.wait("view.state === 'busy'", "the view says that the kernel is busy")
    notebook.command("notebook:interrupt-kernel")
    view.wait("view.state === 'error'", "the view says that the draw was interrupted")
    notebook.execute("w.get_frame = draw; w.background = (0, 150, 0); w.request_draw()")
    view.wait_pixel(50, 50, (0, 150, 0))


def test_a_closed_widget_says_so_in_its_views(notebook: Notebook) -> None:
    view = notebook.view()
    view.wait_live()
    notebook.execute("events = w.events; w.close()")
    # JupyterLab takes the views of a closed widget away.
    until(lambda: view.element.count() == 0, "the view is gone")
    assert notebook.value("[e['type'] for e in events][-1]") == "close"


def test_a_widget_in_a_box_is_shown(lab: Lab, browser: Browser) -> None:
    lab.write("box.ipynb", SQUARE, "import ipywidgets\nw = Square()\nipywidgets.HBox([w, ipywidgets.Label('beside')])")
    with opened(lab, browser, "box.ipynb") as notebook:
        notebook.run_all()
        notebook.view().wait_live()
        notebook.view().wait_pixel(50, 50, BLUE)


def test_a_cell_that_runs_again_and_again_leaves_one_widget(notebook: Notebook, lab: Lab) -> None:
    notebook.view().wait_live()
    before = set(lab.widgets())
    for _ in range(10):
        notebook.run(1)
    notebook.run(2)
    until(lambda: len(set(lab.widgets()) - before) == 1, "the former widgets are closed")
    notebook.view().wait_live()
    assert notebook.value("len(__import__('ipywidgets').Widget.get_manager_state()['state'])") <= 4


def test_the_page_of_a_widget_outlives_a_restart_and_is_taken_over(notebook: Notebook, lab: Lab) -> None:
    notebook.view().wait_live()
    url = notebook.value("w.url")
    page = notebook.page.context.new_page()
    page.goto(f"{url}?key={lab.own_server['key']}")
    state = "() => document.querySelector('framehub-view')?.state"
    page.wait_for_function(f"() => ({state})() === 'live' && document.querySelector('framehub-view').frameIndex > 0")
    notebook.page.evaluate("async () => { await window.testPanel.sessionContext.session.kernel.restart(); }")
    page.wait_for_function(f"() => ({state})() === 'gone'")
    assert page.evaluate("() => document.querySelector('framehub-view').canvas.width") > 0
    notebook.run(0)
    notebook.run(1)
    page.wait_for_function(f"() => ({state})() === 'live'")
    assert notebook.value("w.url") == url
    notebook.execute("w.background = (0, 99, 0); w.request_draw()")
    page.wait_for_function(
        """() => {
          const { canvas } = document.querySelector("framehub-view");
          return canvas.getContext("2d").getImageData(canvas.width - 1, canvas.height - 1, 1, 1).data[1] === 99;
        }"""
    )
    page.close()


def test_the_views_in_cells_outlive_a_kernel_that_is_killed(notebook: Notebook) -> None:
    views = [notebook.view(0), notebook.view(1)]
    for view in views:
        view.wait_live()
    views[0].drag((30, 30), (100, 50))
    for view in views:
        view.wait_pixel(105, 55, RED)
    os.kill(notebook.value("__import__('os').getpid()"), signal.SIGKILL)
    for view in views:
        view.wait("view.state === 'gone'", "the view says that the kernel is gone")
        assert "The kernel has stopped" in view.get("view.textContent")
        assert view.size() == (200, 100)
        assert view.pixel(105, 55) == RED
    # JupyterLab says so, too, and starts another kernel.
    notebook.page.locator(".jp-Dialog-button.jp-mod-accept").click()
    notebook.page.wait_for_function("() => window.testPanel.sessionContext.session.kernel.status === 'idle'")
    notebook.run(0)
    notebook.run(1)
    for view in (notebook.view(0), notebook.view(1)):
        view.wait_live()
        view.wait_pixel(5, 5, RED)
    # That of the cell which did not run again works, too.
    notebook.view(1).drag((30, 30), (120, 60))
    for view in (notebook.view(0), notebook.view(1)):
        view.wait_pixel(125, 65, RED)


def test_a_server_that_ended_is_started_again_and_the_views_come_back(notebook: Notebook, lab: Lab) -> None:
    view = notebook.view()
    view.wait_live()
    first = lab.own_server
    os.kill(first["pid"], signal.SIGKILL)
    view.wait("view.state === 'disconnected'", "the view says that the connection is lost")
    assert view.size() == (200, 100)
    view.wait("view.state === 'live'", "the view is live again")
    assert lab.own_server["pid"] != first["pid"]
    view.drag((30, 30), (100, 50))
    view.wait_pixel(105, 55, RED)


def test_a_reloaded_page_shows_the_widget_again(notebook: Notebook) -> None:
    notebook.view().wait_live()
    notebook.view().drag((30, 30), (100, 50))
    notebook.view().wait_pixel(105, 55, RED)
    notebook.command("docmanager:save")
    notebook.page.reload()
    notebook.wait_open()
    notebook.view().wait_live()
    notebook.view().wait_pixel(105, 55, RED)
    assert notebook.value("w.corner") == [100, 50]
