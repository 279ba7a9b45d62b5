"""Standard output and error that no encoding, closed pipe or missing descriptor can end."""

from __future__ import annotations

import codecs
import io
import os
import re
import sys
from contextlib import suppress

_HANDLER = "sovlab.plain"
_FAILED = 3
_PLAIN = {"—": "-", "–": "-", "·": "-", "…": "...", "×": "x", "✓": "ok", "✗": "!!", "━": "-"}
"""What we write ourselves, in the words of a terminal that does not have it."""


def prepare() -> None:
    """Let standard output and error take any text: what their encoding lacks is written in other words."""
    codecs.register_error(_HANDLER, _in_other_words)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by who started the command
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def close() -> int:
    """Write what is left; the exit status, which is not 0 if standard output could not be written.

    Without this Python complains at exit, also of a pipe that its reader has closed.
    """
    status = 0
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            if not isinstance(error, BrokenPipeError):
                status = complain(error)
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return status


def complain(error: OSError) -> int:
    """Say why something could not be written; the exit status."""
    with suppress(OSError):
        sys.stderr.write(f"sovlab: The output cannot be written: {error.strerror}.\n")
    return _FAILED


def write_log(text: str) -> None:
    """Write a log as its job wrote it, byte for byte, whatever the terminal's encoding.

    Args:
        text: decoded from UTF-8 with ``surrogateescape``.
    """
    _write_bytes(text, "surrogateescape")


def write_utf8(text: str) -> None:
    """Write a document whose format says UTF-8, whatever the terminal's encoding."""
    _write_bytes(text, "replace")


def escaped_json(text: str) -> str:
    """JSON with escapes for what the encoding of standard output does not have."""
    encoding = codecs.lookup(getattr(sys.stdout, "encoding", None) or "utf-8").name
    if encoding.startswith("utf"):
        return text
    return re.sub(r"[^\x00-\x7f]", lambda match: _units(match[0]), text)


def _units(character: str) -> str:
    data = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[i : i + 2].hex()}" for i in range(0, len(data), 2))


def _write_bytes(text: str, errors: str) -> None:
    sys.stdout.flush()
    binary = getattr(sys.stdout, "buffer", None)
    if binary is None:  # a stream of somebody else's, of text alone
        sys.stdout.write(text)
    else:
        binary.write(text.encode("utf-8", errors))
    sys.stdout.flush()


def _in_other_words(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    if "\udc80" <= character <= "\udcff":  # a byte of a file's name
        return bytes([ord(character) - 0xDC00]), error.start + 1
    plain = _PLAIN.get(character) or character.encode("ascii", "backslashreplace").decode()
    return plain, error.start + 1
