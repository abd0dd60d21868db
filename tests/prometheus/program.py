"""A script with one widget: prints its id, and for each line that it reads, what `get_stats` answers."""

import asyncio
import json
import sys

import numpy as np
from framehub import RemoteFrameBuffer

# Frames that the widget draws, each unlike the one before.
FRAMES = 30


class Brighter(RemoteFrameBuffer):
    """Grows brighter until it has drawn all its frames."""

    def __init__(self) -> None:
        self.drawn = 0
        super().__init__()

    def get_frame(self) -> np.ndarray | None:
        if self.drawn == FRAMES:
            return None
        self.drawn += 1
        self.request_draw()
        return np.full((100, 100, 3), self.drawn, np.uint8)


async def main() -> None:
    """Serves the widget until there is nothing more to read."""
    loop = asyncio.get_running_loop()
    widget = Brighter()
    url = await loop.run_in_executor(None, lambda: widget.url)
    print(url.rpartition("/")[2], flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await loop.run_in_executor(None, widget.get_stats)), flush=True)


asyncio.run(main())
