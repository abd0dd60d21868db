"""Code of notebooks under test."""

SQUARE = """
import framehub
import numpy as np

class Square(framehub.RemoteFrameBuffer):
    '''A red square on blue that is dragged; a key changes the background.'''

    def __init__(self, **traits):
        self.shape, self.corner, self.events, self.background = (100, 200), (0, 0), [], (0, 0, 200)
        super().__init__(css_width="200px", css_height="100px", **traits)

    def handle_event(self, event):
        self.events.append(event)
        if event["type"] == "resize":
            self.shape = event["pheight"], event["pwidth"]
        elif event["type"] == "pointer_move" and 1 in event["buttons"]:
            self.corner = int(event["x"]), int(event["y"])
            self.request_draw()
        elif event["type"] == "key_down":
            if event["key"] == "e":
                raise RuntimeError("this key is broken")
            self.print("the key", event["key"])

    def get_frame(self):
        frame = np.empty((*self.shape, 3), np.uint8)
        frame[:] = self.background
        x, y = self.corner
        frame[y:y + 20, x:x + 20] = (255, 0, 0)
        return frame
"""
SHOW = "w = Square(title='A square')\nw"
BLUE = (0, 0, 200)
RED = (255, 0, 0)
