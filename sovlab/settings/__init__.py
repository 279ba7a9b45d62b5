"""`Settings`: from the user's file, the project's file and the environment, each value with its source.

Later ones win: defaults, ``~/.config/sovlab/config.toml`` (or what ``SOVLAB_CONFIG_FILE`` names), the
nearest ``sovlab.toml`` in the working directory or above it, and ``SOVLAB_<KEY>`` variables, where
``local.keep_days`` is ``SOVLAB_LOCAL_KEEP_DAYS``. A key that is not known is refused. What a target says to
its executor, in ``[targets.NAME.EXECUTOR]``, is read by that: see `sovlab.settings.sections`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sovlab.settings.model import DEFAULT, FORECAST_KINDS, Defaults, Forecast, Local, Settings, Site, Target
from sovlab.settings.reading import brought_files, config_file, load

__all__ = [
    "DEFAULT",
    "FORECAST_KINDS",
    "Defaults",
    "Forecast",
    "Local",
    "Settings",
    "Site",
    "Target",
    "add_target",
    "brought_files",
    "check_new_target",
    "config_file",
    "load",
    "remove_target",
    "use_target",
]


def use_target(name: str) -> Path:
    """Make ``name`` the current target in the user's settings file; see `sovlab.settings.editing`."""
    from sovlab.settings.editing import use_target as use

    return use(name)


def check_new_target(name: str, *, force: bool = False) -> None:
    """See that a target may be added; see `sovlab.settings.editing.check_new`."""
    from sovlab.settings.editing import check_new

    check_new(name, force=force)


def add_target(name: str, executor: str, values: Mapping[str, Any], *, force: bool = False) -> Path:
    """Define a target in the user's settings file; see `sovlab.settings.editing`."""
    from sovlab.settings.editing import add_target as add

    return add(name, executor, values, force=force)


def remove_target(name: str) -> Path:
    """Take a target out of the user's settings file; see `sovlab.settings.editing`."""
    from sovlab.settings.editing import remove_target as remove

    return remove(name)
