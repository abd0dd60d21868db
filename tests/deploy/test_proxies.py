"""The server behind the proxies that deploy/ configures."""

import json
import re
import shlex
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import yaml
from programs import PATIENCE, program, server, until
from websockets.sync.client import connect

DEPLOY = Path(__file__).parents[2] / "deploy"
NAME = "framehub.example.org"


def arguments(text: str) -> list[str]:
    """The server's arguments, as the comment at a file's top gives them."""
    comment = " ".join(line.strip("# ") for line in text.splitlines() if line.startswith("#"))
    (found,) = re.findall(r"started with `(--base-url [^`]*)`", comment)
    return shlex.split(found)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_view_works_through_nginx_and_its_cookie_is_for_tls_alone(tmp_path: Path) -> None:
    text = (DEPLOY / "nginx" / "framehub.conf").read_text()
    certificate = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={NAME}"
    command = shlex.split(f"{certificate} -keyout framehub.key -out framehub.pem")
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    port = free_port()
    with server(arguments(text), {}, tmp_path) as address:
        inner, key = re.findall(r"http://([^/]*)/framehub/\?key=(.*)", address)[0]
        here = text.replace("listen 443", f"listen 127.0.0.1:{port}").replace("127.0.0.1:8420", inner)
        here = re.sub(r"/etc/ssl/(certs|private)/", f"{tmp_path}/", here)
        (tmp_path / "framehub.conf").write_text(here)
        temporary = "".join(
            f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (tmp_path / "nginx.conf").write_text(
            f"daemon off; pid {tmp_path}/pid; error_log stderr; events {{}}\n"
            f"http {{ access_log off; {temporary} include {tmp_path}/framehub.conf; }}\n"
        )
        with program(["nginx", "-c", tmp_path / "nginx.conf", "-e", "stderr"], tmp_path) as nginx:
            tls = ssl.create_default_context(cafile=str(tmp_path / "framehub.pem"))
            tls.check_hostname = False

            def listens() -> bool:
                assert nginx.poll() is None, (tmp_path / "log").read_text()
                with socket.socket() as probe:
                    return probe.connect_ex(("127.0.0.1", port)) == 0

            until(listens, "nginx listens")

            class Stay(urllib.request.HTTPRedirectHandler):
                def redirect_request(self, *_: object) -> None:
                    return None

            opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=tls), Stay)
            try:
                opener.open(f"https://127.0.0.1:{port}/framehub/?key={key}", timeout=PATIENCE)
                raise AssertionError("the page with the key leads on")
            except urllib.error.HTTPError as answer:
                assert answer.code == 303
                cookie = answer.headers["set-cookie"]
            assert "; Secure" in cookie

            url = f"wss://127.0.0.1:{port}/framehub/api/widgets/square/view"
            headers = {"Cookie": cookie.split(";")[0]}
            page = f"https://127.0.0.1:{port}"
            with connect(
                url, ssl=tls, origin=page, additional_headers=headers, subprotocols=["framehub.view.v1"]
            ) as view:
                size = {"width": 100, "height": 80, "pwidth": 100, "pheight": 80, "ratio": 1.0}
                view.send(json.dumps({"type": "resize", **size}))
                while not isinstance(message := view.recv(PATIENCE), bytes):
                    pass
                assert b"framebufferdata" in message


def test_traefik_is_told_of_paths_that_the_server_has(tmp_path: Path) -> None:
    text = (DEPLOY / "traefik" / "framehub.yml").read_text()
    http = yaml.safe_load(text)["http"]
    (router,), (balancer,) = http["routers"].values(), http["services"].values()
    assert router["service"] in http["services"]
    (prefix,) = re.findall(r"PathPrefix\(`([^`]*)`\)", router["rule"])
    check = balancer["loadBalancer"]["healthCheck"]["path"]
    given = ["--base-url", "/framehub/"]
    assert given[1] == prefix
    with server(given, {}, tmp_path) as address:
        origin = address.split(prefix)[0]
        with urllib.request.urlopen(origin + check) as answer:
            assert answer.status == 200
