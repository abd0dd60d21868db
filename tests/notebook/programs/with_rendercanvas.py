"""A canvas of rendercanvas that draws pixels of its own."""

from user import check

import numpy as np
from rendercanvas.auto import RenderCanvas


async def main() -> None:
    canvas = RenderCanvas(size=(320, 240), title="canvas", update_mode="ondemand")
    context = canvas.get_bitmap_context()
    place = [10, 10]

    def draw() -> None:
        width, height = canvas.get_physical_size()
        picture = np.zeros((height, width, 4), np.uint8)
        picture[..., 3] = 255
        x, y = place
        picture[y : y + 60, x : x + 60] = (255, 120, 0, 255)
        context.set_bitmap(picture)

    def moved(event: dict) -> None:
        if 1 in event["buttons"]:
            place[:] = int(event["x"]), int(event["y"])
            canvas.request_draw()

    canvas.add_event_handler(moved, "pointer_move")
    canvas.request_draw(draw)
    await check(canvas)
    canvas.close()
    assert canvas.get_closed()
