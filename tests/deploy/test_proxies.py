"""The server behind the proxies that deploy/ configures."""

import json
import re
import shlex
import ssl
import urllib.error
import urllib.request
from pathlib import Path

import yaml
from programs import PATIENCE, server
from tls import EXAMPLE, free_port, nginx
from websockets.sync.client import connect

DEPLOY = Path(__file__).parents[2] / "deploy"


def arguments(text: str) -> list[str]:
    """The server's arguments, as the comment at a file's top gives them."""
    comment = " ".join(line.strip("# ") for line in text.splitlines() if line.startswith("#"))
    (found,) = re.findall(r"started with `(--base-url [^`]*)`", comment)
    return shlex.split(found)


def test_a_view_works_through_nginx_and_its_cookie_is_for_tls_alone(tmp_path: Path) -> None:
    port = free_port()
    with server(arguments(EXAMPLE.read_text()), {}, tmp_path) as address:
        inner, key = re.findall(r"http://([^/]*)/framehub/\?key=(.*)", address)[0]
        with nginx(tmp_path, port, inner) as certificate:
            tls = ssl.create_default_context(cafile=str(certificate))
            tls.check_hostname = False

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
