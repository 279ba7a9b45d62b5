"""`Settings`: from the user's file, the project's file and the environment, each value with its source.

Later ones win: defaults, ``~/.config/sovlab/config.toml`` (or what ``SOVLAB_CONFIG_FILE`` names), the
nearest ``sovlab.toml`` in the working directory or above it, and ``SOVLAB_<KEY>`` variables, where
``local.keep_days`` is ``SOVLAB_LOCAL_KEEP_DAYS``. A key that is not known is refused.
"""

from __future__ import annotations

from pathlib import Path

from sovlab.settings.cluster import Cluster
from sovlab.settings.model import DEFAULT, Defaults, Local, Settings, Target
from sovlab.settings.reading import config_file, load

__all__ = [
    "DEFAULT",
    "Cluster",
    "Defaults",
    "Local",
    "Settings",
    "Target",
    "config_file",
    "load",
    "use_target",
]


def use_target(name: str) -> Path:
    """Make ``name`` the current target in the user's settings file; see `sovlab.settings.editing`."""
    from sovlab.settings.editing import use_target as use

    return use(name)
