"""In processes of their own: what is imported cannot be taken back."""

import os
import subprocess
import sys

import pytest
from framehub import install_as_jupyter_rfb  # noqa: F401
from framehub._install import remove_rfb_models_from_nb

VIEW = "application/vnd.jupyter.widget-view+json"


def run(program: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60, env=environment
    )


def test_jupyter_rfb_is_framehub_afterwards() -> None:
    done = run(
        "import framehub; framehub.install_as_jupyter_rfb(); framehub.install_as_jupyter_rfb()\n"
        "import jupyter_rfb; from jupyter_rfb import RemoteFrameBuffer, remove_rfb_models_from_nb\n"
        "from jupyter_rfb.widget import RemoteFrameBuffer as again\n"
        "assert RemoteFrameBuffer is again is framehub.RemoteFrameBuffer\n"
        "assert jupyter_rfb.version_info >= (1, 0, 2)\n"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("installed", [True, False])
def test_who_asks_for_jupyter_rfb_before_importing_it_finds_it(installed: bool) -> None:
    # As if it was not installed: the finder of files does not know it.
    hide = (
        ""
        if installed
        else (
            "from importlib.machinery import PathFinder\n"
            "find, versions = PathFinder.find_spec, PathFinder.find_distributions\n"
            "PathFinder.find_spec = lambda name, *a, **k: None if 'jupyter_rfb' in name else find(name, *a, **k)\n"
            "PathFinder.find_distributions = lambda asked: [] if 'rfb' in asked.name.lower() else versions(asked)\n"
        )
    )
    done = run(
        f"{hide}import framehub; framehub.install_as_jupyter_rfb()\n"
        "import importlib.metadata, importlib.util, inspect, jupyter_rfb, jupyter_rfb.widget\n"
        "for module in (jupyter_rfb, jupyter_rfb.widget):\n"
        "    spec = importlib.util.find_spec(module.__name__)\n"
        "    assert spec is module.__spec__ and spec.loader is not None\n"
        "    assert importlib.reload(module) is module\n"
        "    assert module.RemoteFrameBuffer is framehub.RemoteFrameBuffer\n"
        "    assert inspect.getmodule(module) is module\n"
        "assert inspect.getmodule(jupyter_rfb.RemoteFrameBuffer).__name__ == framehub.RemoteFrameBuffer.__module__\n"
        "assert importlib.util.find_spec('jupyter_rfb.of_no_such_name') is None\n"
        "for name in ('jupyter_rfb', 'jupyter-rfb', 'Jupyter.RFB'):\n"
        "    assert importlib.metadata.version(name) == jupyter_rfb.__version__ == '1.0.2'\n"
        "del __import__('sys').modules['jupyter_rfb']\n"
        "assert __import__('jupyter_rfb').RemoteFrameBuffer is framehub.RemoteFrameBuffer\n"
    )
    assert done.returncode == 0, done.stderr


def test_it_is_too_late_once_jupyter_rfb_is_imported() -> None:
    done = run("import jupyter_rfb, framehub; framehub.install_as_jupyter_rfb()")
    assert "is imported already" in done.stderr


@pytest.mark.parametrize("before", ["", "import rendercanvas.auto\n"])
def test_rendercanvas_chooses_for_itself_outside_of_notebooks(before: str) -> None:
    done = run(
        "import sys, types\n"
        # A library of windows that is imported is what it would take.
        "sys.modules['wx'] = types.ModuleType('wx')\n"
        "backend = sys.modules['rendercanvas.wx'] = types.ModuleType('rendercanvas.wx')\n"
        "backend.RenderCanvas, backend.loop = object, None\n"
        f"{before}import framehub; framehub.install_as_jupyter_rfb()\n"
        "from rendercanvas.auto import RenderCanvas\n"
        "assert RenderCanvas is object\n"
    )
    assert done.returncode == 0, done.stderr


def test_importing_starts_neither_threads_nor_processes() -> None:
    done = run(
        "import threading, psutil, framehub\n"
        "assert threading.active_count() == 1\n"
        "assert psutil.Process().children() == []\n"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("as_list", [False, True])
def test_views_are_taken_out_where_there_is_a_picture(as_list: bool) -> None:
    html = '<div class="snapshot-rfb"><img></div>'
    shown = {"data": {VIEW: {}, "text/html": [html] if as_list else html}}
    other = {"data": {VIEW: {}}}
    remove_rfb_models_from_nb({"cells": [{"outputs": [shown, other]}, {}]})
    assert list(shown["data"]) == ["text/html"]
    assert list(other["data"]) == [VIEW]
