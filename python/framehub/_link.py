"""The connection of this process to its server, kept up on a thread of its own.

It goes on while a cell computes: it answers pings, sends frames and prints, and connects again after an outage, with
the same session, so that the server keeps the widgets.
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path

from . import _server
from ._backoff import Backoff
from ._connection import Connection, Content
from ._dial import ConnectError
from ._fork import tell_child
from ._protocol import Limits, Message, ServerError, read
from ._served import Renderer, ServedWidget, shortened
from ._user_thread import kernel

_log = logging.getLogger("framehub")
_GOODBYE_TIMEOUT = 1.0
_LONGEST_NAME = 128
# A connection that lasted this long, in seconds, ends an outage.
_STABLE = 3.0
# The server has a newer connection with this session. No program but this one should have it: so it is asked again, but
# not so soon that two would take it from each other all the time.
_REPLACED = 4001
_AFTER_REPLACED = 60.0
# A longer message of a relayed view would stop the notebook's own channel.
_LONGEST_RELAYED = 64 * 1024 * 1024
_TOO_LARGE = 1009

Answered = Callable[[Message | ServerError], None]
RelayListener = Callable[[Message, bytes], None]


class Link:
    """All widgets of this process share one."""

    def __init__(self, find: Callable[[], _server.Server] = _server.find, name: str = "") -> None:
        self._find = find
        self._name = name
        self._session = secrets.token_urlsafe(32)
        self._lock = threading.RLock()
        # In the order they were made.
        self._widgets: dict[ServedWidget, None] = {}
        self._by_id: dict[str, ServedWidget] = {}
        self._asked: dict[int, Answered] = {}
        self._relays: dict[int, RelayListener] = {}
        self._last_number = 0
        # The connection, once the server welcomed it.
        self._connection: Connection | None = None
        # The one that is being made or used.
        self._current: Connection | None = None
        self._thread: threading.Thread | None = None
        # Its `put` may interrupt anything, itself included.
        self._later: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._retry = threading.Event()
        self.server: _server.Server | None = None
        """The server of the connection."""
        self.base = ""
        """The server's base address as it names it itself."""
        self.limits = Limits()
        """What the server takes."""
        self.problem: str | None = None
        """Why there is no connection, for people; None while there is one, or before the first attempt ended."""
        # In a forked process: what the parent's widgets say there goes nowhere.
        self._orphaned = False
        self._warned = False
        tell_child(self)

    def shown(self, url: str) -> str:
        """An address that the server named, as people reach it."""
        return url if self.server is None else self.server.shown(url, self.base)

    # --- widgets -----------------------------------------------------------------------------------------------------

    def add(self, widget: ServedWidget) -> None:
        """Has the server make a widget, now or as soon as there is a connection."""
        with self._lock:
            self._widgets[widget] = None
            connection = self._connection
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="framehub-link", daemon=True)
                self._thread.start()
                threading.Thread(target=self._work_off, name="framehub-later", daemon=True).start()
        if connection is not None:
            widget.connected(resumed=False)

    def know(self, widget: ServedWidget) -> None:
        """The server knows the widget, by its id."""
        with self._lock:
            if widget.id is not None:
                self._by_id[widget.id] = widget

    def forget(self, widget: ServedWidget) -> None:
        """The widget is closed."""
        with self._lock:
            self._widgets.pop(widget, None)
            if widget.id is not None and self._by_id.get(widget.id) is widget:
                del self._by_id[widget.id]

    def renderers(self) -> list[Renderer]:
        """The users' sides of the open widgets, in the order they were made."""
        with self._lock:
            widgets = list(self._widgets)
        open_ones = [widget for widget in widgets if not widget.closed]
        return [renderer for widget in open_ones if (renderer := widget.renderer) is not None]

    # --- messages ----------------------------------------------------------------------------------------------------

    def is_current(self, connection: object) -> bool:
        """Whether a message that came over this connection can still be answered."""
        return connection is self._connection

    def send(self, message: Message, connection: object = None) -> bool:
        """Sends a message, if there is a connection, and it is `connection` or that is not given; whether so."""
        current = self._connection
        if current is None or connection not in (None, current):
            self._warn_orphan()
            return False
        current.send_text(message)
        return True

    def send_pixels(self, content: Content, done: Callable[[], None], connection: object = None) -> None:
        """Sends a header and pixels, as `Connection.send_pixels` does, under the same condition as `send`."""
        current = self._connection
        if current is not None and connection in (None, current):
            current.send_pixels(content, done)
        else:
            self._warn_orphan()
            done()

    def ask(self, message: Message, answered: Answered) -> bool:
        """Sends a request and calls back with its answer, on the link's thread; False if there is no connection."""
        with self._lock:
            connection = self._connection
            if connection is None:
                self._warn_orphan()
                return False
            number = self.number()
            self._asked[number] = answered
        connection.send_text({**message, "request": number})
        return True

    def number(self) -> int:
        """A number that this process has not used yet."""
        with self._lock:
            self._last_number += 1
            return self._last_number

    def listen(self, relay: int, listener: RelayListener) -> None:
        """Has the messages of a relayed view passed on."""
        with self._lock:
            self._relays[relay] = listener

    def unlisten(self, relay: int) -> None:
        """Ends that."""
        with self._lock:
            self._relays.pop(relay, None)

    def later(self, call: Callable[[], None]) -> None:
        """Has a call made on a thread of the link, soon. Takes no locks."""
        self._later.put(call)

    def retry(self) -> None:
        """Tries to connect at once, if it waits for the next attempt."""
        self._retry.set()

    def stop(self, *, goodbye: bool) -> None:
        """Ends the connection; with `goodbye`, the server closes the widgets at once instead of waiting for them."""
        self._stopping.set()
        self._retry.set()
        self._later.put(None)
        with self._lock:
            connection = self._current
        if connection is not None:
            if goodbye:
                connection.send_text({"type": "goodbye"})
            connection.flush(_GOODBYE_TIMEOUT)
            connection.close()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_GOODBYE_TIMEOUT)

    # --- forks -------------------------------------------------------------------------------------------------------

    def _rfb_forked(self) -> None:
        """The widgets and the connection are the parent's: here they do nothing, and no lock of it is held for ever."""
        connection = self._current
        self._lock = threading.RLock()
        self._connection = self._current = self._thread = None
        self._asked, self._relays = {}, {}
        self._later = queue.SimpleQueue()
        self._stopping, self._retry = threading.Event(), threading.Event()
        self._stopping.set()
        self._orphaned = True
        self.problem = "The widget belongs to the process that this one was forked from."
        if connection is not None:
            connection.abandon()

    def _warn_orphan(self) -> None:
        if self._orphaned and not self._warned:
            self._warned = True
            _log.warning(
                "a widget was used in a process that was forked from the one that made it: it does nothing here; "
                "make it here, or send results to the process that made it"
            )

    # --- the thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        backoff = Backoff()
        while not self._stopping.is_set():
            problem = wait = None
            try:
                if self._connect(backoff) == _REPLACED:
                    wait = _AFTER_REPLACED
                    problem = "another program took over this one's connection to the FrameHub server"
            except (_server.ServerNotFoundError, ConnectError) as error:
                problem = str(error)
            except Exception as error:
                # Whatever it was, the widgets need a connection.
                _log.exception("the connection to the FrameHub server failed unexpectedly")
                problem = f"the connection to the FrameHub server failed: {error!r}"
            # First: who is told of the problem may ask for the next attempt at once.
            self._retry.clear()
            if problem is not None:
                self._failed(problem)
            if not self._stopping.is_set():
                self._retry.wait(backoff.next() if wait is None else wait)

    def _connect(self, backoff: Backoff) -> int | None:
        """Connects and works with the connection until it ends; answers with which code the server ended it."""
        self.server = self._find()
        server = self.server
        connection = Connection.open(server.url, server.key, server.proof, hub=server.hub)
        with self._lock:
            self._current = connection
        began = time.monotonic()
        try:
            if not self._stopping.is_set():
                self._serve(connection)
        finally:
            self._lost(connection)
        if time.monotonic() - began > _STABLE:
            backoff.reset()
        return connection.close_code

    def _work_off(self) -> None:
        while (call := self._later.get()) is not None:
            try:
                call()
            except Exception:
                _log.exception("a widget could not be closed on the server")

    def _serve(self, connection: Connection) -> None:
        """Works with a connection until it ends."""
        connection.send_text({"type": "hello", "session": self._session, "name": self._name})
        for data in connection.messages():
            try:
                message, rest = read(data)
                if message["type"] == "welcome":
                    self._welcome(connection, message)
                else:
                    self._handle(connection, message, rest)
            except Exception:
                # One bad message, or a fault in what it sets off, must not end the others' connection.
                _log.exception("a message of the FrameHub server could not be handled")

    def _welcome(self, connection: Connection, message: Message) -> None:
        resumed = set(message.get("resumed", ()))
        self.base = str(message.get("base") or "")
        self.limits = Limits.of(message.get("limits") or {})
        connection.take_texts_of(self.limits.text_bytes)
        with self._lock:
            self._connection = connection
            self.problem = None
            widgets = list(self._widgets)
            known = {widget.id or widget.former: widget for widget in widgets}
            self._by_id = {id: known[id] for id in resumed if id in known}
        for unknown in resumed - self._by_id.keys():
            # It was closed here while there was no connection.
            self.send({"type": "close", "widget": unknown})
        for widget in widgets:
            _tell(widget.connected, (widget.id or widget.former) in resumed)

    def _handle(self, connection: Connection, message: Message, rest: bytes) -> None:
        kind = message["type"]
        number = message.get("request")
        if number is not None:
            with self._lock:
                answered = self._asked.pop(number, None)
            if answered is not None:
                answered(ServerError(message) if kind == "refused" else message)
            elif kind == "created":
                self._created_after_all(message)
            return
        if kind == "refused" and message.get("code") == "unknown_widget":
            # It was closed meanwhile.
            return
        if kind == "refused":
            _log.warning("the FrameHub server refused a message: %s", ServerError(message))
            return
        if kind.startswith("relay"):
            relay = message["relay"]
            listener = self._relays.get(relay)
            if listener is None:
                return
            if max(len(rest), len(message.get("text", ""))) > _LONGEST_RELAYED:
                # That view ends alone, and not the connection of all.
                connection.send_text({"type": "relay_close", "relay": relay})
                message, rest = {"type": "relay_closed", "code": _TOO_LARGE, "reason": "too_large"}, b""
            listener(message, rest)
            return
        widget = self._by_id.get(message.get("widget", ""))
        if widget is None:
            return
        if kind == "turn":
            widget.turn(message, connection)
        elif kind == "traits":
            widget.traits_changed(message)
        elif kind == "views":
            widget.views_changed(message)
        elif kind == "closed":
            widget.closed_by_server(message)

    def _created_after_all(self, message: Message) -> None:
        """A widget was made as a connection asked that is gone."""
        with self._lock:
            former = next((widget for widget in self._widgets if widget.former == message["widget"]), None)
        if former is not None:
            former.created_after_all(message)
        else:
            self.send({"type": "close", "widget": message["widget"]})

    def _lost(self, connection: Connection) -> None:
        connection.close()
        with self._lock:
            self._connection = self._current = None
            asked, self._asked = self._asked, {}
            relays, self._relays = self._relays, {}
        gone = ServerError({"code": "disconnected", "message": "the connection to the server was lost"})
        for answered in asked.values():
            _tell(answered, gone)
        for relay, listener in relays.items():
            _tell(listener, {"type": "relay_closed", "relay": relay, "code": 1006, "reason": "disconnected"}, b"")

    def _failed(self, problem: str) -> None:
        with self._lock:
            news = self.problem != problem
            self.problem = problem
            widgets = list(self._widgets)
        if news:
            _log.warning("%s", problem)
        for widget in widgets:
            _tell(widget.failed, problem)


