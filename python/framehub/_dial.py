"""The way to the server: straight, or through the HTTP proxy that the environment names (`HTTPS_PROXY`, `NO_PROXY`)."""

from __future__ import annotations

import base64
import ipaddress
import logging
import os
import socket
import ssl
from functools import cache
from http.client import HTTPConnection, HTTPException
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

_log = logging.getLogger("framehub")
# The server pings every 10 s: after this silence the connection is dead, whatever the network says.
SILENCE = 35
_TIMEOUT = 10


class ConnectError(Exception):
    """The server could not be reached, or refused the connection. The message says what to do."""


def proxy_to(host: str, *, secure: bool) -> str | None:
    """The proxy on the way to a host; None where there is none. Whatever the environment says, loopback has none."""
    if is_loopback(host) or proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get("https" if secure else "http") or proxies.get("all")


def dial(url: str) -> socket.socket:
    """Connects to the server of an address, by TLS if that is `https`. Raises ConnectError."""
    at = urlsplit(url)
    host, secure = at.hostname or "", at.scheme == "https"
    port = at.port or (443 if secure else 80)
    proxy = proxy_to(host, secure=secure)
    try:
        sock = (
            socket.create_connection((host, port), timeout=_TIMEOUT) if proxy is None else _through(proxy, host, port)
        )
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE * 1000)
        return ssl.create_default_context().wrap_socket(sock, server_hostname=host) if secure else sock
    except (OSError, HTTPException) as error:
        way = "" if proxy is None else f" through the proxy {_shown(proxy)} (add {host} to NO_PROXY to go without it)"
        raise ConnectError(f"no FrameHub server answers at {url}{way}: {error}") from error


def _through(proxy: str, host: str, port: int) -> socket.socket:
    at = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    if at.scheme != "http" or not at.hostname:
        raise OSError("it is none that is spoken to by HTTP: use an address like http://host:port")
    headers = {}
    if at.username is not None:
        credentials = f"{unquote(at.username)}:{unquote(at.password or '')}"
        headers["Proxy-Authorization"] = f"Basic {base64.b64encode(credentials.encode()).decode()}"
    connection = HTTPConnection(at.hostname, at.port or 80, timeout=_TIMEOUT)
    connection.set_tunnel(host, port, headers)
    connection.connect()
    return connection.sock


def _shown(proxy: str) -> str:
    """Without a password."""
    return proxy.rpartition("@")[2].rpartition("/")[2] if "@" in proxy else proxy


def is_loopback(host: str) -> bool:
    """Whether a name or an address is that of this machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_clear_text(sock: socket.socket, url: str) -> None:
    """Sends no token of a JupyterHub over the internet without TLS: it opens the user's notebooks, too."""
    if os.environ.get("FRAMEHUB_ALLOW_HTTP") == "1":
        return
    host = urlsplit(url).hostname or ""
    proxy = proxy_to(host, secure=False)
    at = ipaddress.ip_address(sock.getpeername()[0].partition("%")[0])
    if proxy is None and at.is_loopback:
        return
    if proxy is not None or at.is_global:
        whither = at if proxy is None else f"{host} through the proxy {_shown(proxy)}"
        raise ConnectError(
            f"FRAMEHUB_URL is {url}: the token of the JupyterHub would go to {whither} for all to read. Use an https "
            "address, or set FRAMEHUB_ALLOW_HTTP=1 where nobody else is on the way"
        )
    _warn_of_clear_text(url)


@cache
def _warn_of_clear_text(url: str) -> None:
    """Once for each address."""
    _log.warning(
        "the token of the JupyterHub goes to %s without TLS, through a private network: set FRAMEHUB_ALLOW_HTTP=1 if "
        "that is to be trusted, or FRAMEHUB_URL to an https address",
        url,
    )
