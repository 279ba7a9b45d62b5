"""Where in a settings file a key is set, for messages and for ``target show``."""

from __future__ import annotations

import re
from pathlib import Path


def place_of(path: Path, content: str, key: str) -> str:
    """``FILE, line N`` where ``key`` is set or its table opened; the file alone if that is not known."""
    number = line_of(content, key)
    return f"{path}, line {number}" if number else str(path)


def line_of(content: str, key: str) -> int:
    """The line that sets ``key``, or opens the table of that name; 0 if it is written in another way."""
    table = ""
    for number, line in enumerate(content.splitlines(), 1):
        opened = re.match(r"\s*\[{1,2}\s*([^\[\]]+?)\s*\]", line)
        if opened:
            table = _plain(opened[1]) + "."
            if table == f"{key}.":
                return number
            continue
        assigned = re.match(r"\s*([\w.\"'-]+)\s*=", line)
        if assigned and table + _plain(assigned[1]) == key:
            return number
    return 0


def _plain(key: str) -> str:
    return key.replace('"', "").replace("'", "").replace(" ", "")
