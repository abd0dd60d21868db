"""With whom a widget is shared, and until when."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ._protocol import Message, ServerError
from ._served import ServedWidget

Role = Literal["watch", "interact"]
"""What somebody may do with a widget: see it, or act in it as well."""

# The longest wait for the server, in seconds. It answers such questions without this process's help, and gives up a
# disk that hangs after ten.
_TIMEOUT = 15.0


@dataclass(frozen=True, slots=True)
class Share:
    """A permission that the owner of a widget gave."""

    id: str
    """Names it among the widget's."""
    user: str | None
    """The user of the JupyterHub who has it, if it is a user's."""
    group: str | None
    """The group of the JupyterHub whose users have it, if it is a group's."""
    link: bool
    """Whether it is for whoever has the link."""
    role: Role
    """What they may do."""
    expires: float | None
    """When it ends, Unix time in seconds; None if it ends with the widget."""
    url: str = field(repr=False)
    """The address to hand on. That of a link is a secret: whoever has it gets in."""
    _served: ServedWidget = field(repr=False, compare=False)

    def revoke(self) -> None:
        """Ends it, and the views that rest on it, at once. Does nothing if it has ended.

        Raises RuntimeError if the server cannot keep that: it has ended then, but would be back after a restart. Call
        it again to know whether it is kept by now.
        """
        if self._served.closed:
            return
        try:
            self._served.answer({"type": "revoke", "share": self.id}, _TIMEOUT)
        except ServerError as error:
            if error.code not in ("unknown_share", "unknown_widget"):
                raise RuntimeError(str(error)) from error


def share(served: ServedWidget, wanted: Message) -> Share:
    """Has the server share a widget. Raises ValueError for what cannot be, RuntimeError where there is no server.

    RuntimeError, too, where the server cannot keep it: nothing is shared then.
    """
    try:
        answer = served.answer({"type": "share", "share": wanted}, _TIMEOUT)
    except ServerError as error:
        raise (RuntimeError if error.field is None else ValueError)(str(error)) from error
    return _told(served, answer["share"])


def shares(served: ServedWidget) -> list[Share]:
    """The shares of a widget that hold now. Raises RuntimeError where there is no server."""
    try:
        answer = served.answer({"type": "get_shares"}, _TIMEOUT)
    except ServerError as error:
        raise RuntimeError(str(error)) from error
    return [_told(served, each) for each in answer["shares"]]


def _told(served: ServedWidget, told: Message) -> Share:
    names = ("id", "user", "group", "link", "role", "expires", "url")
    known = {name: told[name] for name in names}
    return Share(**known | {"url": served.shown(told["url"])}, _served=served)
