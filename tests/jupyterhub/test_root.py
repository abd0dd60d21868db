"""A Hub that runs as root: the server that it starts does not."""

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from client import make
from conftest import VENVS
from hub import PATIENCE, Hub, until
from test_shares import share

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the Hub runs as whoever runs the tests, who is not root")


@pytest.fixture(params=VENVS, ids=lambda venv: venv.name)
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hub]:
    hub = Hub(tmp_path, request.param)
    yield hub
    hub.stop()


@pytest.fixture(params=VENVS, ids=lambda venv: venv.name)
def tls_hub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hub]:
    """The certificates have to be the server's own as well."""
    hub = Hub(tmp_path, request.param, internal_ssl=True)
    yield hub
    hub.stop()


def uids(pid: int) -> set[int]:
    """The users that a process runs as: real, effective, saved, of the file system."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("Uid:")]
    return set(map(int, line.split()[1:]))


def test_the_server_runs_as_a_user_of_its_own_and_reads_its_certificates(tls_hub: Hub) -> None:
    server = tls_hub.server()
    assert server is not None
    assert uids(server) == {pwd.getpwnam("framehub").pw_uid}
    browser = tls_hub.browser("ann")
    assert browser.get("").status_code == 200
    assert browser.get("api/widgets").status_code == 200


def test_what_is_shared_is_kept_and_there_after_a_restart(hub: Hub) -> None:
    told = hub.notebook("ann")
    headers = {"Authorization": f"Bearer {told['JUPYTERHUB_API_TOKEN']}"}
    with httpx.Client(base_url=told["FRAMEHUB_URL"], headers=headers, timeout=PATIENCE) as kernel:
        widget = make(kernel)
        share(kernel, widget, user="bob")
    server = hub.server()
    assert server is not None
    variables = dict(
        variable.partition("=")[::2] for variable in Path(f"/proc/{server}/environ").read_text().split("\0")
    )
    file = Path(variables["FRAMEHUB_SHARES_FILE"])
    assert (file.stat().st_uid, file.stat().st_mode & 0o777) == (pwd.getpwnam("framehub").pw_uid, 0o600)
    assert widget in file.read_text()
    bob = hub.browser("bob")
    assert bob.get(f"widgets/{widget}").status_code == 200
    os.kill(server, 9)
    until(lambda: hub.server() not in (None, server), "the Hub starts it again")
    # The widget is not back, and is Bob's to see.
    until(lambda: bob.get(f"api/widgets/{widget}").json().get("error", {}).get("code") == "awaited", "it is waited for")
