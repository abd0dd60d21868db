"""FrameHub: widgets that are rendered here and shown in a browser.

Derive a class from `RemoteFrameBuffer`, override `get_frame` and `handle_event`, and display it in a notebook; its
`url` shows it in any browser tab. A script calls `run` after making its widgets. `install_as_jupyter_rfb` has
libraries that are written for jupyter_rfb use this class.

The environment variables `FRAMEHUB_URL` and `FRAMEHUB_KEY` name a server to use; without them, the user's own is
started.
"""

from ._dial import ConnectError
from ._install import install_as_jupyter_rfb
from ._run import run
from ._server import ServerNotFoundError
from ._share import Share
from ._snapshot import Snapshot
from ._widget import RemoteFrameBuffer

__all__ = [
    "ConnectError",
    "RemoteFrameBuffer",
    "ServerNotFoundError",
    "Share",
    "Snapshot",
    "install_as_jupyter_rfb",
    "run",
]
__version__ = "0.1.0"
