"""The class that users derive their widgets from."""

from __future__ import annotations

import logging
import secrets
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, cast

import ipywidgets.widgets.widget as ipywidgets_widget
import numpy as np
import numpy.typing as npt
from IPython.display import display
from traitlets import Bool, Dict, Unicode

from . import _esm
from ._cell import CELLS
from ._events import Event, default_compatibility, named
from ._fork import tell_child
from ._frames import checked, copied
from ._link import link
from ._marimo import end_with_cell
from ._output import Output
from ._page import Pages
from ._picture import UPDATES, Picture
from ._protocol import Message
from ._served import Outcome, ServedWidget
from ._served_traits import ServedTraits
from ._share import Role, Share, share, shares
from ._snapshot import Snapshot, css_pixels
from ._user_thread import MAIN, UserThread, current, interruptible, kernel

_log = logging.getLogger("framehub")

_STATS = ("sent_frames", "confirmed_frames", "roundtrip", "delivery", "img_encoding", "b64_encoding", "fps")
_SERVER_TIMEOUT = 30.0
_STATS_TIMEOUT = 5.0
_NO_FRAME = np.full((1, 1, 3), 127, np.uint8)


class RemoteFrameBuffer(ServedTraits):
    """A widget whose pictures are made here and shown in browsers, and that gets what users do there as events.

    Derive from it and override `get_frame` and `handle_event`. Both are called on the user's thread, one at a time:
    in a notebook by the kernel's event loop, in a script by `framehub.run()`.

    Its traits are the same in all views:

    - `css_width`, `css_height`: the preferred size, as CSS lengths ("500px", "300px").
    - `resizable`: whether users may resize a view (True).
    - `quality`: of the JPEG while pictures change, 1 to 100 (80); a picture that rests is sent again without loss.
      100 is always lossless.
    - `max_buffered_frames`: how many frames may be on their way to a view, at least 1 (2). More can give more frames
      per second, and more lag.
    - `cursor`: a CSS cursor ("default").
    - `title`, `has_titlebar`, `is_minimizable`, `is_closable`: of the title bar ("", False, False, False). The title
      is also what screen readers say.
    - `adaptive`: whether views on slow links are sent less quality and fewer pixels while the picture moves (True).
    - `show_pointers`: whether views show where the pointers of the others are (False).

    Any number of views can show a widget: one in each cell that displays it, and browser tabs at its `url`.
    """

    _esm = _esm.source()

    # Which names of fields events have: 1 those of jupyter_rfb before 1.0, 2 the new ones, 3 both; None: see `_events`.
    _event_compatibility: int | None = None

    # The class of the picture beside the view, by which the page finds it.
    _picture_class = Unicode("").tag(sync=True)
    # Programs read these. No single confirmation reaches the kernel, since the server keeps such accounts: there is no
    # feedback, as before the first in jupyter_rfb.
    _frame_feedback = Dict({})
    _has_visible_views = Bool(False)

    # Also of widgets whose `__init__` was not called, or failed; so `_rfb_served`.
    _rfb_pages: Pages | None = None
    _rfb_thread: UserThread = MAIN
    _rfb_closed = False
    _rfb_draw_requested = False
    # Whether the server was told of that, or will be by the end of the turn: an interrupt may have prevented it.
    _rfb_draw_told = False
    _rfb_taking_turn = False
    _rfb_last_frame: npt.NDArray[np.uint8] | None = None
    # Counts the frames; 0 before the first.
    _rfb_frame_number = 0
    _rfb_last_resize_event: Event | None = None
    _rfb_owns_layout = False
    # Programs set this to False for frames as base64 text.
    _use_websocket = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Takes initial values of traits."""
        self._rfb_lock = threading.Lock()
        tell_child(self)
        self._output_context = Output(_weakly(self, "_rfb_tell"))
        self._rfb_owns_layout = "layout" not in kwargs
        if self._event_compatibility is None:
            self._event_compatibility = default_compatibility(type(self))
        self._rfb_picture = Picture(f"framehub-picture-{secrets.token_hex(8)}")
        super().__init__(*args, **{**kwargs, "_picture_class": self._rfb_picture.name})
        self._rfb_thread = current()
        self._rfb_thread.adopt_loop()
        self._rfb_thread.close_at_end(self)
        end_with_cell(_weakly(self, "close"))
        kind = type(self).__qualname__
        place = CELLS.place(f"{type(self).__module__}.{kind}")
        self._rfb_served = ServedWidget(link(), self, place=place, kind=kind, thread=self._rfb_thread)
        self._rfb_pages = Pages(
            link(), self._rfb_served, _weakly(self, "_rfb_send_to_pages"), _weakly(self, "_rfb_frames")
        )
        if self._rfb_draw_requested:
            self._rfb_tell_draw()

    # --- to override -------------------------------------------------------------------------------------------------

    def get_frame(self) -> npt.NDArray[np.uint8] | None:
        """The next frame: an array of uint8 of shape (height, width), (height, width, 3) or (height, width, 4).

        It is called when a draw was requested and a view waits for a frame. None cancels the draw; a program that
        draws in the background can return None and pass the frame to `send_frame` later. The frame's size should be
        `pwidth` by `pheight` of the last `resize` event; any other is shown whole and undistorted.
        """
        return None

    def handle_event(self, event: Event) -> None:
        """Something that a user did in a view, or that became of the widget.

        `event["type"]` says what: `resize`, `pointer_down`, `pointer_move`, `pointer_up`, `pointer_enter`,
        `pointer_leave`, `double_click`, `wheel`, `key_down`, `key_up`, `char`, `focus_in`, `focus_out` or `close`.
        """

    # --- what programs call ------------------------------------------------------------------------------------------

    def request_draw(self) -> None:
        """Asks for a draw: `get_frame` will be called once, as soon as a view waits for a frame. From any thread."""
        self._rfb_thread.adopt_loop()
        with self._rfb_lock:
            if self._rfb_draw_requested and self._rfb_draw_told:
                return
            self._rfb_draw_told = self._rfb_taking_turn
            self._rfb_draw_requested = True
            if self._rfb_draw_told:
                return
        self._rfb_tell_draw()

    def send_frame(self, array: npt.NDArray[np.uint8]) -> None:
        """Makes an array of `get_frame`'s shapes the latest frame. From any thread.

        Of frames that are sent faster than a view can show them, it gets the latest.
        """
        self._rfb_send_frame(array)

    def snapshot(self, pixel_ratio: float | None = None, _initial: bool = False) -> Snapshot:
        """A picture of the widget for the output of a cell; its `data` is the array.

        It is the last frame, or a new one if there is none yet or a draw is requested; with `pixel_ratio`, one drawn
        with so many physical pixels for each logical one.
        """
        width, height = self._rfb_size()
        array = self._rfb_draw_now(pixel_ratio)
        title = self.title or ("initial snapshot" if _initial else "snapshot")
        # The program may draw the next frame into the same array.
        return Snapshot((_NO_FRAME if array is None else array).copy(), width, height, title, "snapshot-rfb")

    def display(self) -> None:
        """Shows the widget in the running cell, as `IPython.display.display` does."""
        display(self)

    def print(self, *args: Any, **kwargs: Any) -> None:
        """Prints to the cell that made the widget and to all views, as the builtin `print` would, but for `file`."""
        self._output_context.print(*args, **kwargs)

    def close(self, *args: Any, **kwargs: Any) -> None:
        """Closes the widget and all its views. The widget gets a last event, `close`."""
        if self._rfb_closed:
            return
        self._rfb_closed = True
        super().close(*args, **kwargs)
        if self._rfb_owns_layout and self.layout is not None:
            self.layout.close()
        if self._rfb_served is not None:
            self._rfb_served.close()
        CELLS.drop(self)
        self._rfb_handle_msg(self, {"type": "close", "timestamp": time.perf_counter()}, [])

    def get_stats(self) -> dict[str, float]:
        """Statistics since the last `reset_stats`, of all views together.

        - `sent_frames`, `confirmed_frames`: counts. Frames that only make the one before lossless do not count.
        - `roundtrip`, `delivery`: mean seconds from sending a frame until its confirmation, and until its arrival.
        - `img_encoding`, `b64_encoding`: mean seconds of turning pixels into an image, and the image into text.
        - `fps`: confirmed frames per second, from the first frame sent to the last confirmed.
        - `views`: the number of views.

        All are 0 where there is no connection to the server.
        """
        served = self._rfb_served
        told = served.stats(_STATS_TIMEOUT) if served is not None else {}
        views = told.get("views", 0)
        return {name: told.get(name, 0) for name in _STATS} | {"views": views if isinstance(views, int) else len(views)}

    def reset_stats(self) -> None:
        """Starts the statistics again, from the next frame that is sent."""
        if self._rfb_served is not None:
            self._rfb_served.reset_stats()

    @property
    def url(self) -> str:
        """The address of the widget's own page. It waits for the server; raises RuntimeError if there is none."""
        served = self._rfb_known()
        problem = served.wait_created(_SERVER_TIMEOUT)
        if problem is not None or served.url is None:
            raise RuntimeError(problem or "the widget is not connected to its server")
        return served.url

    def share(
        self,
        *,
        user: str | None = None,
        group: str | None = None,
        link: bool = False,
        role: Role = "watch",
        expires: float | None = None,
    ) -> Share:
        """Shares the widget with a user or a group of the JupyterHub, or by a link.

        `role` is what they may do: "watch", or "interact" as well. It ends after `expires` seconds, at most 30 days; if
        that is not given, a link ends after 30 days, and anything else with the widget. To share with a user or a group
        again changes what they may do.

        It waits for the server. Raises ValueError for what cannot be shared so, RuntimeError if there is no server, or
        it cannot keep the share.
        """
        wanted = {"user": user, "group": group, "link": link, "role": role, "expires_in": expires}
        return share(self._rfb_known(), wanted)

    def shares(self) -> list[Share]:
        """With whom the widget is shared now. It waits for the server; raises RuntimeError if there is none."""
        return shares(self._rfb_known())

    # --- ipywidgets --------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Opens the widget's channel to the notebook's pages."""
        super().open()
        # ipywidgets holds every widget for ever, so that a cell that runs again would leave its old ones behind.
        self.comm.on_msg(_weakly(self, "_handle_msg"))
        instances = cast("dict[str, object]", ipywidgets_widget._instances)
        instances[self.model_id] = weakref.proxy(self)

    def __del__(self) -> None:
        try:
            if threading.current_thread() is not threading.main_thread():
                # The user's code is not called from other threads, not even for its last event.
                self.__dict__["handle_event"] = _ignore
            self.close()
        except Exception as error:
            # Nobody is there to be told, and the interpreter may be half gone.
            _log.debug("a widget that is gone could not be closed: %s", error)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        self._rfb_known()
        result = super()._repr_mimebundle_(**kwargs)
        if self._rfb_closed or result is None:
            return result
        self._rfb_thread.adopt_loop()
        CELLS.keep(self)
        data = result[0] if isinstance(result, tuple) else result
        snapshot: Snapshot | None = None
        number = 0
        with self._output_context:
            self._rfb_draw_now(None)
            number = self._rfb_frame_number
            snapshot = self._rfb_still()
        if kernel() is not None:
            self._rfb_picture.show(snapshot, number)
            # What shows no view has the picture.
            data["text/plain"] = ""
        elif snapshot is not None:
            data["text/html"] = self._rfb_picture.html(snapshot)
        return result

    def _rfb_still(self) -> Snapshot | None:
        """The last frame as it stands in for the view; None if there is none."""
        array = self._rfb_last_frame
        return None if array is None else Snapshot(array, *self._rfb_size(), self.title or "Widget")

    def _rfb_update_picture(self) -> None:
        """The last frame rests; from a thread of its own."""
        # Before the frame itself: of one that comes right now, the picture is made once more rather than not at all.
        number = self._rfb_frame_number
        if self._rfb_closed or not self._rfb_picture.is_news(number):
            return
        still = self._rfb_still()
        if still is not None:
            self._rfb_picture.update(still, number)

    def _handle_custom_msg(self, content: Message, buffers: list[memoryview]) -> None:
        if isinstance(content, dict) and "framehub" in content:
            if self._rfb_pages is not None:
                self._rfb_pages.handle(content)
            return
        super()._handle_custom_msg(content, buffers)

    def _rfb_send_to_pages(self, content: Message, buffers: list[bytes] | None) -> None:
        self.send(content, buffers)

    def _rfb_frames(self) -> str:
        return "binary" if self._use_websocket else "base64"

    # --- the server's side -------------------------------------------------------------------------------------------

    def _rfb_wants_draw(self) -> bool:
        return self._rfb_draw_requested

    def _rfb_tell_draw(self) -> None:
        if self._rfb_served is not None:
            self._rfb_served.request_draw()
            self._rfb_draw_told = True

    def _rfb_views_changed(self, views: int, visible: int) -> None:
        self._has_visible_views = visible > 0

    def _rfb_closed_by_server(self, events: list[Event]) -> None:
        for event in events:
            if event["type"] != "close":
                self._output_context.run(self._rfb_handle_msg, self, event, [])
        self._output_context.run(RemoteFrameBuffer.close, self)

    def _rfb_forked(self) -> None:
        self._rfb_lock = threading.Lock()

    def _rfb_known(self) -> ServedWidget:
        if self._rfb_served is None:
            raise RuntimeError("the widget was not initialised: call super().__init__() in its class")
        return self._rfb_served

    def _rfb_tell(self, text: str) -> None:
        if self._rfb_served is not None:
            self._rfb_served.print(text)

    # --- turns -------------------------------------------------------------------------------------------------------

    def _rfb_take_turn(self, events: list[Event], may_draw: bool, requested: bool) -> Outcome:
        return self._output_context.run(self._rfb_turn, events, may_draw, requested)

    def _rfb_turn(self, events: list[Event], may_draw: bool, requested: bool) -> Outcome:
        outcome = Outcome()
        with self._rfb_lock:
            self._rfb_taking_turn = True
        try:
            self._output_context.take_errors()
            for event in events:
                # Errors of a program's own `_rfb_handle_msg`, too.
                with self._output_context:
                    self._rfb_handle_msg(self, event, [])
            outcome.event_error = self._output_context.take_errors()
            if may_draw and not self._rfb_closed and (requested or self._rfb_draw_requested):
                self._rfb_draw(outcome)
        finally:
            with self._rfb_lock:
                self._rfb_taking_turn = False
                outcome.requested = self._rfb_draw_requested
        if outcome.event_error is None and outcome.draw_error is None:
            self._output_context.succeeded()
        return outcome

    def _rfb_draw(self, outcome: Outcome) -> None:
        with self._rfb_lock:
            self._rfb_draw_requested = False
        began = time.perf_counter()
        outcome.drawn = "error"
        with self._output_context:
            with interruptible():
                frame = self.get_frame()
            outcome.draw_time = time.perf_counter() - began
            array = None if frame is None else checked(frame)
            outcome.drawn = "none"
            if array is not None and self._rfb_served is not None:
                outcome.drawn = copied(array, self._rfb_served.buffer(array.size))
                self._rfb_drew(array)
        outcome.draw_error = self._output_context.take_errors()

    def _rfb_handle_msg(self, widget: object, content: Event, buffers: list[Any]) -> None:
        """Passes an event on to `handle_event`. Programs override this, and call it with events of their own."""
        kind = content.get("type")
        if kind is None:
            return
        if kind == "resize":
            self._rfb_last_resize_event = content
            self.request_draw()
        elif kind == "close":
            self._rfb_last_frame = None
        with self._output_context, interruptible():
            # Looked up late: programs set a function of their own on the instance.
            self.handle_event(named(content, self._event_compatibility or 3))

    def _rfb_send_frame(self, array: npt.NDArray[np.uint8], is_lossless_redraw: bool = False) -> None:
        pixels = checked(array)
        if pixels is None or self._rfb_served is None or self._rfb_closed:
            return
        self._rfb_served.push(copied(pixels, self._rfb_served.buffer(pixels.size)))
        self._rfb_drew(pixels)

    def _rfb_drew(self, array: npt.NDArray[np.uint8]) -> None:
        self._rfb_keep(array)
        if self._rfb_picture.shown:
            UPDATES.drew(self)

    def _rfb_keep(self, array: npt.NDArray[np.uint8]) -> None:
        self._rfb_last_frame = array
        with self._rfb_lock:
            self._rfb_frame_number += 1

    def _rfb_maybe_draw(self) -> None:
        """Draws at once, if a draw is requested and somebody can see it: for programs that keep their cell running."""
        if self._rfb_taking_turn or not (self._rfb_draw_requested and self._has_visible_views):
            return
        outcome = Outcome()
        self._output_context.run(self._rfb_draw, outcome)
        served = self._rfb_served
        if served is None:
            return
        if outcome.draw_error is not None:
            served.show_error(outcome.draw_error)
        elif not isinstance(outcome.drawn, str):
            served.push(outcome.drawn)

    def _rfb_schedule_maybe_draw(self, *_: Any) -> None:
        if self._rfb_draw_requested:
            self._rfb_tell_draw()

    def _rfb_cancel_lossless_draw(self) -> None:
        """Does nothing: the server sends the lossless frame, and knows when a newer one is coming."""

    # --- pictures without a view -------------------------------------------------------------------------------------

    def _rfb_size(self) -> tuple[float, float]:
        """The widget's size in logical pixels."""
        last = self._rfb_last_resize_event
        if last is not None:
            return last["width"], last["height"]
        return css_pixels(self.css_width, "width"), css_pixels(self.css_height, "height")

    def _rfb_resized(self, ratio: float) -> Event:
        width, height = self._rfb_size()
        return {
            "type": "resize",
            "timestamp": time.perf_counter(),
            "width": width,
            "height": height,
            "pwidth": int(width * ratio),
            "pheight": int(height * ratio),
            "ratio": ratio,
        }

    def _rfb_draw_now(self, ratio: float | None) -> npt.NDArray[np.uint8] | None:
        """The last frame, if it is the one to show; else a new one, where the user's code can be called now."""
        last = self._rfb_last_resize_event
        fitting = ratio is None or (last is not None and last["ratio"] == ratio)
        fresh = self._rfb_last_frame is not None and not self._rfb_draw_requested
        callable_now = threading.current_thread() is threading.main_thread() and not self._rfb_taking_turn
        if (fresh and fitting) or not callable_now or self._rfb_closed:
            return self._rfb_last_frame
        requested = self._rfb_draw_requested
        try:
            if last is None or not fitting:
                self._rfb_handle_msg(self, self._rfb_resized(ratio or 1.0), [])
            with self._rfb_lock:
                self._rfb_taking_turn = True
            try:
                frame = self.get_frame()
                array = None if frame is None else checked(frame)
            finally:
                with self._rfb_lock:
                    self._rfb_taking_turn = False
            if array is not None:
                self._rfb_keep(array.copy())
            latest = self._rfb_last_frame
        finally:
            # The views go on as they were, also after a draw that failed or was interrupted. Without any view yet, what
            # is drawn next has the ratio that it would have had.
            before = self._rfb_resized(1.0) if last is None and ratio not in (None, 1.0) else last
            if before is not None and not fitting:
                self._rfb_handle_msg(self, before, [])
            # They have not seen this frame.
            if requested or self._rfb_draw_requested:
                self._rfb_draw_requested = False
                self.request_draw()
        return latest


def _weakly(widget: RemoteFrameBuffer, method: str) -> Callable[..., Any]:
    """A call of a widget's method that does not keep the widget, and does nothing when it is gone."""
    alive = weakref.ref(widget)

    def call(*args: Any, **kwargs: Any) -> Any:
        this = alive()
        return getattr(this, method)(*args, **kwargs) if this is not None else None

    return call


def _ignore(_: Event) -> None:
    """Handles no event."""
