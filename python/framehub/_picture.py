"""The still picture beside a live view in a cell's output, for where there is no kernel.

It is an output of its own, so that it can be brought up to date without disturbing the view. While the view lives, the
page hides it; notebooks without a kernel, exported pages and other viewers show it.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from typing import TYPE_CHECKING

from ._fork import tell_child
from ._snapshot import Snapshot
from ._user_thread import kernel

if TYPE_CHECKING:
    from ._widget import RemoteFrameBuffer

_log = logging.getLogger("framehub")
# A frame that stays for so long, in seconds, is worth keeping.
_RESTING = 1.5


class Picture:
    """The picture of one widget, in all cells that show it."""

    def __init__(self, name: str) -> None:
        """`name` is the picture's class in pages, and its id among the kernel's displays."""
        self.name = name
        self.shown = False
        """Whether a notebook shows it."""
        self._frame = 0

    def show(self, snapshot: Snapshot | None, frame: int) -> None:
        """Puts the picture of frame number `frame` into the running cell's output; None for one not there yet."""
        self.shown = True
        self._publish(snapshot, frame, update=False)

    def is_news(self, frame: int) -> bool:
        """Whether the picture is shown and not yet of this frame.

        Frames are told apart by their numbers: the next one may be the same array, changed in place.
        """
        return self.shown and frame != self._frame

    @property
    def is_empty(self) -> bool:
        """Whether the notebook still waits for a first picture."""
        return self._frame == 0

    def update(self, snapshot: Snapshot, frame: int) -> None:
        """Brings the picture up to date, wherever it is shown."""
        self._publish(snapshot, frame, update=True)

    def html(self, snapshot: Snapshot | None) -> str:
        """The picture as a part of a page."""
        # Where JupyterLab finds no model for the view it says so, right behind the picture; that helps nobody. It is a
        # text alone; exported pages put live widgets into an element of that class, too.
        output = f".jp-OutputArea-child:has(> .jp-OutputArea-output > .{self.name})"
        told = ".jp-OutputArea-child:has(> .jupyter-widgets):not(:has(> .jupyter-widgets > *))"
        complaint = f"{output} + {told}"
        image = "" if snapshot is None else f"<style>{complaint} {{ display: none }}</style>{snapshot._repr_html_()}"
        return f'<div class="{self.name}">{image}</div>'

    def _publish(self, snapshot: Snapshot | None, frame: int, *, update: bool) -> None:
        data = {"text/html": self.html(snapshot), "text/plain": "" if snapshot is None else f"<{snapshot.title}>"}
        kernel().shell.display_pub.publish(data, transient={"display_id": self.name}, update=update)
        self._frame = 0 if snapshot is None else frame


class _Updates:
    """Brings pictures of frames that rest up to date, on a thread of its own: to encode one takes a while."""

    def __init__(self) -> None:
        self._due: weakref.WeakKeyDictionary[RemoteFrameBuffer, float] = weakref.WeakKeyDictionary()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        tell_child(self)

    def _rfb_forked(self) -> None:
        self._due = weakref.WeakKeyDictionary()
        self._changed = threading.Condition()
        self._thread = None

    def drew(self, widget: RemoteFrameBuffer) -> None:
        """The widget has a new frame."""
        with self._changed:
            waiting = widget in self._due
            # The first picture is not put off.
            rest = 0.0 if widget._rfb_picture.is_empty else _RESTING
            self._due[widget] = time.monotonic() + rest
            if waiting and rest:
                return
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="framehub-pictures", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        while True:
            for widget in self._resting():
                try:
                    widget._rfb_update_picture()
                except Exception:
                    _log.exception("the picture of a widget could not be brought up to date")
            # Else the last one would be held from here.
            widget = None  # type: ignore[assignment]

    def _resting(self) -> list[RemoteFrameBuffer]:
        with self._changed:
            while True:
                now = time.monotonic()
                resting = [widget for widget, due in self._due.items() if due <= now]
                for widget in resting:
                    del self._due[widget]
                if resting:
                    return resting
                next_due = min(self._due.values(), default=None)
                self._changed.wait(None if next_due is None else next_due - now)


UPDATES = _Updates()
