"""Targets in a settings file: which executor serves each, and the sections with its keys, unread.

``[targets.NAME]`` says the executor, ``[targets.NAME.EXECUTOR]`` what that takes, and
``[targets.NAME.prometheus]`` where the site's Prometheus is. Keys of the executor's section may also stand in
``[targets.NAME]`` itself, as older files have them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sovlab.errors import SettingsError
from sovlab.settings.model import Target
from sovlab.settings.places import line_of, place_of

PROMETHEUS = "prometheus"
"""The section that every executor's targets may have."""
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"


def check_target_name(name: str, place: str) -> None:
    """See that a target may be called ``name``; raises `SettingsError`."""
    if not re.fullmatch(_NAME, name):
        raise SettingsError(
            f"{place}: {name!r} is not a valid name for a target.", "Use letters, digits, - _ and a dot."
        )


def read_target(name: str, table: Any, path: Path, content: str) -> Target:
    """One target of a file.

    Args:
        name: of the target.
        table: of ``[targets.NAME]``.
        path: of the file.
        content: its text, for line numbers.

    Raises:
        SettingsError: its name or the form of its table is wrong. Keys are for its executor to check.
    """
    place = place_of(path, content, f"targets.{name}")
    check_target_name(name, place)
    if not isinstance(table, dict):
        raise SettingsError(
            f"{place}: targets.{name} is not a table.", f"Write [targets.{name}] on a line of its own."
        )
    executor = table.get("executor", "local")
    if not isinstance(executor, str):
        raise SettingsError(f"{place}: target {name!r} has the executor {executor!r}.", "Give its name.")
    for section in (executor, PROMETHEUS):
        if not isinstance(table.get(section, {}), dict):
            raise SettingsError(
                f"{place}: targets.{name}.{section} is not a table.",
                f"Write [targets.{name}.{section}] on a line of its own.",
            )
    return Target(
        name=name,
        executor=executor,
        source=place,
        table={**_flat(table, executor), **table.get(executor, {})},
        prometheus=table.get(PROMETHEUS, {}),
        folder=path.parent,
    )


def _flat(table: Mapping[str, Any], executor: str) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key not in ("executor", executor, PROMETHEUS)}


def note_sources(document: Mapping[str, Any], path: Path, content: str, sources: dict[str, str]) -> None:
    """Note where each key of each target is set; a later file replaces a target as a whole."""
    for name, table in (document.get("targets") or {}).items():
        prefix = f"targets.{name}."
        for key in [k for k in sources if k.startswith(prefix)]:
            del sources[key]
        executor = table.get("executor", "local")
        sources[f"{prefix}executor"] = place_of(path, content, f"targets.{name}")
        for written, section, keys in (
            (prefix, executor, _flat(table, executor)),
            (f"{prefix}{executor}.", executor, table.get(executor)),
            (f"{prefix}{PROMETHEUS}.", PROMETHEUS, table.get(PROMETHEUS)),
        ):
            header = line_of(content, f"{prefix}{section}") or line_of(content, f"targets.{name}")
            for key in keys or {}:
                number = line_of(content, written + key) or header
                sources[f"{prefix}{section}.{key}"] = f"{path}, line {number}" if number else str(path)


def flat_keys(document: Mapping[str, Any], path: Path, content: str) -> list[str]:
    """One sentence for each target whose keys stand outside of their section, as older files have them."""
    sentences = []
    for name, table in (document.get("targets") or {}).items():
        executor = table.get("executor", "local")
        keys = sorted(_flat(table, executor))
        if keys and executor != "local":
            place = place_of(path, content, f"targets.{name}")
            sentences.append(
                f"{place}: {', '.join(keys)} of target {name} belong under [targets.{name}.{executor}] now; "
                "where they are they still count."
            )
    return sentences
