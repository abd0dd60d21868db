"""What a real Prometheus makes of a server under load."""

import json
import os
from pathlib import Path

import pictures
import pytest
from conftest import Prometheus
from load import VIEWS_EACH, WIDGETS, Load, until

# Prometheus scrapes each second.
RATE_INTERVAL = "15s"
# Seconds of the load that the documentation's pictures show.
PICTURED = 50
# Bytes of a picture that the documentation may show.
LARGEST_PICTURE = 200_000


def expressions(dashboard: Path) -> list[str]:
    """The expressions of a dashboard, with its variables set to everything."""
    panels = json.loads(dashboard.read_text())["panels"]
    found = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    assert found
    return [pictures.expression(text, RATE_INTERVAL) for text in found]


def test_the_load_is_what_it_is_meant_to_be(load: Load, prometheus: Prometheus) -> None:
    until(lambda: prometheus.value("sum(framehub_widgets)") == WIDGETS + 1, "all widgets and the kernel's are there")
    until(lambda: prometheus.value("framehub_kernels") == 1, "the kernel is there")
    until(lambda: prometheus.value("framehub_views") >= WIDGETS * VIEWS_EACH, "all views but one are there")
    until(lambda: prometheus.value("framehub_deadline_drops_total") >= 2, "the view that stalls is dropped")
    slow, quick = load.widgets[1], load.widgets[3]
    mean = (
        "framehub_widget_roundtrip_seconds_total{{widget='{0}'}} / framehub_widget_confirmations_total{{widget='{0}'}}"
    )
    until(
        lambda: prometheus.value(mean.format(slow)) > 2 * prometheus.value(mean.format(quick)),
        "the widget with the slow view has longer round trips",
    )


@pytest.mark.parametrize("dashboard", pictures.DASHBOARDS, ids=lambda path: path.stem)
def test_every_panel_has_data(dashboard: Path, prometheus: Prometheus) -> None:
    for expression in expressions(dashboard):
        until(lambda expression=expression: prometheus.query(expression), f"data of {expression}")


def test_every_recording_rule_has_data_and_every_rule_is_well(prometheus: Prometheus) -> None:
    groups = until(lambda: prometheus.get("rules")["groups"], "the rules are evaluated")
    rules = [rule for group in groups for rule in group["rules"]]
    for rule in rules:
        if rule["type"] == "recording":
            until(lambda rule=rule: prometheus.query(rule["name"]), f"data of {rule['name']}")
    health = {rule["name"]: rule["health"] for group in prometheus.get("rules")["groups"] for rule in group["rules"]}
    assert set(health.values()) == {"ok"}, health


def test_the_alerts_that_should_fire_do_and_no_other(load: Load, prometheus: Prometheus) -> None:
    expected = {("FrameHubViewsDropped", ""), ("FrameHubNoFrames", load.stuck)}
    until(lambda: prometheus.firing() >= expected, "the dropped views and the kernel's widget raise alerts")
    assert prometheus.firing() == expected


def test_every_panel_is_drawn_with_data(prometheus: Prometheus, tmp_path: Path) -> None:
    documented = os.environ.get("FRAMEHUB_PICTURES")
    folder = Path(documented) if documented else tmp_path

    def span() -> pictures.Span:
        begin, end = (prometheus.value(f"{of}_over_time(timestamp(framehub_views)[1h:1s])") for of in ("min", "max"))
        return pictures.Span(max(begin, end - PICTURED), end, RATE_INTERVAL)

    if documented:
        until(lambda: span().end - span().start >= PICTURED, "there is as much data as the documentation shows")
    shown = span()
    for dashboard in pictures.DASHBOARDS:
        points = pictures.draw(dashboard, pictures.Prometheus(prometheus.address), shown, folder)
        titles = {panel["title"] for panel in json.loads(dashboard.read_text())["panels"] if panel["type"] != "row"}
        assert set(points) == titles
        assert [title for title, count in points.items() if count == 0] == []
        picture = folder / f"{dashboard.stem}.png"
        assert picture.stat().st_size < LARGEST_PICTURE


def test_prometheus_the_api_and_the_server_agree_on_what_was_sent(load: Load, prometheus: Prometheus) -> None:
    load.drawing = False
    widget = load.widgets[3]

    def both() -> dict[str, float]:
        series = prometheus.query(f"framehub_widget_stats{{widget='{widget}'}}")
        return {one["metric"]["stat"]: float(one["value"][1]) for one in series}

    def agree() -> bool:
        stats = load.server.request("GET", f"api/widgets/{widget}/stats")
        exposed = both()
        return len(exposed) == 7 and all(abs(stats[name] - value) < 1e-9 for name, value in exposed.items())

    until(agree, "the statistics agree")
    own = "framehub_widget_frames_sent_total"
    assert prometheus.value(f"sum({own})") == prometheus.value("framehub_frames_sent_total")
