"""One Hub of each version for all tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub import Hub

# The versions' virtual environments.
VENVS = [Path(folder) for folder in os.environ["JUPYTERHUB_VENVS"].split(":")]


@pytest.fixture(scope="module", params=VENVS, ids=lambda venv: venv.name)
def hub(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    hub = Hub(tmp_path_factory.mktemp(request.param.name), request.param)
    yield hub
    hub.stop()
