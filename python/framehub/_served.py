"""A widget as the server knows it: made there, told of changes, and asked for turns."""

from __future__ import annotations

import logging
import threading
import traceback
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ._events import Event
from ._fork import tell_child
from ._frames import Pixels, Spares
from ._protocol import Message, ServerError
from ._pushed import PushedFrame
from ._user_thread import MAIN, UserThread

if TYPE_CHECKING:
    from ._link import Link

_log = logging.getLogger("framehub")
# Text that is printed before the server knows the widget is kept up to this many times.
_MOST_TEXTS = 100
_LONGEST_KIND = 128

WhenCreated = Callable[[str | None], None]


@dataclass(slots=True)
class Outcome:
    """What a turn came to."""

    drawn: str | Pixels = "no"
    """The frame, or `no` (get_frame was not called), `none` (it returned None) or `error`."""
    draw_time: float = 0.0
    """Seconds that get_frame took."""
    draw_error: str | None = None
    event_error: str | None = None
    requested: bool = False
    """Whether a draw is requested at the end of the turn."""


class Renderer(Protocol):
    """The user's side of a widget."""

    def _rfb_traits(self) -> dict[str, Any]:
        """The traits of the server, from any thread."""

    def _rfb_set_traits(self, traits: dict[str, Any]) -> None:
        """Takes the values that others gave traits of the server, on the user's thread."""

    def _rfb_take_turn(self, events: list[Event], may_draw: bool, requested: bool) -> Outcome:
        """Handles events and draws, on the user's thread."""

    def _rfb_wants_draw(self) -> bool:
        """Whether a draw is requested, from any thread."""

    def _rfb_views_changed(self, views: int, visible: int) -> None:
        """The number of views changed; from the link's thread."""

    def _rfb_closed_by_server(self, events: list[Event]) -> None:
        """The widget was closed from elsewhere, and these are its last events; on the user's thread."""


