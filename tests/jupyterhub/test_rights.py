"""What the Hub's roles let people do in others' widgets."""

from collections.abc import Iterator

import httpx
import pytest
from client import drawn, frame, kernel_of, listed, make, view
from conftest import VENVS
from hub import PATIENCE, PREFIX, Browser, Hub
from websockets.exceptions import InvalidStatus

# Carl is of the help desk, Bob looks after a course.
ROLES = """
c.JupyterHub.load_groups = {"course": {"users": ["ann"]}}
c.JupyterHub.load_roles += [
    {"name": "desk", "scopes": ["admin-ui", "list:users"], "users": ["carl"]},
    {"name": "course", "scopes": ["access:servers!group=course"], "users": ["bob"]},
]
"""


@pytest.fixture(scope="module", params=VENVS, ids=lambda venv: venv.name)
def hub(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    hub = Hub(tmp_path_factory.mktemp("rights"), request.param, more=ROLES)
    yield hub
    hub.stop()


def refused(browser: Browser, widget: str) -> int:
    """The status with which a view is refused."""
    with pytest.raises(InvalidStatus) as refusal:
        view(browser, widget)
    return refusal.value.response.status_code


def test_the_help_desk_gets_numbers_and_no_pixels(hub: Hub) -> None:
    told = hub.notebook("ann")
    with kernel_of(told) as kernel:
        widget = drawn(kernel)
        desk = hub.browser("carl")
        desk.get("")
        roles = {each["id"]: each["role"] for each in desk.get("api/widgets").json()["widgets"]}
        assert roles[widget] == "observer"
        assert desk.get("admin").status_code == 200
        assert desk.get("api/users").status_code == 200
        assert desk.get(f"api/widgets/{widget}/stats").status_code == 200
        for path in (f"widgets/{widget}", f"api/widgets/{widget}", f"api/widgets/{widget}/snapshot"):
            assert desk.get(path).status_code == 404, path
        assert desk.http.delete(f"{PREFIX}api/widgets/{widget}").status_code == 404
        assert refused(desk, widget) == 404


def test_a_filtered_scope_acts_inside_its_filter_only(hub: Hub) -> None:
    def owned(name: str) -> str:
        told = hub.notebook(name) if name != "ann" else hub.notebook("ann", "second")
        headers = {"Authorization": f"Bearer {told['JUPYTERHUB_API_TOKEN']}"}
        return make(httpx.Client(base_url=told["FRAMEHUB_URL"], headers=headers, timeout=PATIENCE))

    anns, carls = owned("ann"), owned("carl")
    bob = hub.browser("bob")
    bob.get("")
    assert anns in listed(bob.http)
    assert carls not in listed(bob.http)
    with view(bob, anns) as socket:
        assert b"framebufferdata" in frame(socket)
    assert refused(bob, carls) == 404
    # What is no filter's of his is not his to see in numbers, either.
    assert bob.get("api/users").status_code == 403
