"""Many joins and frames: memory, threads and descriptors stay as they were."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from page import Page
from programs import KEY, Kernel, Server, until

AT_ONCE = 10
# How much more may be held in the end than after the first tenth, by ratio.
GROWTH = 1.15
# And by what is allocated once for many at a time, in bytes.
ONCE = 4 << 20


def numbers(server: Server) -> tuple[int, int, int]:
    return server.resident(), server.threads(), server.descriptors()


def is_flat(before: tuple[int, int, int], after: tuple[int, int, int]) -> bool:
    return after[0] <= before[0] * GROWTH + ONCE and after[1] <= before[1] and after[2] <= before[2]


def flat(server: Server, before: tuple[int, int, int]) -> None:
    """Waits until no more is held than before: connections end a moment after their views."""
    until(
        lambda: is_flat(before, numbers(server)),
        lambda: f"memory, threads and descriptors are {before} again: {numbers(server)}",
    )


def test_views_that_join_and_leave_leave_nothing_behind(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    joins = int(request.config.getoption("--joins"))
    server = Server(tmp_path)
    kernel = Kernel(tmp_path, server.address)

    def join(_: int) -> None:
        page = Page(server.address, kernel.widget, KEY)
        until(lambda: page.frames, "a view gets a picture")
        page.close()

    try:
        join(0)
        at_rest = server.descriptors()
        with ThreadPoolExecutor(AT_ONCE) as crowd:
            list(crowd.map(join, range(joins // 10)))
            until(lambda: server.descriptors() <= at_rest, "the first views are gone")
            before = numbers(server)
            list(crowd.map(join, range(joins - joins // 10)))
        flat(server, before)
    finally:
        kernel.end()
        server.end()


def test_frames_leave_nothing_behind(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    frames = int(request.config.getoption("--frames"))
    server = Server(tmp_path)
    kernel = Kernel(tmp_path, server.address, fps=1000)
    pages = [Page(server.address, kernel.widget, KEY) for _ in range(AT_ONCE)]

    def shown(count: int) -> bool:
        return sum(page.frames for page in pages) >= count

    try:
        patience = 60 + frames / 50
        until(lambda: shown(frames // 10), "a tenth of the frames is shown", patience)
        before = numbers(server)
        until(lambda: shown(frames), "all frames are shown", patience)
        # Threads of the runtime come and go with what happens at once: nothing does when the views are gone.
        for page in pages:
            page.close()
        flat(server, before)
        assert not any(page.wrong for page in pages), [page.wrong[:3] for page in pages]
    finally:
        for page in pages:
            page.close()
        kernel.end()
        server.end()
