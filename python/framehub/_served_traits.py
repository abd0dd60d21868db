"""The traits of a widget that its server knows, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anywidget
from traitlets import Bool, Int, Unicode, observe

from ._output import Output
from ._served import ServedWidget
from ._user_thread import interruptible

_SERVER_TRAITS = (
    "css_width",
    "css_height",
    "resizable",
    "quality",
    "max_buffered_frames",
    "cursor",
    "title",
    "has_titlebar",
    "is_minimizable",
    "is_closable",
    "adaptive",
    "show_pointers",
)


class ServedTraits(anywidget.AnyWidget):
    """Tells the server what the program sets, and takes what others set. They are the same in all views."""

    css_width = Unicode("500px").tag(sync=True)
    css_height = Unicode("300px").tag(sync=True)
    resizable = Bool(True).tag(sync=True)
    quality = Int(80, min=1, max=100)
    max_buffered_frames = Int(2, min=1)
    cursor = Unicode("default").tag(sync=True)
    title = Unicode("").tag(sync=True)
    has_titlebar = Bool(False).tag(sync=True)
    is_minimizable = Bool(False).tag(sync=True)
    is_closable = Bool(False).tag(sync=True)
    adaptive = Bool(True)
    show_pointers = Bool(False)

    # Also of widgets whose `__init__` was not called, or failed.
    _rfb_served: ServedWidget | None = None
    # What the server says that traits are, while they are set so.
    _rfb_told: Mapping[str, Any] = {}
    _output_context: Output

    @observe(*_SERVER_TRAITS)
    def _rfb_trait_changed(self, change: Any) -> None:
        name, value = change["name"], change["new"]
        told = name in self._rfb_told and self._rfb_told[name] == value
        if self._rfb_served is not None and not told:
            self._rfb_served.set_traits({name: value})

    def _rfb_set_traits(self, traits: dict[str, Any]) -> None:
        self._rfb_told = traits
        try:
            for name, value in traits.items():
                with self._output_context, interruptible():
                    setattr(self, name, value)
        finally:
            self._rfb_told = {}

    def _rfb_traits(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _SERVER_TRAITS}
