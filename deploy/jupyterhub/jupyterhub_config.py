# FrameHub as a service that JupyterHub starts: put these lines into your jupyterhub_config.py, or load this file there.
# The program `framehub` has to be in the Hub's path, and the package `framehub` in the notebooks' environment. If the
# Hub runs as root, make a user for the server before: useradd --system framehub
import os
import pwd
from pathlib import Path

from jupyterhub.spawner import LocalProcessSpawner

c = get_config()  # noqa: F821

access = "access:services!service=framehub"
# What makes somebody who has it at the Hub an administrator of FrameHub: to see numbers, and to see and use widgets.
administrators = ["admin-ui", "access:servers"]
service = {"name": "framehub", "url": "http://127.0.0.1:8420", "command": ["framehub"]}
# With whom widgets are shared is kept beside the Hub's own files.
service["environment"] = {"FRAMEHUB_SHARES_FILE": "framehub-shares.json"}
# A Hub that runs as root does not run the server as root, but as a user of the system who has nothing but a folder.
if os.geteuid() == 0:
    try:
        account = pwd.getpwnam("framehub")
    except KeyError:
        message = "FrameHub's server does not run as root, and there is no user for it: run `useradd --system framehub`"
        raise ValueError(message) from None
    service["user"] = account.pw_name
    state = Path("/var/lib/jupyterhub-framehub")
    state.mkdir(mode=0o700, exist_ok=True)
    os.chown(state, account.pw_uid, account.pw_gid)
    service["environment"] = {"FRAMEHUB_SHARES_FILE": str(state / "shares.json")}
# Added to what is there. If you have roles `user` or `server` of your own, put these scopes there.
c.JupyterHub.services.append(service | {"oauth_no_confirm": True, "oauth_client_allowed_scopes": administrators})
c.JupyterHub.load_roles.extend(
    [
        {"name": "framehub", "services": ["framehub"], "scopes": ["users:activity"]},
        {"name": "user", "scopes": ["self", access]},
        {"name": "server", "scopes": ["users:activity!user", "access:servers!server", access]},
    ]
)
# The Hub's own address, as users' servers reach it: with another port than 8000, say so here.
c.Spawner.environment.update({"FRAMEHUB_URL": "http://127.0.0.1:8000/services/framehub/"})


async def own_certificates(spawner):
    """Makes a service's certificates (`internal_ssl`), and hands them to its user: the Hub keeps them to itself."""
    paths = await LocalProcessSpawner.create_certs(spawner)
    return await spawner.move_certs(paths) if spawner.user.name else paths


# The Hub has no setting for how often it looks whether its services still run: let that be every 5 s, not every 30 s.
for spawner in LocalProcessSpawner.__subclasses__():
    if spawner.__module__ == "jupyterhub.services.service":
        spawner.poll_interval = 5
        spawner.create_certs = own_certificates