def _tell(listener: Callable[..., None], *news: object) -> None:
    """Tells one of many: a fault in what that sets off must not keep the news from the others."""
    try:
        listener(*news)
    except Exception:
        _log.exception("what happened to the connection to the FrameHub server could not be told")


_links: dict[int, Link] = {}
_links_lock = threading.Lock()


def link() -> Link:
    """The link of this process; a forked one gets its own."""
    with _links_lock:
        current = _links.get(os.getpid())
        if current is None:
            current = _links[os.getpid()] = Link(name=_process_name())
        return current


def _process_name() -> str:
    """What the server's pages call this process: the notebook's name, where there is one."""
    return shortened(Path(os.environ.get("JPY_SESSION_NAME", "")).name, _LONGEST_NAME)


def _forget_links() -> None:
    """In a forked process: it gets its own."""
    global _links_lock
    _links_lock = threading.Lock()
    _links.clear()


os.register_at_fork(after_in_child=_forget_links)


@atexit.register
def _end() -> None:
    current = _links.pop(os.getpid(), None)
    if current is not None:
        current.stop(goodbye=not _restarts())


def _restarts() -> bool:
    """Whether this is a notebook's kernel that may be back soon: its widgets' views wait for it."""
    ending = kernel()
    if ending is None:
        return False
    message = getattr(ending, "_shutdown_message", None)
    return not isinstance(message, dict) or bool(message.get("content", {}).get("restart", True))
