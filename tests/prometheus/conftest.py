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
    """Prometheus with its minutes made seconds, so that rules show in a test what they show in a day."""

    def __init__(self, folder: Path, target: str) -> None:
        (folder / "framehub-metrics-token").write_text(TOKEN)
        config = (DEPLOY / "prometheus.yml").read_text()
        config = config.replace("127.0.0.1:8420", target).replace("15s", "1s")
        (folder / "prometheus.yml").write_text(config)
        rules = (DEPLOY / "rules.yml").read_text()
        (folder / "rules.yml").write_text(re.sub(r"\b(\d+)m\b", lambda minutes: f"{2 * int(minutes[1])}s", rules))
        self.port = free_port()
        arguments = [
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        self.log = (folder / "log").open("w")
        self.process = subprocess.Popen(["prometheus", *arguments], cwd=folder, stdout=self.log, stderr=self.log)

    def get(self, path: str, **query: str) -> Any:
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=20) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[Any]:
        return self.get("query", query=expression)["result"]

    def value(self, expression: str) -> float:
        result = self.query(expression)
        return float(result[0]["value"][1]) if result else float("nan")

    def is_ready(self) -> bool:
        try:
            return bool(self.query("framehub_build_info"))
        except OSError:
            return False

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
    prometheus = Prometheus(tmp_path_factory.mktemp("prometheus"), load.server.address)
    until(prometheus.is_ready, "Prometheus has scraped the server")
    yield prometheus
    prometheus.stop()
