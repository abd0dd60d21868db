"""Many users at a time through the Hub's proxy: no view is dropped, and memory stays flat.

Takes minutes, so that it runs only when FRAMEHUB_LOAD_SECONDS says for how long: 300 is what the figures are about.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from client import Viewer
from conftest import VENVS
from hub import PATIENCE, PREFIX, Hub
from websockets.asyncio.client import connect

SECONDS = float(os.environ.get("FRAMEHUB_LOAD_SECONDS", "0"))
USERS = 50
WIDGETS = 2
VIEWS = 2
RATE = 5.0
SCOPES = ["access:services!service=framehub"]
# Least frames of a view: some fall on the last moment or come together.
LEAST = 0.8
# Most growth of the server's memory over the second half.
GROWTH = 1.1


@pytest.fixture
def quiet_hub(tmp_path: Path) -> Iterator[Hub]:
    hub = Hub(tmp_path, VENVS[-1], {"RUST_LOG": "warn"})
    yield hub
    hub.stop()


def resident_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))


async def load(hub: Hub, server: int) -> tuple[list[float], list[int]]:
    """Opens all views and drags in one of each widget; answers each view's frames a second, and the
    server's memory by the second."""
    names = [f"user-{number}" for number in range(USERS)]
    assert hub.ask("POST", "users", json={"usernames": names}).status_code == 201
    views: list[list[Viewer]] = []
    async with httpx.AsyncClient(base_url=hub.origin, timeout=PATIENCE) as http, asyncio.TaskGroup() as tasks:
        for name in names:
            # The views that are open go on meanwhile.
            made = await asyncio.to_thread(hub.ask, "POST", f"users/{name}/tokens", json={"scopes": SCOPES})
            token = made.json()["token"]
            headers = {"Authorization": f"token {token}"}
            for _ in range(WIDGETS):
                made = await http.post(f"{PREFIX}api/widgets", json={"kind": "square"}, headers=headers)
                assert made.status_code == 201, made.text
                url = f"{hub.origin.replace('http', 'ws')}{PREFIX}api/widgets/{made.json()['id']}/view"
                shown = []
                for _ in range(VIEWS):
                    socket = await connect(
                        url, additional_headers=headers, subprotocols=["framehub.view.v1"], open_timeout=PATIENCE
                    )
                    shown.append(Viewer(socket))
                    tasks.create_task(shown[-1].show())
                views.append(shown)
        before = [view.frames for shown in views for view in shown]
        end = time.monotonic() + SECONDS
        dragging = [asyncio.create_task(shown[0].drag(RATE, end)) for shown in views]
        memory = []
        while time.monotonic() < end:
            await asyncio.sleep(1.0)
            memory.append(resident_kb(server))
        await asyncio.gather(*dragging)
        everyone = [view for shown in views for view in shown]
        rates = [(view.frames - frames) / SECONDS for view, frames in zip(everyone, before, strict=True)]
        assert [view.socket.close_code for view in everyone if view.socket.close_code] == []
        await asyncio.gather(*(view.socket.close() for view in everyone))
    return sorted(rates), memory


@pytest.mark.skipif(SECONDS <= 0, reason="takes minutes: set FRAMEHUB_LOAD_SECONDS")
@pytest.mark.timeout(SECONDS + 240)
def test_many_users_keep_their_views_and_memory_stays_flat(quiet_hub: Hub) -> None:
    server = quiet_hub.server()
    assert server is not None
    rates, memory = asyncio.run(load(quiet_hub, server))
    half = memory[len(memory) // 2 :]
    figures = f"{rates[0]:.1f} to {rates[-1]:.1f} frames/s; {half[0]} to {half[-1]} KB of {memory[0]}"
    print(f"\n{len(rates)} views, {figures}")
    assert len(rates) == USERS * WIDGETS * VIEWS
    assert rates[0] >= LEAST * RATE
    assert half[-1] <= GROWTH * half[0]
