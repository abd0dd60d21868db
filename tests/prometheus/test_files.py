"""The files for Prometheus and Grafana, held against their own checkers."""

import json
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import grafana_foundation_sdk.cog.plugins as plugins
import pictures
import pytest
from conftest import DEPLOY
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from load import KEY, Load


def promtool(*arguments: str, given: str | None = None) -> None:
    done = subprocess.run(
        ["promtool", *arguments], cwd=DEPLOY, input=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_is_valid() -> None:
    promtool("check", "config", "--syntax-only", "prometheus.yml")


def test_the_rules_are_valid() -> None:
    promtool("check", "rules", "rules.yml")


def test_the_rules_fire_when_they_should() -> None:
    promtool("test", "rules", "rules_test.yml")


def test_the_metrics_are_well_formed(load: Load) -> None:
    request = urllib.request.Request(
        f"http://{load.server.address}/metrics", headers={"Authorization": f"Bearer {KEY}"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        promtool("check", "metrics", given=answer.read().decode())


def lost(before: Any, after: Any, path: str = "") -> list[str]:
    """What a document has that its copy has not."""
    if isinstance(before, dict):
        missing = [f"{path}.{name}" for name in before if name not in after]
        return missing + [
            place for name in before if name in after for place in lost(before[name], after[name], f"{path}.{name}")
        ]
    if isinstance(before, list):
        if len(before) != len(after):
            return [path]
        return [
            place for i, pair in enumerate(zip(before, after, strict=True)) for place in lost(*pair, f"{path}[{i}]")
        ]
    return [] if before == after else [path]


@pytest.mark.parametrize("path", pictures.DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_has_no_field_that_grafana_does_not_know(path: Path) -> None:
    plugins.register_default_plugins()
    dashboard = json.loads(path.read_text())
    copy = json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))
    assert lost(dashboard, copy) == []
    unknown = {**dashboard, "panells": []}
    assert lost(unknown, json.loads(JSONEncoder().encode(Dashboard.from_json(unknown)))) == [".panells"]


@pytest.mark.parametrize("path", pictures.DASHBOARDS, ids=lambda path: path.stem)
def test_every_panel_says_what_it_shows_in_which_unit_and_names_its_curves(path: Path) -> None:
    panels = [panel for panel in json.loads(path.read_text())["panels"] if panel["type"] != "row"]
    assert len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["title"] and panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]
        if panel["type"] == "timeseries":
            assert panel["options"]["legend"]["showLegend"], panel["title"]
        elif panel["type"] == "table":
            assert panel["options"]["showHeader"], panel["title"]
