"""Finding and starting the server, with a program in its place that only answers."""

import errno
import fcntl
import json
import os
import re
import socket
import stat
import sys
import tempfile
import textwrap
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from framehub import _proof, _server
from framehub._backoff import Backoff
from framehub._dial import ConnectError
from framehub._link import Link
from framehub._server import Server, ServerNotFoundError

FAKE = """
    #!{python}
    import base64, hashlib, hmac, http.server, json, os, sys
    values = iter(sys.argv[1:])
    options = {{}}
    for name in values:
        options[name] = None if name == "--no-demos" else next(values)
    if {fails}:
        sys.exit("it is broken")
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        def do_GET(self):
            nonce = self.path.partition("/health?nonce=")[2]
            text = f"{{nonce}}\\n127.0.0.1:{{server.server_port}}".encode()
            proof = base64.urlsafe_b64encode(hmac.digest(b"own-proof", text, "sha256")).decode().rstrip("=")
            body = json.dumps({{"status": "ok", "proof": proof}}).encode()
            self.send_response(200 if nonce else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        def log_message(self, *_):
            pass
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{{server.server_port}}/"
    with open({log!r}, "a") as log:
        print(json.dumps({{"pid": os.getpid(), "options": options}}), file=log)
    path = options["--runtime-file"]
    with open(path + ".new", "w") as told:
        json.dump({{"url": url, "key": "own-key", "proof": "own-proof", "pid": os.getpid(), "version": "0"}}, told)
    os.rename(path + ".new", path)
    server.serve_forever()
"""


class Program:
    """A stand-in for the server's program, and the environment that leads to it."""

    def __init__(self, folder: Path, *, fails: bool = False) -> None:
        self.path = folder / "bin" / "framehub"
        self.path.parent.mkdir()
        self.log = folder / "log"
        self.log.touch()
        text = textwrap.dedent(FAKE).format(python=sys.executable, log=str(self.log), fails=fails).strip()
        self.path.write_text(text)
        self.path.chmod(0o755)
        self.runtime = folder / "runtime"
        self.runtime.mkdir()
        self.environment = {"FRAMEHUB_BIN": str(self.path), "XDG_RUNTIME_DIR": str(self.runtime), "HOME": str(folder)}

    @property
    def starts(self) -> list[dict]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def end(self) -> None:
        for start in self.starts:
            process = psutil.Process(start["pid"])
            process.kill()
            process.wait()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path)
    yield program
    program.end()


def test_a_configured_server_is_used_with_its_key() -> None:
    environment = {"FRAMEHUB_URL": "https://hub.example/framehub", "FRAMEHUB_KEY": "k"}
    assert _server.find(environment) == Server("https://hub.example/framehub/", "k")


def test_a_hubs_token_is_the_key_where_there_is_no_other() -> None:
    environment = {
        "FRAMEHUB_URL": "http://hub/",
        "JUPYTERHUB_API_TOKEN": "token",
        "FRAMEHUB_PUBLIC_URL": "/services/f/",
    }
    assert _server.find(environment) == Server("http://hub/", "token", "/services/f/", hub=True)


def test_at_a_hub_browsers_reach_the_service_on_the_notebooks_own_host() -> None:
    environment = {"FRAMEHUB_URL": "http://127.0.0.1:8000/services/f", "JUPYTERHUB_API_TOKEN": "token"}
    url, path = "http://127.0.0.1:8000/services/f/", "/services/f/"
    assert _server.find(environment) == Server(url, "token", path, hub=True)
    assert _server.find({**environment, "FRAMEHUB_KEY": "k"}) == Server(url, "k")


def test_people_are_told_the_address_under_which_they_reach_the_server() -> None:
    base = "http://10.0.0.1:8000/services/f/"
    page = f"{base}widgets/w"
    hub = "https://hub.example/hub/"
    path = "/services/f/"
    assert Server(base, "k").shown(page, base) == page
    assert Server(base, "k", path).shown(page, base) == page
    assert Server(base, "k", path, hub_url=hub).shown(page, base) == "https://hub.example/services/f/widgets/w"
    elsewhere = Server(base, "k", "https://f.hub.example/services/f", hub_url=hub)
    assert elsewhere.shown(page, base) == "https://f.hub.example/services/f/widgets/w"
    environment = {"FRAMEHUB_URL": base, "JUPYTERHUB_API_TOKEN": "token", "JUPYTERHUB_PUBLIC_HUB_URL": hub}
    assert _server.find(environment) == Server(base, "token", path, hub_url=hub, hub=True)


def test_a_configured_server_without_key_is_an_error_that_says_so() -> None:
    with pytest.raises(ServerNotFoundError, match="FRAMEHUB_KEY"):
        _server.find({"FRAMEHUB_URL": "http://hub/"})


