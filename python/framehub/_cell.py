"""The notebook's cells: which one makes a widget, and how long its widgets are kept.

A displayed widget lives as long as its cell's output: a variable or container that holds it makes it live longer. When
the cell runs again, its former widgets go, unless somebody holds them.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import Any

from ._user_thread import kernel


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one cell."""

    cell: str
    """The cell's id in the notebook file."""
    message: str
    """The id of the message that asked for this run."""


def current_run() -> Run | None:
    """The run that is going on; None outside of notebooks, and in those that do not name their cells."""
    notebook_kernel = kernel()
    if notebook_kernel is None:
        return None
    parent: Any = notebook_kernel.get_parent()
    if not isinstance(parent, dict) or parent.get("header", {}).get("msg_type") != "execute_request":
        return None
    cell = parent.get("metadata", {}).get("cellId")
    return Run(str(cell), str(parent["header"]["msg_id"])) if cell else None


class Cells:
    """What the cells made and show."""

    def __init__(self) -> None:
        self._places: dict[tuple[Run, str], int] = {}
        self._shown: dict[str, dict[Run, list[object]]] = {}
        # Shown where no cell is known: kept for good.
        self._unplaced: list[object] = []
        self._hooked = False

    def place(self, kind: str) -> str | None:
        """What tells a new widget of this kind from all others, in this and in a restarted kernel: its notebook, cell
        and number there. None where there is no cell.
        """
        run = current_run()
        if run is None:
            return None
        self._places = {key: count for key, count in self._places.items() if key[0] == run}
        number = self._places[run, kind] = self._places.get((run, kind), 0) + 1
        notebook = os.environ.get("JPY_SESSION_NAME", "")
        return hashlib.sha256("\0".join((notebook, run.cell, kind, str(number))).encode()).hexdigest()

    def keep(self, widget: object) -> None:
        """Keeps a widget that is shown in the running cell."""
        run = current_run()
        if run is None:
            kept = self._unplaced
        else:
            self._hook()
            kept = self._shown.setdefault(run.cell, {}).setdefault(run, [])
        if not any(each is widget for each in kept):
            kept.append(widget)

    def drop(self, widget: object) -> None:
        """Keeps a closed widget no longer."""
        for kept in (self._unplaced, *(kept for runs in self._shown.values() for kept in runs.values())):
            kept[:] = [each for each in kept if each is not widget]

    def _hook(self) -> None:
        if self._hooked:
            return
        self._hooked = True
        _shell().events.register("post_run_cell", self._after_run)

    def _after_run(self, _: object) -> None:
        """Lets go of what earlier runs of the cell that just ran had shown."""
        run = current_run()
        if run is None or run.cell not in self._shown:
            return
        runs = self._shown[run.cell]
        gone = [widget for earlier, widgets in runs.items() if earlier != run for widget in widgets]
        self._shown[run.cell] = {run: runs.get(run, [])}
        if gone:
            _forget_results(gone)


def _shell() -> Any:
    from IPython import get_ipython

    return get_ipython()


def _forget_results(values: list[object]) -> None:
    """Takes values out of IPython's history of results, `Out` and the names with underscores."""
    shell = _shell()

    def is_gone(value: object) -> bool:
        return any(value is each for each in values)

    names: dict[str, object] = shell.user_ns
    # What IPython put there itself: it tells by this from what the user assigned.
    hidden: dict[str, object] = shell.user_ns_hidden
    history = names["_oh"]
    if isinstance(history, dict):
        for number in [number for number, value in history.items() if is_gone(value)]:
            del history[number]
            names.pop(f"_{number}", None)
            hidden.pop(f"_{number}", None)
    for name in ("_", "__", "___"):
        for results in (names, hidden, vars(shell.displayhook)):
            if is_gone(results.get(name)):
                results[name] = ""


CELLS = Cells()
