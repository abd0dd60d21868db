"""FrameHub at a Hub that gives each user and each service an origin of its own, in a real browser."""

from pathlib import Path

from conftest import VENVS
from hub import PREFIX, Hub
from users import BLUE, RED, SHOW, SQUARE, User, chromium


def test_notebooks_draw_and_pages_open_across_origins(tmp_path: Path) -> None:
    hub = Hub(tmp_path, VENVS[-1], labs=True, subdomains=True)
    try:
        with chromium() as browser:
            notebook = User(hub, browser, "ann").notebook(SQUARE, SHOW)
            assert notebook.page.url.startswith(f"http://ann.hub.localhost:{hub.port}/")
            notebook.run_all()
            view = notebook.view()
            view.wait_live()
            assert view.way == "public"
            view.wait_pixel(50, 50, BLUE)
            # The address that is handed on is one of the service's origin.
            shared = notebook.value("w.share(link=True, role='interact').url")
            assert shared.startswith(f"{hub.service}{PREFIX}widgets/")
            assert notebook.value("w.url") == shared.partition("?")[0]
            page = User(hub, browser, "bob").view(shared)
            page.wait_live()
            page.drag((30, 30), (100, 50))
            for shown in (page, view):
                shown.wait_pixel(105, 55, RED)
            assert notebook.errors == []
    finally:
        hub.stop()
