"""What the preloaded library is told: which calls fail, where, and how far the wall clock is ahead."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LIBRARY = Path(__file__).with_name("faults.c")
CALLS = ("write", "fsync", "rename", "open", "read", "accept", "thread")
# As the struct in faults.c: the calls, room for one more, the clock, the prefix.
LAYOUT = struct.Struct("=8iq464s")


def compiled(folder: Path) -> Path:
    """Compiles the library."""
    library = folder / "faults.so"
    flags = ["-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC"]
    subprocess.run(["gcc", *flags, "-o", str(library), str(LIBRARY), "-ldl"], check=True)
    return library


class Faults:
    """The faults of one server."""

    def __init__(self, library: Path, file: Path) -> None:
        self.environment = {"LD_PRELOAD": str(library), "FAULTS": str(file)}
        self._file = file
        self._clock = 0
        self.mend()

    def mend(self) -> None:
        """From now on nothing fails. The clock stays where it is."""
        self._write({}, "")

    def fail(self, prefix: str | Path = "", **errors: int) -> None:
        """From now on these calls fail so, those on files where the path begins with `prefix`."""
        self._write(errors, str(prefix))

    @contextmanager
    def failing(self, prefix: str | Path = "", **errors: int) -> Iterator[None]:
        self.fail(prefix, **errors)
        try:
            yield
        finally:
            self.mend()

    def set_clock_ahead(self, seconds: int) -> None:
        """The wall clock steps; others go on as they did."""
        self._clock = seconds
        self.mend()

    def _write(self, errors: dict[str, int], prefix: str) -> None:
        codes = [errors.pop(call, 0) for call in CALLS]
        assert not errors, f"no such calls: {errors}"
        packed = LAYOUT.pack(*codes, 0, self._clock, prefix.encode())
        # Not replaced: the server has mapped it.
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(packed)
