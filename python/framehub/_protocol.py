"""The kernel protocol's messages from the server: how they are read, and what goes wrong."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any

Message = dict[str, Any]


class ServerError(Exception):
    """The server refused something; the message is its own."""

    def __init__(self, message: Message) -> None:
        super().__init__(str(message.get("message") or "the server refused a message"))
        self.code: str = str(message.get("code") or "")
        """What kind of refusal it is, such as `max_widgets`."""
        self.field: str | None = message.get("field")
        """The field that it is about, if it is about one."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server takes. A longer message would end the connection."""

    text_bytes: int = 32 * 1024
    """The longest text within a message."""
    frame_pixels: int = 1 << 62
    """The most pixels of a frame."""

    @staticmethod
    def of(told: Message) -> Limits:
        """As the server tells them."""
        longest = min(int(told.get("message_bytes", 1 << 17)), int(told.get("header_bytes", 1 << 17)))
        # Two texts fit into one message, also if JSON doubles every character.
        return Limits(longest // 5, int(told.get("frame_pixels", 1 << 62)))


def read(data: str | bytes) -> tuple[Message, bytes]:
    """A message and the bytes that follow its header. Raises ValueError for what is none."""
    if isinstance(data, str):
        header, rest = json.loads(data), b""
    else:
        if len(data) < 4:
            raise ValueError(f"a binary message of {len(data)} bytes has no header")
        (length,) = struct.unpack_from("<I", data)
        if 4 + length > len(data):
            raise ValueError(f"a header of {length} bytes is longer than its message of {len(data)}")
        header, rest = json.loads(data[4 : 4 + length]), data[4 + length :]
    if not isinstance(header, dict) or not isinstance(header.get("type"), str):
        raise ValueError("a message without a type")
    return header, rest