@pytest.mark.parametrize("url", ["framehub:8420", "http://", "http://host:port/", "http://[::1/", "ws://host/"])
def test_what_is_no_address_is_an_error_that_names_it(url: str) -> None:
    with pytest.raises(ServerNotFoundError, match=f"FRAMEHUB_URL is {re.escape(url)}, which is no address"):
        _server.find({"FRAMEHUB_URL": url, "FRAMEHUB_KEY": "k"})


def test_a_port_that_another_program_has_by_now_and_a_broken_address_are_no_server(program: Program) -> None:
    told = program.runtime / "framehub" / "server.json"
    told.parent.mkdir(mode=0o700)
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"\xff\x00 no HTTP \x7f\r\n")

        threading.Thread(target=answer, daemon=True).start()
        told.write_text(json.dumps({**TOLD, "url": f"http://127.0.0.1:{other.getsockname()[1]}/"}))
        assert _server._running(told.parent) is None
    told.write_text(json.dumps({**TOLD, "url": "nowhere"}))
    _server.find(program.environment)
    assert len(program.starts) == 1


TOLD = {"key": "own-key", "proof": "own-proof"}


class Squatter:
    """A program that has the port of a server that ended: it says yes to everything, and notes what it is told."""

    def __init__(self, forward: str | None = None) -> None:
        """`forward` is the address of a server that it asks what it is asked."""
        self.heard = b""
        self._forward = forward
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while data := connection.recv(65536):
                self.heard += data
                body = b'{"status": "ok", "proof": "AAAA"}'
                if self._forward is not None:
                    path = data.split(b" ")[1].decode()
                    with urllib.request.urlopen(f"{self._forward}{path[1:]}") as answer:
                        body = answer.read()
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    def close(self) -> None:
        # Wakes the thread that waits for connections, too.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def told(program: Program) -> Path:
    """Where the file of a former server is."""
    file = program.runtime / "framehub" / "server.json"
    file.parent.mkdir(mode=0o700)
    return file


def test_who_has_the_port_of_a_server_that_ended_is_never_sent_its_key(program: Program, told: Path) -> None:
    squatter = Squatter()
    told.write_text(json.dumps({**TOLD, "url": f"http://127.0.0.1:{squatter.port}/"}))
    server = _server.find(program.environment)
    assert urlsplit(server.url).port != squatter.port
    assert b"/health?nonce=" in squatter.heard
    assert b"own-key" not in squatter.heard
    assert b"own-proof" not in squatter.heard
    squatter.close()


def test_who_passes_the_question_on_to_the_server_is_never_sent_its_key(program: Program) -> None:
    server = _server.find(program.environment)
    squatter = Squatter(forward=server.url)
    file = program.runtime / "framehub" / "server.json"
    file.write_text(json.dumps({**TOLD, "url": f"http://127.0.0.1:{squatter.port}/"}))
    assert _server._running(file.parent) is None
    assert b"/health?nonce=" in squatter.heard
    assert b"own-key" not in squatter.heard
    squatter.close()


def test_a_kernel_that_connects_again_has_the_server_prove_itself_on_that_connection() -> None:
    squatter = Squatter()
    url = f"http://127.0.0.1:{squatter.port}/"
    link = Link(find=lambda: Server(url, "own-key", own=True, proof="own-proof"))
    with pytest.raises(ConnectError, match="not the FrameHub server that was started"):
        link._connect(Backoff())
    assert b"/health?nonce=" in squatter.heard
    assert b"own-key" not in squatter.heard
    squatter.close()


def test_a_file_without_a_proof_is_no_servers(program: Program, told: Path) -> None:
    squatter = Squatter()
    told.write_text(json.dumps({"url": f"http://127.0.0.1:{squatter.port}/", "key": "own-key"}))
    assert _server._running(told.parent) is None
    assert squatter.heard == b""
    squatter.close()


def test_an_answer_that_never_ends_is_given_up(program: Program, told: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_proof, "_TIMEOUT", 0.2)
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer() -> None:
            connection, _ = other.accept()
            with connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while not stop.wait(0.01):
                    connection.sendall(b"x")

        threading.Thread(target=answer, daemon=True).start()
        told.write_text(json.dumps({**TOLD, "url": f"http://127.0.0.1:{other.getsockname()[1]}/"}))
        assert _server._running(told.parent) is None
        stop.set()


