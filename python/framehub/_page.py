"""The pages that show a widget in a notebook: how they get to the server, and their views through the kernel."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ._fork import tell_child
from ._protocol import Message, ServerError
from ._server import Server

if TYPE_CHECKING:
    from ._link import Link
    from ._served import ServedWidget

_log = logging.getLogger("framehub")
# Tickets are good for 60 s; a page that needs one while the kernel computes shall have one that is.
_TICKET_EVERY = 40.0
_LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")

Send = Callable[[dict[str, Any], list[bytes] | None], None]


class Pages:
    """Answers what the pages of one widget ask over the notebook's own channel.

    A page asks for a ticket and for the ways to the server, in the order in which to try them. If none works it opens a
    relay: a view of the server whose messages go through the kernel.
    """

    def __init__(self, link: Link, widget: ServedWidget, send: Send, frames: Callable[[], str]) -> None:
        """`send` sends a message to all pages; `frames` says how frames travel, `binary` or `base64`."""
        self._link = link
        self._widget = widget
        self._send = send
        self._frames = frames
        self._lock = threading.Lock()
        # The relays' numbers at the server, by the pages' own names for them.
        self._relays: dict[str, int] = {}
        tell_child(self)

    def _rfb_forked(self) -> None:
        self._lock = threading.Lock()

    def handle(self, content: Message) -> None:
        """A message of a page."""
        kind = content.get("framehub")
        if kind == "connect":
            self._connect(str(content.get("request", "")))
        elif kind == "relay_open":
            self._open_relay(str(content["relay"]))
        elif kind in ("relay_text", "relay_close"):
            self._relay(kind, str(content["relay"]), content)

    def push_ticket(self) -> None:
        """Gives the pages a fresh ticket, unasked: the kernel cannot hear them while it computes."""
        self._give_ticket("")

    def _connect(self, request: str) -> None:
        def created(problem: str | None) -> None:
            if problem is None:
                _refresher.add(self)
                self._widget.follow(self.push_ticket)
                self._give_ticket(request)
            else:
                self._refuse(request, problem)

        # The user waits: so shall the next attempt to reach the server not.
        self._link.retry()
        self._widget.when_created(created)

    def _refuse(self, request: str, problem: str) -> None:
        self._send({"framehub": "refused", "request": request, "message": problem, "closed": self._widget.closed}, None)

    def _give_ticket(self, request: str) -> None:
        def answered(answer: Message | ServerError) -> None:
            server = self._link.server
            if isinstance(answer, ServerError) or server is None or self._widget.id is None:
                if request:
                    self._refuse(request, str(answer))
                return
            self._send(
                {
                    "framehub": "connect",
                    "request": request,
                    "widget": self._widget.id,
                    "ticket": answer["ticket"],
                    "frames": self._frames(),
                    "ways": ways(server, self._link.base),
                },
                None,
            )

        asked = self._widget.ask({"type": "ticket", "role": "interact"}, answered)
        if not asked and request:
            self._refuse(request, self._link.problem or "The kernel is not connected to its server.")

    # --- relays ------------------------------------------------------------------------------------------------------

    def _open_relay(self, name: str) -> None:
        def created(problem: str | None) -> None:
            if problem is not None:
                self._send({"framehub": "relay_closed", "relay": name, "code": 1013, "reason": problem}, None)
                return
            number = self._link.number()
            with self._lock:
                self._relays[name] = number
            self._link.listen(number, lambda message, rest: self._relayed(name, message, rest))
            opening = {
                "type": "relay_open",
                "widget": self._widget.id,
                "relay": number,
                "role": "interact",
                "frames": self._frames(),
            }
            if self._link.send(opening):
                self._send({"framehub": "relay_opened", "relay": name}, None)
            else:
                self._relayed(name, {"type": "relay_closed", "code": 1006, "reason": "disconnected"}, b"")

        self._widget.when_created(created)

    def _relay(self, kind: str, name: str, content: Message) -> None:
        with self._lock:
            number = self._relays.pop(name, None) if kind == "relay_close" else self._relays.get(name)
        if number is None:
            if kind == "relay_text":
                # A page that outlived the connection it speaks of.
                self._send({"framehub": "relay_closed", "relay": name, "code": 1006, "reason": "unknown"}, None)
            return
        if kind == "relay_close":
            self._link.unlisten(number)
            self._link.send({"type": "relay_close", "relay": number})
        else:
            self._link.send({"type": "relay_text", "relay": number, "text": str(content["text"])})

    def _relayed(self, name: str, message: Message, rest: bytes) -> None:
        kind = message["type"]
        if kind == "relay_text":
            self._send({"framehub": "relay_text", "relay": name, "text": message["text"]}, None)
        elif kind == "relay":
            self._send({"framehub": "relay_bytes", "relay": name}, [rest])
        elif kind == "relay_closed":
            with self._lock:
                number = self._relays.pop(name, None)
            if number is not None:
                self._link.unlisten(number)
            code, reason = message.get("code"), message.get("reason")
            self._send({"framehub": "relay_closed", "relay": name, "code": code, "reason": reason}, None)


def ways(server: Server, base: str) -> list[dict[str, Any]]:
    """How a browser can reach the server, the best way first; `base` is the address that the server gives itself.

    A page that finds none of them working asks for a relay.
    """
    found: list[dict[str, Any]] = []
    if server.public_url:
        found.append({"way": "public", "url": server.public_url})
    at = urlsplit(server.url)
    if at.hostname in _LOOPBACK_HOSTS:
        found.append({"way": "proxy", "port": at.port or 80, "path": at.path})
        found.append({"way": "loopback", "url": server.url})
        return found
    for url in (base, server.url):
        if url and {"way": "public", "url": url} not in found:
            found.append({"way": "public", "url": url})
    return found


class _Refresher:
    """Gives the pages of all widgets fresh tickets, on a thread of its own."""

    def __init__(self) -> None:
        self._pages: weakref.WeakSet[Pages] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        tell_child(self)

    def _rfb_forked(self) -> None:
        self._pages = weakref.WeakSet()
        self._lock = threading.Lock()
        self._thread = None

    def add(self, pages: Pages) -> None:
        with self._lock:
            self._pages.add(pages)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="framehub-tickets", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            time.sleep(_TICKET_EVERY)
            with self._lock:
                pages = list(self._pages)
            for each in pages:
                try:
                    each.push_ticket()
                except Exception:
                    _log.exception("no ticket could be given to a notebook's pages")


_refresher = _Refresher()
