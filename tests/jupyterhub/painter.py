"""A script of a user, whose widgets move by themselves; the argument says how many."""

import sys

import framehub
import numpy as np


class Painter(framehub.RemoteFrameBuffer):
    def __init__(self) -> None:
        self.corner = 0
        super().__init__(max_fps=10)

    def get_frame(self) -> np.ndarray:
        self.corner = (self.corner + 1) % 100
        frame = np.zeros((120, 160, 3), np.uint8)
        frame[:20, self.corner : self.corner + 20] = (255, 0, 0)
        self.request_draw()
        return frame


painters = [Painter() for _ in range(int(sys.argv[1]))]
framehub.run()
