"""Modules where the user has them, with the source that was submitted: for jobs on the submitter's machine.

``__file__`` and ``__path__`` are those that the user knows, so what code reads or writes beside itself is
there; but what is run is the source in the payload, whatever has become of the files meanwhile.
"""

from __future__ import annotations

import importlib.machinery as machinery
import importlib.util
import linecache
import os
import sys
from typing import Any, Callable, Dict, List, Mapping, Optional, Set

from sovlab.runner.values.pack import Pack

_LOADERS = (
    (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES),
    (machinery.SourceFileLoader, machinery.SOURCE_SUFFIXES),
    (machinery.SourcelessFileLoader, machinery.BYTECODE_SUFFIXES),
)


class Snapshot:
    """The Python files of a payload, by their paths on this machine.

    Args:
        pack: the payload.
        sources: where its files are here, each by its path in the payload or by that of a folder above it.
        entry: an entry of ``sys.path`` that stands for what is sent: its modules are found there.
    """

    def __init__(self, pack: Pack, sources: Mapping[str, str], entry: str) -> None:
        self._pack = pack
        self._entry = entry
        self._segments: Dict[str, str] = {}
        self._folders: Set[str] = set()
        self._tops: Dict[str, Dict[str, None]] = {}
        self.roots: List[str] = []
        """Directories in which the user's Python found what is sent."""
        for name in pack.names():
            if name.startswith("file/"):
                self._add(name[len("file/") :], name, sources)

    def _add(self, name: str, segment: str, sources: Mapping[str, str]) -> None:
        key = name
        while key not in sources:
            key, slash, _ = key.rpartition("/")
            if not slash:
                return
        path = sources[key] + name[len(key) :].replace("/", os.sep)
        self.add(path, segment)
        folder = os.path.dirname(path)
        for _ in range(name.count("/")):
            self._folders.add(os.path.realpath(folder))
            top, folder = folder, os.path.dirname(folder)
        self._folders.add(os.path.realpath(folder))
        self._tops.setdefault(name.partition("/")[0], {})[top if "/" in name else path] = None
        if folder not in self.roots:
            self.roots.append(folder)

    def add(self, path: str, segment: str) -> None:
        """Have a file be what a segment of the payload holds."""
        self._segments[path] = self._segments[_real(path)] = segment

    def install(self) -> None:
        """Have imports find what is sent, in the order of ``sys.path`` as ever."""
        sys.path_hooks.insert(0, self._hook)
        for path in [path for path in sys.path_importer_cache if self._serves(path)]:
            del sys.path_importer_cache[path]

    def _serves(self, path: str) -> bool:
        return path == self._entry or os.path.realpath(path) in self._folders

    def _hook(self, path: str) -> Finder:
        if not self._serves(path):
            raise ImportError(path)
        return Finder(path, self)

    def source(self, path: str) -> Optional[bytes]:
        """What was submitted of a file; None if it was not."""
        segment = self._segments.get(path) or self._segments.get(_real(path))
        return None if segment is None else bytes(self._pack.segment(segment))

    def spec(self, name: str, folder: str) -> Optional[machinery.ModuleSpec]:
        """The spec of a module that was sent from a folder; None if there is none of that name."""
        tail = name.rpartition(".")[2]
        if folder != self._entry:
            return self._spec(name, os.path.join(folder, tail))
        portions: List[str] = []
        for path in (*self._tops.get(tail, ()), *self._tops.get(f"{tail}.py", ())):
            spec = self._spec(name, path[: -len(".py")] if path.endswith(".py") else path)
            if spec is not None:
                return spec
            portions.append(path)
        if not portions:
            return None
        namespace = machinery.ModuleSpec(name, None, is_package=True)
        namespace.submodule_search_locations = portions
        return namespace

    def _spec(self, name: str, stem: str) -> Optional[machinery.ModuleSpec]:
        package = os.path.join(stem, "__init__.py")
        source = self.source(package)
        if source is not None:
            return importlib.util.spec_from_file_location(
                name, package, loader=Loader(name, package, source), submodule_search_locations=[stem]
            )
        if any(_real(stem + suffix) in self._segments for suffix in machinery.EXTENSION_SUFFIXES):
            return None  # as ever, a compiled module comes before one in Python
        source = self.source(f"{stem}.py")
        if source is None:
            return None
        return importlib.util.spec_from_file_location(
            name, f"{stem}.py", loader=Loader(name, f"{stem}.py", source)
        )


class Finder(machinery.FileFinder):
    """Finds in one folder what was sent from there, and else what lies there.

    Args:
        path: the folder.
        snapshot: what was sent.
    """

    def __init__(self, path: str, snapshot: Snapshot) -> None:
        super().__init__(path, *_LOADERS)
        self._snapshot = snapshot

    def find_spec(self, fullname: str, target: Any = None) -> Any:
        """As the import system asks it."""
        return self._snapshot.spec(fullname, self.path) or super().find_spec(fullname, target)


class Loader(machinery.SourceFileLoader):
    """Loads a module from the source that was submitted; data beside it is read where it lies.

    Args:
        fullname: of the module.
        path: of its file.
        source: what is run.
    """

    def __init__(self, fullname: str, path: str, source: bytes) -> None:
        super().__init__(fullname, path)
        self._source = source

    def get_data(self, path: Any) -> bytes:
        """As `pkgutil.get_data` asks it."""
        return self._source if path == self.path else super().get_data(path)

    def get_code(self, fullname: str) -> Any:
        """Compiled anew: the bytecode that lies beside the file is that of another source."""
        remember_lines(self.path, self._source)
        return self.source_to_code(self._source, self.path)


def remember_lines(path: str, source: bytes) -> None:
    """Let tracebacks and `inspect` find the lines that run, not those that are in the file by then."""
    try:
        text = importlib.util.decode_source(source)
    except (SyntaxError, ValueError):
        return
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)


def start_processes_with(main: Callable[[], str]) -> Callable[[Any], None]:
    """What makes `multiprocessing.spawn` start processes with the file that ``main`` gives as ``__main__``.

    They would run the user's file as it is by then.
    """

    def change(spawn: Any) -> None:
        original = spawn.get_preparation_data

        def get_preparation_data(name: str) -> Dict[str, Any]:
            data: Dict[str, Any] = original(name)
            if data.pop("init_main_from_name", None) or data.pop("init_main_from_path", None):
                data["init_main_from_path"] = main()
            return data

        spawn.get_preparation_data = get_preparation_data

    return change


def _real(path: str) -> str:
    """A path by its real folder; the file itself may be a link."""
    folder, base = os.path.split(path)
    return os.path.join(os.path.realpath(folder), base)
