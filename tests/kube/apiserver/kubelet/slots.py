"""A container's place in its pod: its runs, one after the other, and what its status says of them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.kube.apiserver.objects.store import Object
from tests.kube.apiserver.protocol.values import stamp

from .images import full_name
from .logs import ContainerLog
from .process import Command, End, Run


@dataclass
class Slot:
    """One container of a pod."""

    spec: Object
    directory: Path
    init: bool = False
    run: Run | None = None
    end: End | None = None
    started: bool = False
    waiting: tuple[str, str] | None = ("ContainerCreating", "")
    terminated: dict[str, Any] | None = None
    last: dict[str, Any] | None = None
    restarts: int = 0
    container_id: str = ""
    not_before: float = 0.0
    log: ContainerLog | None = None
    previous_log: ContainerLog | None = None
    said: set[str] = field(default_factory=set)
    command: Command | None = None
    real: Callable[[str], str] = str
    pull_wait: float = 0.0
    pull_failed: float = 0.0

    @property
    def name(self) -> str:
        """Of the container."""
        return str(self.spec["name"])

    @property
    def running(self) -> bool:
        """Whether its process is there, as far as the status says."""
        return self.run is not None and self.terminated is None and self.waiting is None

    def translate(self, argv: list[str]) -> tuple[str, ...]:
        """A command for this container as one for this machine."""
        assert self.command is not None
        return findable([self.real(text) for text in argv], self.command.env["PATH"])

    def status(self, *, known: bool) -> dict[str, Any]:
        """The container's entry in the pod's status."""
        if self.running:
            assert self.run is not None
            state: dict[str, Any] = {"running": {"startedAt": stamp(self.run.started)}}
        elif self.terminated is not None and self.waiting is None:
            state = {"terminated": self.terminated}
        else:
            reason, message = self.waiting or ("ContainerCreating", "")
            state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
        image = self.spec["image"]
        done = self.init and (self.terminated or {}).get("exitCode") == 0
        return {
            "name": self.name,
            "state": state,
            "lastState": {"terminated": self.last} if self.last else {},
            "ready": self.running if not self.init else done,
            "restartCount": self.restarts,
            "image": full_name(image) if known and self.container_id else image,
            "imageID": f"{full_name(image).partition(':')[0]}@sha256:{'0' * 64}" if self.container_id else "",
            **({"containerID": self.container_id} if self.container_id else {}),
            "started": self.running if not self.init else False,
            **self._bulk(),
        }

    def _bulk(self) -> dict[str, Any]:
        """What a status repeats of the spec once the container was made."""
        if not self.container_id:
            return {}
        resources = self.spec.get("resources") or {}
        found: dict[str, Any] = {"resources": resources}
        if resources.get("requests"):
            found["allocatedResources"] = resources["requests"]
        mounts = self.spec.get("volumeMounts") or []
        if mounts:
            found["volumeMounts"] = [
                {
                    "name": mount["name"],
                    "mountPath": mount["mountPath"],
                    **({"readOnly": True, "recursiveReadOnly": "Disabled"} if mount.get("readOnly") else {}),
                }
                for mount in mounts
            ]
        return found


def findable(argv: list[str], path: str) -> tuple[str, ...]:
    """The command with its program found by the container's PATH, not by that of this process."""
    if argv and argv[0] in ("python", "python3"):
        return (sys.executable, *argv[1:])
    if argv and "/" not in argv[0]:
        return (shutil.which(argv[0], path=path) or argv[0], *argv[1:])
    return tuple(argv)
