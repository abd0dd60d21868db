"""A widget's user side that a test controls, and its turns."""

from __future__ import annotations

from framehub._served import Outcome, ServedWidget


class Renderer:
    """A widget's user side that notes what it is told."""

    def __init__(self) -> None:
        self.traits = {"title": "first"}
        self.turns: list[tuple] = []
        self.views: list[tuple[int, int]] = []
        self.closed = False
        self.outcome = Outcome()

    def _rfb_traits(self):
        return self.traits

    def _rfb_set_traits(self, traits):
        self.traits |= traits

    def _rfb_take_turn(self, events, may_draw, requested):
        self.turns.append((events, may_draw, requested))
        return self.outcome

    def _rfb_wants_draw(self):
        return self.outcome.requested

    def _rfb_views_changed(self, views, visible):
        self.views.append((views, visible))

    def _rfb_closed_by_server(self, events):
        self.closed = True


def turn(widget: ServedWidget, number: int) -> dict:
    events = [{"type": "pointer_down", "view": "v1"}]
    return {
        "type": "turn",
        "widget": widget.id,
        "turn": number,
        "events": events,
        "may_draw": True,
        "requested": False,
    }
