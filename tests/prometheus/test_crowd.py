"""The dashboards with one widget and with a thousand, each of another user and of another kind."""

import re
import subprocess
import time
import urllib.request
from pathlib import Path

import pictures
import pytest
from conftest import Prometheus
from load import KEY, Load, until
from test_live import RATE_INTERVAL, expressions

# Curves of one expression that can still be told apart.
READABLE = 20
# The labels that differ from widget to widget.
EACH = ("widget", "owner", "kind")
TARGET = 'job="framehub",instance="127.0.0.1:8420"'
# Seconds between the two samples of each series.
INTERVAL = 15


def crowd(text: str, count: int, end: int) -> str:
    """What a server with `count` widgets would answer twice, made from one's answer, as OpenMetrics."""
    samples: dict[str, float] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        series, value = line.rsplit(" ", 1)
        name, _, told = series.removesuffix("}").partition("{")
        labels = dict(re.findall(r'(\w+)="([^"]*)"', told))
        many = [label for label in EACH if label in labels]
        for number in range(count if many else 1):
            labels |= {label: f"{label}{number}" for label in many}
            told = ",".join([TARGET, *(f'{label}="{content}"' for label, content in labels.items())])
            for sample in range(2):
                at = end - INTERVAL * (1 - sample)
                samples.setdefault(f"{name}{{{told}}} {{}} {at}", float(value) + sample * (number + 1))
    return "\n".join([*(line.replace("{}", str(value)) for line, value in samples.items()), "# EOF", ""])


@pytest.mark.parametrize("count", [1, 1000])
def test_every_panel_is_readable_with_one_widget_and_with_a_thousand(count: int, load: Load, tmp_path: Path) -> None:
    until(lambda: load.stuck, "there are widgets")
    request = urllib.request.Request(
        f"http://{load.server.address}/metrics", headers={"Authorization": f"Bearer {KEY}"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        text = answer.read().decode()
    end = int(time.time())
    (tmp_path / "metrics").write_text(crowd(text, count, end))
    (tmp_path / "prometheus.yml").write_text("")
    promtool = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "metrics", "data"]
    done = subprocess.run(promtool, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    prometheus = Prometheus(tmp_path)
    try:
        at = {"time": str(end)}
        until(lambda: prometheus.answers("query", query="framehub_build_info", **at), "Prometheus has the data")
        assert prometheus.value(f"count(framehub_widget_views @ {end})") == count
        for dashboard in pictures.DASHBOARDS:
            for expression in expressions(dashboard):
                curves = prometheus.query(expression.replace(f"[{RATE_INTERVAL}]", "[1m]"), **at)
                assert 0 < len(curves) <= READABLE, expression
                if count == 1000 and "topk(" in expression:
                    assert len(curves) > 1, expression
    finally:
        prometheus.stop()
