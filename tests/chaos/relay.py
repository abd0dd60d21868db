"""A relay of TCP connections that delays, loses for a while, and cuts: what a network does."""

from __future__ import annotations

import random
import selectors
import socket
import threading
import time
from collections import deque
from contextlib import suppress

# What a sender waits before it sends again what got lost.
RESENT_AFTER = 0.2
CHUNK = 65_536


class Relay:
    """Listens on a free port of 127.0.0.1, and passes on what comes to the server and back."""

    def __init__(self, to: tuple[str, int]) -> None:
        self._to = to
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._flowing = threading.Event()
        self._flowing.set()
        self.delay = 0.0
        """Seconds each way."""
        self.loss = 0.0
        """The part of packets that have to be sent again."""
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        host, port = self._listening.getsockname()
        return f"{host}:{port}"

    def hold(self) -> None:
        """Passes nothing on from now on, as a network that is gone: nobody is told."""
        self._flowing.clear()

    def let_go(self) -> None:
        self._flowing.set()

    def cut(self) -> None:
        """Ends all connections."""
        with self._lock:
            ends, self._ends = self._ends, set()
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listening.close()
        self.let_go()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._to)
            except OSError:
                near.close()
                continue
            with self._lock:
                self._ends |= {near, far}
            for one, other in ((near, far), (far, near)):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        """Passes on what one side sends, each chunk when it is due."""
        waiting: deque[tuple[float, bytes]] = deque()
        ended = False
        due = 0.0
        with suppress(OSError, ValueError), selectors.DefaultSelector() as selector:
            selector.register(one, selectors.EVENT_READ)
            while not ended or waiting:
                now = time.monotonic()
                pause = max(0.0, waiting[0][0] - now) if waiting else 0.5
                if not ended and selector.select(pause):
                    chunk = one.recv(CHUNK)
                    ended = not chunk
                    lost = RESENT_AFTER if random.random() < self.loss else 0.0
                    # What comes behind a lost packet waits for it.
                    due = max(due, time.monotonic() + self.delay + lost)
                    waiting.append((due, chunk))
                elif ended:
                    time.sleep(pause)
                while waiting and waiting[0][0] <= time.monotonic():
                    self._flowing.wait()
                    if chunk := waiting.popleft()[1]:
                        other.sendall(chunk)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
