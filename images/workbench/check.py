"""Is this workbench fit for use? The last step of its build, and a question to a running one.

    podman run --rm --user 1234567:0 --entrypoint python3 IMAGE /usr/share/sovlab/workbench/check.py

Run it as the user that people will have.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

MODULES = ("torch", "matplotlib", "papermill", "jupyterlab", "jupyterhub")
PLACES = ("HOME", "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")


def faults() -> Iterator[str]:
    """What is wrong, one sentence each."""
    if os.getuid() == 0:
        yield "This runs as root; clusters refuse such images."
    for name in PLACES:
        place = os.environ.get(name, "")
        if not place:
            yield f"{name} is not set."
            continue
        try:
            Path(place).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=place):
                pass
        except OSError as error:
            yield f"{name} ({place}) cannot be written: {error.strerror}."
    for name in MODULES:
        if importlib.util.find_spec(name) is None:
            yield f"{name} is not there."
    command = [sys.executable, "-m", "jupyter", "labextension", "list"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    if not any("sovlab" in line and "enabled" in line for line in (told.stdout + told.stderr).splitlines()):
        yield "JupyterLab's extension sovlab is not enabled."
    if not enabled_in_the_server():
        yield "The server extension sovlab.jupyter.server is not enabled."


def enabled_in_the_server() -> bool:
    """Whether a Jupyter server loads its extension, by all that this user has configured."""
    if importlib.util.find_spec("jupyter_server") is None:
        return False
    from jupyter_core.paths import jupyter_config_path
    from jupyter_server.extension.config import ExtensionConfigManager

    found = ExtensionConfigManager(read_config_path=jupyter_config_path())
    return bool(found.get_jpserver_extensions().get("sovlab.jupyter.server"))


def main() -> int:
    """Print each fault; the exit status says whether there are some."""
    found = list(faults())
    for fault in found:
        sys.stderr.write(f"check: {fault}\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
