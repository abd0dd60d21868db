"""A widget is shared from Python, on the real server."""

import threading
import time
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

import numpy as np
import pytest
from fake_server import FakeServer
from framehub import RemoteFrameBuffer, Share
from framehub._link import Link
from real_server import real_server
from until import until


class Plot(RemoteFrameBuffer):
    def get_frame(self):
        return np.zeros((4, 6), np.uint8)


def opened(url: str) -> int:
    """How a browser without a key fares that opens an address."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    try:
        with opener.open(url, timeout=10) as answer:
            assert "share" not in answer.url
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture
def plot(monkeypatch: pytest.MonkeyPatch):
    with real_server() as server:
        link = Link(find=lambda: server)
        monkeypatch.setattr("framehub._widget.link", lambda: link)
        plot = Plot()
        yield plot
        plot.close()
        link.stop(goodbye=True)


def test_a_link_opens_the_widget_until_it_is_revoked(plot: Plot) -> None:
    before = time.time()
    share = plot.share(link=True, role="interact", expires=60)
    assert (share.link, share.user, share.group, share.role) == (True, None, None, "interact")
    assert share.expires is not None
    assert before + 50 < share.expires < before + 90
    assert share.url.startswith(f"{plot.url}?share=")
    assert plot.shares() == [share]
    assert opened(share.url) == 200
    assert opened(plot.url) == 401
    share.revoke()
    assert plot.shares() == []
    assert opened(share.url) == 404
    share.revoke()


def test_what_cannot_be_shared_is_an_error_that_says_why(plot: Plot) -> None:
    with pytest.raises(ValueError, match=r"user.*link"):
        plot.share(user="bob")
    with pytest.raises(ValueError, match="expires_in"):
        plot.share(link=True, expires=0)
    with pytest.raises(ValueError, match="role"):
        plot.share(link=True, role="own")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="only one"):
        plot.share()
    assert plot.shares() == []


def test_the_link_is_no_part_of_what_is_printed(plot: Plot) -> None:
    share = plot.share(link=True)
    assert share.id in repr(share)
    assert share.url not in repr(share)


def test_a_closed_widget_is_not_shared_and_its_shares_are_gone(plot: Plot) -> None:
    share = plot.share(link=True)
    plot.close()
    with pytest.raises(RuntimeError, match="closed"):
        plot.share(link=True)
    share.revoke()
    # The server hears of the end soon.
    until(lambda: opened(share.url) == 404, "the link leads nowhere")


@pytest.mark.usefixtures("link")
def test_who_and_what_is_told_to_the_server(server: FakeServer) -> None:
    plot = Plot()
    assert plot.url
    shares: list[Share] = []
    thread = threading.Thread(target=lambda: shares.append(plot.share(user="bob", role="interact", expires=5)))
    thread.start()
    asked = server.next("share")
    assert asked["share"] == {"user": "bob", "group": None, "link": False, "role": "interact", "expires_in": 5}
    told = {"id": "s1", "user": "bob", "group": None, "link": False, "role": "interact", "expires": 9.5, "url": "u"}
    server.send({"type": "shared", "request": asked["request"], "share": told})
    thread.join(10)
    assert (shares[0].user, shares[0].expires) == ("bob", 9.5)


def test_what_the_server_cannot_keep_is_an_error_and_revoked_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder, away = tmp_path / "shares", tmp_path / "away"
    with real_server("--shares-file", str(folder / "shares.json")) as server:
        link = Link(find=lambda: server)
        monkeypatch.setattr("framehub._widget.link", lambda: link)
        plot = Plot()
        share = plot.share(link=True)
        folder.rename(away)
        folder.write_text("no folder")
        with pytest.raises(RuntimeError, match="cannot keep"):
            plot.share(link=True)
        assert plot.shares() == [share]
        with pytest.raises(RuntimeError, match="after a restart"):
            share.revoke()
        assert plot.shares() == []
        assert opened(share.url) == 404
        folder.unlink()
        away.rename(folder)
        share.revoke()
        plot.close()
        link.stop(goodbye=True)
