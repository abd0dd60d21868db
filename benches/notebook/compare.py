"""FrameHub beside jupyter_rfb: the same notebook program, through a real Jupyter server, in one run.

    target/venv/bin/python benches/notebook/compare.py            # all
    target/venv/bin/python benches/notebook/compare.py frames     # without a browser
    target/venv/bin/python benches/notebook/compare.py latency    # in JupyterLab in Chromium

Rounds of both take turns, so that both meet the same machine; the figures are medians over the rounds.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "notebook"), str(ROOT / "python"), str(ROOT / "python" / "tests")]

from clients import FrameHubView, Kernel
from lab import Lab, Notebook, chromium, opened, running_lab, until
from program import SOURCE

MODULES = ("jupyter_rfb", "framehub")
SIZES = {"640x480": (640, 480), "1920x1080": (1920, 1080)}
ROUNDS = 3
SECONDS = 5.0
MOVES = 40
LOST = 2.0
WITHOUT_PROXY = "--ServerApp.jpserver_extensions={'jupyter_server_proxy': False}"

Figures = dict[str, float]


def main() -> None:
    chosen = sys.argv[1:] or ["frames", "latency"]
    with tempfile.TemporaryDirectory() as folder, running_lab(Path(folder), WITHOUT_PROXY) as lab:
        if "frames" in chosen:
            frames(lab)
        if "latency" in chosen:
            latency(lab)


def frames(lab: Lab) -> None:
    """Confirmed frames a second, CPU and the time that the main thread is held, for each scene and size."""
    for scene in ("all", "square"):
        for name, size in SIZES.items():
            rounds: dict[str, list[Figures]] = {module: [] for module in MODULES}
            for _ in range(ROUNDS):
                for module in MODULES:
                    rounds[module].append(one_round(lab, module, scene, size))
            report(f"{name}, {'every pixel changes' if scene == 'all' else 'a 100x100 square moves'}", rounds)


def one_round(lab: Lab, module: str, scene: str, size: tuple[int, int]) -> Figures:
    kernel = Kernel(lab.url)
    try:
        kernel.run(SOURCE.format(module=module))
        kernel.run(f"w = Bench({scene!r}, {size[0]}, {size[1]})")
        with shown(lab, kernel, module, size):
            until(lambda: json.loads(kernel.run("print(measured())"))["frames"] > 5, "frames flow")
            kernel.run("w.reset_stats()")
            before, cpu_before, began = told(kernel), cpu(lab, kernel, module), time.perf_counter()
            time.sleep(SECONDS)
            after, cpu_after, elapsed = told(kernel), cpu(lab, kernel, module), time.perf_counter() - began
        count = after["confirmed_frames"]
        drawn = after["frames"] - before["frames"]
        return {
            "frames/s": count / elapsed,
            "CPU ms/frame": 1000 * (cpu_after - cpu_before) / count,
            "held ms/frame": 1000 * (after["held"] - before["held"]) / drawn,
        }
    finally:
        kernel.close()


@contextmanager
def shown(lab: Lab, kernel: Kernel, module: str, size: tuple[int, int]) -> Iterator[None]:
    """Shows the widget `w` in a client without a browser."""
    if module == "jupyter_rfb":
        kernel.show(kernel.run("print(w.model_id)").strip(), *size)
        yield
        kernel.hide()
        return
    url = kernel.run("print(w.url)").strip()
    server = lab.own_server
    view = FrameHubView(server["url"], url.rsplit("/", 1)[1], server["key"], *size)
    yield
    view.close()


def told(kernel: Kernel) -> Figures:
    return dict(json.loads(kernel.run("print(measured())")))


def cpu(lab: Lab, kernel: Kernel, module: str) -> float:
    """CPU seconds so far of all processes that take part: Jupyter's server, the kernel, FrameHub's server."""
    pids = [lab.pid, int(told(kernel)["pid"])]
    if module == "framehub":
        pids.append(int(lab.own_server["pid"]))
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(each.user + each.system for each in times)


def latency(lab: Lab) -> None:
    """Milliseconds from a pointer move to the changed pixel, as the page sees both, at 640x480."""
    rounds: dict[str, list[Figures]] = {module: [] for module in MODULES}
    with chromium() as browser:
        for _ in range(ROUNDS):
            for module in MODULES:
                lab.write("latency.ipynb", SOURCE.format(module=module), "w = Bench('pointer', 640, 480)\nw")
                with opened(lab, browser, "latency.ipynb") as notebook:
                    notebook.run_all()
                    rounds[module].append({"move to pixel ms": moves(notebook, module)})
    report("pointer move to changed pixel, 640x480", rounds)


# Watches the picture's first pixel at each frame of the page, and notes when it changes after a pointer move.
WATCH = """(module) => {
  const picture = () => module === "framehub"
    ? [...document.querySelectorAll("*")].find((e) => e.localName.startsWith("framehub-cell-"))?.canvas
    : document.querySelector(".renderview-wrapper img");
  const canvas = new OffscreenCanvas(1, 1);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const bright = () => {
    const source = picture();
    if (!source) return null;
    pen.drawImage(source, 10, 10, 1, 1, 0, 0, 1, 1);
    return pen.getImageData(0, 0, 1, 1).data[0] > 127;
  };
  const state = window.bench = { delays: [], moved: null, shown: null };
  addEventListener("pointermove", () => { state.moved ??= performance.now(); }, { capture: true });
  const look = () => {
    const now = bright();
    if (state.moved !== null && state.shown !== null && now !== state.shown) {
      state.delays.push(performance.now() - state.moved);
      state.moved = null;
    }
    state.shown = now;
    requestAnimationFrame(look);
  };
  look();
}"""


def moves(notebook: Notebook, module: str) -> float:
    page = notebook.page
    picture = page.locator(
        "xpath=//*[starts-with(name(), 'framehub-cell-')]" if module == "framehub" else ".renderview-wrapper img"
    )
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    assert box is not None
    page.evaluate(WATCH, module)
    page.wait_for_function("() => bench.shown !== null")
    for number in range(MOVES):
        # The lossless frame of the last move would be in the way of the next.
        page.wait_for_timeout(450)
        page.evaluate("() => { bench.moved = null; }")
        page.mouse.move(box["x"] + 100 + number * 5, box["y"] + 200)
        # A move whose frame shows between two looks of the page is not counted.
        with suppress(AssertionError):
            until(lambda: page.evaluate("bench.moved === null && bench.delays.length > 0"), "it changes", LOST)
    assert page.evaluate("bench.delays.length") > MOVES / 2
    return statistics.median(page.evaluate("bench.delays"))


def report(title: str, rounds: dict[str, list[Figures]]) -> None:
    print(f"\n{title}")
    for name in next(iter(rounds.values()))[0]:
        seed, ours = (statistics.median(each[name] for each in rounds[module]) for module in MODULES)
        print(f"  {name:18} jupyter_rfb {seed:8.2f}   framehub {ours:8.2f}   {ours / seed:5.2f} x", flush=True)


if __name__ == "__main__":
    main()
