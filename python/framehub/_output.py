"""Where the user's code prints, and where its errors show: the cell that made the widget."""

from __future__ import annotations

import asyncio
import contextvars
import io
import sys
import threading
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

Result = TypeVar("Result")


class Output:
    """Prints text and errors to the cell that made the widget, and passes them on to its views.

    As a context manager it keeps errors of the user's code from going further. An error that comes again and again, as
    from a `get_frame` that is called for each frame, is printed once.
    """

    # Some programs set this; prints within the user's code go to the right cell without it.
    capture_print = False

    def __init__(self, tell: Callable[[str], None]) -> None:
        """`tell` gets what is printed with `print`."""
        self._tell = tell
        self._context = contextvars.copy_context()
        # A context is entered once at a time.
        self._free = threading.Lock()
        self._errors: list[str] = []
        self._last_error: str | None = None

    def run(self, function: Callable[..., Result], *args: Any) -> Result:
        """Calls the function such that what it prints goes to the cell that made the widget."""
        if not self._free.acquire(blocking=False):
            return function(*args)
        try:
            return self._context.run(function, *args)
        finally:
            self._free.release()

    def print(self, *args: Any, **kwargs: Any) -> None:
        """As the builtin `print`, but for `file`."""
        text = io.StringIO()
        print(*args, **{**kwargs, "file": text, "flush": False})
        self.run(sys.stdout.write, text.getvalue())
        self._tell(text.getvalue())

    def take_errors(self) -> str | None:
        """The errors since the last call, for the views; None if there were none."""
        text, self._errors = "\n".join(self._errors), []
        return text or None

    def succeeded(self) -> None:
        """The user's code ran without error: the next one is news."""
        self._last_error = None

    def __enter__(self) -> Output:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        # An interrupt is meant for the code that runs; the kernel has to live on. A result that was cancelled is an
        # error of who asks for it: nobody cancels what happens here.
        if kind is None or not issubclass(kind, (Exception, KeyboardInterrupt, asyncio.CancelledError)):
            return False
        text = "".join(traceback.format_exception(kind, error, trace))
        self._errors.append(text)
        if text != self._last_error:
            self._last_error = text
            self.run(sys.stderr.write, text)
        return True
