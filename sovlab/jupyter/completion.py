"""Tab completion on the magics' lines: flags, backends, jobs, variables."""

from __future__ import annotations

import re
from typing import Any

from sovlab.errors import SovlabError
from sovlab.jupyter import arguments

_PARSERS = {
    "%%sovsubmit": arguments.submit_parser,
    "%sovsubmit": arguments.submit_parser,
    "%sovjobs": arguments.jobs_parser,
    "%sovlogs": arguments.logs_parser,
    "%sovcancel": arguments.cancel_parser,
    "%sovwait": arguments.wait_parser,
    "%sovbackends": arguments.backends_parser,
    "%sovtarget": arguments.target_parser,
}


def complete(magics: Any, line: str, symbol: str) -> list[str]:
    """What may follow on a magic's line.

    Args:
        magics: the shell's `SovlabMagics`.
        line: up to the cursor.
        symbol: the word being typed, as IPython splits words.
    """
    words = line.split()
    magic = words[0]
    if magic not in _PARSERS:
        return []
    typed = "" if line[-1:].isspace() else words[-1]
    before = words[-1] if typed == "" else words[-2]
    if typed.startswith("-"):
        flags = _PARSERS[magic]()._option_string_actions
        # IPython replaces only `symbol`: what stands before it on the line stays.
        keep = len(typed) - len(symbol)
        return [flag[keep:] for flag in flags if flag.startswith(typed)]
    offered = _values(magics, magic, before)
    if before in ("--in", "--out"):
        typed = typed.rpartition(",")[2]
    return sorted(name for name in offered if name.startswith(typed))


def _values(magics: Any, magic: str, before: str) -> set[str]:
    if before in ("-b", "--backend"):
        from sovlab.backends import known

        return {"auto", *known()}
    if before == "--target" or magic == "%sovtarget":
        return set(magics.client.settings.targets)
    if before in ("--in", "--out"):
        return {name for name in magics.shell.user_ns if re.match(r"[A-Za-z]\w*$", name)}
    if magic in ("%sovlogs", "%sovcancel", "%sovwait"):
        try:
            return {record.name for record in magics.client.jobs() if " " not in record.name}
        except SovlabError:
            return set()
    return set()


def register(shell: Any, magics: Any) -> None:
    """Complete the magics' lines in ``shell``."""

    def completer(_shell: Any, event: Any) -> list[str]:
        return complete(magics, event.line, event.symbol)

    for magic in _PARSERS:
        shell.set_hook("complete_command", completer, str_key=magic)
