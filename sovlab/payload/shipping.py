"""The runner as one file, to be run by whatever Python a job has: made once for each state of its sources.

Beside the file lies a note whose name comes from the times and sizes of the sources, so that a process finds
the file without reading one of them. A note counts only as long as the file is the very one that was seen
whole. Without one the sources are read, and the file is looked through, and made anew if need be.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from sovlab.errors import SovlabError

_MAIN = "import sys\n\nfrom sovlab.runner.main import main\n\nsys.exit(main())\n"
_OURS = ("__init__.py", "_version.py", "errors.py", "torch.py")
_EPOCH = (1980, 1, 1, 0, 0, 0)
_SETTLED = 2.0
"""Seconds after which the next change of a file gives it another time, on whatever file system."""

Stamp = tuple[str, str, int, int, int]
"""Of one source: its name in the file, its path, when its content and its inode changed (ns), its bytes."""
Sources = tuple[tuple[str, bytes], ...]
"""Names in the file, in order, and the content of each."""


def runner_zip(directory: Path) -> Path:
    """The path of the runner's ``.pyz`` in ``directory``, made there if need be.

    It holds the part of sovlab that works inside jobs, and cloudpickle, as source and as bytecode for
    this interpreter; another one compiles the source. Its name is the hash of what is in it.

    Raises:
        SovlabError: it cannot be written.
    """
    return _kept(directory, "", _with_bytecode)


def small_runner(directory: Path) -> bytes:
    """The runner for places that are far: compressed, and without bytecode, which is of one Python only.

    Args:
        directory: where it is kept, beside that of `runner_zip`; one that cannot be written is left aside.
    """
    try:
        return _kept(directory, "small-", _compressed).read_bytes()
    except (OSError, SovlabError):
        return _compressed(_sources(_stamps()))


def _kept(directory: Path, kind: str, make: Callable[[Sources], bytes]) -> Path:
    now = time.time()
    stamps = _stamps()
    told = repr((stamps, sys.implementation.cache_tag, importlib.util.MAGIC_NUMBER))
    note = directory / f"{kind}{hashlib.sha256(told.encode()).hexdigest()[:16]}.json"
    path = _noted(note)
    if path is not None:
        return path
    sources = _sources(stamps)
    path = directory / f"{kind}{_hash(sources)}.pyz"
    try:
        if not _is_whole(path, sources):
            path.unlink(missing_ok=True)
            _write(path, make(sources))
    except OSError as error:
        raise SovlabError(
            f"The runner cannot be written to {directory}: {error.strerror}.",
            "Check its permissions, or set SOVLAB_STATE_DIR to another directory.",
        ) from error
    if all(changed < (now - _SETTLED) * 1e9 for _, _, _, changed, _ in stamps):
        _write_note(note, path)
    return path


# --- what it is made of


def _stamps() -> list[Stamp]:
    import cloudpickle

    ours, pickler = Path(__file__).parents[1], Path(cloudpickle.__file__).parent
    # How they are put together is written here.
    found = [_stamp("", Path(__file__).stat(), __file__)]
    found += [_stamp(f"sovlab/{name}", (ours / name).stat(), str(ours / name)) for name in _OURS]
    folders = (
        ("sovlab/runner/", ours / "runner"),
        ("sovlab/sensors/", ours / "sensors"),
        ("cloudpickle/", pickler),
    )
    for prefix, folder in folders:
        for entry in _modules(str(folder)):
            with suppress(OSError):  # an editor's link to nowhere, or a file that is just being replaced
                name = prefix + entry.path[len(str(folder)) + 1 :].replace(os.sep, "/")
                found.append(_stamp(name, entry.stat(), entry.path))
    return sorted(found)


def _stamp(name: str, status: os.stat_result, path: str) -> Stamp:
    return name, path, status.st_mtime_ns, status.st_ctime_ns, status.st_size


def _modules(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                yield entry
            elif entry.name != "__pycache__" and entry.is_dir():
                yield from _modules(entry.path)


def _sources(stamps: Sequence[Stamp]) -> Sources:
    found = {name: Path(path).read_bytes() for name, path, *_ in stamps}
    found["__main__.py"] = _MAIN.encode()
    return tuple(sorted(found.items()))


def _hash(sources: Sources) -> str:
    # Bytecode is not the same byte for byte each time, so the name comes from what it is made of.
    digest = hashlib.sha256(f"{sys.implementation.cache_tag}\n".encode() + importlib.util.MAGIC_NUMBER)
    for name, source in sources:
        digest.update(f"{name}\n{len(source)}\n".encode() + source)
    return digest.hexdigest()[:16]


# --- the file


@functools.lru_cache(maxsize=1)
def _with_bytecode(sources: Sources) -> bytes:
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, source in _packed(sources):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), source)
            if name != "__main__.py":
                archive.writestr(zipfile.ZipInfo(f"{name}c", _EPOCH), _bytecode(source, name))
    return buffer.getvalue()


def _bytecode(source: bytes, name: str) -> bytes:
    import marshal

    code = compile(source, name, "exec", dont_inherit=True)
    # PEP 552, unchecked: what it was compiled from lies beside it and cannot change.
    flags = (1).to_bytes(4, "little")
    return importlib.util.MAGIC_NUMBER + flags + importlib.util.source_hash(source) + marshal.dumps(code)


def _compressed(sources: Sources) -> bytes:
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, source in _packed(sources):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), source, zipfile.ZIP_DEFLATED, compresslevel=9)
    return buffer.getvalue()


def _packed(sources: Sources) -> Sources:
    return tuple((name, source) for name, source in sources if name)


def _is_whole(path: Path, sources: Sources) -> bool:
    """Whether the file is there with all that belongs into it, every byte of it as it was written."""
    import zipfile
    import zlib

    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None and all(
                zlib.crc32(source) == archive.getinfo(name).CRC for name, source in _packed(sources)
            )
    except (OSError, KeyError, ValueError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error):
        return False


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # or a machine that goes down keeps the name and loses the content
        try:
            # Where another process was first its file stays: jobs may be reading it.
            os.link(temporary, path)
        except FileExistsError:
            pass
        except OSError:
            temporary.replace(path)  # a file system without hard links
    finally:
        temporary.unlink(missing_ok=True)


# --- the note beside it


def _noted(note: Path) -> Path | None:
    try:
        told = json.loads(note.read_bytes())
        path = note.parent / told["runner"]
        return path if told["status"] == _status(path) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_note(note: Path, path: Path) -> None:
    temporary = note.parent / f".{secrets.token_hex(8)}.tmp"
    with suppress(OSError):  # it is only quicker with one
        try:
            temporary.write_text(json.dumps({"runner": path.name, "status": _status(path)}))
            temporary.replace(note)
        finally:
            temporary.unlink(missing_ok=True)


def _status(path: Path) -> list[int]:
    """What tells a file from one that was written after it or changed since."""
    status = path.stat()
    return [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
