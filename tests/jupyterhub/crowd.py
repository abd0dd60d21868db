"""Many views that draw at a time, each of which connects again when it was cut off, as pages do."""

import asyncio
import itertools
import threading
from types import TracebackType

from client import Viewer
from hub import PATIENCE, PREFIX, Browser, until
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException

# So long a view waits before it connects again, in seconds.
PAUSE = 1.0


class Crowd:
    """A number of views of each of some widgets, in one browser."""

    def __init__(self, browser: Browser, widgets: list[str], views: int, *, drag: float = 0.0, frames: int = 2) -> None:
        """`drag` says how often a second one view of each widget moves its square; `frames`, how many a view has had
        when it draws."""
        self._browser = browser
        self._drag = drag
        self._least = frames
        # The connections of each view so far.
        self._views: list[list[Viewer]] = [[] for _ in range(len(widgets) * views)]
        self._seats = list(itertools.product(widgets, range(views)))
        self._signing_in = threading.Lock()
        self._leave = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._stay()))

    def __enter__(self) -> "Crowd":
        self._thread.start()
        try:
            until(self.draws, "all views draw")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._leave.set()
        self._thread.join()

    @property
    def connections(self) -> int:
        """How often a view has connected."""
        return sum(len(shown) for shown in self._views)

    @property
    def frames(self) -> list[int]:
        """How many frames each view has had so far."""
        return [sum(viewer.frames for viewer in shown) for shown in self._views]

    def draws(self) -> bool:
        """Whether each view is connected and draws."""
        return all(
            shown and shown[-1].frames >= self._least and shown[-1].socket.close_code is None for shown in self._views
        )

    def go_on(self) -> None:
        """Waits until each view had some more frames."""
        before = self.frames
        until(lambda: all(now > then + 1 for now, then in zip(self.frames, before, strict=True)), "more frames")

    async def _stay(self) -> None:
        tasks = [
            asyncio.create_task(self._keep(shown, f"api/widgets/{widget}/view", drags=self._drag > 0 and number == 0))
            for shown, (widget, number) in zip(self._views, self._seats, strict=True)
        ]
        await asyncio.to_thread(self._leave.wait)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, shown: list[Viewer], path: str, *, drags: bool) -> None:
        """Keeps a view open."""
        while True:
            try:
                await self._show(shown, path, drags=drags)
            except InvalidStatus as refusal:
                if refusal.response.status_code == 401:
                    await asyncio.to_thread(self._sign_in)
            except (OSError, WebSocketException):
                pass
            await asyncio.sleep(PAUSE)

    async def _show(self, shown: list[Viewer], path: str, *, drags: bool) -> None:
        async with connect(
            f"{self._browser.hub.origin.replace('http', 'ws')}{PREFIX}{path}",
            origin=self._browser.hub.origin,
            additional_headers={"Cookie": self._browser.cookies(path)},
            subprotocols=["framehub.view.v1"],
            open_timeout=PATIENCE,
        ) as socket:
            viewer = Viewer(socket)
            shown.append(viewer)
            if not drags:
                await viewer.show()
                return
            dragging = asyncio.create_task(viewer.drag(self._drag, float("inf")))
            await viewer.show()
            dragging.cancel()
            await asyncio.gather(dragging, return_exceptions=True)

    def _sign_in(self) -> None:
        """One at a time, as in one browser."""
        with self._signing_in:
            if self._browser.get("api/widgets").status_code == 401:
                self._browser.get("")
