"""A scene of pygfx, drawn by Vulkan in software."""

from user import check

import pygfx
from rendercanvas.auto import RenderCanvas


async def main() -> None:
    canvas = RenderCanvas(size=(320, 240), update_mode="ondemand")
    renderer = pygfx.renderers.WgpuRenderer(canvas)
    scene = pygfx.Scene()
    scene.add(pygfx.Mesh(pygfx.box_geometry(200, 200, 200), pygfx.MeshNormalMaterial()))
    camera = pygfx.PerspectiveCamera(70, 4 / 3)
    camera.local.position = (150, 200, 400)
    camera.look_at((0, 0, 0))
    pygfx.OrbitController(camera, register_events=renderer)
    canvas.request_draw(lambda: renderer.render(scene, camera))
    await check(canvas)
    canvas.close()
