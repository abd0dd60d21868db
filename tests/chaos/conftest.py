"""How long and how much: short at each change, long by hand."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault", default="3", help="seconds that a fault lasts")
    parser.addoption("--joins", default="500", help="views that join and leave in the soak")
    parser.addoption("--frames", default="6000", help="frames that are shown in the soak")
