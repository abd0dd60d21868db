"""A still picture of a widget, for the output of a cell."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
from IPython.display import DisplayObject

from ._png import png

_DEFAULT_SIZE = {"width": 500.0, "height": 300.0}


class Snapshot(DisplayObject):  # type: ignore[misc]
    """A picture that a notebook shows, and keeps when there is no kernel.

    `data` is its array of uint8, of shape (height, width), (height, width, 3) or (height, width, 4); `width` and
    `height` are the size it is shown in, in logical pixels; `title` says what it shows to who cannot see it.
    """

    def __init__(
        self,
        data: npt.NDArray[np.uint8],
        width: float,
        height: float,
        title: str = "snapshot",
        class_name: str | None = None,
    ) -> None:
        super().__init__(data)
        self.width = width
        self.height = height
        self.title = title
        self.class_name = class_name
        self._png: bytes | None = None

    def _check_data(self) -> None:
        if not (hasattr(self.data, "shape") and hasattr(self.data, "dtype")):
            raise TypeError(f"a snapshot is of an array, not of {type(self.data).__name__}")

    def png(self) -> bytes:
        """The picture as a PNG file."""
        if self._png is None:
            self._png = png(self.data)
        return self._png

    def data_url(self) -> str:
        """The picture as the address of an image."""
        return f"data:image/png;base64,{b64encode(self.png()).decode()}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/html": self._repr_html_(), "text/plain": f"<{self.title}>"}

    def _repr_html_(self) -> str:
        kind = f' class="{escape(self.class_name)}"' if self.class_name else ""
        return (
            f"<div{kind}>"
            f'<img src="{self.data_url()}" alt="{escape(self.title)}" '
            f'width="{self.width:g}" height="{self.height:g}" style="max-width: 100%; object-fit: contain">'
            "</div>"
        )


def css_pixels(length: str, side: str) -> float:
    """A CSS length in logical pixels; where only a browser could tell, that of the trait's default."""
    number = length.strip().removesuffix("px")
    try:
        return float(number) if number != length.strip() else _DEFAULT_SIZE[side]
    except ValueError:
        return _DEFAULT_SIZE[side]
