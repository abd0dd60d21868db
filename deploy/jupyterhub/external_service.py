# FrameHub as a service of JupyterHub that something else starts, such as systemd (deploy/systemd): put these lines into
# your jupyterhub_config.py, or load this file there. The token is any secret of yours, for instance of
# `openssl rand -hex 32`; the server has the same one in JUPYTERHUB_API_TOKEN.
import os

c = get_config()  # noqa: F821

access = "access:services!service=framehub"
# What makes somebody who has it at the Hub an administrator of FrameHub: to see numbers, and to see and use widgets.
administrators = ["admin-ui", "access:servers"]
service = {"name": "framehub", "url": "http://127.0.0.1:8420", "api_token": os.environ["FRAMEHUB_SERVICE_TOKEN"]}
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
