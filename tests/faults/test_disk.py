"""Disks that are full or break: what was said holds, and what could not be kept was not said."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import pytest
import requests
from control import Faults
from server import PATIENCE, Server, server, until
from websockets.exceptions import ConnectionClosed

# One of the widgets that are there from the start, also after a restart.
WIDGET = "square"
SHARES = f"/api/widgets/{WIDGET}/shares"


class Breaks(Protocol):
    """A folder, and a way to have nothing written there."""

    folder: Path

    def broken(self) -> AbstractContextManager[None]: ...


class FullDisk:
    """A small disk, which is filled to the last byte."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def broken(self) -> Iterator[None]:
        filling = self.folder / "filling"
        with filling.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(4096))
        try:
            yield
        finally:
            filling.unlink()


class Failing:
    """A folder on which calls fail."""

    def __init__(self, folder: Path, faults: Faults, call: str, error: int) -> None:
        self.folder = folder
        self._failing = lambda: faults.failing(folder, **{call: error})

    def broken(self) -> AbstractContextManager[None]:
        return self._failing()


FAILURES = [
    ("write", errno.ENOSPC),
    ("write", errno.EIO),
    ("fsync", errno.EIO),
    ("rename", errno.EIO),
    ("open", errno.EMFILE),
    ("open", errno.ENOMEM),
    ("open", errno.EROFS),
]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(params=["disk full", *(f"{call} {errno.errorcode[code]}" for call, code in FAILURES)])
def breaks(request: pytest.FixtureRequest, faults: Faults, tmp_path: Path) -> Breaks:
    if request.param == "disk full":
        return FullDisk(request.getfixturevalue("small_disk"))
    call, name = request.param.split()
    folder = tmp_path / "kept"
    folder.mkdir()
    return Failing(folder, faults, call, getattr(errno, name))


@contextmanager
def running(breaks: Breaks, faults: Faults, folder: Path) -> Iterator[Server]:
    flags = ("--shares-file", str(breaks.folder / "shares"))
    with server(folder, *flags, environment=faults.environment, demos=True, ends_well=False) as started:
        yield started


def is_refused(answer: requests.Response) -> bool:
    return answer.status_code == 503 and answer.json()["error"]["code"] == "not_kept"


def test_a_share_that_cannot_be_kept_is_refused_and_not_in_force(
    breaks: Breaks, faults: Faults, tmp_path: Path
) -> None:
    with running(breaks, faults, tmp_path) as server:
        with breaks.broken():
            answer = server.share(WIDGET)
            assert is_refused(answer), f"{answer.status_code} {answer.text}"
            assert server.ask("GET", SHARES).json()["shares"] == []
            assert server.is_well()
        assert server.share(WIDGET).status_code == 201
        assert len(server.ask("GET", SHARES).json()["shares"]) == 1


def test_a_revocation_holds_at_once_and_is_told_as_done_only_when_it_is_kept(
    breaks: Breaks, faults: Faults, tmp_path: Path
) -> None:
    with running(breaks, faults, tmp_path) as server:
        shared = server.share(WIDGET)
        assert shared.status_code == 201, shared.text
        one = f"{SHARES}/{shared.json()['id']}"
        headers = server.visitor(shared)
        with server.view(WIDGET, headers=headers) as view, breaks.broken():
            view.recv(timeout=PATIENCE)
            assert is_refused(server.ask("DELETE", one))
            with pytest.raises(ConnectionClosed):
                while True:
                    view.recv(timeout=PATIENCE)
            looked = server.ask("GET", f"/api/widgets/{WIDGET}", bearer=False, headers=headers)
            assert looked.status_code == 401, looked.text
            assert is_refused(server.ask("DELETE", one)), "to revoke again is no other thing"
        # The server tries again by itself.
        file = breaks.folder / "shares"
        until(lambda: shared.json()["id"] not in file.read_text(), "the revocation is kept")
        server.process.kill()
    with running(breaks, faults, tmp_path) as server:
        assert server.ask("GET", SHARES).json()["shares"] == []


def test_a_file_of_shares_that_cannot_be_read_is_not_overwritten(faults: Faults, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    for call, error in [("open", errno.EACCES), ("open", errno.EMFILE), ("read", errno.EIO)]:
        breaks = Failing(folder, faults, call, error)
        with running(breaks, faults, tmp_path) as server:
            before = server.share(WIDGET).json()["id"]
        with breaks.broken():
            try:
                with running(breaks, faults, tmp_path) as server:
                    faults.mend()
                    server.share(WIDGET)
            except AssertionError as refused:
                assert "did not start" in str(refused)
        kept = "".join(file.read_text() for file in folder.iterdir())
        assert before in kept, f"{call} {errno.errorcode[error]}: {kept}"


def test_a_key_that_cannot_be_written_leaves_no_file_without_a_key(faults: Faults, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    key = folder / "key"
    flags = ("--key-file", str(key))
    for call in ["write", "fsync"]:
        with (
            faults.failing(folder, **{call: errno.ENOSPC}),
            server(tmp_path, *flags, environment=faults.environment, own_key=True) as started,
        ):
            assert started.is_well()
        assert not key.exists() or len(key.read_text()) >= 8, f"{call}: an empty file of the key"
    with server(tmp_path, *flags, environment=faults.environment, own_key=True):
        first = key.read_text()
    with server(tmp_path, *flags, environment=faults.environment, own_key=True):
        assert key.read_text() == first


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_log_that_cannot_be_written_ends_nothing(error: int, faults: Faults, tmp_path: Path) -> None:
    log = tmp_path / "log-of-the-server"
    environment = {**faults.environment, "RUST_LOG": "debug"}
    with server(tmp_path, environment=environment, log=log) as started, faults.failing(log, write=error):
        widget = started.make()
        with started.view(widget) as view:
            view.recv(timeout=PATIENCE)
            view.send('{"type":"nonsense"}')
            view.recv(timeout=PATIENCE)
        assert started.share(widget).status_code == 201
        assert started.is_well()


def test_a_full_disk_of_the_log_ends_nothing(small_disk: Path, tmp_path: Path) -> None:
    with (
        FullDisk(small_disk).broken(),
        server(tmp_path, environment={"RUST_LOG": "debug"}, log=small_disk / "log") as started,
    ):
        widget = started.make()
        assert started.share(widget).status_code == 201
        assert started.is_well()
