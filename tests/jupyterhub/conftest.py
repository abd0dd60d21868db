"""One Hub of each version for all tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hub import PATIENCE, Hub

# The versions' virtual environments.
VENVS = [Path(folder) for folder in os.environ["JUPYTERHUB_VENVS"].split(":")]


# Each version starts the service itself; of the newest there is one that does not.
WAYS = [*((venv, False) for venv in VENVS), (VENVS[-1], True)]


def name_of(way: tuple[Path, bool]) -> str:
    """For a test's name."""
    venv, external = way
    return f"{venv.name}{'-external' if external else ''}"


@pytest.fixture(scope="module", params=WAYS, ids=name_of)
def hub(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    venv, external = request.param
    hub = Hub(tmp_path_factory.mktemp(venv.name), venv, external=external)
    yield hub
    hub.stop()


@pytest.fixture(scope="module")
def kernel(hub: Hub) -> httpx.Client:
    """What a program in Ann's notebook has: the service's address and a token, both from the Hub."""
    told = hub.notebook("ann")
    headers = {"Authorization": f"Bearer {told['JUPYTERHUB_API_TOKEN']}"}
    return httpx.Client(base_url=told["FRAMEHUB_URL"], headers=headers, timeout=PATIENCE)
