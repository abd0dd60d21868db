"""A surface of vispy."""

from user import check

import numpy as np
from vispy import app, scene


async def main() -> None:
    # Where there is no screen, vispy does not look for a notebook.
    app.use_app("jupyter_rfb")
    canvas = scene.SceneCanvas(keys="interactive", size=(320, 240))
    view = canvas.central_widget.add_view()
    view.camera = scene.TurntableCamera(fov=45, distance=30, elevation=30)
    x = np.linspace(-3, 3, 40)
    heights = np.exp(-(x[:, None] ** 2) - x[None, :] ** 2) * 5
    view.add(scene.visuals.SurfacePlot(x=x * 3, y=x * 3, z=heights, shading=None, color=(0.9, 0.4, 0.2, 1)))
    view.add(scene.visuals.XYZAxis())
    await check(canvas.native)
    canvas.close()
