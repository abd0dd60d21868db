# FrameHub in The Littlest JupyterHub: put this file into /opt/tljh/config/jupyterhub_config.d/, the program into
# /usr/local/bin, the package into the users' environment, and run `sudo tljh-config reload hub`. The snippets of that
# folder share one configuration, so that these lines add to what is there.
from jupyterhub.spawner import LocalProcessSpawner

c = get_config()  # noqa: F821

access = "access:services!service=framehub"
service = {"name": "framehub", "url": "http://127.0.0.1:8420", "command": ["/usr/local/bin/framehub"]}
service["environment"] = {"FRAMEHUB_SHARES_FILE": "/opt/tljh/state/framehub-shares.json"}
c.JupyterHub.services.append(service | {"oauth_no_confirm": True, "oauth_client_allowed_scopes": ["admin-ui"]})
c.JupyterHub.load_roles.extend(
    [
        {"name": "framehub", "services": ["framehub"], "scopes": ["users:activity"]},
        {"name": "user", "scopes": ["self", access]},
        {"name": "server", "scopes": ["users:activity!user", "access:servers!server", access]},
    ]
)
# Traefik, in front of everything here, listens on port 80.
c.Spawner.environment.update({"FRAMEHUB_URL": "http://127.0.0.1/services/framehub/"})
# The Hub has no setting for how often it looks whether its services still run: let that be every 5 s, not every 30 s.
for spawner in LocalProcessSpawner.__subclasses__():
    if spawner.__module__ == "jupyterhub.services.service":
        spawner.poll_interval = 5
