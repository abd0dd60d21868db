"""Libraries that are written for jupyter_rfb, unmodified: they draw, take a drag, and follow the view's size."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from lab import ROOT

sys.path.insert(0, str(ROOT / "python" / "tests"))
from real_server import KEY, real_server

PROGRAMS = Path(__file__).parent / "programs"


@pytest.mark.parametrize("library", ["vispy", "rendercanvas", "pygfx", "fastplotlib"])
def test_a_library_works_with_framehub_in_the_place_of_jupyter_rfb(library: str, tmp_path: Path) -> None:
    with real_server() as server:
        environment = {
            **os.environ,
            "FRAMEHUB_URL": server.url,
            "FRAMEHUB_KEY": KEY,
            "PYTHONPATH": str(ROOT / "python"),
            # Vulkan's loader asks for a folder of the user's own.
            "XDG_RUNTIME_DIR": str(tmp_path),
            # vispy draws off screen with this library, and would look for OpenGL's functions in another.
            "VISPY_GL_LIB": "libOSMesa.so.8",
            # As rendercanvas chooses by itself in a notebook.
            "RENDERCANVAS_BACKEND": "jupyter",
        }
        command = [sys.executable, str(PROGRAMS / f"with_{library}.py")]
        done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.strip().splitlines()[-1] == "ok", done.stdout
