"""Local modules: those that a job's Python would not have, found through imports, and their files.

Local is what is neither in the standard library nor in ``site-packages`` or ``dist-packages``; an
editable install is. Of a package the whole tree travels, of a single module itself and the local
modules it imports in its turn. Nothing is imported to find out.
"""

from __future__ import annotations

import ast
import functools
import importlib.machinery
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from sovlab.core.units import format_bytes
from sovlab.errors import CaptureError
from sovlab.runner.source.parsing import parse

MAX_FILE = 5_000_000
"""Bytes of the largest data file of a package that travels."""
MAX_DATA = 50_000_000
"""Bytes of all data files that travel."""
LEFT_OUT = frozenset({"__pycache__", "checkpoints", "node_modules", "wandb", "mlruns", "lightning_logs"})
_COMPILED = frozenset({".pyc", ".pyo"})
_CHECKPOINTS = frozenset({".pt", ".pth", ".ckpt", ".safetensors"})
_OURS = frozenset({"sovlab", "cloudpickle", "__main__", "__mp_main__"})
_INSTALLED = ("site-packages", "dist-packages")


class LocalFiles(msgspec.Struct):
    """Files of local modules.

    Attributes:
        files: path inside the pack, with ``/`` → path on this machine.
        messages: what was left out, one sentence each.
    """

    files: dict[str, Path] = {}
    messages: list[str] = []

    def modules(self) -> list[str]:
        """Absolute paths of those that are Python source."""
        return [os.path.abspath(p) for n, p in self.files.items() if n.endswith(".py")]  # noqa: PTH100

    def sources(self) -> dict[str, str]:
        """Where the files are on this machine: each top-level name, or its single files if they lie apart."""
        places: dict[str, dict[str, None]] = {}
        for name, path in self.files.items():
            place = os.path.abspath(path)  # noqa: PTH100 - a link stays one
            places.setdefault(name.partition("/")[0], {})[place.removesuffix(name.replace("/", os.sep))] = (
                None
            )
        found = {}
        for name, path in self.files.items():
            top = name.partition("/")[0]
            if len(places[top]) == 1:
                found[top] = next(iter(places[top])) + top
            else:
                found[name] = os.path.abspath(path)  # noqa: PTH100
        return found

    def read(self) -> Iterator[tuple[str, bytes]]:
        """Each path inside the pack with its bytes, sorted."""
        for name in sorted(self.files):
            try:
                yield name, self.files[name].read_bytes()
            except OSError as error:
                raise CaptureError(
                    f"The local file {name} cannot be read: {error.strerror}.", "Check its permissions."
                ) from error


def collect(names: Iterable[str], directory: Path) -> LocalFiles:
    """The files of local modules among ``names`` and of those that they import.

    Args:
        names: modules, dotted; whether local or not.
        directory: where the notebook or script is, looked in first.
    """
    local = LocalFiles()
    search = [str(directory), *(path or os.getcwd() for path in sys.path)]  # noqa: PTH109 - a string is wanted
    todo = sorted(names)
    seen = set(_OURS)
    data_size = 0
    while todo:
        top = todo.pop().partition(".")[0]
        if top in seen:
            continue
        seen.add(top)
        for root in _roots(top, search):
            if root.is_dir():
                data_size = _add_package(local, root, data_size)
            else:
                local.files[root.name] = root
        for path in [
            p for n, p in local.files.items() if n.endswith(".py") and n.split("/")[0] in (top, f"{top}.py")
        ]:
            todo.extend(sorted(imports_of(path) - seen))
    return local


def _roots(top: str, search: Sequence[str]) -> list[Path]:
    """The file or directories of a local top-level module; none if it is not local."""
    module = sys.modules.get(top)
    spec = getattr(module, "__spec__", None)
    if spec is None:
        spec = _find(top, search)
    if spec is None or spec.origin in ("built-in", "frozen"):
        return []
    if spec.submodule_search_locations is not None:
        directories = [Path(directory) for directory in spec.submodule_search_locations]
        return [directory for directory in directories if directory.is_dir() and is_local(directory)]
    if not spec.origin or not is_local(Path(spec.origin)):
        return []
    return [Path(spec.origin)]


