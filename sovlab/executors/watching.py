"""Changes of files, without polling: inotify on Linux, kqueue on macOS, one instance for the process."""

from __future__ import annotations

import ctypes
import os
import select
import struct
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

_MODIFY, _MOVED_TO, _CREATE, _DELETE_SELF = 0x2, 0x80, 0x100, 0x400
_SLOW = 0.25
"""Seconds between looks where the system has no more watches to give."""


class Watch:
    """Tells when something in a directory has changed since it was last asked.

    Use it as a context manager. Changes of files in the directory, and files put into it, count.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._beside: set[Path] = set()
        self._changed = threading.Event()
        self._polling = False

    def __enter__(self) -> Watch:
        self._polling = not _notifier().add(self._directory, self)
        return self

    def __exit__(self, *_: object) -> None:
        _notifier().remove(self._directory, self)
        self.beside(())

    def beside(self, directories: Iterable[Path]) -> None:
        """Watch these as well, and no more those that were given before."""
        wanted = set(directories)
        for gone in self._beside - wanted:
            _notifier().remove(gone, self)
        # Of what cannot be watched, e.g. because it has just been deleted, changes are seen at the next look.
        self._beside = (self._beside & wanted) | {
            new for new in wanted - self._beside if _notifier().add(new, self)
        }

    def wake(self) -> None:
        """End a `wait` that is under way, or the next one."""
        self._changed.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for a change since the last call; False if ``timeout`` seconds passed without one."""
        if self._polling:
            self._changed.wait(_SLOW if timeout is None else min(_SLOW, timeout))
            self._changed.clear()
            return True
        changed = self._changed.wait(timeout)
        self._changed.clear()
        return changed


class _Inotify:
    """One inotify instance and a thread that reads it (inotify(7))."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        self._lock = threading.Lock()
        self._watches: dict[int, tuple[str, set[Watch]]] = {}
        self._numbers: dict[str, int] = {}
        if self._descriptor >= 0:
            threading.Thread(target=self._read, name="sovlab-inotify", daemon=True).start()

    def add(self, directory: Path, watch: Watch) -> bool:
        if self._descriptor < 0:
            return False
        with self._lock:
            name = os.fspath(directory)
            number = self._libc.inotify_add_watch(
                self._descriptor, os.fsencode(name), _MODIFY | _MOVED_TO | _CREATE | _DELETE_SELF
            )
            if number < 0:
                return False
            self._watches.setdefault(number, (name, set()))[1].add(watch)
            self._numbers[name] = number
        return True

    def remove(self, directory: Path, watch: Watch) -> None:
        with self._lock:
            number = self._numbers.get(os.fspath(directory))
            if number is None or number not in self._watches:
                return
            waiting = self._watches[number][1]
            waiting.discard(watch)
            if not waiting:
                del self._watches[number], self._numbers[os.fspath(directory)]
                self._libc.inotify_rm_watch(self._descriptor, number)

    def _read(self) -> None:
        while True:
            select.select([self._descriptor], [], [])
            try:
                data = os.read(self._descriptor, 65536)
            except BlockingIOError:
                continue
            at, numbers = 0, set()
            while at < len(data):
                number, mask, _, length = struct.unpack_from("iIII", data, at)
                numbers.add(-1 if mask & 0x4000 else number)  # IN_Q_OVERFLOW: everything may have changed
                at += 16 + length
            with self._lock:
                for number, (_, waiting) in self._watches.items():
                    if number in numbers or -1 in numbers:
                        for watch in waiting:
                            watch.wake()


class _Polling:
    """Where the system has neither: each `Watch` looks for itself, slowly."""

    def add(self, directory: Path, watch: Watch) -> bool:
        return False

    def remove(self, directory: Path, watch: Watch) -> None:
        pass


class _Kqueue:
    """One kqueue and a thread that reads it; watches the directory and the log in it."""

    def __init__(self) -> None:
        self._queue = select.kqueue()  # type: ignore[attr-defined]
        self._lock = threading.Lock()
        self._open: dict[str, tuple[list[int], set[Watch]]] = {}
        self._names: dict[int, str] = {}
        threading.Thread(target=self._read, name="sovlab-kqueue", daemon=True).start()

    def add(self, directory: Path, watch: Watch) -> bool:
        name = os.fspath(directory)
        with self._lock:
            if name not in self._open:
                self._open[name] = ([], set())
            self._open[name][1].add(watch)
            self._follow(name)
        return True

    def _follow(self, name: str) -> None:
        descriptors = self._open[name][0]
        for path in (name, f"{name}/log")[len(descriptors) :]:
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                return
            kevent = select.kevent(  # type: ignore[attr-defined]
                descriptor,
                select.KQ_FILTER_VNODE,  # type: ignore[attr-defined]
                select.KQ_EV_ADD | select.KQ_EV_CLEAR,  # type: ignore[attr-defined]
                select.KQ_NOTE_WRITE | select.KQ_NOTE_EXTEND | select.KQ_NOTE_DELETE,  # type: ignore[attr-defined]
            )
            self._queue.control([kevent], 0)
            descriptors.append(descriptor)
            self._names[descriptor] = name

    def remove(self, directory: Path, watch: Watch) -> None:
        name = os.fspath(directory)
        with self._lock:
            if name not in self._open:
                return
            descriptors, waiting = self._open[name]
            waiting.discard(watch)
            if not waiting:
                del self._open[name]
                for descriptor in descriptors:
                    self._names.pop(descriptor, None)
                    os.close(descriptor)

    def _read(self) -> None:
        while True:
            for event in self._queue.control(None, 16):
                with self._lock:
                    name = self._names.get(event.ident)
                    if name in self._open:
                        self._follow(name)
                        for watch in self._open[name][1]:
                            watch.wake()


_NOTIFIER: list[_Inotify | _Kqueue | _Polling] = []
_LOCK = threading.Lock()


def _notifier() -> _Inotify | _Kqueue | _Polling:
    with _LOCK:
        if not _NOTIFIER:
            if sys.platform.startswith("linux"):
                _NOTIFIER.append(_Inotify())
            elif hasattr(select, "kqueue"):
                _NOTIFIER.append(_Kqueue())
            else:
                _NOTIFIER.append(_Polling())
        return _NOTIFIER[0]


os.register_at_fork(after_in_child=_NOTIFIER.clear)  # threads do not survive a fork
