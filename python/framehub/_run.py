"""Widgets of plain scripts."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import urlencode

from ._link import link
from ._user_thread import MAIN, kernel
from ._widget import RemoteFrameBuffer


def run() -> None:
    """Serves the widgets that the script made so far: prints their addresses, and calls their methods on this thread.

    It returns when all of them are closed, or on Ctrl+C. In a notebook it returns at once: there the kernel does this.
    Raises RuntimeError if there is no server, with the reason.
    """
    if kernel() is not None:
        return
    with suppress(KeyboardInterrupt):
        for widget in link().renderers():
            if isinstance(widget, RemoteFrameBuffer):
                print(f"{type(widget).__name__} is at {_address(widget)}", flush=True)
        MAIN.serve(until=lambda: not link().renderers())


def _address(widget: RemoteFrameBuffer) -> str:
    """The address of a widget's page, with the key, if there is one: only a terminal shows it."""
    url = widget.url
    server = link().server
    return url if server is None or server.hub else f"{url}?{urlencode({'key': server.key})}"
