"""The object store: packs by the SHA-256 of their content, each written once."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sovlab.core.units import format_bytes
from sovlab.errors import SovlabError
from sovlab.runner.values.hashing import BLOCK
from sovlab.runner.values.pack import PackWriter
from sovlab.runner.values.pickling import Postponed

_SMALL = BLOCK
"""A pack up to this many bytes is made in memory, and written only if it is new."""
_LOOKED_AT = 4096
"""Bytes of each piece that are compared before a large pack is taken for one that may be there."""
_STALE = 24 * 3600
"""Seconds after which a temporary file is that of a process that was killed."""


class _Spool:
    """Collects what is written up to `_SMALL` bytes, and drops it when there is more."""

    def __init__(self) -> None:
        self.data: bytearray | None = bytearray()

    def write(self, data: Any) -> int:
        with memoryview(data) as view:
            if self.data is not None:
                if len(self.data) + view.nbytes > _SMALL:
                    self.data = None
                else:
                    self.data += view
            return view.nbytes


def put(directory: Path, build: Callable[[PackWriter], dict[str, Any]]) -> tuple[str, Path, int]:
    """Write the pack that ``build`` makes, unless the store has it: (digest, path, size).

    Args:
        directory: the store; created if needed, with mode 0700.
        build: adds the segments and returns the meta. Called more than once for a large pack, and does
            the same each time; until it has once been through it may raise `Postponed` to begin anew.

    Raises:
        SovlabError: the disk is full, or the directory cannot be written.
    """
    spool, size = _measured(build)
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if spool.data is not None:
            digest = hashlib.sha256(spool.data).hexdigest()  # of one block, as `BlockHash` has it
            path = directory / f"{digest}.pack"
            if _is_used_again(path, size):
                return digest, path, size
            with _temporary(directory) as temporary:
                with _create(temporary) as file:
                    _Whole(file).write(spool.data)
                temporary.replace(path)
            return digest, path, size
        _sweep(directory)
        if _may_be_there(build, [path for path in directory.glob("*.pack") if _has(path, size)]):
            with PackWriter(None) as writer:
                digest = writer.finish(build(writer))
            path = directory / f"{digest}.pack"
            if _is_used_again(path, size):
                return digest, path, size
        with _temporary(directory) as temporary:
            with _create(temporary) as file, PackWriter(_Whole(file)) as writer:
                digest = writer.finish(build(writer))
                size = writer.size
            path = directory / f"{digest}.pack"
            temporary.replace(path)
        return digest, path, size
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise SovlabError(
                f"The disk has no space for a payload of {format_bytes(size)}; nothing was written.",
                f"Free some space on the disk of {directory}, for example with: sovlab clean.",
            ) from error
        if error.filename is None and error.errno is None:
            raise
        raise SovlabError(
            f"The payload cannot be written to {directory}: {error.strerror}.",
            "Check its permissions, or set SOVLAB_STATE_DIR to another directory.",
        ) from error


def _measured(build: Callable[[PackWriter], dict[str, Any]]) -> tuple[_Spool, int]:
    while True:
        spool = _Spool()
        try:
            with PackWriter(spool, hashing=False) as writer:
                writer.finish(build(writer))
                return spool, writer.size
        except Postponed:
            continue


def _may_be_there(build: Callable[[PackWriter], dict[str, Any]], packs: list[Path]) -> bool:
    """Whether one of ``packs``, all of the right size, has what ``build`` makes at each place looked at.

    Weights that are sent again after an epoch have the size of the ones before and differ at once: to hash
    them before they are hashed again as they are written would take as long as the writing.
    """
    with contextlib.ExitStack() as opened:
        files = []
        for path in packs:
            with contextlib.suppress(OSError):  # swept meanwhile, or not to be read: it is written anew
                files.append(opened.enter_context(path.open("rb", buffering=0)))
        if not files:
            return False
        with contextlib.suppress(_Different, OSError), PackWriter(_Probe(files), hashing=False) as writer:
            writer.finish(build(writer))
            return True
    return False


class _Different(Exception):
    """No file has what is being written."""


class _Probe:
    """Compares the beginning of each piece written with what files have there."""

    def __init__(self, files: list[io.FileIO]) -> None:
        self._files = files
        self._offset = 0

    def write(self, data: Any) -> int:
        with memoryview(data) as view:
            looked_at = bytes(view[:_LOOKED_AT])
            self._files = [
                file
                for file in self._files
                if os.pread(file.fileno(), len(looked_at), self._offset) == looked_at
            ]
            if not self._files:
                raise _Different
            self._offset += view.nbytes
            return view.nbytes


class _Whole:
    """A raw file whose `write` writes all of the data."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, data: Any) -> int:
        with memoryview(data) as view:
            done = 0
            while done < len(view):
                done += self._file.write(view[done:])
            return done


def _has(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def _is_used_again(path: Path, size: int) -> bool:
    """Whether a pack is there, which then counts as used now: a sweep beside this leaves it."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return _has(path, size)


def _create(path: Path) -> io.FileIO:
    """A new file with mode 0600.

    One that is there already, even an empty one, must not be truncated: ext4 takes that for the replacing of
    a file, and writes all of it to the disk when it is closed, which takes as long as the writing itself.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    return io.FileIO(path, "wb", opener=lambda name, _: os.open(name, flags, 0o600))


@contextlib.contextmanager
def _temporary(directory: Path) -> Any:
    """A path beside the objects; at the end no file is left there."""
    path = directory / f".{secrets.token_hex(8)}.tmp"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _sweep(directory: Path) -> None:
    for path in directory.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _STALE:
                path.unlink()
