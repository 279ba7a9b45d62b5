"""Standard output and error as ``python -u`` has them: what is written is out at once, byte for byte."""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import Any


class _Unbuffered(io.FileIO):
    """A file descriptor of which every write is whole. It has no lock, so a signal handler may print too."""

    def write(self, data: Any) -> int:
        with memoryview(data) as view, view.cast("B") as rest:
            done = super().write(rest)
            while done < len(rest):
                done += super().write(rest[done:])
            return done


def close_others(*keep: int) -> None:
    """Close all descriptors but the standard ones and those to ``keep``."""
    directory = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
    for descriptor in map(int, os.listdir(directory)):
        if descriptor > 2 and descriptor not in keep:
            try:
                os.close(descriptor)
            except OSError:
                continue  # the one that listed them


def open_standard() -> None:
    """Replace ``sys.stdout`` and ``sys.stderr`` by unbuffered ones: in UTF-8, or ``PYTHONIOENCODING``."""
    encoding, _, errors = os.environ.get("PYTHONIOENCODING", "").partition(":")
    encoding = codecs.lookup(encoding).name if encoding else "utf-8"
    # What cannot be encoded was a file name, or is better seen than the end of the job.
    sys.stdout = sys.__stdout__ = _text(1, "<stdout>", encoding, errors or "surrogateescape")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _text(2, "<stderr>", encoding, "backslashreplace")  # type: ignore[misc]


def _text(descriptor: int, name: str, encoding: str, errors: str) -> io.TextIOWrapper:
    raw = _Unbuffered(descriptor, "wb", closefd=False)
    raw.name = name
    text = io.TextIOWrapper(raw, encoding, errors, newline="\n", write_through=True)
    text.mode = "w"  # type: ignore[misc]
    return text
