"""The configuration for Kubernetes: what it keeps of the pods that there are, and which labels they get."""

import json
import subprocess
from pathlib import Path

from conftest import DEPLOY, Prometheus
from load import until

POD = "__meta_kubernetes_pod_label_app_kubernetes_io_name"
PORT = "__meta_kubernetes_pod_container_port_name"
DISCOVERY = "    kubernetes_sd_configs:\n      - role: pod\n"


def pod(address: str, name: str, app: str, port: str) -> dict[str, object]:
    """A port of a pod, as the discovery of Kubernetes tells of it."""
    meta = {"__meta_kubernetes_namespace": "widgets", "__meta_kubernetes_pod_name": name, POD: app, PORT: port}
    return {"targets": [address], "labels": meta}


def test_framehubs_metrics_ports_alone_are_scraped_and_named_by_pod_and_namespace(tmp_path: Path) -> None:
    pods = [
        pod("127.0.0.1:1", "framehub-0", "framehub", "metrics"),
        pod("127.0.0.1:2", "framehub-0", "framehub", "http"),
        pod("127.0.0.1:3", "other-0", "other", "metrics"),
        pod("127.0.0.1:4", "framehub-1", "framehub", "metrics"),
    ]
    (tmp_path / "pods.json").write_text(json.dumps(pods))
    # Debian's Prometheus has no discovery of Kubernetes: a file tells of the pods instead. All else is as it is.
    config = (DEPLOY / "kubernetes.yml").read_text()
    assert config.count(DISCOVERY) == 1
    (tmp_path / "prometheus.yml").write_text(
        config.replace(DISCOVERY, "    file_sd_configs:\n      - files: [pods.json]\n")
    )
    checked = subprocess.run(
        ["promtool", "check", "config", "prometheus.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr

    prometheus = Prometheus(tmp_path)
    try:
        until(lambda: prometheus.answers("targets"), "Prometheus is up")
        until(lambda: prometheus.get("targets")["droppedTargets"], "the pods are discovered")
        targets = prometheus.get("targets")
    finally:
        prometheus.stop()
    assert [target["labels"] for target in sorted(targets["activeTargets"], key=lambda one: one["scrapeUrl"])] == [
        {"instance": "127.0.0.1:1", "job": "framehub", "namespace": "widgets", "pod": "framehub-0"},
        {"instance": "127.0.0.1:4", "job": "framehub", "namespace": "widgets", "pod": "framehub-1"},
    ]
    assert {target["scrapeUrl"] for target in targets["activeTargets"]} == {
        "http://127.0.0.1:1/metrics",
        "http://127.0.0.1:4/metrics",
    }
    dropped = {target["discoveredLabels"]["__address__"] for target in targets["droppedTargets"]}
    assert dropped == {"127.0.0.1:2", "127.0.0.1:3"}
