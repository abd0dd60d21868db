"""Draws the dashboards' panels, with the data that a running Prometheus has for them, one picture for each dashboard.

    python grafana/pictures.py --prometheus http://127.0.0.1:9090 --minutes 60 --to pictures

It draws with matplotlib (its version is in tests/prometheus/requirements.txt), so that no Grafana is needed.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import re
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from PIL import Image

DASHBOARDS = sorted((Path(__file__).parent / "dashboards").glob("*.json"))
# Grafana's grid has so many columns.
COLUMNS = 24
# Pixels of a column, and of a row of the grid.
COLUMN, ROW = 50, 36
DPI = 100
# Pixels around what a panel shows: for its title, the values beside the axis, and the times below it.
TOP, LEFT, BOTTOM, GAP = 26, 66, 24, 14
# Pixels of a line of a legend or of a table.
LINE = 16
# Pixels of an entry of a legend.
ENTRY = 120
# Characters of a name in a legend or a table.
LONGEST_NAME = 16
# Curves that a legend names; how many more there are, it says.
NAMED = 6
# A picture's colours are few: this many make a small file.
COLOURS = 96
# Points of a curve.
POINTS = 240

# Units of Grafana: factor between steps, and their names from 1 on.
UNITS = {
    "short": (1000, ["", " K", " Mil", " Bil"]),
    "bytes": (1024, [" B", " KiB", " MiB", " GiB"]),
    "Bps": (1000, [" B/s", " kB/s", " MB/s", " GB/s"]),
    "cps": (1000, [" c/s", " Kc/s", " Mc/s"]),
    "reqps": (1000, [" req/s", " Kreq/s", " Mreq/s"]),
}


@dataclass(frozen=True)
class Curve:
    """One series of a panel."""

    name: str
    labels: dict[str, str]
    """Of the series, for tables."""
    target: str
    """Which of the panel's expressions it is of."""
    times: list[float]
    """Unix times."""
    values: list[float]


@dataclass(frozen=True)
class Span:
    """The time that the pictures show, in seconds."""

    start: float
    end: float
    rate_interval: str
    """What `$__rate_interval` stands for."""

    @property
    def step(self) -> float:
        """Between the points of a curve; at least a second."""
        return max(1.0, (self.end - self.start) / POINTS)


class Prometheus:
    """Where the data comes from."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")

    def curves(self, target: dict[str, Any], span: Span) -> list[Curve]:
        """What an expression of a panel gives over the time, or at its end if the panel asks for that."""
        query = {"query": expression(target["expr"], span.rate_interval)}
        if target.get("instant"):
            result = self._get("query", {**query, "time": str(span.end)})
        else:
            times = {"start": str(span.start), "end": str(span.end), "step": str(span.step)}
            result = self._get("query_range", {**query, **times})
        curves = []
        for series in result:
            points = [(at, float(value)) for at, value in series.get("values") or [series["value"]]]
            points = [(at, value) for at, value in points if math.isfinite(value)]
            if points:
                name = filled_in(target["legendFormat"], series["metric"])
                curves.append(Curve(name, series["metric"], target["refId"], *map(list, zip(*points, strict=True))))
        return curves

    def _get(self, path: str, query: dict[str, str]) -> list[dict[str, Any]]:
        url = f"{self.address}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return result


def expression(text: str, rate_interval: str) -> str:
    """An expression of a dashboard with its variables set to everything."""
    return re.sub(r"\$(instance|owner|kind|widget)\b", ".*", text.replace("$__rate_interval", rate_interval))


def filled_in(legend: str, labels: dict[str, str]) -> str:
    """A curve's name, from the panel's pattern for it."""
    name = re.sub(r"{{(\w+)}}", lambda label: labels.get(label[1], ""), legend)
    return name.strip() or "none"


def shortened(name: str) -> str:
    """A name that a legend or a table has room for."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def with_unit(value: float, unit: str) -> str:
    """A value as Grafana writes it."""
    if unit == "s":
        return f"{1000 * value:.3g} ms" if 0 < abs(value) < 1 else f"{value:.3g} s"
    if unit == "percentunit":
        return f"{100 * value:.3g}%"
    kind, _, suffix = unit.partition(":")
    factor, names = UNITS["short" if kind == "suffix" else kind]
    for name in names:
        if abs(value) < factor or name == names[-1]:
            break
        value /= factor
    return f"{value:.3g}{name} {suffix}".rstrip()


