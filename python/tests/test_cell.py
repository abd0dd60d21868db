import gc
import weakref

import pytest
from framehub import _cell
from framehub._cell import Cells, Run, current_run
from IPython.core.interactiveshell import InteractiveShell


class Widget:
    pass


class Notebook:
    """A shell whose cells have ids."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shell = InteractiveShell.instance()
        self.cells = Cells()
        # A class of its own: what an earlier test left in cycles does not count.
        self.widget = type("Widget", (), {})
        self.runs = 0
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(_cell, "_shell", lambda: self.shell)
        self.shell.user_ns.update(cells=self.cells, Widget=self.widget)

    def run(self, cell: str, source: str) -> None:
        self.runs += 1
        self._monkeypatch.setattr(_cell, "current_run", lambda: Run(cell, str(self.runs)))
        self.shell.run_cell(source, store_history=True).raise_error()


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch):
    notebook = Notebook(monkeypatch)
    yield notebook
    if notebook.cells._hooked:
        notebook.shell.events.unregister("post_run_cell", notebook.cells._after_run)
    InteractiveShell.clear_instance()


def alive(notebook: Notebook) -> int:
    return sum(type(each) is notebook.widget for each in gc.get_objects())


SHOW = "w = Widget(); cells.keep(w); w"


def test_a_cell_that_runs_again_lets_its_former_widgets_go(notebook: Notebook) -> None:
    gc.disable()
    try:
        for _ in range(20):
            notebook.run("a", SHOW)
        assert alive(notebook) == 1
    finally:
        gc.enable()


def test_a_widget_that_a_variable_holds_lives_on(notebook: Notebook) -> None:
    notebook.run("a", "kept = []")
    for _ in range(3):
        notebook.run("b", "kept.append(Widget()); cells.keep(kept[-1]); kept[-1]")
    assert alive(notebook) == 3


def test_a_shown_widget_that_nobody_else_holds_lives_as_long_as_its_output(notebook: Notebook) -> None:
    notebook.run("a", "cells.keep(Widget())")
    notebook.run("b", "1 + 1")
    assert alive(notebook) == 1
    notebook.run("a", "pass")
    assert alive(notebook) == 0


def test_a_widget_shown_in_two_cells_lives_as_long_as_either_output(notebook: Notebook) -> None:
    notebook.run("a", "w = Widget(); cells.keep(w)")
    notebook.run("b", "cells.keep(w)")
    notebook.run("a", "w = None")
    assert alive(notebook) == 1
    notebook.run("b", "pass")
    assert alive(notebook) == 0


def test_a_closed_widget_is_kept_no_longer(notebook: Notebook) -> None:
    notebook.run("a", "w = Widget(); cells.keep(w)")
    gone = weakref.ref(notebook.shell.user_ns["w"])
    notebook.run("b", "cells.drop(w); del w")
    assert gone() is None


def test_results_of_other_cells_stay(notebook: Notebook) -> None:
    notebook.run("b", "40 + 2")
    number = notebook.shell.execution_count - 1
    notebook.run("a", SHOW)
    notebook.run("a", SHOW)
    assert notebook.shell.user_ns["_oh"][number] == 42
    assert notebook.shell.user_ns[f"_{number}"] == 42


def test_places_are_the_same_again_in_another_run_of_the_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    def places(cells: Cells, run: Run) -> list[str | None]:
        monkeypatch.setattr(_cell, "current_run", lambda: run)
        return [cells.place("m.Plot"), cells.place("m.Plot"), cells.place("m.Other")]

    cells = Cells()
    first = places(cells, Run("a", "1"))
    assert len(set(first)) == 3
    assert places(cells, Run("a", "2")) == first
    assert places(Cells(), Run("a", "1")) == first
    assert not set(places(cells, Run("b", "3"))) & set(first)
    monkeypatch.setenv("JPY_SESSION_NAME", "/other.ipynb")
    assert not set(places(cells, Run("a", "4"))) & set(first)


def test_outside_of_notebooks_there_is_no_place_and_widgets_are_kept() -> None:
    assert current_run() is None
    cells = Cells()
    assert cells.place("m.Plot") is None
    widget = Widget()
    cells.keep(widget)
    cells.keep(widget)
    gone = weakref.ref(widget)
    del widget
    assert gone() is not None
    cells.drop(gone())
    assert gone() is None
