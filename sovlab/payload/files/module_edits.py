"""Which of the user's own modules have been edited since they were imported here."""

from __future__ import annotations

import functools
import importlib.machinery
import types
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from sovlab.payload.files.module_state import of_files
from sovlab.runner.source.matching import same_code


def edited(files: Collection[str]) -> list[str]:
    """One sentence for each module whose file has other code than what was imported here.

    Args:
        files: absolute paths of the modules that travel.
    """
    return [
        f"{Path(str(module.__file__)).name} was edited after its import here; the job runs it as it is now. "
        f"importlib.reload({name}) gives you the same."
        for name, module in of_files(files)
        if _is_edited(module, str(module.__file__))
    ]


def _is_edited(module: types.ModuleType, file: str) -> bool:
    # What a hook has changed while it was imported, as pytest does with tests, is not what the file says.
    if type(module.__loader__) is not importlib.machinery.SourceFileLoader:
        return False
    codes = _codes(Path(file))
    return bool(codes) and not all(
        any(same_code(live, code) for code in codes.get(live.co_name, ())) for live in _live(module, file)
    )


def _live(module: types.ModuleType, file: str) -> Iterator[types.CodeType]:
    classes = [value for value in vars(module).values() if isinstance(value, type)]
    for owner in (module, *(cls for cls in classes if cls.__module__ == module.__name__)):
        for value in vars(owner).values():
            function = getattr(value, "__func__", value)
            if isinstance(function, types.FunctionType) and function.__code__.co_filename == file:
                yield function.__code__


def _codes(path: Path) -> Mapping[str, list[types.CodeType]]:
    try:
        status = path.stat()
    except OSError:
        return {}
    return _compiled(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=512)
def _compiled(path: Path, _changed: int, _size: int) -> Mapping[str, list[types.CodeType]]:
    """The code of all functions of a file, by name."""
    try:
        todo = [compile(path.read_bytes(), str(path), "exec", dont_inherit=True)]
    except (OSError, SyntaxError, ValueError, RecursionError):
        return {}
    found: dict[str, list[types.CodeType]] = {}
    while todo:
        code = todo.pop()
        found.setdefault(code.co_name, []).append(code)
        todo.extend(const for const in code.co_consts if isinstance(const, types.CodeType))
    return found
