"""Waiting for conditions."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")
TIMEOUT = 30.0


def until(condition: Callable[[], Value | None], what: str, timeout: float = TIMEOUT) -> Value:
    """The first value of `condition` that is true. Raises AssertionError when there is none in time."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout:g} s: {what}")
        time.sleep(0.005)
