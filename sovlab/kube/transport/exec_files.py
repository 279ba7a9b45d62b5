"""Files between here and a running container, through ``exec``: the way for a target without a store.

Both directions resume where they stopped after a break, and a file appears at its path only when it is
whole and its size is right. The container needs nothing but its Python and the runner.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from sovlab.core.units import format_bytes
from sovlab.core.untrusted import clean
from sovlab.kube import labels
from sovlab.kube.mounts import GIVEN, WORK
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import Overloaded, Unreachable
from sovlab.kube.transport.exec import CommandFailed, ExecChannel
from sovlab.runner.protocol import layout

_TRIES = 5
"""How often something is tried that comes no further."""
_PAUSE = 0.5
_WINDOW = 8 << 20


_HEAD = 40
"""Characters of a number of bytes."""
_LEFT_FREE = 64 << 20
"""Bytes that stay free on the disk of this machine."""


def _number(text: str, pod: str) -> int:
    """A number that a pod answered; what runs in it may be anybody's."""
    word = text.strip() or "0"
    if len(word) > _HEAD or not word.removeprefix("-").isdecimal():
        raise CommandFailed(f"Pod {pod} answered {clean(word, 80)!r}, which is no number of bytes.")
    return int(word)


class _Tries:
    """Counts tries in a row that came no further: a large file may need many that each bring a part of it."""

    def __init__(self) -> None:
        self._furthest = -1
        self._vain = 0

    def pause(self, reached: int) -> bool:
        """After one that broke off at ``reached`` bytes: wait, and True; False if it is time to give up."""
        if reached > self._furthest:
            self._furthest, self._vain = reached, 0
        self._vain += 1
        if self._vain >= _TRIES:
            return False
        time.sleep(_PAUSE * 2 ** (self._vain - 1))
        return True


class Container:
    """The running container of one pod of a job.

    Args:
        api: as a user who may exec into the pod.
        namespace: the pod's.
        pod: the pod's name.
        python: the interpreter in its image.
        name: the container's name.
    """

    def __init__(self, api: Api, namespace: str, pod: str, python: str, name: str = labels.CONTAINER) -> None:
        self._api = api
        self._namespace = namespace
        self._pod = pod
        self._name = name
        self._python = python

    def bring(self, payload: Path) -> None:
        """Send the payload.

        Raises:
            ClusterError: it could not be sent, after `_TRIES` tries that brought nothing.
        """
        size, received, tries = payload.stat().st_size, 0, _Tries()
        while True:
            try:
                received = _number(self.run("received", WORK), self._pod)
                if received < 0:
                    return
                self._send(payload, size, min(received, size))
            except (Unreachable, Overloaded, CommandFailed):
                if not tries.pause(received):
                    raise
            else:
                return

    def fetch(self, target: Path, source: str = f"{WORK}/{layout.RESULTS}") -> None:
        """Receive a file; it appears at ``target`` once it is whole.

        Raises:
            ClusterError: it could not be received, after `_TRIES` tries that brought nothing.
        """
        partial, tries = target.with_name(f".{target.name}.{os.getpid()}.part"), _Tries()
        try:
            while True:
                try:
                    self._receive(partial, source)
                except (Unreachable, Overloaded, CommandFailed):
                    if not tries.pause(partial.stat().st_size if partial.exists() else 0):
                        raise
                else:
                    partial.replace(target)
                    return
        finally:
            partial.unlink(missing_ok=True)

    def say_taken(self) -> None:
        """Tell the runner that the results have been fetched; as often as need be, for once is enough."""
        tries = _Tries()
        while True:
            try:
                self.run("taken", WORK)
            except (Unreachable, Overloaded):
                if not tries.pause(0):
                    raise
            else:
                return

    def cancel(self) -> None:
        """Cancel the job: SIGTERM, and a file that says why."""
        self.run("cancel", WORK)

    def _send(self, payload: Path, size: int, start: int) -> None:
        command = self._command("receive", WORK, str(size), str(start))
        with self._exec(command) as channel, payload.open("rb") as file:
            file.seek(start)
            while piece := file.read(_WINDOW):
                channel.send(piece)
            channel.finish()

    def _receive(self, partial: Path, source: str) -> None:
        start = written = partial.stat().st_size if partial.exists() else 0
        with self._exec(self._command("send", source, str(start))) as channel, partial.open("ab") as file:
            head, size = b"", -1
            for data in channel.output():
                if size < 0:
                    head += data
                    if b"\n" not in head and len(head) <= _HEAD:
                        continue
                    line, _, data = head.partition(b"\n")
                    size = _number(line[: _HEAD + 1].decode(errors="replace"), self._pod)
                    self._check_room(partial, size - start)
                written += len(data)
                if written > size:  # whatever answers there, it is not the runner
                    raise CommandFailed(f"Pod {self._pod} sent more of {source} than it said.")
                file.write(data)
        if size < 0 or partial.stat().st_size != size:
            raise Unreachable(f"The transfer of {source} from pod {self._pod} was incomplete.")

    def _check_room(self, partial: Path, size: int) -> None:
        free = shutil.disk_usage(partial.parent).free
        if size > free - _LEFT_FREE:
            raise CommandFailed(
                f"Pod {self._pod} has {format_bytes(size)} to send, and this machine has "
                f"{format_bytes(free)} free: make room, or give the target a store."
            )

    def run(self, *words: str) -> str:
        """Run a command of the runner; its stdout."""
        with self._exec(self._command(*words)) as channel:
            return channel.finish().decode(errors="replace")

    def _exec(self, command: list[str]) -> ExecChannel:
        return self._api.exec(self._namespace, self._pod, self._name, command)

    def _command(self, *words: str) -> list[str]:
        return [self._python, f"{GIVEN}/runner.pyz", *words]
