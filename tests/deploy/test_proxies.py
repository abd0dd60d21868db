"""The server behind the proxies that deploy/ configures."""

import http.client
import json
import re
import shlex
import socket
import ssl
from pathlib import Path

import yaml
from programs import PATIENCE, program, server, until
from tls import EXAMPLE, free_port, nginx
from websockets.sync.client import connect

DEPLOY = Path(__file__).parents[2] / "deploy"
TRAEFIK = DEPLOY / "traefik" / "framehub.yml"
HOST = "framehub.example.org"


def arguments(text: str) -> list[str]:
    """The server's arguments, as the comment at a file's top gives them."""
    comment = " ".join(line.strip("# ") for line in text.splitlines() if line.startswith("#"))
    (found,) = re.findall(r"started with `(--base-url [^`]*)`", comment)
    return shlex.split(found)


def opens_and_draws(port: int, host: str, key: str, tls: ssl.SSLContext) -> None:
    """The page with the key gives a cookie for TLS alone, which opens a view that draws, through what is at a port."""
    page = http.client.HTTPSConnection("127.0.0.1", port, context=tls, timeout=PATIENCE)
    page.request("GET", f"/framehub/?key={key}", headers={"Host": host})
    answer = page.getresponse()
    assert answer.status == 303
    cookie = answer.headers["set-cookie"]
    assert "; Secure" in cookie
    page.close()
    with connect(
        f"wss://{host}/framehub/api/widgets/square/view",
        sock=socket.create_connection(("127.0.0.1", port)),
        ssl=tls,
        origin=f"https://{host}",
        additional_headers={"Cookie": cookie.split(";")[0]},
        subprotocols=["framehub.view.v1"],
    ) as view:
        size = {"width": 100, "height": 80, "pwidth": 100, "pheight": 80, "ratio": 1.0}
        view.send(json.dumps({"type": "resize", **size}))
        while not isinstance(message := view.recv(PATIENCE), bytes):
            pass
        assert b"framebufferdata" in message


def test_a_view_works_through_nginx_and_its_cookie_is_for_tls_alone(tmp_path: Path) -> None:
    port = free_port()
    with server(arguments(EXAMPLE.read_text()), {}, tmp_path) as address:
        inner, key = re.findall(r"http://([^/]*)/framehub/\?key=(.*)", address)[0]
        with nginx(tmp_path, port, inner) as certificate:
            tls = ssl.create_default_context(cafile=str(certificate))
            tls.check_hostname = False
            opens_and_draws(port, f"127.0.0.1:{port}", key, tls)


def test_a_view_works_through_traefik_which_finds_the_server_well(tmp_path: Path) -> None:
    port = free_port()
    text = TRAEFIK.read_text()
    given = [*arguments(text), "127.0.0.1"]
    with server(given, {}, tmp_path) as address:
        inner, key = re.findall(r"http://([^/]*)/framehub/\?key=(.*)", address)[0]
        (tmp_path / "framehub.yml").write_text(text.replace("127.0.0.1:8420", inner))
        command = [
            "traefik",
            f"--entryPoints.websecure.address=127.0.0.1:{port}",
            f"--providers.file.filename={tmp_path / 'framehub.yml'}",
            "--global.checkNewVersion=false",
            "--global.sendAnonymousUsage=false",
            "--log.level=INFO",
        ]
        # It signs a certificate of its own where the file names none.
        tls = ssl.create_default_context()
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE

        def leads() -> bool:
            """Whether it has a way to the server, which is healthy."""
            probe = http.client.HTTPSConnection("127.0.0.1", port, context=tls, timeout=PATIENCE)
            try:
                probe.request("GET", "/framehub/health", headers={"Host": HOST})
                return probe.getresponse().status == 200
            except OSError:
                return False
            finally:
                probe.close()

        with program(command, tmp_path) as running:
            until(lambda: running.poll() is not None or leads(), "Traefik leads to the server")
            assert running.poll() is None, (tmp_path / "log").read_text()
            opens_and_draws(port, HOST, key, tls)
            assert re.findall("ERR.*", (tmp_path / "log").read_text()) == []


def test_traefik_asks_for_the_servers_health_where_it_is() -> None:
    routes = yaml.safe_load(TRAEFIK.read_text())["http"]
    (router,), (balancer,) = routes["routers"].values(), routes["services"].values()
    (prefix,) = re.findall(r"PathPrefix\(`([^`]*)`\)", router["rule"])
    assert balancer["loadBalancer"]["healthCheck"]["path"] == f"{prefix}health"
