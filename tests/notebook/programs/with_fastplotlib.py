"""An image in a figure of fastplotlib, drawn by Vulkan in software."""

from user import check

import fastplotlib
import numpy as np


async def main() -> None:
    figure = fastplotlib.Figure(size=(320, 240))
    picture = np.random.default_rng(1).random((40, 60)).astype(np.float32)
    figure[0, 0].add_image(picture)
    figure.show(sidecar=False)
    await check(figure.canvas)
    figure.close()
