"""The newest frame that a program pushed, on its way to the server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from ._fork import tell_child
from ._frames import Pixels, Spares
from ._protocol import Message

if TYPE_CHECKING:
    from ._link import Link

Header = Callable[[Pixels], Message]


class PushedFrame:
    """Goes out as soon as what is before it is on its way, and again to each new connection, until a turn draws one.

    It may be interrupted anywhere, which at worst sends a message more than is needed. The garbage collector may have
    it called within a call of it, on the same thread.
    """

    def __init__(self, spares: Spares) -> None:
        """`spares` get the memory of frames that are no longer needed."""
        self._spares = spares
        self._lock = threading.RLock()
        self._newest: Pixels | None = None
        # Whether it has still to be sent.
        self._due = False
        # Whether a message that will take it along waits for its turn.
        self._queued = False
        # The one that is read right now.
        self._read: Pixels | None = None
        tell_child(self)

    def _rfb_forked(self) -> None:
        self._lock = threading.RLock()
        self._queued = False

    def replace(self, pixels: Pixels) -> None:
        """There is a newer one."""
        with self._lock:
            replaced, self._newest, self._due = self._newest, pixels, True
            in_use = replaced is self._read
        if replaced is not None and not in_use:
            self._spares.give_back(replaced)

    def outdone(self) -> None:
        """A turn drew a frame: what was sent before that need not be sent again."""
        with self._lock:
            if self._due or self._newest is None:
                return
            sent, self._newest = self._newest, None
            in_use = sent is self._read
        if not in_use:
            self._spares.give_back(sent)

    def send_again(self, link: Link, header: Header) -> None:
        """Sends it to a server that may not have it."""
        with self._lock:
            self._due = self._newest is not None
        self.send(link, header)

    def send(self, link: Link, header: Header) -> None:
        """Sends it with what `header` says of it, if that is still to be done."""
        with self._lock:
            if self._queued or not self._due:
                return
        passed = False
        taken: Pixels | None = None

        def content() -> tuple[Message, memoryview] | None:
            nonlocal passed, taken
            with self._lock:
                passed, self._queued = True, False
                if not self._due or self._newest is None:
                    return None
                self._due = False
                self._read = taken = self._newest
            return header(taken), taken.data

        def done() -> None:
            nonlocal passed
            with self._lock:
                passed = True
                if taken is None:
                    return
                self._read = None
                outdated = taken is not self._newest
            if outdated:
                self._spares.give_back(taken)

        link.send_pixels(content, done)
        with self._lock:
            # Not before it is so: an interrupt would leave it set, and nothing would be sent any more.
            if not passed:
                self._queued = True
