"""A real Prometheus that scrapes a real server under a load, with FrameHub's own configuration and rules."""

import asyncio
import json
import re
import socket
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from load import TOKEN, Load, Server, until

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy" / "prometheus"


class Prometheus:
    """Prometheus with the configuration, rules and data that are in a folder."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        arguments = [
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        self.log = (folder / "log").open("w")
        self.process = subprocess.Popen(["prometheus", *arguments], cwd=folder, stdout=self.log, stderr=self.log)

    def get(self, path: str, **query: str) -> Any:
        url = f"{self.address}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=20) as answer:
            return json.load(answer)["data"]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def query(self, expression: str, **options: str) -> list[Any]:
        return self.get("query", query=expression, **options)["result"]

    def value(self, expression: str) -> float:
        result = self.query(expression)
        return float(result[0]["value"][1]) if result else float("nan")

    def answers(self, path: str, **query: str) -> bool:
        """Whether it is up and has something to tell."""
        try:
            answer = self.get(path, **query)
        except OSError:
            return False
        return bool(answer.get("result", answer))

    def firing(self) -> set[tuple[str, str]]:
        """The alerts that fire, each with the widget that it is about."""
        firing = [alert["labels"] for alert in self.get("alerts")["alerts"] if alert["state"] == "firing"]
        return {(labels["alertname"], labels.get("widget", "")) for labels in firing}

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def load() -> Iterator[Load]:
    server = Server()
    load = Load(server)
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(load.run(stop)))
    thread.start()
    yield load
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    server.stop()


@pytest.fixture(scope="session")
def prometheus(load: Load, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Scrapes the load, its minutes made seconds, so that rules show in a test what they show in a day."""
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "framehub-metrics-token").write_text(TOKEN)
    config = (DEPLOY / "prometheus.yml").read_text()
    (folder / "prometheus.yml").write_text(config.replace("127.0.0.1:8420", load.server.address).replace("15s", "1s"))
    rules = (DEPLOY / "rules.yml").read_text()
    (folder / "rules.yml").write_text(re.sub(r"\b(\d+)m\b", lambda minutes: f"{2 * int(minutes[1])}s", rules))
    prometheus = Prometheus(folder)
    until(lambda: prometheus.answers("query", query="framehub_build_info"), "Prometheus has scraped the server")
    yield prometheus
    prometheus.stop()
