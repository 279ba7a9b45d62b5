"""Tab completion on the magics' lines: flags, backends, jobs, variables."""

from __future__ import annotations

import re
from typing import Any

from sovlab.errors import SovlabError
from sovlab.jupyter import arguments

_PARSERS = {
    "%%sovsubmit": arguments.submit_parser,
    "%%sovsweep": arguments.sweep_parser,
    "%sovsubmit": arguments.submit_parser,
    "%sovjobs": arguments.jobs_parser,
    "%sovlogs": arguments.logs_parser,
    "%sovcancel": arguments.cancel_parser,
    "%sovwait": arguments.wait_parser,
    "%sovbackends": arguments.backends_parser,
    "%sovpower": arguments.power_parser,
    "%sovtarget": arguments.target_parser,
}


def complete(magics: Any, line: str) -> tuple[str, str, list[str]]:
    """What may follow on a magic's line: what is typed of it already, what kind of word it is, the words.

    Args:
        magics: the shell's `Commands`.
        line: up to the cursor.
    """
    words = line.split()
    if len(words) + line[-1:].isspace() < 2 or words[0] not in _PARSERS:
        return "", "", []
    magic = words[0]
    typed = "" if line[-1].isspace() else words[-1]
    before = words[-1] if typed == "" else words[-2]
    if typed.startswith("-"):
        kind, offered = "flag", set(arguments.flags_of(_PARSERS[magic](), words))
    else:
        kind, offered = _values(magics, magic, before)
    if before in ("--in", "--out"):
        typed = typed.rpartition(",")[2]
    return typed, kind, sorted(name for name in offered if name.startswith(typed))


def _values(magics: Any, magic: str, before: str) -> tuple[str, set[str]]:
    if before in ("-b", "--backend"):
        return "backend", {"auto", *magics.client.backends()}
    if before == "--target":
        return "target", set(magics.client.settings.targets)
    if magic == "%sovtarget":
        return _of_targets(magics.client, before)
    if before in ("--in", "--out"):
        return "variable", {name for name in magics.shell.user_ns if re.match(r"[A-Za-z]\w*$", name)}
    if magic in ("%sovlogs", "%sovcancel", "%sovwait"):
        try:
            return "job", {record.name for record in magics.client.jobs() if " " not in record.name}
        except SovlabError:
            pass
    return "", set()


def _of_targets(client: Any, before: str) -> tuple[str, set[str]]:
    targets = set(client.settings.targets)
    if before == "--context":
        try:
            return "context", set(client.contexts())
        except SovlabError:
            return "", set()
    if before == "%sovtarget":
        return "target", {*targets, *arguments.TARGET_ACTIONS}
    return ("target", targets) if before in arguments.TARGET_ACTIONS and before != "add" else ("", set())
