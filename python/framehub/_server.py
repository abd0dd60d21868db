"""The server that this process uses: a configured one, or the user's own, which is started when there is none."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from ._proof import proves

_START_TIMEOUT = 30.0
_ANSWER_TIMEOUT = 5.0
# The server ends by itself when it was unused for so long.
_UNUSED_SECONDS = 600
_NAME = "framehub"
# How a file system says that it has no locks.
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


class ServerNotFoundError(Exception):
    """There is no server, and none could be started. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server is, and what opens it."""

    url: str
    """The base address, as this process reaches it; ends with a slash."""
    key: str
    public_url: str | None = None
    """The address under which browsers reach it, if it was configured; a path is one of the notebook's own host."""
    own: bool = False
    """Whether it is the user's own, on this machine."""
    hub_url: str | None = None
    """The address under which browsers reach the JupyterHub, if that is known."""
    hub: bool = False
    """Whether the key is the user's token of a JupyterHub: that opens more than this server, and no address has it."""
    proof: str | None = None
    """What the server proves with that it is the one that was started, before it is sent the key; None if it cannot."""
    key_file: Path | None = None
    """Where the key is written, if it is."""

    def shown(self, url: str, base: str) -> str:
        """An address below `base`, which is the server's name for itself, as people reach it."""
        if self.public_url is None or not url.startswith(base):
            return url
        public = urljoin(self.hub_url or base, _with_slash(self.public_url))
        return f"{public}{url.removeprefix(base)}"


def find(environment: Mapping[str, str] = os.environ) -> Server:
    """The configured server (`FRAMEHUB_URL`), else the user's own. Raises ServerNotFoundError."""
    public_url = environment.get("FRAMEHUB_PUBLIC_URL") or None
    url = environment.get("FRAMEHUB_URL")
    if not url:
        return replace(_own(environment), public_url=public_url)
    if not _is_address(url):
        raise ServerNotFoundError(
            f"FRAMEHUB_URL is {url}, which is no address of a server: set it to one like https://host:port/path/"
        )
    url = _with_slash(url)
    key = environment.get("FRAMEHUB_KEY")
    if key:
        return Server(url, key, public_url)
    token = environment.get("JUPYTERHUB_API_TOKEN")
    if not token:
        raise ServerNotFoundError(f"FRAMEHUB_URL is {url}, but there is no FRAMEHUB_KEY: set it to that server's key")
    # Browsers reach a service of the Hub where they reach the notebook, whatever the address is from here.
    public_url = public_url or urlsplit(url).path
    return Server(url, token, public_url, hub_url=environment.get("JUPYTERHUB_PUBLIC_HUB_URL") or None, hub=True)


def binary(environment: Mapping[str, str] = os.environ) -> Path:
    """The server's program: `FRAMEHUB_BIN`, else the one that came with this package, else the one in the path."""
    chosen = environment.get("FRAMEHUB_BIN")
    if chosen:
        if not os.access(chosen, os.X_OK):
            raise ServerNotFoundError(f"FRAMEHUB_BIN is {chosen}, which is not a program")
        return Path(chosen)
    for folder in (str(Path(sys.executable).parent), sysconfig.get_path("scripts"), *_user_scripts()):
        program = Path(folder, _NAME)
        if os.access(program, os.X_OK):
            return program
    in_path = shutil.which(_NAME, path=environment.get("PATH"))
    if in_path:
        return Path(in_path)
    raise ServerNotFoundError(
        "the program framehub is missing: install this package from its wheel, or set FRAMEHUB_BIN to the program, "
        "or FRAMEHUB_URL and FRAMEHUB_KEY to a running server"
    )


def runtime_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder where the user's own server says where it is: made if it is missing, and nobody else's. Raises
    ServerNotFoundError if there can be none.
    """
    runtime = environment.get("XDG_RUNTIME_DIR")
    # What others can write is read by nobody: they would be sent the key.
    if runtime and os.access(runtime, os.W_OK) and _problem(Path(runtime, _NAME)) is None:
        return Path(runtime, _NAME)
    above = _state_folder(environment)
    problem = "there is no home folder: set XDG_STATE_HOME to a folder of your own"
    if above is not None:
        problem = _problem(above / _NAME) or ""
        if not problem:
            return above / _NAME
    # Neither no home nor one that cannot be written is a reason to have no server. One that others may write to is.
    if (above is None or not os.access(above, os.W_OK)) and _problem(_temporary_folder()) is None:
        return _temporary_folder()
    raise ServerNotFoundError(f"no FrameHub server can be started: {problem}")


def _state_folder(environment: Mapping[str, str]) -> Path | None:
    state = environment.get("XDG_STATE_HOME")
    if state:
        return Path(state)
    try:
        return Path.home() / ".local" / "state"
    except RuntimeError:
        return None


def _temporary_folder() -> Path:
    """The user's own on this machine, until it is started anew."""
    return Path(tempfile.gettempdir(), f"{_NAME}-{os.geteuid()}")


