"""The files of deploy/: each is held to what will read it, and to what the server takes."""

import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import ModuleType
from typing import Any

import kubernetes_validate
import pytest
import yaml
from programs import BINARY, server

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "framehub.yaml").read_text()))
COMPOSE = yaml.safe_load((DEPLOY / "container" / "compose.yaml").read_text())
CONTAINERFILE = (DEPLOY / "container" / "Containerfile").read_text()
# Most that systemd may find exposed, in tenths of its ten points.
MOST_EXPOSED = 15
# What the base image of the server's container has of shared libraries.
LIBRARIES = {"linux-vdso", "libc", "libm", "libgcc_s", "ld-linux-x86-64"}


class Configuration:
    """What a Hub's configuration file sets, without a Hub."""

    def __init__(self, text: str, monkeypatch: pytest.MonkeyPatch, uid: int = 1000, account: str = "framehub") -> None:
        """`uid` is whom the Hub runs as, `account` the one user of the system."""

        class Section(dict[str, Any]):
            def __getattr__(self, name: str) -> Any:
                return self.setdefault(name, Section())

            def __setattr__(self, name: str, value: Any) -> None:
                self[name] = value

        class LocalProcessSpawner:
            poll_interval = 30

        def getpwnam(name: str) -> pwd.struct_passwd:
            if name != account:
                raise KeyError(f"getpwnam(): name not found: {name!r}")
            return pwd.struct_passwd((name, "x", 990, 991, "", "/home/framehub", "/usr/sbin/nologin"))

        # The folders that it makes, and whose they are.
        self.folders: dict[str, tuple[int, int]] = {}
        self.of_services = type("Spawner", (LocalProcessSpawner,), {"__module__": "jupyterhub.services.service"})
        module = ModuleType("jupyterhub.spawner")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(module, "LocalProcessSpawner", LocalProcessSpawner, raising=False)
        monkeypatch.setenv("FRAMEHUB_SERVICE_TOKEN", "secret-of-the-tests")
        # With something of the operator's own.
        self.c = Section(
            JupyterHub=Section(services=[{"name": "own"}], load_roles=[{"name": "own", "scopes": []}]),
            Spawner=Section(environment={"OWN": "kept"}),
            Authenticator=Section(),
        )
        self._names = {"get_config": lambda: self.c, "load_subconfig": self._load}
        with monkeypatch.context() as machine:
            machine.setattr(os, "geteuid", lambda: uid)
            machine.setattr(pwd, "getpwnam", getpwnam)
            machine.setattr(Path, "mkdir", lambda path, mode, exist_ok: None)
            machine.setattr(os, "chown", lambda path, uid, gid: self.folders.update({str(path): (uid, gid)}))
            exec(text, self._names)

    def _load(self, path: str) -> None:
        """Another file of deploy/, at its place in a container."""
        exec((DEPLOY / "jupyterhub" / Path(path).name).read_text(), self._names)

    @property
    def roles(self) -> dict[str, set[str]]:
        _own, *added = self.c.JupyterHub.load_roles
        return {role["name"]: set(role["scopes"]) for role in added}

    @property
    def service(self) -> dict[str, Any]:
        *_own, service = self.c.JupyterHub.services
        return dict(service)


