"""The way to a server, straight and through a proxy."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator

import pytest
from fake_server import KEY, FakeServer
from framehub._connection import Connection
from framehub._dial import ConnectError, proxy_to
from until import until

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class Proxy:
    """An HTTP proxy for which every name is the fake server's."""

    def __init__(self, server: FakeServer) -> None:
        self.asked: list[str] = []
        self._to = ("127.0.0.1", int(server.url.rstrip("/").rpartition(":")[2]))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            self.asked.append(head.decode())
            if b"CONNECT nobody.example" in head:
                client.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
                client.close()
                continue
            server = socket.create_connection(self._to)
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=pump, args=(source, sink), daemon=True).start()


def pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


@pytest.fixture
def proxy(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    proxy = Proxy(server)
    monkeypatch.setenv("HTTP_PROXY", f"http://ann:se%20cret@127.0.0.1:{proxy.port}")
    # Python takes this one from no request's header of that name.
    monkeypatch.setenv("http_proxy", f"http://ann:se%20cret@127.0.0.1:{proxy.port}")
    yield proxy
    proxy.close()


def test_the_proxy_that_the_environment_names_is_on_the_way(proxy: Proxy, server: FakeServer) -> None:
    connection = Connection.open("http://hub.example:8000/services/framehub/", KEY)
    connection.send_text({"type": "hello", "session": "session-of-the-tests", "name": "Test"})
    server.next("hello")
    connection.close()
    (asked,) = proxy.asked
    assert asked.startswith("CONNECT hub.example:8000 ")
    credentials = base64.b64encode(b"ann:se cret").decode()
    assert f"Proxy-Authorization: Basic {credentials}" in asked
    # The key is the server's.
    assert KEY not in asked
    until(lambda: server.headers, "the server is asked")


def test_a_server_on_this_machine_and_one_that_is_named_are_reached_without_it(
    proxy: Proxy, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    Connection.open(server.url, KEY).close()
    assert proxy.asked == []
    monkeypatch.setenv("no_proxy", ".example")
    assert proxy_to("hub.example", secure=False) is None
    assert proxy_to("hub.example.org", secure=False) is not None
    assert proxy_to("hub.example.org", secure=True) is None


def test_what_fails_on_the_way_names_the_proxy_and_not_its_password(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConnectError, match=rf"through the proxy 127\.0\.0\.1:{proxy.port} .*NO_PROXY.*403") as refused:
        Connection.open("http://nobody.example/", KEY)
    assert "cret" not in str(refused.value)
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1080")
    with pytest.raises(ConnectError, match="http://host:port"):
        Connection.open("http://hub.example/", KEY)


def test_a_hubs_token_goes_through_no_proxy_in_clear_text(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConnectError, match="for all to read"):
        Connection.open("http://hub.example/", KEY, hub=True)
    monkeypatch.setenv("FRAMEHUB_ALLOW_HTTP", "1")
    Connection.open("http://hub.example/", KEY, hub=True).close()
