"""nginx with TLS in front of a server, as deploy/nginx has it."""

import re
import shlex
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from programs import program, until

EXAMPLE = Path(__file__).parents[2] / "deploy" / "nginx" / "framehub.conf"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def nginx(folder: Path, port: int, inner: str, location: str = "/framehub/") -> Iterator[Path]:
    """Runs it on a port of 127.0.0.1 in front of what is at the address `inner`; gives its certificate."""
    certificate = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=framehub.example.org"
    command = shlex.split(f"{certificate} -keyout framehub.key -out framehub.pem")
    subprocess.run(command, cwd=folder, capture_output=True, check=True)
    here = EXAMPLE.read_text().replace("listen 443", f"listen 127.0.0.1:{port}").replace("127.0.0.1:8420", inner)
    here = re.sub(r"/etc/ssl/(certs|private)/", f"{folder}/", here)
    (folder / "framehub.conf").write_text(here.replace("location /framehub/", f"location {location}"))
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; {temporary} include {folder}/framehub.conf; }}\n"
    )
    with program(["nginx", "-c", folder / "nginx.conf", "-e", "stderr"], folder) as running:

        def listens() -> bool:
            assert running.poll() is None, (folder / "log").read_text()
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        until(listens, "nginx listens")
        yield folder / "framehub.pem"
