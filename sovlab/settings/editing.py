"""Changing the user's settings file in one place, and nothing else of it.

Comments and order stay. The new text is parsed and compared with the intended document before it replaces
the file.
"""

from __future__ import annotations

import os
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sovlab.errors import SettingsError
from sovlab.settings import toml
from sovlab.settings.reading import config_file, load, parse, read
from sovlab.settings.targets import check_target_name


def use_target(name: str) -> Path:
    """Make ``name`` the current target in the user's settings file; the file that was written.

    Raises:
        SettingsError: there is no such target, or the file cannot be changed safely.
    """
    load().target_named(name)
    path = config_file()
    before = read(path)
    content = toml.with_top_key(before, "target", name)
    intended = {**parse(before, path), "target": name}
    _write(path, content, intended, f"Put target = {toml.literal(name)} at its top.")
    return path


def check_new(name: str, *, force: bool = False) -> None:
    """Check that a target may be added to the user's settings file.

    Args:
        name: the part after ``targets.``.
        force: an existing target may be replaced.

    Raises:
        SettingsError: it may not; the message says where it is defined.
    """
    check_target_name(name, "Command line")
    if name == "local":
        raise SettingsError("Target 'local' is this machine and always exists.", "Choose another name.")
    existing = load().targets.get(name)
    if existing is None:
        return
    if not existing.source.startswith(str(config_file())):
        raise SettingsError(
            f"Target {name!r} is defined in {existing.source}, which your own settings cannot change.",
            "Change it there, or choose another name.",
        )
    if not force:
        raise SettingsError(
            f"Target {name!r} is already defined ({existing.source}).",
            "Choose another name, or replace it with --force.",
        )


def add_target(name: str, executor: str, values: Mapping[str, Any], *, force: bool = False) -> Path:
    """Define a target in the user's settings file; the file that was written.

    Args:
        name: the part after ``targets.``.
        executor: name of the executor that runs its jobs.
        values: the keys of ``[targets.NAME.EXECUTOR]``, which the executor has checked.
        force: replace a target of that name; keys that ``values`` does not have are dropped.

    Raises:
        SettingsError: the target is there already, or the file cannot be changed safely.
    """
    check_new(name, force=force)
    path = config_file()
    before = read(path)
    document = parse(before, path)
    section = ("targets", name, executor)
    # Tables within [targets.NAME] go with what stood there; its section is kept, with its comments.
    content = toml.with_table(before, ("targets", name), {"executor": executor}, keep=section)
    content = toml.with_table(content, section, values)
    intended = {
        **document,
        "targets": {**document.get("targets", {}), name: {"executor": executor, executor: dict(values)}},
    }
    _write(path, content, intended, f"Write [targets.{name}.{executor}] into it by hand.")
    return path


def remove_target(name: str) -> Path:
    """Take a target out of the user's settings file; if it was the current one, ``local`` becomes that.

    Raises:
        SettingsError: there is no such target in that file, or it cannot be changed safely.
    """
    if name == "local":
        raise SettingsError("Target 'local' is this machine and cannot be removed.")
    target = load().target_named(name)
    path = config_file()
    before = read(path)
    document = parse(before, path)
    targets = dict(document.get("targets") or {})
    if name not in targets:
        raise SettingsError(f"Target {name!r} is defined in {target.source}.", "Remove it there.")
    del targets[name]
    intended = {**document, "targets": targets}
    content = toml.without_table(before, ("targets", name))
    if document.get("target") == name:
        intended["target"] = "local"
        content = toml.with_top_key(content, "target", "local")
    _write(path, content, intended, f"Take [targets.{name}] out of it by hand.")
    return path


def _write(path: Path, content: str, intended: Mapping[str, Any], advice: str) -> None:
    try:
        understood = _plain(tomllib.loads(content)) == _plain(intended)
    except tomllib.TOMLDecodeError:
        understood = False
    if not understood:
        raise SettingsError(f"{path} is written in a way that cannot be edited safely.", advice)
    _replace(path, content)


def _plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without an empty table of targets, which means the same."""
    return {key: value for key, value in document.items() if key != "targets" or value}


def _replace(path: Path, content: str) -> None:
    real = Path(os.path.realpath(path))  # a link to a file kept elsewhere stays a link
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        mode = real.stat().st_mode & 0o777 if real.exists() else 0o644
        descriptor, temporary = tempfile.mkstemp(prefix=f".{real.name}.", dir=real.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(mode)
            Path(temporary).replace(real)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SettingsError(f"{path} could not be written: {error.strerror or error}.") from error
