"""A wall clock that steps: nothing that holds is lost, and nothing that has ended goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
from control import Faults
from server import PATIENCE, Server, server
from websockets.exceptions import ConnectionClosed

WIDGET = "square"
HOUR = 3600
DAY = 24 * HOUR
# The clock is looked at once a minute.
MINUTE = 60


def is_let_in(server: Server, shared: requests.Response) -> bool:
    return server.opened(shared).status_code == 303


def test_a_view_ends_with_its_share_though_the_clock_stepped_there(faults: Faults, tmp_path: Path) -> None:
    with server(tmp_path, environment=faults.environment, demos=True) as started:
        shared = started.share(WIDGET, expires_in=HOUR)
        with started.view(WIDGET, headers=started.visitor(shared)) as view:
            view.recv(timeout=PATIENCE)
            faults.set_clock_ahead(2 * HOUR)
            assert not is_let_in(started, shared)
            with pytest.raises(ConnectionClosed):
                while True:
                    view.recv(timeout=MINUTE + PATIENCE)


@pytest.mark.parametrize("step", [-DAY, -300, 300, HOUR])
def test_a_step_of_the_clock_ends_nothing_that_holds(step: int, faults: Faults, tmp_path: Path) -> None:
    with server(tmp_path, environment=faults.environment, demos=True) as started:
        shared = started.share(WIDGET)
        assert is_let_in(started, shared)
        with started.view(WIDGET) as view:
            view.recv(timeout=PATIENCE)
            faults.set_clock_ahead(step)
            assert is_let_in(started, shared), "the link opens its widget still"
            view.send('{"type":"get_stats"}')
            view.recv(timeout=PATIENCE)
            assert is_let_in(started, started.share(WIDGET)), "a new one does"
        assert started.is_well()


def test_a_start_with_a_clock_years_ahead_loses_no_link(faults: Faults, tmp_path: Path) -> None:
    flags = ("--shares-file", str(tmp_path / "shares"))
    with server(tmp_path, *flags, environment=faults.environment, demos=True) as started:
        shared = started.share(WIDGET)
    faults.set_clock_ahead(10 * 365 * DAY)
    with server(tmp_path, *flags, environment=faults.environment, demos=True) as started:
        assert started.share(WIDGET).status_code == 201
    faults.set_clock_ahead(0)
    with server(tmp_path, *flags, environment=faults.environment, demos=True) as started:
        assert is_let_in(started, shared)