def locate(name: str, directory: Path) -> importlib.machinery.ModuleSpec | None:
    """The module that ``python -m name`` would run in ``directory``, found without importing anything.

    A package stands for its ``__main__``. None if there is none.
    """
    search: Sequence[str] | None = [str(directory), *(path or os.getcwd() for path in sys.path)]  # noqa: PTH109
    top, *rest = name.split(".")
    spec = _find(top, search or ())
    full = top
    for part in rest:
        search = spec.submodule_search_locations if spec is not None else None
        full = f"{full}.{part}"
        spec = importlib.machinery.PathFinder.find_spec(full, search) if search is not None else None
    if spec is None or spec.submodule_search_locations is None or name.endswith(".__main__"):
        return spec
    return locate(f"{name}.__main__", directory)


def _find(top: str, search: Sequence[str]) -> importlib.machinery.ModuleSpec | None:
    try:
        return importlib.machinery.PathFinder.find_spec(top, list(search)) or importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return None


@functools.lru_cache(maxsize=4096)
def is_local(path: Path) -> bool:
    """Whether what is at ``path`` belongs to the user and not to an installation."""
    if any(part in _INSTALLED for part in path.parts):
        return False
    real = path.resolve()
    if any(part in _INSTALLED for part in real.parts):
        return False
    return not any(real.is_relative_to(directory) for directory in _standard())


@functools.lru_cache(maxsize=1)
def _standard() -> tuple[Path, ...]:
    paths = sysconfig.get_paths()
    return tuple({Path(paths[kind]).resolve() for kind in ("stdlib", "platstdlib")})


def _add_package(local: LocalFiles, root: Path, data_size: int) -> int:
    for name, path in sorted(_walk(root, root.name, frozenset())):
        try:
            size = path.stat().st_size
        except OSError:
            continue  # a link to nowhere
        try:
            name.encode()
        except UnicodeEncodeError:
            local.messages.append(f"{name!r} was left out: its name is not valid Unicode.")
            continue
        if path.suffix != ".py":
            why = "it is a checkpoint" if path.suffix in _CHECKPOINTS else f"its size is {format_bytes(size)}"
            if path.suffix in _CHECKPOINTS or size > MAX_FILE or data_size + size > MAX_DATA:
                local.messages.append(f"{name} of the local package {root.name} was left out: {why}.")
                continue
            data_size += size
        local.files[name] = path
    return data_size


def _walk(directory: Path, name: str, above: frozenset[str]) -> Iterator[tuple[str, Path]]:
    real = os.path.realpath(directory)
    if real in above:
        return  # a link to a directory that holds it
    try:
        entries = list(os.scandir(directory))
    except OSError as error:
        raise CaptureError(
            f"The local package directory {name} cannot be read: {error.strerror}.", "Check its permissions."
        ) from error
    for entry in entries:
        if entry.name.startswith(".") or entry.name in LEFT_OUT or Path(entry.name).suffix in _COMPILED:
            continue
        if entry.is_dir():
            yield from _walk(Path(entry.path), f"{name}/{entry.name}", above | {real})
        elif entry.is_file():
            yield f"{name}/{entry.name}", Path(entry.path)


def imports_of(path: Path) -> frozenset[str]:
    """Top-level names that a Python file imports; none if it cannot be read or parsed."""
    try:
        status = path.stat()
    except OSError:
        return frozenset()
    return _scanned(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=4096)
def _scanned(path: Path, _changed: int, _size: int) -> frozenset[str]:
    try:
        tree = parse(path.read_bytes(), str(path))
    except (OSError, SyntaxError, ValueError, RecursionError):
        return frozenset()
    return frozenset(name.partition(".")[0] for name in imports_in(tree))


def imports_in(tree: ast.AST) -> set[str]:
    """Modules that the code of a tree imports anywhere, dotted; relative imports left out."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                names.add(node.args[0].value.lstrip("."))
    return names - {""}
