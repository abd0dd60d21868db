# The Hub looks every 30 s whether the services that it starts still run, and has no setting for it. With this file,
# loaded there as well, it looks every 5 s: a FrameHub that was killed is back, with views and kernels, within 15 s.
# The class is JupyterHub's own affair: its place was checked in 5.5.4 and 6.1.1.
from jupyterhub.services.service import _ServiceSpawner

_ServiceSpawner.poll_interval = 5
