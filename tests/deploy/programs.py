"""The programs that the tests run: the server under test, and what stands in front of it."""

import os
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

BINARY = Path(os.environ["FRAMEHUB_BIN"])
PATIENCE = 30.0


def until(condition: Callable[[], T | None], what: str) -> T:
    """Waits until the condition gives something."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain: {what}")


@contextmanager
def server(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    program: Sequence[str | Path] = (BINARY,),
) -> Iterator[str]:
    """Runs the server with what a deployment gives it, but on a free port of 127.0.0.1; gives its address.

    It has to start with exactly these flags and variables, so that none is misspelt or out of range. `program` is what
    leads to it.
    """
    replaced = []
    for argument in arguments:
        is_address = replaced and replaced[-1] in ("--listen", "--metrics-listen")
        replaced.append("127.0.0.1:0" if is_address else argument)
    variables = {
        **environment,
        "FRAMEHUB_KEY_FILE": str(folder / "key"),
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "FRAMEHUB_PRINT_KEY": "true",
    }
    if "--listen" not in replaced:
        variables["FRAMEHUB_LISTEN"] = "127.0.0.1:0"
    process = subprocess.Popen(
        [*program, *replaced], env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=lambda out: lines.put(out.readline()), args=(process.stdout,), daemon=True).start()
        line = lines.get(timeout=PATIENCE)
        assert " is at http://" in line, f"the server did not start: {line!r}"
        yield line.split()[-1]
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


@contextmanager
def program(command: Sequence[str | Path], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Runs a program until the context ends."""
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)
