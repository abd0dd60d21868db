"""The server that this process uses: a configured one, or the user's own, which is started when there is none."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

_START_TIMEOUT = 30.0
_ANSWER_TIMEOUT = 5.0
# The server ends by itself when it was unused for so long.
_UNUSED_SECONDS = 600
_NAME = "framehub"


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
        own = _own(environment)
        return Server(own.url, own.key, public_url, own=True)
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
    """The folder where the user's own server says where it is."""
    runtime = environment.get("XDG_RUNTIME_DIR")
    if runtime and os.access(runtime, os.W_OK):
        return Path(runtime, _NAME)
    state = environment.get("XDG_STATE_HOME")
    return Path(state or Path.home() / ".local" / "state", _NAME)


def _own(environment: Mapping[str, str]) -> Server:
    folder = runtime_folder(environment)
    running = _running(folder)
    if running:
        return running
    program = binary(environment)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(folder / "lock"):
            # Another process may have started it meanwhile.
            return _running(folder) or _start(program, folder, environment)
    except OSError as error:
        raise ServerNotFoundError(f"the FrameHub server could not be started with {program}: {error}") from error


def _runtime_file(folder: Path) -> Path:
    return folder / "server.json"


def _running(folder: Path) -> Server | None:
    """The user's own server, if it runs and answers."""
    try:
        told = json.loads(_runtime_file(folder).read_text())
        server = Server(_with_slash(told["url"]), told["key"], own=True)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return server if _answers(server) else None


def _answers(server: Server) -> bool:
    # Not through a proxy of the environment: this is a loopback address.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        request = urllib.request.Request(f"{server.url}api/kinds", headers={"Authorization": f"Bearer {server.key}"})
        with opener.open(request, timeout=_ANSWER_TIMEOUT) as answer:
            return bool(answer.status == 200)
    except (OSError, http.client.HTTPException, ValueError):
        # What has its port by now may be anything.
        return False


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
    with open(log, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as output:
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
    """Holds a lock among the user's processes; it ends with this process at the latest."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
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
