"""What waits to be sent: bounded in bytes, and of what overtakes itself only the newest."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Any

Write = Callable[[], None]
Message = dict[str, Any]

# Most bytes of text that wait. A server that takes nothing for so long is gone.
LONGEST = 8 * 1024 * 1024
# What stands where the beginning of prints is left out.
_GAP = "… "


class OutboxFullError(Exception):
    """More waits than the server will ever take."""


class _Text:
    """A message that waits."""

    __slots__ = ("data", "message")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.data = encoded(message)


class Outbox:
    """Messages, and calls that write what is made only when it is their turn. Not for several threads at once."""

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self.text_bytes = 0
        """Most bytes of a text that the server takes."""
        self._waiting: deque[_Text | Write] = deque()
        # The last message of each widget that another may be merged into, while nothing else of the widget is behind.
        self._last: dict[object, _Text] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def waiting_bytes(self) -> int:
        """How many bytes of text wait."""
        return self._bytes

    def put(self, message: Message) -> None:
        """Adds a message, or merges it into the last of its widget. Raises OutboxFullError."""
        widget = message.get("widget")
        last = self._last.get(widget)
        # Prints alone do not fill it: the other half is for what cannot be cut.
        cut = self._bytes > self._longest // 2
        merged = None if last is None else _merged(last.message, message, self.text_bytes, cut=cut)
        if last is not None and merged is not None:
            self._bytes -= len(last.data)
            last.message, last.data = merged, encoded(merged)
            self._bytes += len(last.data)
        else:
            text = _Text(message)
            self._waiting.append(text)
            self._bytes += len(text.data)
            if widget is not None:
                self._last[widget] = text
        if self._bytes > self._longest:
            raise OutboxFullError(f"{self._bytes} bytes wait")

    def put_write(self, write: Write) -> None:
        """Adds a call. What follows it is merged into nothing before it."""
        self._last.clear()
        self._waiting.append(write)

    def take(self) -> bytes | Write:
        """What is next."""
        first = self._waiting.popleft()
        if not isinstance(first, _Text):
            return first
        self._bytes -= len(first.data)
        widget = first.message.get("widget")
        if self._last.get(widget) is first:
            del self._last[widget]
        return first.data


def encoded(message: Message) -> bytes:
    """A message as it goes over the wire."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")


def _merged(before: Message, after: Message, text_bytes: int, *, cut: bool) -> Message | None:
    """One message that says what two of one widget say one after the other; None if there is none. Of prints that are
    too long for one, it has the newest if they may be `cut`.
    """
    kind = before["type"]
    if kind != after["type"]:
        return None
    if kind in ("request_draw", "error"):
        return after
    if kind == "traits":
        return {**after, "traits": {**before["traits"], **after["traits"]}}
    if kind == "print":
        text = before["text"] + after["text"]
        if cut:
            return {**after, "text": _newest(text, text_bytes)}
        return {**after, "text": text} if len(text.encode(errors="replace")) <= text_bytes else None
    return None


def _newest(text: str, longest: int) -> str:
    """The text, or its end if it has more bytes than that."""
    data = text.encode(errors="replace")
    if len(data) <= longest:
        return text
    gap = _GAP.encode()
    # A character that was cut apart goes.
    return _GAP + data[len(data) + len(gap) - longest :].decode(errors="ignore")
