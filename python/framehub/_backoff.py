"""How long to wait before the next attempt to connect: exponential, with full jitter, as the browsers do.

In the first minute a process waits half as long as a page at most: pages find a widget only once its process is back.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

_FIRST = 0.5
_SOON = 1.5
_LATER = 30.0
_MINUTE = 60.0


class Backoff:
    """Waits of an outage: short ones in its first minute, so that a restarted server is found again soon."""

    def __init__(
        self,
        chance: Callable[[], float] = random.random,
        now: Callable[[], float] = time.monotonic,
        soon: float = _SOON,
    ) -> None:
        """`soon` is the longest wait in the first minute, in seconds."""
        self._chance = chance
        self._now = now
        self._soon = soon
        self._attempts = 0
        self._began: float | None = None

    def next(self) -> float:
        """The next wait, in seconds."""
        if self._began is None:
            self._began = self._now()
        longest = self._soon if self._now() - self._began < _MINUTE else _LATER
        wait = self._chance() * min(longest, _FIRST * 2.0 ** min(self._attempts, 16))
        self._attempts += 1
        return wait

    def reset(self) -> None:
        """The outage is over."""
        self._attempts = 0
        self._began = None
