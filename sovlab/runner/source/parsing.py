"""`parse`: `ast.parse` that threads may call at once."""

from __future__ import annotations

import ast
from typing import Any, Union

_TRIES = 20


def parse(source: Union[str, bytes], file: str = "<unknown>", mode: str = "exec") -> Any:
    """The syntax tree of ``source``, as `ast.parse` makes it.

    CPython counts the depth of a tree that it makes in one place for all threads. Where collected garbage has
    a finalizer that lets another thread run, which parses too, both say "AST constructor recursion depth
    mismatch" (https://github.com/python/cpython/issues/106905): nothing is wrong with the source then.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: as `ast.parse`.
    """
    for _ in range(_TRIES - 1):
        try:
            return ast.parse(source, file, mode)
        except SystemError:
            continue
    return ast.parse(source, file, mode)
