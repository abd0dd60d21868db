"""A real JupyterHub with its proxy and with FrameHub as the service that deploy/jupyterhub describes."""

import atexit
import functools
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SNIPPETS = ROOT / "deploy" / "jupyterhub"
# What the operator of a service that the Hub does not start gives it.
ENVIRONMENT = ROOT / "deploy" / "systemd" / "environment"
PREFIX = "/services/framehub/"
# Generous: a machine that also compiles starts a Hub slowly.
PATIENCE = 120.0
# So long an answer of the Hub holds, in seconds: short, since tests wait for its end.
CACHE = 4.0
# A service of the tests that may start users' servers.
TESTER = "token-of-the-tester"
PASSWORD = "password-of-the-tests"
# Of a proxy that the Hub does not start.
PROXY_TOKEN = "token-of-the-proxy-of-the-tests"
PROXY = HERE / "node_modules" / ".bin" / "configurable-http-proxy"
# Of a service that the Hub does not start.
SERVICE_TOKEN = "token-of-the-service-of-the-tests"

CONFIG = """
c.JupyterHub.services = [{{"name": "tester", "api_token": "{tester}"}}]
scopes = ["admin:servers", "read:users", "tokens", "admin:groups", "admin:users"]
c.JupyterHub.load_roles = [{{"name": "tester", "services": ["tester"], "scopes": scopes}}]
c.Spawner.environment = {{"OF_THE_HUB": "kept"}}
load_subconfig({snippet!r})
assert c.Spawner.environment["OF_THE_HUB"] == "kept"
# Loaded after what the operator has, which stays.
own, service = c.JupyterHub.services
service["url"] = "http://127.0.0.1:{service_port}"
if "command" in service:
    service["environment"] |= {environment!r}
c.Spawner.environment["FRAMEHUB_URL"] = c.Spawner.environment["FRAMEHUB_URL"].replace(":8000/", ":{port}{base}")

c.JupyterHub.bind_url = "http://127.0.0.1:{port}{base}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub_port}"
c.JupyterHub.allow_named_servers = True
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy_port}"
c.ConfigurableHTTPProxy.command = [{proxy!r}]
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = "{password}"
c.Authenticator.allowed_users = {{"ann", "bob", "carl", "root"}}
c.Authenticator.admin_users = {{"root"}}
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {homes!r}
c.Spawner.cmd = {command!r}
c.Spawner.http_timeout = {patience:.0f}
"""
# Of a Hub that may be started anew while its users' servers and its proxy go on.
APART_CONFIG = """
c.JupyterHub.cleanup_servers = False
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.auth_token = "{token}"
"""
# Of a Hub whose parts speak TLS among each other.
INTERNAL_SSL_CONFIG = """
c.JupyterHub.internal_ssl = True
c.JupyterHub.hub_bind_url = "https://127.0.0.1:{hub_port}"
c.ConfigurableHTTPProxy.api_url = "https://127.0.0.1:{proxy_port}"
"""
# Of a Hub behind something that speaks TLS to browsers.
PUBLIC_CONFIG = """
c.JupyterHub.public_url = "{public}/"
"""
# Of a Hub that gives each user and each service an origin of its own. Kernels here find no such name.
SUBDOMAIN_CONFIG = """
c.JupyterHub.subdomain_host = "http://hub.localhost:{port}"
c.Spawner.environment["FRAMEHUB_URL"] = service["url"] + "{prefix}"
c.Spawner.environment["FRAMEHUB_PUBLIC_URL"] = "http://framehub--service.hub.localhost:{port}{prefix}"
"""
# Of users' JupyterLabs, which have the package from here. Everything that the Hub starts tells what it does in detail.
LAB_CONFIG = f"""
c.JupyterHub.log_level = "DEBUG"
c.ConfigurableHTTPProxy.debug = True
c.Spawner.environment["PYTHONPATH"] = {str(ROOT / "python")!r}
c.Spawner.args = [
    "--allow-root",
    "--debug",
    "--LabApp.expose_app_in_browser=True",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.news_url=",
]
"""