def test_a_folder_that_others_made_or_may_use_is_not_used(tmp_path: Path) -> None:
    runtime, state = tmp_path / "runtime", tmp_path / "state"
    runtime.mkdir()
    environment = {"XDG_RUNTIME_DIR": str(runtime), "XDG_STATE_HOME": str(state)}
    assert _server.runtime_folder(environment) == runtime / "framehub"
    (runtime / "framehub").chmod(0o777)
    assert _server.runtime_folder(environment) == state / "framehub"
    (runtime / "framehub").rmdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (runtime / "framehub").symlink_to(tmp_path / "elsewhere")
    assert _server.runtime_folder(environment) == state / "framehub"
    (runtime / "framehub").unlink()
    runtime.chmod(0o777)
    assert _server.runtime_folder(environment) == state / "framehub"
    # As /tmp is.
    runtime.chmod(0o1777)
    assert _server.runtime_folder(environment) == runtime / "framehub"
    (runtime / "framehub").chmod(0o755)
    (state / "framehub").chmod(0o750)
    with pytest.raises(ServerNotFoundError, match=f"chmod 700 {state}/framehub"):
        _server.runtime_folder(environment)


def test_no_link_is_followed_to_a_file(program: Program, told: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text(json.dumps({**TOLD, "url": "http://127.0.0.1:1/"}))
    (told.parent / "server.log").symlink_to(precious)
    with pytest.raises(ServerNotFoundError, match="could not be started"):
        _server.find(program.environment)
    assert precious.read_text()
    told.symlink_to(precious)
    assert _server._running(told.parent) is None


def test_the_users_own_server_is_started_once_for_all(program: Program) -> None:
    found: list[Server] = []
    threads = [threading.Thread(target=lambda: found.append(_server.find(program.environment))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(program.starts) == 1
    assert {(server.key, server.own) for server in found} == {("own-key", True)}
    assert len({server.url for server in found}) == 1
    options = program.starts[0]["options"]
    assert options["--listen"] == "127.0.0.1:0"
    assert "--no-demos" in options
    assert float(options["--exit-when-unused"]) > 0


def test_the_users_own_server_is_in_a_session_of_its_own(program: Program) -> None:
    _server.find(program.environment)
    pid = program.starts[0]["pid"]
    assert os.getsid(pid) == pid


def test_a_server_that_is_gone_is_started_again(program: Program) -> None:
    first = _server.find(program.environment)
    program.end()
    assert _server.find(program.environment).url != first.url
    assert len(program.starts) == 2
    program.log.write_text(json.dumps(program.starts[1]))


def test_the_folder_is_the_users_alone(program: Program) -> None:
    _server.find(program.environment)
    folder = program.runtime / "framehub"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "server.log").stat().st_mode) == 0o600


def test_a_server_that_does_not_start_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    program = Program(tmp_path, fails=True)
    with pytest.raises(ServerNotFoundError, match="ended with status 1: it is broken"):
        _server.find(program.environment)


def test_without_a_runtime_folder_the_state_folder_is_used(tmp_path: Path) -> None:
    assert _server.runtime_folder({"XDG_STATE_HOME": str(tmp_path)}) == tmp_path / "framehub"
    assert _server.runtime_folder({"XDG_RUNTIME_DIR": "/nonexistent"}).parts[-3:] == (".local", "state", "framehub")


@pytest.mark.parametrize("home", ["/dev/null", None])
def test_without_a_home_that_can_be_written_a_folder_for_this_user_below_the_temporary_one_is_used(
    home: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", none if home is None else lambda: Path(home))
    folder = _server.runtime_folder({})
    assert folder == tmp_path / f"framehub-{os.geteuid()}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    # Not one that somebody else may use.
    folder.chmod(0o755)
    with pytest.raises(_server.ServerNotFoundError, match="XDG_STATE_HOME"):
        _server.runtime_folder({})


def test_where_the_file_system_has_no_locks_the_server_is_started_all_the_same(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    flock = fcntl.flock
    held: list[Path] = []

    def lock(handle: int, operation: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        if path.parent == program.runtime / "framehub":
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
        held.append(path)
        flock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", lock)
    assert _server.find(program.environment).own
    assert held == [tmp_path / f"framehub-{os.geteuid()}" / "lock"]


def test_the_program_is_found_beside_the_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program(tmp_path)
    monkeypatch.setattr(sys, "executable", str(program.path.parent / "python"))
    assert _server.binary({}) == program.path


def test_the_program_is_found_in_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program(tmp_path)
    nowhere = str(tmp_path / "nowhere")
    monkeypatch.setattr(sys, "executable", f"{nowhere}/python")
    monkeypatch.setattr(_server.sysconfig, "get_path", lambda *_: nowhere)
    assert _server.binary({"PATH": str(program.path.parent)}) == program.path
    with pytest.raises(ServerNotFoundError, match="FRAMEHUB_BIN"):
        _server.binary({"PATH": nowhere})


def test_a_chosen_program_that_is_none_is_named() -> None:
    with pytest.raises(ServerNotFoundError, match="/nonexistent"):
        _server.binary({"FRAMEHUB_BIN": "/nonexistent"})