class ServedWidget:
    """The far half of a widget. Any thread may call it; only what has a timeout waits for the server."""

    def __init__(
        self, link: Link, renderer: Renderer, *, place: str | None, kind: str, thread: UserThread = MAIN
    ) -> None:
        """`thread` makes the calls to the user's code."""
        self._link = link
        self._thread = thread
        # The widget owns this object, not the other way round: it goes when nobody in Python holds it.
        self._renderer = weakref.ref(renderer)
        self._place = place
        self._kind = shortened(kind, _LONGEST_KIND)
        # The garbage collector may have another widget's last event handled while it is held, on the same thread.
        self._lock = threading.RLock()
        self._waiting: list[WhenCreated] = []
        self._follower: weakref.WeakMethod[Callable[[], None]] | None = None
        self._texts: list[Message] = []
        self._spares = Spares()
        self._pushed = PushedFrame(self._spares)
        self._draw_requested = False
        # The number of the last message that set traits, and of the last that set each.
        self._number = 0
        self._numbers: dict[str, int] = {}
        # Whether the server is about to say, on a new connection, what it has.
        self._resuming = False
        self._closed = False
        self._closed_by_server = False
        self.id: str | None = None
        """The widget's id on the server; None while the server does not know it."""
        self.former: str | None = None
        """The id that it had before, until the server knows it again."""
        self.url: str | None = None
        """The address of the widget's page, as it was last known."""
        tell_child(self)
        link.add(self)

    # --- what the widget's owner does --------------------------------------------------------------------------------

    def request_draw(self) -> None:
        """Asks the server for a turn in which to draw."""
        with self._lock:
            if self.id is None:
                self._draw_requested = True
                return
        self._send({"type": "request_draw"})

    def set_traits(self, traits: dict[str, Any]) -> None:
        """Sets traits, now or as soon as the server knows the widget."""
        with self._lock:
            self._number += 1
            number = self._number
            self._numbers |= dict.fromkeys(traits, number)
        self._send({"type": "traits", "traits": traits, "number": number})

    def print(self, text: str) -> None:
        """Shows text in all views."""
        self._send_text({"type": "print", "text": text})

    def show_error(self, text: str | None) -> None:
        """Shows an error in all views, or takes it away."""
        self._send_text({"type": "error", "text": text})

    def reset_stats(self) -> None:
        """Starts the statistics again."""
        self._send({"type": "reset_stats"})

    def buffer(self, size: int) -> bytearray | None:
        """Memory of this size from frames that were sent, if there is any."""
        return self._spares.take(size)

    def push(self, pixels: Pixels) -> None:
        """Makes a frame the latest one. Of frames that come faster than they can be sent, the last is sent."""
        problem = self._too_large(pixels)
        if problem is not None:
            raise ValueError(problem)
        self._pushed.replace(pixels)
        if self.id is not None:
            self._pushed.send(self._link, self._frame)

    def close(self) -> None:
        """Closes the widget everywhere, soon.

        It takes no locks: the garbage collector may call it in the midst of anything.
        """
        if not self._closed:
            self._closed = True
            self._link.later(self._finish)

    def _finish(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        if not self._closed_by_server:
            self._send({"type": "close"})
        self._link.forget(self)
        for tell in waiting:
            tell("The widget was closed.")

    @property
    def renderer(self) -> Renderer | None:
        """The user's side; None when it is gone."""
        return self._renderer()

    @property
    def closed(self) -> bool:
        """Whether the widget was closed."""
        return self._closed

    def when_created(self, tell: WhenCreated) -> None:
        """Calls back once the server knows the widget, with None, or with the reason why that fails for now."""
        problem = self._link.problem
        with self._lock:
            if self.id is None and not self._closed and problem is None:
                self._waiting.append(tell)
                return
        if self._closed:
            problem = "The widget was closed."
        tell(problem if self.id is None or self._closed else None)

    def follow(self, method: Callable[[], None]) -> None:
        """Calls a method, while its object lives, whenever the server of a new connection knows the widget."""
        self._follower = weakref.WeakMethod(method)

    def wait_created(self, timeout: float) -> str | None:
        """Waits until the server knows the widget, or for `timeout` seconds; answers why it does not, or None."""
        problems: list[str | None] = []
        known = threading.Event()

        def tell(problem: str | None) -> None:
            problems.append(problem)
            known.set()

        self.when_created(tell)
        return problems[0] if known.wait(timeout) else f"the server did not answer within {timeout:g} s"

    def stats(self, timeout: float) -> dict[str, Any]:
        """The server's statistics of the widget; empty if there are none within `timeout` seconds."""
        try:
            return dict(self.answer({"type": "get_stats"}, timeout)["stats"])
        except (ServerError, RuntimeError):
            return {}

    def shown(self, url: str) -> str:
        """An address that the server named, as people reach it."""
        return self._link.shown(url)

    def answer(self, message: Message, timeout: float) -> Message:
        """The server's answer to a request about this widget.

        Raises ServerError if it refuses, RuntimeError if there is no answer within `timeout` seconds.
        """
        answers: list[Message | ServerError] = []
        answered = threading.Event()

        def take(answer: Message | ServerError) -> None:
            answers.append(answer)
            answered.set()

        problem = self.wait_created(timeout)
        if problem is None and not self.ask(message, take):
            problem = "there is no connection to the server"
        if problem is None and not answered.wait(timeout):
            problem = f"the server did not answer within {timeout:g} s"
        if problem is not None:
            raise RuntimeError(problem)
        if isinstance(answers[0], ServerError):
            raise answers[0]
        return answers[0]

    def ask(self, message: Message, answered: Callable[[Message | ServerError], None]) -> bool:
        """Sends a request about this widget; False if there is no connection."""
        return self.id is not None and self._link.ask({**message, "widget": self.id}, answered)

    def _rfb_forked(self) -> None:
        self._lock = threading.RLock()
        self._waiting = []

    # --- what the link tells, on its thread --------------------------------------------------------------------------

    def connected(self, resumed: bool) -> None:
        """There is a new connection, to a server that kept this widget or has to make it."""
        renderer = self._renderer()
        if renderer is None:
            return
        with self._lock:
            known = self.id or self.former
            self.id, self.former = (known, None) if resumed else (None, known)
            number = self._number
        if resumed:
            self._resuming = True
            self._told_known()
        else:
            self._create(renderer._rfb_traits(), number, known)

    def created_after_all(self, answer: Message) -> None:
        """The server made the widget, under the id it had, as a connection asked that is gone."""
        self._created(answer, 0)

    def failed(self, problem: str) -> None:
        """There is no connection, and this is why."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for tell in waiting:
            tell(problem)

    def turn(self, message: Message, connection: object) -> None:
        """The server wants a turn."""
        self._thread.submit(lambda: self._take_turn(message, connection))
        if not self._thread.served:
            self.show_error(
                "The widget's program has no event loop that could call it.\n"
                "In a script, call framehub.run() after making the widgets."
            )

    def views_changed(self, message: Message) -> None:
        """The number of views changed."""
        renderer = self._renderer()
        if renderer is not None:
            renderer._rfb_views_changed(int(message.get("views", 0)), int(message.get("visible", 0)))

    def traits_changed(self, message: Message) -> None:
        """Others set traits, or the server says what it has after an outage."""
        after = int(message["after"])
        if self._resuming:
            self._resuming = False
            self._tell_newer(after)
        self._thread.submit(lambda: self._take_traits(message["traits"], after))

    def closed_by_server(self, message: Message) -> None:
        """Somebody else closed the widget."""
        self._closed_by_server = True
        self._thread.submit(lambda: self._close_renderer(message["events"]))

    def _create(self, traits: dict[str, Any], number: int, before: str | None) -> None:
        """Has the server make the widget, with the id that it had if that is free: its address and pages stay good."""

        def answered(answer: Message | ServerError) -> None:
            if before is not None and isinstance(answer, ServerError) and answer.code == "exists":
                if self.id is None:
                    self._create(traits, number, None)
            else:
                self._created(answer, number)

        made = {"traits": traits, "number": number, "place": self._place, "kind": self._kind}
        request = {"type": "create", **made}
        self._link.ask(request if before is None else {**request, "widget": before}, answered)

    def _created(self, answer: Message | ServerError, number: int) -> None:
        if isinstance(answer, ServerError):
            _log.warning("the server made no widget: %s", answer)
            self.failed(f"The server made no widget: {answer}")
            return
        with self._lock:
            surplus = self.id is not None
            if not surplus:
                self.id, self.former = str(answer["widget"]), None
                self.url = self._link.shown(str(answer["url"]))
            closed = self._closed
        if surplus:
            # An earlier request was answered after all.
            self._link.send({"type": "close", "widget": answer["widget"]})
            return
        self._link.know(self)
        if closed:
            self._send({"type": "close"})
            self._link.forget(self)
            return
        self._tell_newer(number)
        self._told_known()

    def _told_known(self) -> None:
        """The server knows the widget: sends what waited for that."""
        self._flush()
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for tell in waiting:
            tell(None)
        follow = self._follower() if self._follower is not None else None
        if follow is not None:
            follow()

    def _tell_newer(self, number: int) -> None:
        """Tells the server the traits that were set after those that it has."""
        renderer = self._renderer()
        with self._lock:
            newer = [name for name, last in self._numbers.items() if last > number]
        if newer and renderer is not None:
            traits = renderer._rfb_traits()
            self.set_traits({name: traits[name] for name in newer})

    def _flush(self) -> None:
        """Sends what waited for the server, and what it may have forgotten, or never got."""
        with self._lock:
            texts, self._texts = self._texts, []
            draw, self._draw_requested = self._draw_requested, False
        for message in texts:
            self._send(message)
        if draw:
            self._send({"type": "request_draw"})
        self._pushed.send_again(self._link, self._frame)

    # --- on the user's thread ----------------------------------------------------------------------------------------

    def _take_turn(self, message: Message, connection: object) -> None:
        renderer = self._renderer()
        if renderer is None or self._closed or not self._link.is_current(connection):
            # Nobody waits for an answer: whoever asked is gone, or the widget is.
            return
        try:
            outcome = renderer._rfb_take_turn(message["events"], message["may_draw"], message["requested"])
        except BaseException:
            # The server waits for the end of this turn, whatever becomes of us.
            outcome = Outcome(event_error=traceback.format_exc(), requested=renderer._rfb_wants_draw())
            self._end_turn(renderer, outcome, message["turn"], connection)
            raise
        self._end_turn(renderer, outcome, message["turn"], connection)

    def _end_turn(self, renderer: Renderer, outcome: Outcome, turn: int, connection: object) -> None:
        if self._closed:
            return
        problem = self._too_large(outcome.drawn)
        if problem is not None:
            outcome.drawn, outcome.draw_error = "error", problem
        done: Message = {
            "type": "turn_done",
            "widget": self.id,
            "turn": turn,
            "draw_time": outcome.draw_time,
            "draw_error": self._fitting(outcome.draw_error),
            "event_error": self._fitting(outcome.event_error),
            "requested": outcome.requested,
        }
        pixels = outcome.drawn
        if isinstance(pixels, str):
            self._link.send({**done, "drawn": pixels}, connection)
            lost = False
        else:
            self._pushed.outdone()
            header = {**done, "drawn": "frame", **_described(pixels)}
            self._link.send_pixels(lambda: (header, pixels.data), lambda: self._spares.give_back(pixels), connection)
            lost = not self._link.is_current(connection)
        # A request that another thread sent after the turn's outcome was settled may be ahead of the message that
        # denies it. And if the frame is lost, the next connection shall get one.
        if lost or (renderer._rfb_wants_draw() and not outcome.requested):
            self.request_draw()

    def _take_traits(self, traits: dict[str, Any], after: int) -> None:
        renderer = self._renderer()
        if renderer is None or self._closed:
            return
        with self._lock:
            theirs = {name: value for name, value in traits.items() if self._numbers.get(name, 0) <= after}
        renderer._rfb_set_traits(theirs)

    def _close_renderer(self, events: list[Event]) -> None:
        renderer = self._renderer()
        if renderer is not None and not self._closed:
            renderer._rfb_closed_by_server(events)

    # --- sending -----------------------------------------------------------------------------------------------------

    def _send(self, message: Message) -> None:
        if self.id is not None:
            self._link.send({**message, "widget": self.id})

    def _too_large(self, drawn: str | Pixels) -> str | None:
        """Why the server would not take a frame; None if it does."""
        most = self._link.limits.frame_pixels
        if isinstance(drawn, str) or drawn.width * drawn.height <= most:
            return None
        return f"a frame of {drawn.width} x {drawn.height} pixels is larger than the server takes, {most} pixels"

    def _fitting(self, text: str | None) -> str | None:
        return None if text is None else shortened(text, self._link.limits.text_bytes)

    def _send_text(self, message: Message) -> None:
        message["text"] = self._fitting(message["text"])
        with self._lock:
            if self.id is None:
                self._texts = [*self._texts[1 - _MOST_TEXTS :], message]
                return
        self._send(message)

    def _frame(self, pixels: Pixels) -> Message:
        return {"type": "frame", "widget": self.id, **_described(pixels)}


def shortened(text: str, longest: int) -> str:
    """The text, or its beginning and end if it has more bytes than that: a traceback's last line says what it was."""
    data = text.encode(errors="replace")
    if len(data) <= longest:
        return text
    gap = " … ".encode() if longest > 16 else b""
    end = (longest - len(gap)) // 2
    kept = data[: longest - end - len(gap)] + gap + data[len(data) - end :]
    # Characters that were cut apart go.
    return kept.decode(errors="ignore")


def _described(pixels: Pixels) -> Message:
    return {"width": pixels.width, "height": pixels.height, "format": pixels.format}
