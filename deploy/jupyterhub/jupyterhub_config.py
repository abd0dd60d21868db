# FrameHub as a service that JupyterHub starts: put these lines into your jupyterhub_config.py, or load this file there.
# The program `framehub` has to be in the Hub's path, and the package `framehub` in the notebooks' environment.
from jupyterhub.spawner import LocalProcessSpawner

c = get_config()  # noqa: F821

access = "access:services!service=framehub"
service = {"name": "framehub", "url": "http://127.0.0.1:8420", "command": ["framehub"]}
# With whom widgets are shared is kept beside the Hub's own files.
service["environment"] = {"FRAMEHUB_SHARES_FILE": "framehub-shares.json"}
c.JupyterHub.services = [service | {"oauth_no_confirm": True, "oauth_client_allowed_scopes": ["admin-ui"]}]
c.JupyterHub.load_roles = [
    {"name": "framehub", "services": ["framehub"], "scopes": ["users:activity"]},
    {"name": "user", "scopes": ["self", access]},
    {"name": "server", "scopes": ["users:activity!user", "access:servers!server", access]},
]
c.Spawner.environment = {"FRAMEHUB_URL": "http://127.0.0.1:8000/services/framehub/"}
# The Hub has no setting for how often it looks whether its services still run: let that be every 5 s, not every 30 s.
for spawner in LocalProcessSpawner.__subclasses__():
    if spawner.__module__ == "jupyterhub.services.service":
        spawner.poll_interval = 5
