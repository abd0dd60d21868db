"""FrameHub at a Hub whose API is reached by TLS, with certificates that the Hub signs itself."""

from pathlib import Path

import pytest
from conftest import VENVS
from hub import PREFIX, Hub, until


@pytest.mark.parametrize("venv", VENVS, ids=lambda venv: venv.name)
def test_users_sign_in_and_out_over_tls_to_the_hub(venv: Path, tmp_path: Path) -> None:
    hub = Hub(tmp_path, venv, internal_ssl=True)
    try:
        browser = hub.browser("ann")
        page = browser.get("")
        assert (page.status_code, page.url.path) == (200, PREFIX), page.text
        assert browser.get("api/widgets").json() == {"widgets": [], "administrator": False}
        browser.log_out()
        until(
            lambda: browser.get("api/widgets").status_code == 401,
            "the token is revoked",
        )
    finally:
        hub.stop()
