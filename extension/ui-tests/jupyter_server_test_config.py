"""The server of the tests in a browser. Never use it elsewhere: it asks nobody who he is."""

import os

from jupyterlab.galata import configure_jupyter_server

configure_jupyter_server(c)  # type: ignore[name-defined] # noqa: F821

c.ServerApp.ip = "127.0.0.1"  # type: ignore[name-defined] # noqa: F821
c.ServerApp.port = int(os.environ["SOVLAB_UI_PORT"])  # type: ignore[name-defined] # noqa: F821
c.ServerApp.allow_root = True  # type: ignore[name-defined] # noqa: F821
c.LabApp.extension_manager = "readonly"  # type: ignore[name-defined] # noqa: F821
c.LabApp.workspaces_dir = os.environ["JUPYTERLAB_WORKSPACES_DIR"]  # type: ignore[name-defined] # noqa: F821
c.JupyterNotebookApp.expose_app_in_browser = True  # type: ignore[name-defined] # noqa: F821
