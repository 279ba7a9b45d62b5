"""Installed, the extension is on; where there is no Jupyter server, nobody notices it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from jupyter_core.paths import jupyter_config_path
from jupyter_server.extension.config import ExtensionConfigManager
from jupyter_server.extension.utils import validate_extension

HERE = Path(__file__).parents[3]


def test_an_environment_with_the_package_has_the_extension_on():
    config = json.loads((HERE / "jupyter-config/jupyter_server_config.d/sovlab.json").read_text())
    (name,) = config["ServerApp"]["jpserver_extensions"]
    assert validate_extension(name)
    found = ExtensionConfigManager(read_config_path=[*jupyter_config_path(), f"{sys.prefix}/etc/jupyter"])
    assert found.get_jpserver_extensions().get(name) is True


def test_kernels_shells_and_the_room_itself_load_nothing_of_a_server():
    source = """
import sys, importlib.abc
class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('jupyter_server', 'tornado', 'traitlets'):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
import sovlab, sovlab.cli, sovlab.client, sovlab.jupyter.server, sovlab.jupyter.server.openapi
assert sovlab.jupyter.server.openapi.document()
assert 'sovlab.jupyter.server.app' not in sys.modules
"""
    subprocess.run([sys.executable, "-c", source], check=True, timeout=120)
