"""What the Hub starts in place of a user's notebook server: says what a kernel there is told, and that it is up."""

import json
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

NAMES = ("JUPYTERHUB_API_TOKEN", "FRAMEHUB_URL")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


told = {name: os.environ[name] for name in NAMES}
Path(f"environment{os.environ['JUPYTERHUB_SERVER_NAME']}.json").write_text(json.dumps(told))
HTTPServer(("127.0.0.1", urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"]).port or 0), Handler).serve_forever()
