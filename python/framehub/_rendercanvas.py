"""FrameHub as what rendercanvas chooses by itself in a notebook.

pygfx, fastplotlib and others ask `rendercanvas.auto` for a canvas. It chooses a backend once, when it is imported, and
there are some that it prefers to the one that is written for jupyter_rfb: its own, and one for terminals where it takes
the session for one over SSH. Checked with rendercanvas 2.7.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_AUTO = "rendercanvas.auto"
# rendercanvas's name for the backend that is written for jupyter_rfb, and the variable that asks for one.
_BACKEND = "jupyter"
_ASKS = "RENDERCANVAS_BACKEND"
_ASKED_BEFORE = "WGPU_GUI_BACKEND"
_FORCES = ("RENDERCANVAS_FORCE_OFFSCREEN", "WGPU_FORCE_OFFSCREEN")


def be_chosen() -> None:
    """Has `rendercanvas.auto` draw through jupyter_rfb in a notebook, whether it is imported already or not.

    Elsewhere it chooses as ever, and so it does where the user asked for a backend by a variable or by `%gui`.
    """
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    auto = sys.modules.get(_AUTO)
    if auto is not None and _is_free():
        _replace(auto)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds `rendercanvas.auto` where it is, and has it loaded by `_Loader`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != _AUTO:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    """Loads a module as its own loader does, while the backend is asked for."""

    def __init__(self, own: Any) -> None:
        self._own = own

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._own.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        with _asked():
            self._own.exec_module(module)

    def __getattr__(self, name: str) -> Any:
        # Whoever wants the module's source or path asks its loader.
        return getattr(self._own, name)


@contextmanager
def _asked() -> Iterator[None]:
    """Asks for the backend by rendercanvas's variable, in a notebook and only within: processes that the program
    starts are no notebooks.
    """
    if not _is_free():
        yield
        return
    before = os.environ.get(_ASKS)
    os.environ[_ASKS] = _BACKEND
    try:
        yield
    finally:
        if before is None:
            del os.environ[_ASKS]
        else:
            os.environ[_ASKS] = before


def _is_free() -> bool:
    """Whether this is a notebook whose user asked for no backend."""
    return _in_notebook() and not _is_asked()


def _is_asked() -> bool:
    asked = (os.environ.get(_ASKS) or os.environ.get(_ASKED_BEFORE, "")).strip().lower()
    forced = next(filter(None, map(os.environ.get, _FORCES)), "").lower()
    return asked not in ("", "auto") or forced in ("1", "true", "yes")


def _in_notebook() -> bool:
    marimo: Any = sys.modules.get("marimo")
    if marimo is not None and marimo.running_in_notebook():
        return True
    from IPython import get_ipython

    shell = get_ipython()
    if shell is None or not shell.has_trait("kernel"):
        return False
    # There by `%gui qt` or `%gui wx`: the user wants windows.
    return getattr(shell.kernel, "app", None) is None


def _replace(auto: ModuleType) -> None:
    """Puts the backend's canvas in the place of the one chosen before, wherever a module has it by a name."""
    chosen = getattr(auto, "RenderCanvas", None)
    if chosen is None:
        return
    backend = importlib.import_module(f"rendercanvas.{_BACKEND}")
    former = {id(chosen): backend.RenderCanvas, id(auto.loop): backend.loop}
    for name, module in list(sys.modules.items()):
        # Who asks for that backend by its name gets it.
        if name == chosen.__module__ or not isinstance(module, ModuleType):
            continue
        # Past what loads a module as soon as somebody looks into it.
        names = object.__getattribute__(module, "__dict__")
        for key, value in list(names.items()):
            if id(value) in former:
                names[key] = former[id(value)]
    auto.module = backend  # type: ignore[attr-defined]
