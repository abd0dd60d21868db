"""The program of the comparison, for `exec` in a kernel: the same with either class."""

SOURCE = '''
import asyncio, threading, time
import numpy as np
from {module} import RemoteFrameBuffer

class Bench(RemoteFrameBuffer):
    """Frames of a `scene`, one after another, each asked for by the one before; or one for each pointer move."""

    def __init__(self, scene, width, height):
        rng = np.random.default_rng(1)
        # Smooth, with some noise: about as hard to compress as a rendered scene.
        x, y = np.meshgrid(np.linspace(0, 6, width), np.linspace(0, 4, height))
        base = np.stack([127 + 100 * np.sin(x + p) * np.cos(y - p) for p in (0, 1, 2)], axis=2)
        self.pictures = [
            np.clip(base + 20 * i + rng.normal(0, 4, base.shape), 0, 255).astype(np.uint8) for i in range(4)
        ]
        self.scene, self.count, self.drawing, self.bright = scene, 0, 0.0, False
        super().__init__(css_width=f"{{width}}px", css_height=f"{{height}}px", max_buffered_frames=2)

    def handle_event(self, event):
        if self.scene == "pointer" and event["event_type"] == "pointer_move":
            self.bright = not self.bright
            self.request_draw()

    def get_frame(self):
        began = time.perf_counter()
        self.count += 1
        if self.scene == "all":
            frame = self.pictures[self.count % 4]
        elif self.scene == "square":
            frame = self.pictures[0].copy()
            at = self.count * 7 % (frame.shape[1] - 100)
            frame[100:200, at : at + 100] = (255, 255, 0)
        else:
            frame = self.pictures[0].copy()
            frame[:40, :40] = 255 if self.bright else 0
        if self.scene != "pointer":
            self.request_draw()
        self.drawing += time.perf_counter() - began
        return frame

class Held:
    """How long the main thread's event loop was held: the time of all its callbacks."""

    def __init__(self):
        self.seconds = 0.0
        run, main = asyncio.events.Handle._run, threading.main_thread()

        def timed(handle):
            if threading.current_thread() is not main:
                return run(handle)
            began = time.perf_counter()
            try:
                return run(handle)
            finally:
                self.seconds += time.perf_counter() - began

        asyncio.events.Handle._run = timed

if "held" not in globals():
    held = Held()

def measured():
    """What the kernel knows, as JSON."""
    import json, os
    return json.dumps({{"frames": w.count, "held": held.seconds - w.drawing, "pid": os.getpid(), **w.get_stats()}})
'''
