"""What the tests share: the library that lets calls fail."""

from __future__ import annotations

from pathlib import Path

import control
import pytest


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return control.compiled(tmp_path_factory.mktemp("library"))


@pytest.fixture
def faults(library: Path, tmp_path: Path) -> control.Faults:
    return control.Faults(library, tmp_path / "faults")
