"""How a server shows that it is the one that its runtime file tells of, before it is sent the key.

The file may be older than what has the server's port by now.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import socket
import time
from contextlib import suppress
from urllib.parse import urlsplit

# Seconds for the whole answer.
_TIMEOUT = 5.0
# Most bytes of it.
_LONGEST = 16 * 1024


def proves(sock: socket.socket, url: str, secret: str) -> bool:
    """Returns true if the server at the other end of a connection, with the base address `url`, knows the secret.
    The connection stays as it was.
    """
    address = urlsplit(url)
    nonce = secrets.token_urlsafe(24)
    request = f"GET {address.path}health?nonce={nonce} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n"
    with suppress(OSError, ValueError, KeyError, TypeError):
        told = json.loads(_body(_ask(sock, request.encode())))
        right = hmac.new(secret.encode(), f"{nonce}\n{address.netloc}".encode(), hashlib.sha256).digest()
        given = base64.urlsafe_b64decode(f"{told['proof']}=")
        return hmac.compare_digest(given, right)
    return False


def _ask(sock: socket.socket, request: bytes) -> bytes:
    """The whole answer to a request, head and body. Raises OSError when it does not come soon, or is too long."""
    patience = sock.gettimeout()
    end = time.monotonic() + _TIMEOUT
    data = b""
    try:
        sock.settimeout(_TIMEOUT)
        sock.sendall(request)
        while not _whole(data):
            sock.settimeout(max(0.001, end - time.monotonic()))
            part = sock.recv(_LONGEST)
            data += part
            if not part or len(data) > _LONGEST or time.monotonic() > end:
                raise OSError("the server does not answer as one does")
    finally:
        sock.settimeout(patience)
    return data


def _whole(data: bytes) -> bool:
    head, gap, body = data.partition(b"\r\n\r\n")
    return bool(gap) and len(body) >= _length(head)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    raise ValueError("the answer does not say how long it is")


def _body(answer: bytes) -> bytes:
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)
    if not head.startswith(b"HTTP/1.1 ") or status[1] != b"200" or len(body) != _length(head):
        raise ValueError("the answer is none")
    return body
