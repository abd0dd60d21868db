"""Views and kernels go on, or are back soon, when the service or the Hub ends and is started anew while they draw."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from client import listed
from conftest import VENVS
from crowd import Crowd
from hub import HERE, PATIENCE, ROOT, SNIPPETS, Hub, until
from playwright.sync_api import Browser
from users import SQUARE, Notebook, User

# Within this time views and kernels are back, in seconds.
BACK = 15.0
WIDGETS = 6
VIEWS = 4
MOVING = f"""
import asyncio

widgets = [Square(title=f"Square {{number}}") for number in range({WIDGETS})]
w = widgets[0]

async def move():
    while True:
        for each in widgets:
            each.corner = (each.corner[0] + 1) % 100, 0
            each.request_draw()
        await asyncio.sleep(0.1)

task = asyncio.get_running_loop().create_task(move())
w
"""
# Tells how often a Hub with a configuration file looks after services; after a notebook, with a spawner that is defined
# later; and after one for which the configuration says how often.
INTERVALS = """
import sys
from jupyterhub.app import JupyterHub
from jupyterhub.services import service
from jupyterhub.spawner import LocalProcessSpawner

hub = JupyterHub()
hub.load_config_file(sys.argv[1])
hub.config.Spawner.poll_interval = 7

class Later(LocalProcessSpawner):
    pass

for spawner in (service._ServiceSpawner(cmd=["framehub"]), Later(), Later(config=hub.config)):
    print(spawner.poll_interval)
"""


@pytest.fixture(scope="module", params=VENVS, ids=lambda venv: venv.name)
def hub(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("managed")
    hub = Hub(folder, request.param, {"RUST_LOG": "info"}, labs=True, apart=True)
    yield hub
    hub.stop()


@pytest.fixture(scope="module")
def notebook(hub: Hub, browser: Browser) -> Notebook:
    """Of Ann, with squares that move."""
    notebook = User(hub, browser, "ann").notebook(SQUARE, MOVING)
    notebook.run_all()
    notebook.view().wait_live()
    return notebook


@pytest.fixture(scope="module")
def crowd(hub: Hub, notebook: Notebook) -> Iterator[Crowd]:
    browser = hub.browser("ann")
    browser.get("")
    ids = [url.rpartition("/")[2] for url in notebook.value("[each.url for each in widgets]")]
    with Crowd(browser, ids, VIEWS) as crowd:
        yield crowd


def back(notebook: Notebook, crowd: Crowd) -> float:
    """Waits until all views draw what their kernel draws; answers how long that took, in seconds."""
    began = time.monotonic()
    until(crowd.draws, "all views draw again")
    notebook.view().wait_live()
    took = time.monotonic() - began
    print(f"\n{WIDGETS * VIEWS} views are back after {took:.1f} s")
    crowd.go_on()
    return took


@pytest.mark.parametrize("venv", VENVS, ids=lambda venv: venv.name)
def test_a_hub_of_either_version_looks_after_services_more_often_and_after_notebooks_as_before(
    venv: Path,
) -> None:
    command = [venv / "bin" / "python", "-c", INTERVALS, SNIPPETS / "jupyterhub_config.py"]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["5", "30", "7"]


@contextmanager
def painters(hub: Hub) -> Iterator[list[str]]:
    """Runs a script of Ann's, outside of any notebook; gives the ids of its widgets, which move by themselves."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(hub.folder), "PYTHONPATH": str(ROOT / "python")}
    script = subprocess.Popen(
        [sys.executable, HERE / "painter.py", str(WIDGETS)],
        env=environment | hub.notebook("ann"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert script.stdout
        addresses = [urlsplit(script.stdout.readline().split()[-1]) for _ in range(WIDGETS)]
        yield [address.path.rpartition("/")[2] for address in addresses]
    finally:
        script.terminate()
        script.wait(PATIENCE)


def test_the_hub_restarts_beside_the_service_unnoticed_and_the_service_is_killed_and_views_are_back_soon(
    tmp_path: Path,
) -> None:
    hub = Hub(tmp_path, VENVS[0], {"RUST_LOG": "info"}, external=True, apart=True)
    try:
        with painters(hub) as ids:
            browser = hub.browser("ann")
            browser.get("")
            with Crowd(browser, ids, VIEWS) as crowd:
                hub.end()
                crowd.go_on()
                hub.begin()
                crowd.go_on()
                assert crowd.connections == WIDGETS * VIEWS

                killed = time.monotonic()
                hub.kill_service()
                hub.start_service()
                until(lambda: crowd.connections >= 2 * WIDGETS * VIEWS and crowd.draws(), "all views draw again")
                assert time.monotonic() - killed < BACK
                crowd.go_on()
            assert listed(browser.http) == set(ids)
    finally:
        hub.stop()


def test_the_service_is_killed_and_views_and_kernels_are_back_soon_and_shared_as_before(
    hub: Hub, browser: Browser, notebook: Notebook, crowd: Crowd
) -> None:
    bob, carl = (User(hub, browser, name) for name in ("bob", "carl"))
    notebook.execute("w.share(user='bob'); w.share(user='carl').revoke()")
    shared = bob.view(notebook.value("w.url"))
    shared.wait_live()
    server = hub.server()
    assert server is not None
    urls = notebook.value("[each.url for each in widgets]")
    killed = time.monotonic()
    os.kill(server, signal.SIGKILL)
    notebook.view().wait("view.state === 'disconnected'", "the notebook's view says that the connection is lost")
    until(lambda: hub.server() not in (None, server), "the Hub has started the service anew")
    back(notebook, crowd)
    took = time.monotonic() - killed
    print(f"killed {took:.1f} s before")
    assert took < BACK
    assert notebook.value("[each.url for each in widgets]") == urls
    shared.wait_live()
    bob.view(urls[0]).wait_live()
    assert [bob.visit(urls[1]), carl.visit(urls[0])] == [404, 404]


def test_the_hub_restarts_with_its_service_and_views_and_kernels_are_back_soon(
    hub: Hub, notebook: Notebook, crowd: Crowd
) -> None:
    hub.end()
    notebook.view().wait("view.state === 'disconnected'", "the notebook's view says that the connection is lost")
    hub.begin()
    assert back(notebook, crowd) < BACK


def test_the_hub_is_killed_and_the_next_one_takes_the_views_over(hub: Hub, notebook: Notebook, crowd: Crowd) -> None:
    left = hub.server()
    hub.kill()
    # The service goes on with whom it knows.
    crowd.go_on()
    before = crowd.connections
    hub.begin()
    until(lambda: hub.server() not in (None, left), "the Hub has a service of its own")
    until(lambda: crowd.connections >= before + WIDGETS * VIEWS, "the service that was left makes room")
    assert back(notebook, crowd) < BACK
