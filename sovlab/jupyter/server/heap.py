"""How much the allocator keeps of what the server's threads have given back."""

from __future__ import annotations

import ctypes
import os

_M_ARENA_MAX = -8
"""From glibc's ``malloc.h``; see mallopt(3)."""
_ARENAS = 2
"""Heaps for all threads together: Python's own lock lets one thread allocate at a time anyway."""


def keep_few_arenas() -> bool:
    """Have all threads share two of glibc's heaps, unless the environment says how many; whether they do.

    glibc makes up to eight for each core, and what a thread has freed stays in its own: a server whose
    threads each read a log or a list once keeps the most that each of them ever held. Other C libraries
    have no such heaps, and nothing happens there.
    """
    if "MALLOC_ARENA_MAX" in os.environ or "glibc.malloc.arena_max" in os.environ.get("GLIBC_TUNABLES", ""):
        return False
    try:
        library = ctypes.CDLL(None)
        if not hasattr(library, "gnu_get_libc_version"):
            return False
        return bool(library.mallopt(_M_ARENA_MAX, _ARENAS))
    except (OSError, AttributeError, TypeError):
        return False