@functools.cache
def account() -> pwd.struct_passwd | None:
    """Whom a Hub that runs as root has the server run as: a user of the system, who is made if there is none."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("framehub")
    except KeyError:
        subprocess.run(["useradd", "--system", "framehub"], check=True)
        return pwd.getpwnam("framehub")


@functools.cache
def program() -> Path:
    """The server, where that user reaches it."""
    binary = Path(os.environ["FRAMEHUB_BIN"])
    if account() is None:
        return binary
    return Path(shutil.copy(binary, folder_for(account()) / "framehub"))


def folder_for(owner: pwd.struct_passwd | None) -> Path:
    """A folder that the server's user reaches, which those of pytest are not. It goes when the tests end."""
    folder = Path(tempfile.mkdtemp(prefix="framehub-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if owner:
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    return folder


def until(condition: Callable[[], T | None], what: str, patience: float = PATIENCE) -> T:
    """Waits until the condition gives something."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain: {what}")


class Hub:
    def __init__(
        self,
        folder: Path,
        venv: Path,
        environment: dict[str, str] | None = None,
        *,
        external: bool = False,
        labs: bool = False,
        apart: bool = False,
        subdomains: bool = False,
        internal_ssl: bool = False,
        public: str | None = None,
        base: str = "/",
        more: str = "",
    ) -> None:
        """Starts it, FrameHub in that environment; by default answers are good for a short time and all is logged.

        With `external`, it is not the Hub that starts FrameHub. With `labs`, users' servers are JupyterLabs. With
        `apart`, the proxy and the users' servers outlive the Hub, which may be started anew. With `subdomains`, users
        and services have origins of their own, which browsers find. With `internal_ssl`, its API is reached by
        TLS, with certificates of its own. With `public`, that is the origin at which browsers find it,
        by way of something else. `base` is the path below which it is. `more` is further lines of its
        configuration.
        """
        self.folder = folder
        self.venv = venv
        environment = environment or {"FRAMEHUB_AUTH_CACHE": str(CACHE), "RUST_LOG": "trace"}
        if account() and not external:
            # Each Hub of the tests has a file of its own, where the snippet has one for the machine's only Hub.
            environment = {"FRAMEHUB_SHARES_FILE": str(folder_for(account()) / "shares.json"), **environment}
        # Widgets without a notebook.
        environment = {"FRAMEHUB_KINDS": "square", **environment}
        ports = free_ports(4)
        self.port = ports[0]
        self.origin = public or f"http://{'hub.localhost' if subdomains else '127.0.0.1'}:{self.port}"
        # That of FrameHub.
        self.service = f"http://framehub--service.hub.localhost:{self.port}" if subdomains else self.origin
        self.base = base
        self.prefix = base.rstrip("/") + PREFIX
        self.api = f"http://127.0.0.1:{ports[1]}{base}hub/api"
        config = CONFIG.format(
            snippet=str(SNIPPETS / ("external_service.py" if external else "jupyterhub_config.py")),
            port=ports[0],
            base=base,
            patience=PATIENCE,
            hub_port=ports[1],
            proxy_port=ports[2],
            service_port=ports[3],
            environment=environment,
            tester=TESTER,
            password=PASSWORD,
            proxy=str(PROXY),
            homes=str(folder / "home" / "{username}"),
            command=[str(venv / "bin" / "jupyterhub-singleuser")]
            if labs
            else [sys.executable, str(HERE / "notebook.py")],
        )
        if labs:
            config += LAB_CONFIG
        if subdomains:
            config += SUBDOMAIN_CONFIG.format(port=self.port, prefix=self.prefix)
        if internal_ssl:
            config += INTERNAL_SSL_CONFIG.format(hub_port=ports[1], proxy_port=ports[2])
        if public:
            config += PUBLIC_CONFIG.format(public=public)
        if apart:
            config += APART_CONFIG.format(token=PROXY_TOKEN)
        (folder / "config.py").write_text(config + more)
        self.log = folder / "log"
        # What the Hub has started so far, and does not always end.
        self.children: set[int] = set()
        # What runs beside it.
        self.beside: list[subprocess.Popen[bytes]] = []
        if apart:
            self.beside.append(self._start_proxy(*ports[:3]))
        self.process = self._start()
        self._service = (ports[3], environment)
        self._framehub: subprocess.Popen[bytes] | None = None
        if external:
            self.start_service()
        try:
            until(self._is_up, f"the Hub is up; its log is {self.log}")
        except BaseException:
            self.stop()
            raise

    def origin_of(self, user: str) -> str:
        """That of a user's server."""
        return self.origin.replace("hub.localhost", f"{user}.hub.localhost")

    def _start(self) -> "subprocess.Popen[bytes]":
        binary = program().parent
        return self._run(
            [str(self.venv / "bin" / "jupyterhub"), "-f", "config.py"],
            {"PATH": f"{binary}:{os.environ['PATH']}", "LANG": "C.UTF-8", "FRAMEHUB_SERVICE_TOKEN": SERVICE_TOKEN},
        )

    def _run(self, command: list[str], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env={**environment, "HOME": str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _start_proxy(self, port: int, hub_port: int, api_port: int) -> "subprocess.Popen[bytes]":
        """Starts the proxy as the Hub would, beside it."""
        hub = f"http://127.0.0.1:{hub_port}"
        command = [str(PROXY), "--ip", "127.0.0.1", "--port", str(port), "--api-ip", "127.0.0.1"]
        command += ["--api-port", str(api_port), "--default-target", hub, "--error-target", f"{hub}/hub/error"]
        return self._run(command, {"PATH": os.environ["PATH"], "CONFIGPROXY_AUTH_TOKEN": PROXY_TOKEN})

    def start_service(self) -> None:
        """Starts FrameHub beside the Hub, as systemd does."""
        port, environment = self._service
        lines = [line for line in ENVIRONMENT.read_text().splitlines() if line and not line.startswith("#")]
        given = dict(line.split("=", 1) for line in lines)
        here = {
            "FRAMEHUB_LISTEN": f"127.0.0.1:{port}",
            "JUPYTERHUB_SERVICE_PREFIX": self.prefix,
            "JUPYTERHUB_API_URL": self.api,
            "JUPYTERHUB_API_TOKEN": SERVICE_TOKEN,
        }
        assert here.keys() <= given.keys()
        if self.base != "/":
            here["JUPYTERHUB_BASE_URL"] = self.base
        self._framehub = self._run([os.environ["FRAMEHUB_BIN"]], {**given, **here, **environment})
        self.beside.append(self._framehub)

    def kill_service(self) -> None:
        """Kills the FrameHub beside the Hub."""
        assert self._framehub is not None
        self._framehub.kill()
        self._framehub.wait()

    def _is_up(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the Hub ended:\n{self.log.read_text()}")
        self.children |= set(children(self.process.pid))
        try:
            health = self._get(self.service, f"{self.prefix}health")
            hub = self._get(self.origin, f"{self.base}hub/health")
        except httpx.TransportError:
            return False
        return health.status_code == 200 and hub.status_code == 200

    def _get(self, origin: str, path: str) -> httpx.Response:
        """Asks one of the proxy's hosts, whose names need not be known here."""
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", headers={"Host": origin.partition("//")[2]})

    def ask(self, method: str, path: str, token: str = TESTER, **options: Any) -> httpx.Response:
        """A request to the Hub's API."""
        headers = {"Authorization": f"token {token}"}
        return httpx.request(method, f"{self.api}/{path}", headers=headers, timeout=PATIENCE, **options)

    def notebook(self, name: str, server: str = "") -> dict[str, str]:
        """Starts a user's server, the default one or a named one; returns what a kernel there is told."""
        file = self.folder / "home" / name / f"environment{server}.json"
        answer = self.ask("POST", f"users/{name}/servers/{server}" if server else f"users/{name}/server")
        assert answer.status_code in (201, 202), answer.text
        servers = f"users/{name}"
        until(
            lambda: self.ask("GET", servers).json()["servers"].get(server, {}).get("ready"),
            f"the server {server} of {name} is up",
        )
        told: dict[str, str] = json.loads(file.read_text())
        return told

    def browser(self, name: str) -> "Browser":
        """A browser in which a user has logged in to the Hub."""
        browser = Browser(self)
        browser.log_in(name)
        return browser

    def server(self) -> int | None:
        """The process of the FrameHub that the Hub has started, if it runs."""
        pids = children(self.process.pid)
        return next((pid for pid in pids if _told(f"/proc/{pid}/comm").strip() == "framehub"), None)

    def service_token(self) -> str:
        """What FrameHub is known by at the Hub."""
        server = self.server()
        if server is None:
            return SERVICE_TOKEN
        variables = Path(f"/proc/{server}/environ").read_bytes().decode().split("\0")
        return dict(variable.partition("=")[::2] for variable in variables)["JUPYTERHUB_API_TOKEN"]

    def kill(self) -> None:
        """Ends the Hub alone: the proxy and the services stay."""
        self.children |= set(children(self.process.pid))
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """Ends the Hub as an operator does."""
        self.children |= set(children(self.process.pid))
        self.process.terminate()
        self.process.wait(PATIENCE)

    def begin(self) -> None:
        """Starts the Hub anew."""
        self.process = self._start()
        until(self._is_up, "the Hub is up again")

    def stop(self) -> None:
        running = {self.process.pid, *self.children}
        everyone = {child for pid in running for child in (pid, *children(pid))} - {self.process.pid}
        for process in (*self.beside, self.process):
            if process.poll() is None:
                process.terminate()
                process.wait(PATIENCE)
        for pid in everyone:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


class Browser:
    """A browser: cookies, and redirects that are followed."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.http = httpx.Client(base_url=hub.origin, follow_redirects=True, timeout=PATIENCE)

    def _xsrf(self) -> dict[str, str]:
        cookies = [cookie for cookie in self.http.cookies.jar if cookie.name == "_xsrf" and cookie.path == "/hub/"]
        return {"_xsrf": cookies[0].value or ""}

    def log_in(self, name: str) -> None:
        self.http.get("/hub/login")
        form = {"username": name, "password": PASSWORD, **self._xsrf()}
        answer = self.http.post("/hub/login?next=/hub/home", data=form)
        assert answer.url.path == "/hub/home", answer.text

    def log_out(self) -> None:
        assert self.http.get("/hub/logout").status_code == 200

    def get(self, path: str) -> httpx.Response:
        return self.http.get(f"{PREFIX}{path}")

    def cookies(self, path: str) -> str:
        """What the browser sends to an address of the service."""
        request = self.http.build_request("GET", f"{PREFIX}{path}")
        return request.headers.get("cookie", "")


def children(pid: int) -> list[int]:
    """The processes that a process has started, and theirs."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _told(task).split():
            found += [int(child), *children(int(child))]
    return found


def _told(file: Path | str) -> str:
    """What the kernel tells of a process; nothing once that has ended."""
    try:
        return Path(file).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def routes() -> list[str]:
    """The paths below the prefix that name a widget: those that the server's own list of routes has."""
    text = (ROOT / "src" / "web" / "routes.rs").read_text()
    return [path for path in re.findall(r'"/([^"]*)"', text) if "{id}" in path]
