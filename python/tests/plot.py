"""A program's widget, and its turns."""

from __future__ import annotations

import numpy as np
from fake_server import FakeServer
from framehub import RemoteFrameBuffer


class Plot(RemoteFrameBuffer):
    """Notes its events, and draws a gray frame."""

    def __init__(self, **traits):
        self.events = []
        self.draws = 0
        super().__init__(**traits)

    def handle_event(self, event):
        self.events.append(event)

    def get_frame(self):
        self.draws += 1
        return np.full((4, 6), self.draws, np.uint8)


def turn(widget: RemoteFrameBuffer, *events: dict, number: int = 1, may_draw: bool = False, requested: bool = False):
    assert widget.url
    return {
        "type": "turn",
        "widget": widget._rfb_served.id,
        "turn": number,
        "events": list(events),
        "may_draw": may_draw,
        "requested": requested,
    }


def take(server: FakeServer, serve, message: dict) -> dict:
    """Has a turn taken and answers its end."""
    before = len(server.of("turn_done"))
    server.send(message)
    serve(lambda: len(server.of("turn_done")) > before, "the turn is done")
    return server.of("turn_done")[-1]
