# The Hub of compose.yaml: anybody who knows the password is let in under any name, each in a process of the Hub's
# container. To begin with, not to stay with: choose an authenticator and a spawner.
c = get_config()  # noqa: F821

c.JupyterHub.services = []
load_subconfig("/srv/jupyterhub/external_service.py")  # noqa: F821
c.JupyterHub.services[-1]["url"] = "http://framehub:8420"
# The service asks the Hub from another container.
c.JupyterHub.hub_ip = "0.0.0.0"
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = "change-me"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.Spawner.args = ["--allow-root"]
