"""Changing the user's settings file: one line, and nothing else of it."""

from __future__ import annotations

import json
import os
import re
import tempfile
import tomllib
from pathlib import Path

from sovlab.errors import SettingsError
from sovlab.settings.reading import config_file, load, parse, read


def use_target(name: str) -> Path:
    """Make ``name`` the current target in the user's settings file; the file that was written.

    Only the line of ``target`` changes: comments and order stay, which a parser that writes would need
    a library for. What was written is parsed again and compared before it replaces the file.

    Raises:
        SettingsError: there is no such target, or the file cannot be changed safely.
    """
    load().target_named(name)
    path = config_file()
    before = read(path)
    wanted = {**parse(before, path), "target": name}
    line = f"target = {json.dumps(name)}"
    top, header, rest = _split_top(before)
    after, replaced = re.subn(
        r"(?m)^([ \t]*)(?:target|\"target\"|'target')[ \t]*=[ \t]*(?:\"[^\"\n]*\"|'[^'\n]*')",
        lambda match: match[1] + line,
        top,
        count=1,
    )
    if not replaced:
        after = f"{top.rstrip()}\n{line}\n".lstrip("\n") + ("\n" if header else "")
    content = after + header + rest
    try:
        understood = tomllib.loads(content) == wanted
    except tomllib.TOMLDecodeError:
        understood = False
    if not understood:
        raise SettingsError(
            f"{path} is written in a way that cannot be edited safely.", f"Put {line} at its top."
        )
    _replace(path, content)
    return path


def _split_top(content: str) -> tuple[str, str, str]:
    """What stands before the first table, that table's opening bracket, and all after it."""
    match = re.search(r"(?m)^[ \t]*\[", content)
    if match is None:
        return content, "", ""
    return content[: match.start()], content[match.start() : match.end()], content[match.end() :]


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
