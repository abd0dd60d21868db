"""FrameHub in the place of `jupyter_rfb`, for programs that import that name."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from . import _rendercanvas
from ._widget import RemoteFrameBuffer

# The version whose behaviour this is.
_STANDS_FOR = "1.0.2"


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
    package = _module("jupyter_rfb")
    package.__path__ = []
    package.__version__ = _STANDS_FOR  # type: ignore[attr-defined]
    package.version_info = tuple(int(part) for part in _STANDS_FOR.split("."))  # type: ignore[attr-defined]
    package.remove_rfb_models_from_nb = remove_rfb_models_from_nb  # type: ignore[attr-defined]
    package.RemoteFrameBuffer = RemoteFrameBuffer  # type: ignore[attr-defined]
    widget = _module("jupyter_rfb.widget")
    widget.RemoteFrameBuffer = RemoteFrameBuffer  # type: ignore[attr-defined]
    package.widget = widget  # type: ignore[attr-defined]
    sys.modules["jupyter_rfb"] = package
    sys.modules["jupyter_rfb.widget"] = widget


def remove_rfb_models_from_nb(notebook: dict[str, Any]) -> None:
    """Takes the live views out of those outputs of a notebook that have a picture, too."""
    for cell in notebook.get("cells", ()):
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "snapshot-rfb" in "".join(data.get("text/html", "")):
                data.pop("application/vnd.jupyter.widget-view+json", None)


def _module(name: str) -> ModuleType:
    return ModuleType(name, "FrameHub in the place of jupyter_rfb.")
