"""Calls the user's code on the thread where it was written to run, one call after another and never one within another.

That is the process's main thread, but for programs that run several notebooks, each on a thread with a loop of its own.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol

from ._fork import tell_child

Call = Callable[[], None]


class Closable(Protocol):
    """What lives on a thread."""

    def close(self) -> None:
        """Ends it."""


class UserThread:
    """A queue of calls that a thread works off: by its event loop in a notebook, by `run()` in a script."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Without a loop, that of the main thread is looked for."""
        self._calls: deque[Call] = deque()
        self._changed = threading.Condition()
        self._loop = loop
        self._guests: weakref.WeakSet[Closable] = weakref.WeakSet()
        # Whether `run` serves; then no loop is needed.
        self._serving = False
        self._running = False
        self._scheduled = False
        tell_child(self)

    def _rfb_forked(self) -> None:
        # What waits is the parent's to do, and so is its loop.
        self._changed = threading.Condition()
        self._calls = deque()
        self._loop = None
        self._scheduled = False

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop that works off the calls, if one is known."""
        return self._loop

    @property
    def served(self) -> bool:
        """Whether anybody works off the calls."""
        return self._serving or (self._loop is not None and not self._loop.is_closed())

    def adopt_loop(self) -> None:
        """Looks for the main thread's event loop, unless one is known. Called wherever the user's code calls us."""
        if self._loop is not None and not self._loop.is_closed():
            return
        loop = _kernel_loop() or (_running_loop() if _is_main() else None)
        if loop is None:
            return
        with self._changed:
            self._loop = loop
            # What the loop before was to do, it will not do any more.
            self._scheduled = False
            self._schedule()

    def submit(self, call: Call) -> None:
        """Has a call made, after those that wait. From any thread."""
        with self._changed:
            self._calls.append(call)
            self._schedule()
            self._changed.notify()

    def close_at_end(self, guest: Closable) -> None:
        """Has something closed when the thread ends, if it is still there."""
        self._guests.add(guest)

    def end(self) -> None:
        """The thread ends."""
        for guest in list(self._guests):
            guest.close()

    def serve(self, until: Callable[[], bool]) -> None:
        """Makes calls on this thread until `until` answers true; it is asked after each call and twice a second."""
        with self._changed:
            self._serving = True
        try:
            while not until():
                with self._changed:
                    self._changed.wait_for(lambda: self._calls, timeout=0.5)
                self._call_next()
        finally:
            with self._changed:
                self._serving = False
                self._schedule()

    def _schedule(self) -> None:
        """Has the loop make the next call; with the lock held."""
        if self._scheduled or self._serving or not self._calls or self._loop is None:
            return
        try:
            self._loop.call_soon_threadsafe(self._on_loop)
        except RuntimeError:
            # The loop was closed; the calls wait for another.
            self._loop = None
            return
        self._scheduled = True

    def _on_loop(self) -> None:
        with self._changed:
            self._scheduled = False
        # A loop that the user's code runs within its own call: the call in progress goes on when that ends.
        if self._running:
            return
        # One call for each round of the loop, so that the kernel's own messages get their turn.
        self._call_next()

    def _call_next(self) -> None:
        with self._changed:
            if self._running or not self._calls:
                return
            call = self._calls.popleft()
            self._running = True
        try:
            call()
        finally:
            self._running = False
            with self._changed:
                self._schedule()


@contextmanager
def interruptible() -> Iterator[None]:
    """Lets the user interrupt what happens within, as a cell: between cells, kernels ignore interrupts.

    It is for the user's code alone: our own is not written to be left at any line.
    """
    if not _is_main() or signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        yield
        return
    within = True

    def interrupt(_: int, __: FrameType | None) -> None:
        if within:
            raise KeyboardInterrupt

    try:
        signal.signal(signal.SIGINT, interrupt)
        yield
    finally:
        # From here on it would hit whatever comes next.
        within = False
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def kernel() -> Any:
    """The notebook's kernel that this process is; None if it is none."""
    if "ipykernel" not in sys.modules:
        return None
    from ipykernel.kernelbase import Kernel

    return Kernel.instance() if Kernel.initialized() else None


def _kernel_loop() -> asyncio.AbstractEventLoop | None:
    """The loop of the notebook's kernel, also where this is called from another of its threads."""
    loop = getattr(getattr(kernel(), "io_loop", None), "asyncio_loop", None)
    return loop if isinstance(loop, asyncio.AbstractEventLoop) else None


MAIN = UserThread()
_own = threading.local()


def current() -> UserThread:
    """The thread of the code that runs, if it has an event loop of its own and is no side thread of a kernel; else the
    main thread.
    """
    loop = None if _is_main() or kernel() is not None else _running_loop()
    if loop is None:
        return MAIN
    here: _Here | None = getattr(_own, "here", None)
    if here is None or here.thread.loop is not loop:
        here = _own.here = _Here(UserThread(loop))
    return here.thread


class _Here:
    """Is there as long as a thread that has an event loop of its own, and the loop."""

    def __init__(self, thread: UserThread) -> None:
        self.thread = thread

    def __del__(self) -> None:
        self.thread.end()