def colour(number: int) -> Any:
    """That of a panel's curve."""
    return colormaps["tab10"](number % 10)


class Picture:
    """One dashboard, drawn on Grafana's grid."""

    def __init__(self, dashboard: dict[str, Any], span: Span) -> None:
        self.span = span
        self.rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"]) + 1
        self.width, self.height = COLUMNS * COLUMN, self.rows * ROW
        self.figure = Figure(figsize=(self.width / DPI, self.height / DPI), dpi=DPI, facecolor="white")
        FigureCanvasAgg(self.figure)
        self.text(GAP, 0.5 * ROW, dashboard["title"], size=13, weight="bold")

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """Writes at a place in pixels from the top left."""
        style = {"va": "center", **style}
        self.figure.text(x / self.width, 1 - y / self.height, text, **style)

    def draw(self, panel: dict[str, Any], curves: list[Curve]) -> None:
        """Draws a panel in its place."""
        grid = panel["gridPos"]
        x, y, width, height = grid["x"] * COLUMN, (grid["y"] + 1) * ROW, grid["w"] * COLUMN, grid["h"] * ROW
        if panel["type"] == "row":
            self.text(x + GAP, y + height / 2, panel["title"], size=11, weight="bold", color="#555555")
            return
        self.text(x + GAP, y + TOP / 2, panel["title"], size=9, weight="bold")
        unit = panel["fieldConfig"]["defaults"]["unit"]
        if panel["type"] == "stat":
            by_name = panel["options"]["textMode"] == "name"
            shown = [curve.name if by_name else with_unit(curve.values[-1], unit) for curve in curves]
            self.text(x + width / 2, y + (TOP + height) / 2, ", ".join(shown), size=20, ha="center")
        elif panel["type"] == "table":
            self.table(panel, curves, (x, y + TOP, width, height - TOP))
        else:
            self.graph(panel, curves, (x, y, width, height))

    def table(self, panel: dict[str, Any], curves: list[Curve], place: tuple[float, float, float, float]) -> None:
        """Writes a row for each widget, as many as there is room for, with a column for each expression."""
        names = {target["refId"]: target["legendFormat"] for target in panel["targets"]}
        defaults, overrides = panel["fieldConfig"]["defaults"], panel["fieldConfig"]["overrides"]
        units = {one["matcher"]["options"]: one["properties"][0]["value"] for one in overrides}
        rows: dict[tuple[str, ...], dict[str, float]] = {}
        for curve in curves:
            who = tuple(curve.labels.get(label, "") for label in ("instance", "owner", "kind", "widget"))
            rows.setdefault(who, {})[curve.target] = curve.values[-1]
        lines = [["instance", "owner", "kind", "widget", *names.values()]]
        for who, values in rows.items():
            cells = [
                with_unit(values[ref], units.get(name, defaults["unit"])) if ref in values else ""
                for ref, name in names.items()
            ]
            lines.append([*map(shortened, who), *cells])
        x, y, width, height = place
        room = int(height / LINE) - 1
        for number, line in enumerate(lines[:room]):
            for column, cell in enumerate(line):
                left = x + GAP + column * (width - 2 * GAP) / len(line)
                weight = "bold" if number == 0 else "normal"
                self.text(left, y + (number + 0.5) * LINE, cell, size=7, weight=weight)
        if len(lines) > room:
            self.text(x + GAP, y + (room + 0.5) * LINE, f"{len(lines) - room} more", size=7, color="#555555")

    def graph(self, panel: dict[str, Any], curves: list[Curve], place: tuple[float, float, float, float]) -> None:
        """Draws curves over time, and below them what they are."""
        x, y, width, height = place
        defaults = panel["fieldConfig"]["defaults"]
        curves = sorted(curves, key=lambda curve: -max(curve.values)) if len(curves) > NAMED else curves
        names = [f"— {shortened(curve.name)}" for curve in curves]
        if len(curves) > NAMED:
            names[NAMED:] = [f"{len(curves) - NAMED} more"]
        across = max(1, int((width - LEFT) / ENTRY))
        bottom = y + height - BOTTOM - math.ceil(len(names) / across) * LINE
        size = (width - LEFT - GAP, bottom - y - TOP)
        box = ((x + LEFT) / self.width, 1 - bottom / self.height, size[0] / self.width, size[1] / self.height)
        axes: Axes = self.figure.add_axes(box)
        self.plot(axes, curves, stacked=defaults["custom"]["stacking"]["mode"] == "normal")
        axes.set_ylim(defaults["min"], 1.05 * axes.dataLim.y1 if axes.dataLim.y1 > 0 else 1.0)
        axes.set_xlim(0, self.span.end - self.span.start)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: with_unit(value, defaults["unit"])))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value // 60:.0f}:{value % 60:02.0f}"))
        axes.tick_params(labelsize=7, length=0)
        axes.grid(color="#e4e4e4", linewidth=0.6)
        for side in axes.spines.values():
            side.set_visible(False)
        for number, name in enumerate(names):
            place_x = x + LEFT + number % across * ENTRY
            place_y = bottom + BOTTOM + (number // across + 0.4) * LINE
            self.text(place_x, place_y, name, size=7, color=colour(number) if number < NAMED else "#555555")

    def plot(self, axes: Axes, curves: list[Curve], stacked: bool) -> None:
        """Draws curves beside or on top of each other."""
        begin = self.span.start
        if not stacked:
            for number, curve in enumerate(curves):
                axes.plot([at - begin for at in curve.times], curve.values, linewidth=1.2, color=colour(number))
            return
        times = sorted({at for curve in curves for at in curve.times})
        by_time = [dict(zip(curve.times, curve.values, strict=True)) for curve in curves]
        heights = [[values.get(at, 0.0) for at in times] for values in by_time]
        colours = [colour(number) for number in range(len(curves))]
        axes.stackplot([at - begin for at in times], *heights, colors=colours, alpha=0.6)

    def save(self, path: Path) -> None:
        """Writes the picture with few colours."""
        plain = io.BytesIO()
        self.figure.savefig(plain, format="png")
        image = Image.open(plain).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        image.save(path, optimize=True)


def draw(dashboard: Path, prometheus: Prometheus, span: Span, folder: Path) -> dict[str, int]:
    """Draws a dashboard into a folder, as a PNG of its name. Answers how many points each panel shows, by its title."""
    content = json.loads(dashboard.read_text())
    picture = Picture(content, span)
    points = {}
    for panel in content["panels"]:
        curves = [curve for target in panel.get("targets", []) for curve in prometheus.curves(target, span)]
        picture.draw(panel, curves)
        if panel["type"] != "row":
            points[panel["title"]] = sum(len(curve.values) for curve in curves)
    folder.mkdir(parents=True, exist_ok=True)
    picture.save(folder / f"{dashboard.stem}.png")
    return points


def main() -> None:
    """Draws every dashboard."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prometheus", default="http://127.0.0.1:9090", help="its address")
    parser.add_argument("--minutes", type=float, default=60.0, help="how far back the pictures go")
    parser.add_argument("--rate-interval", default="1m", help="four times the scrape interval")
    parser.add_argument("--to", type=Path, default=Path("pictures"), help="the folder for the pictures")
    arguments = parser.parse_args()
    end = time.time()
    span = Span(end - 60 * arguments.minutes, end, arguments.rate_interval)
    for dashboard in DASHBOARDS:
        points = draw(dashboard, Prometheus(arguments.prometheus), span, arguments.to)
        empty = [title for title, count in points.items() if count == 0]
        path = arguments.to / f"{dashboard.stem}.png"
        print(f"{path}: {sum(points.values())} points; panels without data: {', '.join(empty) or 'none'}")


if __name__ == "__main__":
    main()
