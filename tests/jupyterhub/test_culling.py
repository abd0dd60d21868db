"""A real culler of idle servers at a real JupyterHub."""

from pathlib import Path
from typing import Any

import httpx
from client import make
from conftest import VENVS
from crowd import Crowd
from hub import PATIENCE, Hub, until

# Of the Hub's configuration: a server that was idle for so many seconds is ended.
CULLER = """
import sys

command = [sys.executable, "-m", "jupyterhub_idle_culler", "--timeout=12", "--cull-every=1"]
c.JupyterHub.services.append({"name": "culler", "command": command})
scopes = ["list:users", "read:users:activity", "read:servers", "delete:servers"]
c.JupyterHub.load_roles.append({"name": "culler", "services": ["culler"], "scopes": scopes})
"""


def viewing(hub: Hub, name: str, *, drag: float) -> Crowd:
    """A view of a widget of the user, whose server is started first."""
    told = hub.notebook(name)
    headers = {"Authorization": f"Bearer {told['JUPYTERHUB_API_TOKEN']}"}
    with httpx.Client(base_url=told["FRAMEHUB_URL"], headers=headers, timeout=PATIENCE) as kernel:
        widget = make(kernel)
    browser = hub.browser(name)
    browser.get("")
    # A square that nobody moves is drawn once.
    return Crowd(browser, [widget], 1, drag=drag, frames=2 if drag else 1)


def test_who_only_drags_keeps_the_server_and_who_left_a_tab_open_does_not(tmp_path: Path) -> None:
    environment = {"FRAMEHUB_ACTIVITY_INTERVAL": "1", "RUST_LOG": "framehub=debug"}
    hub = Hub(tmp_path, VENVS[-1], environment, more=CULLER)

    def servers(name: str) -> dict[str, Any]:
        running: dict[str, Any] = hub.ask("GET", f"users/{name}").json()["servers"]
        return running

    try:
        # Ann's is the older one.
        with viewing(hub, "ann", drag=5.0) as acting, viewing(hub, "bob", drag=0.0) as idle:
            until(lambda: servers("bob") == {}, "the culler ends the server of a user who does nothing")
            assert servers("ann")[""]["ready"]
            acting.go_on()
            assert idle.draws()
    finally:
        hub.stop()
