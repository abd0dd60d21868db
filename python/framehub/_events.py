"""Events as the user's code gets them: with new field names, old ones, or both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Event = dict[str, Any]

OLD_NAMES = 1
NEW_NAMES = 2

_OLD = {"type": "event_type", "timestamp": "time_stamp", "ratio": "pixel_ratio"}


def default_compatibility(cls: type) -> int:
    """The names that a class gets which does not choose: both, but old ones for classes of rendercanvas."""
    of_rendercanvas = any(base.__module__.startswith("rendercanvas") for base in cls.__mro__)
    return OLD_NAMES if of_rendercanvas else OLD_NAMES | NEW_NAMES


def named(event: Mapping[str, Any], compatibility: int) -> Event:
    """The event with the names that the bits of `compatibility` ask for; its lists become tuples."""
    result = dict(event)
    for name in ("buttons", "modifiers"):
        if name in result:
            result[name] = tuple(result[name])
    if not compatibility & OLD_NAMES:
        return result
    result.setdefault("timestamp", 0)
    for new, old in _OLD.items():
        if new in result:
            result[old] = result[new]
            if not compatibility & NEW_NAMES:
                del result[new]
    return result
