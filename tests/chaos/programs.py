"""The processes of a test: the server, on a port that it keeps, and kernels."""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

BINARY = Path(os.environ["FRAMEHUB_BIN"])
HERE = Path(__file__).parent
KEY = "key-of-the-tests"
PATIENCE = 30.0

T = TypeVar("T")


def until(condition: Callable[[], T | None], what: Callable[[], str] | str, patience: float = PATIENCE) -> T:
    """Waits until the condition gives something."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {patience:g} s: {what if isinstance(what, str) else what()}")


class Program:
    """A process that can be ended and started again."""

    def __init__(self, command: list[str], environment: dict[str, str], folder: Path, name: str) -> None:
        self._command, self._log = command, folder / f"{name}.log"
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **environment}
        self.start()

    def start(self) -> str:
        """Starts it, and gives the first line that it prints."""
        with self._log.open("a") as log:
            self.process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        assert self.process.stdout
        threading.Thread(target=lambda out: lines.put(out.readline()), args=(self.process.stdout,), daemon=True).start()
        self.said = lines.get(timeout=PATIENCE).strip()
        assert self.said, f"it did not start: {self._log.read_text()[-2000:]}"
        return self.said

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)

    def end(self) -> None:
        """Ends it whatever state it is in."""
        if self.process.poll() is None:
            self.send(signal.SIGCONT)
            self.kill()


class Server(Program):
    """The server. After an end it starts on the same port."""

    def __init__(self, folder: Path, *flags: str) -> None:
        with socket.socket() as chosen:
            chosen.bind(("127.0.0.1", 0))
            self.port = chosen.getsockname()[1]
        command = [str(BINARY), "--listen", self.address, "--no-demos", *flags]
        super().__init__(command, {"FRAMEHUB_KEY": KEY}, folder, "server")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def _status(self, name: str) -> int:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))

    def resident(self) -> int:
        """In bytes."""
        return self._status("VmRSS") * 1024

    def threads(self) -> int:
        return self._status("Threads")

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))


class Kernel(Program):
    """A process with a painter's widget, connected to the server by an address."""

    def __init__(self, folder: Path, address: str, fps: int = 10) -> None:
        environment = {
            "FRAMEHUB_URL": f"http://{address}/",
            "FRAMEHUB_KEY": KEY,
            "PYTHONPATH": f"{HERE.parents[1] / 'python'}",
        }
        command = [sys.executable, str(HERE / "painter.py"), str(fps)]
        super().__init__(command, environment, folder, "kernel")

    @property
    def widget(self) -> str:
        return self.said
