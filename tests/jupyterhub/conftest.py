"""One Hub of each version for all tests."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from hub import PATIENCE, Hub
from playwright.sync_api import Browser
from users import User, chromium

# The versions' virtual environments.
VENVS = [Path(folder) for folder in os.environ["JUPYTERHUB_VENVS"].split(":")]


@dataclass(frozen=True)
class Way:
    """A Hub of some version, and how FrameHub is with it."""

    venv: Path
    # Whether something else than the Hub starts FrameHub.
    external: bool = False
    # Whether users and services have origins of their own.
    subdomains: bool = False
    # The path below which the Hub is.
    base: str = "/"

    def __str__(self) -> str:
        """For a test's name."""
        return "-".join([self.venv.name, *(["external"] * self.external), *(["subdomains"] * self.subdomains)])

    def hub(self, folder: Path, environment: dict[str, str] | None = None, *, labs: bool = False) -> Hub:
        """Starts it."""
        return Hub(
            folder,
            self.venv,
            environment,
            labs=labs,
            external=self.external,
            subdomains=self.subdomains,
            base=self.base,
        )


# Each version starts the service itself; of the oldest there is one that does not.
WAYS = [*map(Way, VENVS), Way(VENVS[0], external=True)]


@pytest.fixture(scope="module", params=WAYS, ids=str)
def hub(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    way: Way = request.param
    hub = way.hub(tmp_path_factory.mktemp(str(way)))
    yield hub
    hub.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def ann(hub: Hub, browser: Browser) -> User:
    return User(hub, browser, "ann")


@pytest.fixture(scope="module")
def kernel(hub: Hub) -> httpx.Client:
    """What a program in Ann's notebook has: the service's address and a token, both from the Hub."""
    told = hub.notebook("ann")
    headers = {"Authorization": f"Bearer {told['JUPYTERHUB_API_TOKEN']}"}
    return httpx.Client(base_url=told["FRAMEHUB_URL"], headers=headers, timeout=PATIENCE)
