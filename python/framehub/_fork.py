"""What becomes of this package's objects in a forked process.

A fork copies locks as they are, held by threads that the child does not have, and the parent's socket. So each object
that has either is told in the child, before anything else runs there.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forked(Protocol):
    """Something that has to be made fit for a child."""

    def _rfb_forked(self) -> None:
        """Says that the process is a forked one, and this its only thread."""


# By identity: classes of programs may compare their objects as they like.
_all: dict[int, weakref.ref[Forked]] = {}


def tell_child(owner: Forked) -> None:
    """Has an object told in forked processes, as long as it lives."""
    key = id(owner)
    _all[key] = weakref.ref(owner, lambda _: _all.pop(key, None))


def _tell() -> None:
    for each in list(_all.values()):
        owner = each()
        if owner is not None:
            owner._rfb_forked()


os.register_at_fork(after_in_child=_tell)
