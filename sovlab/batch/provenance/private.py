"""What tells who ran something, and where: home directories, names of users and of machines."""

from __future__ import annotations

import os
import pwd
import re
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

_COMMON = {
    *(
        "root",
        "user",
        "users",
        "home",
        "admin",
        "nobody",
        "jovyan",
        "runner",
        "ubuntu",
        "debian",
        "app",
        "data",
    ),
    *("localhost", "host", "local", "node", "worker", "server", "compute", "login", "test"),
}
"""Names that tell nothing of a person or a machine."""
_SHORTEST = 3
_BEGIN = r"(?P<before>\x1b\[[0-9;]*m|(?<![\w.-]))"
"""A path begins at no letter, but right after a colour of a traceback."""
_END = r"(?![\w-]|\.\w)"
_HOMES = r"(?:/home|/Users|[A-Za-z]:\\{1,2}Users)[/\\]{1,2}[^\s/\\\"'<>:;,()\[\]{}|*?\x1b]+"
_DEEPEST = 100


class Found(NamedTuple):
    """Something private in a text.

    Attributes:
        kind: ``home``, ``folder``, ``user`` or ``host``.
        text: what stands there.
    """

    kind: str
    text: str


class Private:
    """What is not to be in a text that others may read.

    Args:
        homes: home directories.
        users: names of users; they count where they are a part of a path.
        hosts: names of machines; they count as whole words.
        folders: other directories in which somebody works.
        any_home: whether homes of others count, too: ``/home/NAME``.
    """

    def __init__(
        self,
        homes: Iterable[str] = (),
        users: Iterable[str] = (),
        hosts: Iterable[str] = (),
        folders: Iterable[str] = (),
        *,
        any_home: bool = False,
    ) -> None:
        self._kinds: list[tuple[str, re.Pattern[str], str]] = []
        home_words = [re.escape(each) for each in _longest_first(homes)] + ([_HOMES] if any_home else [])
        folder_words = [re.escape(each) for each in _longest_first(folders)]
        user_words = [re.escape(each) for each in _longest_first(users) if _tells(each)]
        host_words = [re.escape(each) for each in _longest_first(hosts) if _tells(each)]
        if home_words:
            self._add("home", f"{_BEGIN}(?:{'|'.join(home_words)}){_END}", r"\g<before>~")
        if folder_words:
            self._add("folder", f"{_BEGIN}(?:{'|'.join(folder_words)}){_END}", r"\g<before>.")
        if user_words:
            self._add("user", rf"(?<=[/\\])(?:{'|'.join(user_words)})(?=[/\\])", "user")
        if host_words:
            self._add("host", rf"(?<![\w.-])(?:{'|'.join(host_words)}){_END}", "host")

    @classmethod
    def here(cls, folders: Iterable[str] = (), *, any_home: bool = False) -> Private:
        """What is private of this user on this machine.

        Args:
            folders: as of the constructor.
            any_home: as of the constructor.
        """
        homes, users = _homes(), user_names()
        name = socket.gethostname()
        return cls(homes, users, {name, name.partition(".")[0]}, folders, any_home=any_home)

    def without(self, text: str, told: Callable[[Found], None] | None = None) -> str:
        """The text with ``~``, ``.``, ``user`` and ``host`` in the place of what is private.

        Args:
            text: any.
            told: called with each that was found.
        """
        for kind, pattern, instead in self._kinds:
            if told is not None:
                for match in pattern.finditer(text):
                    told(Found(kind, match[0][len(match.groupdict().get("before") or "") :]))
            text = pattern.sub(instead, text)
        return text

    def cleared(self, value: Any, told: Callable[[Found], None] | None = None, depth: int = 0) -> Any:
        """A value of JSON with all its texts `without`; what is nested very deeply is null."""
        if isinstance(value, str):
            return self.without(value, told)
        if depth > _DEEPEST:
            return None
        if isinstance(value, dict):
            return {
                (self.without(key, told) if isinstance(key, str) else key): self.cleared(
                    each, told, depth + 1
                )
                for key, each in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.cleared(each, told, depth + 1) for each in value]
        return value

    def _add(self, kind: str, pattern: str, instead: str) -> None:
        self._kinds.append((kind, re.compile(pattern), instead))


def user_names() -> set[str]:
    """Names of this user."""
    names = {os.environ.get(name, "") for name in ("USER", "LOGNAME")}
    names |= {Path(home).name for home in _homes()}
    try:
        names.add(pwd.getpwuid(os.getuid()).pw_name)
    except KeyError:
        pass  # a user without an entry, as in many pods
    return {name for name in names if _tells(name)}


def _homes() -> set[str]:
    homes = {os.environ.get("HOME", "")}
    try:
        homes.add(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        pass
    homes |= {os.path.realpath(home) for home in homes if home}
    return {home.rstrip("/") for home in homes if home.startswith("/") and home.strip("/")}


def _tells(name: str) -> bool:
    return len(name) >= _SHORTEST and name.lower() not in _COMMON


def _longest_first(names: Iterable[str]) -> list[str]:
    return sorted({name for name in names if name}, key=lambda name: (-len(name), name))
