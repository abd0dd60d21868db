"""What a real Prometheus makes of a server under load."""

import asyncio
import json
import os
import subprocess
import time
from pathlib import Path

import pictures
import pytest
from conftest import ROOT, Prometheus
from load import KEY, VIEWS_EACH, WIDGETS, Load, until

# Prometheus scrapes each second.
RATE_INTERVAL = "15s"
# Frames over which a rate is taken.
COUNTED = 150
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


def shown(dashboard: str, title: str, number: int = 0, interval: str = RATE_INTERVAL) -> str:
    """What a panel asks for, by its place among the panel's expressions."""
    path = next(path for path in pictures.DASHBOARDS if path.stem == dashboard)
    panel = next(
        panel for panel in json.loads(path.read_text())["panels"] if panel["title"] == title and "targets" in panel
    )
    return pictures.expression(panel["targets"][number]["expr"], interval)


def test_panels_count_what_is_there(load: Load, prometheus: Prometheus) -> None:
    until(lambda: load.stuck, "the kernel's widget is there")
    # The view that stalls comes and goes.
    views = range(WIDGETS * VIEWS_EACH, WIDGETS * VIEWS_EACH + 2)
    expected = {
        ("overview", "Widgets", 0): [WIDGETS + 1],
        ("overview", "Views", 0): views,
        ("overview", "Visible views", 0): views,
        ("overview", "Kernels", 0): [1],
        ("overview", "Connections, kernels and files", 0): [count + 1 for count in views],
        ("overview", "Connections, kernels and files", 1): [1],
        ("overview", "Encoder: jobs", 1): [len(os.sched_getaffinity(0))],
        ("overview", "Widgets without series of their own", 0): [0],
        ("users", "Widgets", 0): [WIDGETS + 1],
        ("users", "Views", 0): views,
        ("widget", "Views", 0): views,
    }
    for panel, counts in expected.items():
        until(lambda panel=panel, counts=counts: prometheus.value(shown(*panel)) in counts, f"{panel} shows {counts}")
    kinds = {
        one["metric"]["kind"]: float(one["value"][1]) for one in prometheus.query(shown("overview", "Widgets by kind"))
    }
    assert kinds == {"fractal": 1, "draw": WIDGETS - 1, "Stuck": 1}


def test_a_panel_shows_the_rate_that_the_api_counts(load: Load, prometheus: Prometheus) -> None:
    widget = load.widgets[3]

    def sent() -> float:
        views = load.server.request("GET", f"api/widgets/{widget}/stats")["views"]
        return sum(view["sent_frames"] for view in views)

    before, began = sent(), time.time()
    until(lambda: sent() - before >= COUNTED, "frames are sent")
    seconds = time.time() - began
    rate = (sent() - before) / seconds
    series = prometheus.query(shown("widget", "Frames sent, by widget", interval=f"{round(seconds)}s"))
    told = next(float(one["value"][1]) for one in series if one["metric"]["widget"] == widget)
    assert told == pytest.approx(rate, rel=0.25)


def test_the_one_who_is_slow_is_seen_to_be(load: Load, prometheus: Prometheus) -> None:
    renderer, view, quick = load.widgets[0], load.widgets[1], load.widgets[3]

    def slowness(number: int, widget: str) -> float:
        title = "Who is slow: renderer, encoder, network or browser"
        return prometheus.value(shown("widget", title, number).replace('widget=~".*"', f'widget="{widget}"'))

    render, roundtrip = 0, 3
    until(lambda: slowness(render, renderer) > 4 * slowness(render, quick), "the slow renderer shows")
    until(lambda: slowness(roundtrip, view) > 2 * slowness(roundtrip, quick), "the slow view shows")
    assert slowness(render, view) < slowness(render, renderer)


def test_widgets_add_up_to_the_server(load: Load, prometheus: Prometheus) -> None:
    load.drawing = False
    own = "framehub_widget_frames_sent_total"
    until(
        lambda: prometheus.value(f"sum({own})") == prometheus.value("framehub_frames_sent_total"),
        "both are scraped at rest",
    )


def test_get_stats_the_api_and_prometheus_agree(load: Load, prometheus: Prometheus) -> None:
    environment = {
        **os.environ,
        "FRAMEHUB_URL": f"http://{load.server.address}/",
        "FRAMEHUB_KEY": KEY,
        "PYTHONPATH": str(ROOT / "python"),
    }
    command = [os.environ["FRAMEHUB_PYTHON"], Path(__file__).with_name("program.py")]
    program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    assert program.stdin
    assert program.stdout
    stdin, stdout = program.stdin, program.stdout
    widget = stdout.readline().strip()
    view = asyncio.run_coroutine_threadsafe(load.view(widget, 100, 0.0, stalls=False, draws=False), load.loop)

    def by_python() -> dict[str, float]:
        print(file=stdin, flush=True)
        stats: dict[str, float] = json.loads(stdout.readline())
        return stats

    def by_prometheus() -> dict[str, float]:
        series = prometheus.query(f"framehub_widget_stats{{widget='{widget}'}}")
        return {one["metric"]["stat"]: float(one["value"][1]) for one in series}

    def agree() -> bool:
        python, api = by_python(), load.server.request("GET", f"api/widgets/{widget}/stats")
        exposed = by_prometheus()
        same = all(
            abs(python[name] - value) < 1e-9 and abs(api[name] - value) < 1e-9 for name, value in exposed.items()
        )
        # Frames may be skipped, but the first and the last are sent.
        return len(exposed) == 7 and exposed["confirmed_frames"] == exposed["sent_frames"] > 1 and same

    try:
        until(agree, "the statistics agree")
    finally:
        view.cancel()
        stdin.close()
        program.wait(20)
