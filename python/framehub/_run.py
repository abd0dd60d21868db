"""Widgets of plain scripts."""

from __future__ import annotations

import sys
from contextlib import suppress
from urllib.parse import urlencode

from ._link import link
from ._user_thread import MAIN, kernel
from ._widget import RemoteFrameBuffer


def run(*, print_key: bool | None = None) -> None:
    """Serves the widgets that the script made so far: prints their addresses, and calls their methods on this thread.

    The addresses have the server's key in them where they are printed to a terminal, or if `print_key` says so.
    Elsewhere they end up in files that others read: there it is said where the key is.

    It returns when all of them are closed, or on Ctrl+C. In a notebook it returns at once: there the kernel does this.
    Raises RuntimeError if there is no server, with the reason.
    """
    if kernel() is not None:
        return
    with_key = sys.stdout.isatty() if print_key is None else print_key
    with suppress(KeyboardInterrupt):
        widgets = [widget for widget in link().renderers() if isinstance(widget, RemoteFrameBuffer)]
        for widget in widgets:
            print(f"{type(widget).__name__} is at {_address(widget, with_key=with_key)}", flush=True)
        server = link().server
        if widgets and server is not None and not server.hub and not with_key:
            print(f"The server's key is in {server.key_file or 'FRAMEHUB_KEY'}.", flush=True)
        MAIN.serve(until=lambda: not link().renderers())


def _address(widget: RemoteFrameBuffer, *, with_key: bool) -> str:
    """The address of a widget's page; a token of a JupyterHub is in none."""
    url = widget.url
    server = link().server
    return url if server is None or server.hub or not with_key else f"{url}?{urlencode({'key': server.key})}"
