"""The files of deploy/: each is held to what will read it, and to what the server takes."""

import re
import shlex
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

    def __init__(self, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        class Section(dict[str, Any]):
            def __getattr__(self, name: str) -> Any:
                return self[name]

            def __setattr__(self, name: str, value: Any) -> None:
                self[name] = value

        class LocalProcessSpawner:
            poll_interval = 30

        self.of_services = type("Spawner", (LocalProcessSpawner,), {"__module__": "jupyterhub.services.service"})
        module = ModuleType("jupyterhub.spawner")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(module, "LocalProcessSpawner", LocalProcessSpawner, raising=False)
        monkeypatch.setenv("FRAMEHUB_SERVICE_TOKEN", "secret-of-the-tests")
        self.c = Section(
            JupyterHub=Section(services=[], load_roles=[]), Spawner=Section(environment={}), Authenticator=Section()
        )
        exec(text, {"get_config": lambda: self.c})

    @property
    def roles(self) -> dict[str, set[str]]:
        return {role["name"]: set(role["scopes"]) for role in self.c.JupyterHub.load_roles}

    @property
    def service(self) -> dict[str, Any]:
        (service,) = self.c.JupyterHub.services
        return dict(service)


def variables(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


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


def test_the_servers_container_starts_with_its_command_and_its_environment(tmp_path: Path) -> None:
    command = re.findall(r"^CMD (\[.*\])$", CONTAINERFILE, re.MULTILINE)[-1]
    environment = {
        name: "secret-of-the-tests" if value.startswith("${") else value
        for name, value in COMPOSE["services"]["framehub"]["environment"].items()
    }
    with server(yaml.safe_load(command), environment, tmp_path) as address:
        assert address.endswith("/services/framehub/")


def test_the_program_needs_no_library_that_its_image_lacks() -> None:
    told = subprocess.run(["ldd", BINARY], capture_output=True, text=True, check=True).stdout
    needed = {Path(line.split()[0]).name.split(".so")[0] for line in told.splitlines()}
    assert "libc" in needed
    assert needed <= LIBRARIES


# --- systemd ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with the program where it is here."""
    text = (DEPLOY / "systemd" / "framehub.service").read_text()
    unit = tmp_path / "framehub.service"
    unit.write_text(text.replace("/usr/local/bin/framehub", str(BINARY)))
    return unit


def test_systemd_takes_the_unit_and_finds_little_exposed(unit: Path) -> None:
    for command in (
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        ["systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", str(unit)],
    ):
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "framehub.service:" not in done.stderr, done.stderr


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
