"""FrameHub in the place of `jupyter_rfb`, for programs that import that name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, DistributionFinder
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import Any

from . import _rendercanvas
from ._widget import RemoteFrameBuffer

# The version whose behaviour this is.
_STANDS_FOR = "1.0.2"
_PACKAGE = "jupyter_rfb"
_MODULE = "jupyter_rfb.widget"
_EVERYTHING = DistributionFinder.Context()


def install_as_jupyter_rfb() -> None:
    """Has `import jupyter_rfb` give FrameHub's class, for this process.

    Call it before importing a library that uses jupyter_rfb, such as vispy. Raises RuntimeError if jupyter_rfb itself
    was imported already: what took its class by then would keep it.

    In a notebook, what asks `rendercanvas.auto` for a canvas draws through FrameHub as well, such as pygfx and
    fastplotlib, imported before or after; unless the user asks for another backend, by `RENDERCANVAS_BACKEND` or
    `%gui qt`.
    """
    _take_place()
    _rendercanvas.be_chosen()


def _take_place() -> None:
    present = sys.modules.get("jupyter_rfb")
    if present is not None:
        if getattr(present, "RemoteFrameBuffer", None) is RemoteFrameBuffer:
            return
        raise RuntimeError(
            "jupyter_rfb is imported already: call framehub.install_as_jupyter_rfb() before the libraries that use it, "
            "after a restart of the kernel"
        )
    sys.meta_path.insert(0, _Finder())
    importlib.import_module(_MODULE)


def remove_rfb_models_from_nb(notebook: dict[str, Any]) -> None:
    """Takes the live views out of those outputs of a notebook that have a picture, too."""
    for cell in notebook.get("cells", ()):
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "snapshot-rfb" in "".join(data.get("text/html", "")):
                data.pop("application/vnd.jupyter.widget-view+json", None)


class _Finder(DistributionFinder):
    """Finds the modules and the version, ahead of those of an installed jupyter_rfb: for whoever imports or reloads
    them, and for whoever asks first whether they are there.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in (_PACKAGE, _MODULE):
            return None
        return ModuleSpec(fullname, _Loader(), origin="framehub", is_package=fullname == _PACKAGE)

    def find_distributions(self, context: DistributionFinder.Context = _EVERYTHING) -> Iterable[Distribution]:
        # Not among all that is installed: there is nothing to list or remove.
        asked = (context.name or "").lower().replace("-", "_").replace(".", "_")
        return [_Version()] if asked == _PACKAGE else []


class _Loader(Loader):
    """Fills the modules."""

    def exec_module(self, module: ModuleType) -> None:
        contents: dict[str, Any] = {"__doc__": "FrameHub in the place of jupyter_rfb."}
        contents["RemoteFrameBuffer"] = RemoteFrameBuffer
        if module.__name__ == _PACKAGE:
            contents["__version__"] = _STANDS_FOR
            contents["version_info"] = tuple(int(part) for part in _STANDS_FOR.split("."))
            contents["remove_rfb_models_from_nb"] = remove_rfb_models_from_nb
        vars(module).update(contents)


class _Version(Distribution):
    """What `importlib.metadata` says of jupyter_rfb."""

    def read_text(self, filename: str | PathLike[str]) -> str | None:
        if str(filename) != "METADATA":
            return None
        return f"Metadata-Version: 2.1\nName: {_PACKAGE}\nVersion: {_STANDS_FOR}\n"

    def locate_file(self, path: str | PathLike[str]) -> Path:
        """Where a file would be, if there was one."""
        return Path(__file__).parent / path
