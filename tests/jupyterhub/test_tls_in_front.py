"""FrameHub at a Hub that browsers reach by TLS, through nginx, in a real browser."""

import sys
from pathlib import Path

from conftest import VENVS
from hub import CACHE, PREFIX, ROOT, Hub, free_ports
from users import BLUE, RED, SHOW, SQUARE, User, chromium

# nginx and its configuration are another group's.
sys.path.append(str(ROOT / "tests" / "deploy"))
from tls import nginx


def test_notebooks_draw_links_open_and_a_logout_ends_both_by_tls(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    public = f"https://127.0.0.1:{port}"
    environment = {"FRAMEHUB_AUTH_CACHE": str(CACHE), "RUST_LOG": "framehub=debug"}
    hub = Hub(tmp_path, VENVS[-1], environment, labs=True, public=public)
    front = tmp_path / "nginx"
    front.mkdir()
    try:
        with nginx(front, port, f"127.0.0.1:{hub.port}", "/"), chromium() as browser:
            ann = User(hub, browser, "ann")
            notebook = ann.notebook(SQUARE, SHOW)
            notebook.run_all()
            view = notebook.view()
            view.wait_live()
            assert view.way == "public"
            view.wait_pixel(50, 50, BLUE)
            shared = notebook.value("w.share(link=True, role='interact').url")
            assert shared.startswith(f"{public}{PREFIX}widgets/")
            page = User(hub, browser, "bob").view(shared)
            page.wait_live()
            page.drag((30, 30), (100, 50))
            for shown in (page, view):
                shown.wait_pixel(105, 55, RED)
            # No cookie of the service goes over a connection without TLS.
            cookies = [each for user in browser.contexts for each in user.cookies() if "framehub-" in each["name"]]
            # Their names say that no page of a sibling of this host can have set them.
            names = {each["name"].split("-")[0] + each["name"].split("-")[2] for each in cookies}
            assert names == {"__Securesession", "__Hostbinding", "__Securelink"}
            assert all(each["secure"] and each["httpOnly"] for each in cookies)
            ann.log_out()
            view.wait("view.state === 'denied'", "the owner's view ends")
            assert page.get("view.state") == "live"
            assert notebook.errors == []
    finally:
        hub.stop()