def variables(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def container_environment() -> dict[str, str]:
    """Of the server in the compose file."""
    return {
        name: "secret-of-the-tests" if value.startswith("${") else value
        for name, value in COMPOSE["services"]["framehub"]["environment"].items()
    }


def container() -> Any:
    (deployment,) = [each for each in KUBERNETES if each["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return container


# --- JupyterHub ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["external_service.py", "tljh.py"])
def test_every_way_gives_the_hub_the_same_roles_and_the_same_service(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    managed = Configuration((DEPLOY / "jupyterhub" / "jupyterhub_config.py").read_text(), monkeypatch)
    other = Configuration((DEPLOY / "jupyterhub" / name).read_text(), monkeypatch)
    assert other.roles == managed.roles
    for key in ("name", "url", "oauth_no_confirm", "oauth_client_allowed_scopes"):
        assert other.service[key] == managed.service[key], key
    assert ("command" in other.service) != ("api_token" in other.service)
    # A service that the Hub starts is looked after more often.
    assert other.of_services.poll_interval == (managed.of_services.poll_interval if "command" in other.service else 30)
    assert other.c.Spawner.environment["FRAMEHUB_URL"].endswith("/services/framehub/")


@pytest.mark.parametrize("name", ["jupyterhub_config.py", "tljh.py"])
def test_no_hub_that_runs_as_root_starts_the_server_as_root(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (DEPLOY / "jupyterhub" / name).read_text()
    hub = Configuration(text, monkeypatch, uid=0)
    assert hub.service["user"] == "framehub"
    # Where it keeps what it has to keep is its own.
    file = Path(hub.service["environment"]["FRAMEHUB_SHARES_FILE"])
    assert hub.folders == {str(file.parent): (990, 991)}
    with pytest.raises(ValueError, match="useradd --system framehub"):
        Configuration(text, monkeypatch, uid=0, account="somebody")
    # A Hub that is no root cannot become another user, and need not.
    assert "user" not in Configuration(text, monkeypatch).service


@pytest.mark.parametrize("name", ["jupyterhub_config.py", "external_service.py", "tljh.py"])
def test_what_a_hub_has_of_its_own_stays_beside_what_a_file_adds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Configuration((DEPLOY / "jupyterhub" / name).read_text(), monkeypatch)
    assert [service["name"] for service in hub.c.JupyterHub.services] == ["own", "framehub"]
    assert {"own", "framehub"} <= {role["name"] for role in hub.c.JupyterHub.load_roles}
    assert hub.c.Spawner.environment["OWN"] == "kept"


def test_the_values_of_the_chart_are_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    managed = Configuration((DEPLOY / "jupyterhub" / "jupyterhub_config.py").read_text(), monkeypatch)
    values = yaml.safe_load((DEPLOY / "kubernetes" / "z2jh-values.yaml").read_text())
    assert {name: set(role["scopes"]) for name, role in values["hub"]["loadRoles"].items()} == managed.roles
    service = values["hub"]["services"]["framehub"]
    for key in ("oauth_no_confirm", "oauth_client_allowed_scopes"):
        assert service[key] == managed.service[key], key
    (address,) = [each for each in KUBERNETES if each["kind"] == "Service"]
    port = address["spec"]["ports"][0]["port"]
    assert service["url"] == f"http://{address['metadata']['name']}:{port}"
    (rule,) = values["hub"]["networkPolicy"]["egress"]
    assert rule["ports"] == [{"port": port}]
    assert rule["to"][0]["podSelector"]["matchLabels"] == address["spec"]["selector"]


# --- Kubernetes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", KUBERNETES, ids=lambda document: document["kind"])
def test_the_manifests_are_what_kubernetes_takes(document: Any) -> None:
    version = kubernetes_validate.latest_version()
    kubernetes_validate.validate(document, version, strict=True)


def test_the_manifests_find_each_other() -> None:
    by_kind = {each["kind"]: each for each in KUBERNETES}
    pod = by_kind["Deployment"]["spec"]["template"]
    labels = pod["metadata"]["labels"]
    for selector in (
        by_kind["Deployment"]["spec"]["selector"]["matchLabels"],
        by_kind["Service"]["spec"]["selector"],
        by_kind["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    ports = {port["name"]: port["containerPort"] for port in container()["ports"]}
    assert by_kind["Service"]["spec"]["ports"][0]["targetPort"] in ports
    let_in = [port["port"] for rule in by_kind["NetworkPolicy"]["spec"]["ingress"] for port in rule["ports"]]
    assert sorted(let_in) == sorted(ports)
    # What deploy/prometheus looks for.
    scrape = (DEPLOY / "prometheus" / "kubernetes.yml").read_text()
    assert f"regex: {labels['app.kubernetes.io/name']}\n" in scrape
    assert "regex: metrics\n" in scrape


def test_the_pod_starts_with_its_arguments_and_answers_its_probes(tmp_path: Path) -> None:
    environment = {each["name"]: each.get("value", "secret-of-the-tests") for each in container()["env"]}
    with server(container()["args"], environment, tmp_path) as address:
        for probe in ("readinessProbe", "livenessProbe"):
            path = container()[probe]["httpGet"]["path"]
            with urllib.request.urlopen(address.split("/services/")[0] + path) as answer:
                assert answer.status == 200


def test_the_policy_lets_the_metrics_be_read_from_one_namespace_and_trusts_no_wide_network() -> None:
    (policy,) = [each for each in KUBERNETES if each["kind"] == "NetworkPolicy"]
    (metrics,) = [rule for rule in policy["spec"]["ingress"] if rule["ports"] == [{"port": "metrics"}]]
    (source,) = metrics["from"]
    assert source["namespaceSelector"]["matchLabels"].keys() == {"kubernetes.io/metadata.name"}
    assert source["podSelector"]["matchLabels"]
    (trusted,) = [each["value"] for each in container()["env"] if each["name"] == "FRAMEHUB_TRUSTED_PROXIES"]
    assert int(trusted.partition("/")[2]) >= 16


# --- containers ------------------------------------------------------------------------------------------------------


def test_the_compose_file_is_what_compose_takes() -> None:
    file = DEPLOY / "container" / "compose.yaml"
    done = subprocess.run(
        ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", file],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_compose_file_names_versions_and_no_password() -> None:
    for name, service in COMPOSE["services"].items():
        if image := service.get("image"):
            assert re.search(r":v?\d+\.\d+\.\d+(@sha256:[0-9a-f]{64})?$", image), name
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET", variable):
                assert re.fullmatch(r"\$\{\w+:\?.+\}", value), variable
    assert "GF_SECURITY_ADMIN_PASSWORD" in COMPOSE["services"]["grafana"]["environment"]


def test_the_compose_file_mounts_and_builds_what_is_there() -> None:
    folder = DEPLOY / "container"
    stages = set(re.findall(r"^FROM .* AS (\w+)$", CONTAINERFILE, re.MULTILINE))
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (folder / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], volume
        if "build" in service:
            context = folder / service["build"]["context"]
            assert (context / service["build"]["dockerfile"]).samefile(folder / "Containerfile")
            assert service["build"]["target"] in stages


def test_the_hub_of_the_compose_file_has_the_roles_of_every_other_and_finds_its_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    managed = Configuration((DEPLOY / "jupyterhub" / "jupyterhub_config.py").read_text(), monkeypatch)
    text = (DEPLOY / "container" / "jupyterhub_config.py").read_text()
    contained = Configuration(text, monkeypatch)
    assert contained.roles == managed.roles
    for key in ("name", "oauth_no_confirm", "oauth_client_allowed_scopes"):
        assert contained.service[key] == managed.service[key], key
    server, hub = COMPOSE["services"]["framehub"], COMPOSE["services"]["hub"]
    ((host, port),) = re.findall(r"http://(.*):(\d+)", contained.service["url"])
    assert COMPOSE["services"][host] is server
    assert f'"0.0.0.0:{port}"' in CONTAINERFILE
    # Where the file is loaded from is where it is mounted.
    targets = {volume.split(":")[1] for volume in hub["volumes"]}
    assert targets == {hub["command"][-1], *re.findall(r'load_subconfig\("(.*)"\)', text)}
    # The server asks the Hub over compose's network.
    assert contained.c.JupyterHub.hub_ip == "0.0.0.0"
    assert server["environment"]["JUPYTERHUB_API_URL"] == "http://hub:8081/hub/api"


def test_a_linter_finds_nothing_in_the_container_file() -> None:
    command = ["hadolint", DEPLOY / "container" / "Containerfile"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_server_runs_as_nobody_in_a_root_of_its_own_that_is_read_only(tmp_path: Path) -> None:
    root = tmp_path / "root"
    ((user, place),) = re.findall(r"^USER (\d+:\d+)\n(?:.*\n)*ENTRYPOINT \[\"(.*)\"\]$", CONTAINERFILE, re.MULTILINE)
    told = subprocess.run(["ldd", BINARY], capture_output=True, text=True, check=True).stdout
    # Nothing but the program and what the loader finds for it.
    for source, target in [(BINARY, place), *((path, path) for path in re.findall(r"(/\S+) \(0x", told))]:
        copy = root / str(target).lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, copy)
    script = (
        'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && ! touch "$0/file" 2> /dev/null'
        ' && user=$1 && shift && exec chroot --userspec="$user" "$0" "$@"'
    )
    as_root = [] if os.geteuid() == 0 else ["sudo", "--preserve-env"]
    inside = [*as_root, "unshare", "--mount", "sh", "-c", script, root, user, place]
    command = yaml.safe_load(re.findall(r"^CMD (\[.*\])$", CONTAINERFILE, re.MULTILINE)[-1])
    with (
        server(command, container_environment(), tmp_path, program=inside) as address,
        urllib.request.urlopen(f"{address}health") as answer,
    ):
        assert answer.status == 200


def test_the_servers_container_starts_with_its_command_and_its_environment(tmp_path: Path) -> None:
    command = re.findall(r"^CMD (\[.*\])$", CONTAINERFILE, re.MULTILINE)[-1]
    with server(yaml.safe_load(command), container_environment(), tmp_path) as address:
        assert address.endswith("/services/framehub/")


def test_the_program_needs_no_library_that_its_image_lacks() -> None:
    told = subprocess.run(["ldd", BINARY], capture_output=True, text=True, check=True).stdout
    needed = {Path(line.split()[0]).name.split(".so")[0] for line in told.splitlines()}
    assert "libc" in needed
    assert needed <= LIBRARIES


# --- systemd ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with the program where it is here, beside that of its socket."""
    (tmp_path / "framehub.socket").write_text((DEPLOY / "systemd" / "framehub.socket").read_text())
    text = (DEPLOY / "systemd" / "framehub.service").read_text()
    unit = tmp_path / "framehub.service"
    unit.write_text(text.replace("/usr/local/bin/framehub", str(BINARY)))
    return unit


def test_systemd_takes_the_unit_and_finds_little_exposed(unit: Path) -> None:
    for command in (
        ["systemd-analyze", "verify", "--man=no", str(unit), str(unit.with_suffix(".socket"))],
        ["systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", str(unit)],
    ):
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert not re.search(r"framehub\.(service|socket):", done.stderr), done.stderr


def settings_of(unit: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in unit.read_text().splitlines() if re.match(r"\w+=", line))


def test_systemd_holds_the_address_and_starts_a_server_anew_that_no_longer_answers(unit: Path) -> None:
    service, socket = settings_of(unit), settings_of(unit.with_suffix(".socket"))
    environment = variables((DEPLOY / "systemd" / "environment").read_text())
    assert socket["ListenStream"] == environment["FRAMEHUB_LISTEN"]
    assert service["Requires"] == unit.with_suffix(".socket").name
    assert "Accept" not in socket, "one server takes all connections"
    assert (service["Type"], service["NotifyAccess"]) == ("notify", "main")
    assert int(service["WatchdogSec"]) > 0


def test_systemd_never_gives_up_and_bounds_what_the_server_takes(unit: Path) -> None:
    settings = settings_of(unit)
    assert settings["StartLimitIntervalSec"] == "0"
    assert settings["Restart"] == "always"
    for bound in ("MemoryHigh", "MemoryMax", "TasksMax", "LimitNOFILE"):
        assert settings[bound] != "infinity"
    assert settings["OOMPolicy"] == "stop"
    assert "AF_UNIX" in settings["RestrictAddressFamilies"].split()


def test_the_units_environment_starts_a_service_of_the_hub_or_a_server_with_a_key(unit: Path, tmp_path: Path) -> None:
    (start,) = re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
    arguments = shlex.split(start)[1:]
    environment = variables((DEPLOY / "systemd" / "environment").read_text())
    with server(arguments, environment, tmp_path) as address:
        assert address.endswith(environment["JUPYTERHUB_SERVICE_PREFIX"])
    alone = {name: value for name, value in environment.items() if not name.startswith("JUPYTERHUB_")}
    with server(arguments, alone, tmp_path) as address:
        assert "?key=" in address


# --- Prometheus ------------------------------------------------------------------------------------------------------


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    for file in ("container/prometheus.yml", "prometheus/rules.yml"):
        (tmp_path / Path(file).name).write_text((DEPLOY / file).read_text())
    command = ["promtool", "check", "config", "prometheus.yml"]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