def _problem(folder: Path) -> str | None:
    """Why a folder is not this user's alone, and what to do; None if it is. It is made if it is missing."""
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        above = folder.parent.stat()
        # Who can write there can put another folder in its place, but for a sticky one.
        if above.st_uid not in (0, os.geteuid()) or (above.st_mode & 0o002 and not above.st_mode & stat.S_ISVTX):
            return f"others may write to {folder.parent}: take that away, or set XDG_STATE_HOME to a folder of your own"
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = os.lstat(folder)
    except OSError as error:
        return f"{folder} cannot be used: {error}; set XDG_STATE_HOME to a folder of your own"
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        return f"{folder} is no folder of yours: remove it, or set XDG_STATE_HOME to another"
    if found.st_mode & 0o077:
        return f"others may use {folder}: chmod 700 {folder}"
    return None


def _own(environment: Mapping[str, str]) -> Server:
    folder = runtime_folder(environment)
    running = _running(folder)
    if running:
        return running
    program = binary(environment)
    try:
        with _locked(folder / "lock"):
            # Another process may have started it meanwhile.
            return _running(folder) or _start(program, folder, environment)
    except OSError as error:
        raise ServerNotFoundError(f"the FrameHub server could not be started with {program}: {error}") from error


def _runtime_file(folder: Path) -> Path:
    return folder / "server.json"


def _open(path: str, flags: int) -> int:
    """Opens a file of this user's own, never what a link leads to."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _running(folder: Path) -> Server | None:
    """The user's own server, if it runs and proves that it is that."""
    file = _runtime_file(folder)
    try:
        with open(file, opener=_open) as content:
            told = json.load(content)
        url, key, proof = _with_slash(told["url"]), str(told["key"]), str(told["proof"])
        at = urlsplit(url)
        # Not through a proxy of the environment: this is a loopback address. What has its port by now may be anything.
        with socket.create_connection((at.hostname, at.port), timeout=_ANSWER_TIMEOUT) as sock:
            return Server(url, key, own=True, proof=proof, key_file=file) if proves(sock, url, proof) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _start(program: Path, folder: Path, environment: Mapping[str, str]) -> Server:
    runtime_file = _runtime_file(folder)
    runtime_file.unlink(missing_ok=True)
    log = folder / "server.log"
    command = [
        str(program),
        *("--listen", "127.0.0.1:0"),
        *("--auth", "key"),
        "--no-demos",
        *("--runtime-file", str(runtime_file)),
        *("--exit-when-unused", str(_UNUSED_SECONDS)),
    ]
    with open(log, "wb", opener=_open) as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=output,
            env=dict(environment),
            cwd="/",
            # It outlives this process, and what interrupts a kernel is not meant for it.
            start_new_session=True,
        )
    end = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < end:
        server = _running(folder)
        if server:
            return server
        status = process.poll()
        if status is not None:
            raise ServerNotFoundError(f"the FrameHub server ended with status {status}: {_last_lines(log)}")
        time.sleep(0.02)
    process.kill()
    raise ServerNotFoundError(f"the FrameHub server did not start within {_START_TIMEOUT:g} s: {_last_lines(log)}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds a lock among the user's processes on this machine; it ends with this process at the latest."""
    handle = _open(str(path), os.O_RDWR | os.O_CREAT)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            # As of file systems that are mounted from elsewhere.
            if error.errno not in _NO_LOCKS or path.parent == _temporary_folder() or _problem(_temporary_folder()):
                raise
            with _locked(_temporary_folder() / path.name):
                yield
        else:
            yield
    finally:
        os.close(handle)


def _last_lines(log: Path) -> str:
    try:
        return " / ".join(log.read_text(errors="replace").splitlines()[-3:]) or "it logged nothing"
    except OSError as error:
        return f"its log cannot be read: {error}"


def _user_scripts() -> list[str]:
    scheme = f"{os.name}_user"
    return [sysconfig.get_path("scripts", scheme)] if scheme in sysconfig.get_scheme_names() else []


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # Numbers that are no port raise ValueError.
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _with_slash(url: str) -> str:
    return url if url.endswith("/") else f"{url}/"
