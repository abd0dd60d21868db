"""Libraries that are written for jupyter_rfb, unmodified, in a notebook: they draw, take a drag, and follow the view's
size, and nothing asks rendercanvas for a backend by name.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
import pytest
from lab import ROOT
from nbclient import NotebookClient

sys.path.insert(0, str(ROOT / "python" / "tests"))
from real_server import KEY, real_server

PROGRAMS = Path(__file__).parent / "programs"
INSTALL = "import framehub\nframehub.install_as_jupyter_rfb()"
CHECK = "await main()"
# What would have rendercanvas choose another backend than in a notebook of one's own machine.
ASKING = ("RENDERCANVAS_BACKEND", "RENDERCANVAS_FORCE_OFFSCREEN", "WGPU_GUI_BACKEND", "WGPU_FORCE_OFFSCREEN")
OVER_SSH = {
    "SSH_CLIENT": "192.0.2.1 50000 22",
    "SSH_CONNECTION": "192.0.2.1 50000 192.0.2.2 22",
    "SSH_TTY": "/dev/pts/0",
}


def run(cells: list[str], folder: Path, variables: dict[str, str]) -> list[str]:
    """Runs cells in a notebook's kernel; what each printed."""
    with real_server() as server:
        environment = {name: value for name, value in os.environ.items() if name not in {*ASKING, *OVER_SSH}} | {
            "FRAMEHUB_URL": server.url,
            "FRAMEHUB_KEY": KEY,
            "PYTHONPATH": os.pathsep.join((str(ROOT / "python"), str(PROGRAMS))),
            # Vulkan's loader asks for a folder of the user's own.
            "XDG_RUNTIME_DIR": str(folder),
            # vispy draws off screen with this library, and would look for OpenGL's functions in another.
            "VISPY_GL_LIB": "libOSMesa.so.8",
            **variables,
        }
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        NotebookClient(notebook, timeout=180).execute(env=environment)
    return [
        "".join(output["text"] for output in cell["outputs"] if output["output_type"] == "stream")
        for cell in notebook["cells"]
    ]


@pytest.mark.parametrize(
    ("library", "variables"),
    [("vispy", {}), ("rendercanvas", {}), ("rendercanvas", OVER_SSH), ("pygfx", {}), ("fastplotlib", OVER_SSH)],
)
def test_a_library_works_with_framehub_in_the_place_of_jupyter_rfb(
    library: str, variables: dict[str, str], tmp_path: Path
) -> None:
    program = (PROGRAMS / f"with_{library}.py").read_text()
    assert run([INSTALL, program, CHECK], tmp_path, variables) == ["", "", "ok\n"]


@pytest.mark.parametrize(("library", "variables"), [("rendercanvas", OVER_SSH), ("pygfx", {}), ("fastplotlib", {})])
def test_a_library_that_was_imported_before_works_as_well(
    library: str, variables: dict[str, str], tmp_path: Path
) -> None:
    program = (PROGRAMS / f"with_{library}.py").read_text()
    assert run([program, INSTALL, CHECK], tmp_path, variables)[1:] == ["", "ok\n"]


@pytest.mark.parametrize("first", ["import framehub", "import rendercanvas.auto"], ids=["after", "before"])
def test_a_backend_that_the_user_asks_for_is_the_users_choice(first: str, tmp_path: Path) -> None:
    which = "from rendercanvas.auto import RenderCanvas\nprint(RenderCanvas.__module__)"
    for name, value in (("RENDERCANVAS_BACKEND", "anywidget"), ("WGPU_GUI_BACKEND", "offscreen")):
        assert run([first, INSTALL, which], tmp_path, {name: value})[2] == f"rendercanvas.{value}\n"


def test_what_a_notebook_starts_is_no_notebook(tmp_path: Path) -> None:
    asked = "import os, rendercanvas.auto\nprint(os.environ.get('RENDERCANVAS_BACKEND'))"
    assert run([INSTALL, asked], tmp_path, {})[1] == "None\n"
