"""A pod on its node, step by step: its volumes, its containers, their restarts, its end."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.kube.apiserver.objects.store import Object, Store

from .containers import Site, Starter
from .podstatus import PodState
from .process import End
from .slots import Slot
from .volumes import MountError, Volumes

Say = Callable[[str, str, str, str], None]  # type, reason, message, path
_FIRST_RETRY, _LAST_RETRY = 0.5, 122.0


@dataclass
class PodSurroundings:
    """Where and how pods of a node run."""

    site: Site
    volumes: Volumes
    store: Store
    root: Path
    start_delay: float
    host_ip: str


@dataclass
class Mounts:
    """How far a pod's volumes are."""

    done: dict[str, Path] = field(default_factory=dict)
    wait: float = 0.0
    not_before: float = 0.0


class PodWorker(PodState):
    """One pod.

    Args:
        pod: as it was bound.
        place: its node's.
        say: records an event about it.
        poke: has it synced again, from any thread.
    """

    def __init__(self, pod: Object, place: PodSurroundings, say: Say, poke: Callable[[], None]) -> None:
        super().__init__(pod, place.root / pod["metadata"]["uid"], place.host_ip)
        self._place = place
        self._say = say
        self._poke = poke
        self._starter = Starter(place.site)
        self._mounts = Mounts()
        self._begun = time.monotonic()
        self._lock = threading.Lock()

    def sync(self, pod: Object) -> float | None:
        """One step; after how many seconds to take the next."""
        self._collect()
        if self.stopping:
            return None
        deadline = self._check_deadline(pod)
        if self.stopping:
            return None
        waits = [deadline, self._advance(pod)]
        return min((wait for wait in waits if wait is not None), default=None)

    def stop(self, grace: float, reason: str = "", message: str = "") -> None:
        """Ends all containers, and starts none again."""
        self.stopping = True
        self.reason, self.message = self.reason or reason, self.message or message
        for slot in self.slots:
            if slot.run is not None:
                if not slot.run.killing:
                    self._say(
                        "Normal",
                        "Killing",
                        f"Stopping container {slot.name}",
                        f"spec.containers{{{slot.name}}}",
                    )
                slot.run.stop(grace)

    def kill(self) -> None:
        """SIGKILL for all, with nothing said, not even that the logs have ended."""
        self.stopping = True
        for slot in self.slots:
            if slot.log is not None:
                slot.log.lost = True
            if slot.run is not None:
                slot.run.kill()

    def join(self) -> None:
        """Waits until all processes are gone."""
        for slot in self.slots:
            run = slot.run
            if run is not None:
                run.join(10)

    def remove(self) -> None:
        """Removes what the pod has on disk."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def _collect(self) -> None:
        """Takes in what ended since the last step."""
        with self._lock:
            for slot in self.slots:
                if slot.end is not None and slot.run is not None:
                    self._starter.finish(slot, slot.end)

    def _on_end(self, slot: Slot, end: End) -> None:
        with self._lock:
            slot.end = end
        self._poke()

    def _check_deadline(self, pod: Object) -> float | None:
        limit = pod["spec"].get("activeDeadlineSeconds")
        if limit is None or self.phase() in ("Succeeded", "Failed"):
            return None
        left = float(limit) - (time.monotonic() - self._begun)
        if left <= 0:
            text = "Pod was active on the node longer than the specified deadline"
            self.stop(float(pod["spec"].get("terminationGracePeriodSeconds", 30)), "DeadlineExceeded", text)
            return None
        return left

    def _advance(self, pod: Object) -> float | None:
        early = self._place.start_delay - (time.monotonic() - self._begun)
        if early > 0:
            return early
        wait = self._mount(pod)
        if wait is not None:
            return wait
        if not self.ip:
            self.ip = self._place.site.network.address(pod)
        pod = {
            **pod,
            "status": {**(pod.get("status") or {}), "podIP": self.ip, "hostIP": self.host_ip},
        }
        for slot in self.inits:
            if slot.terminated is not None and slot.terminated["exitCode"] == 0:
                continue
            if slot.terminated is not None and self.restart_policy == "Never":
                return None
            return self._run(slot, pod)
        waits = [self._run(slot, pod) for slot in self.mains]
        return min((wait for wait in waits if wait is not None), default=None)

    def _run(self, slot: Slot, pod: Object) -> float | None:
        """Has a container run that should."""
        if slot.run is not None:
            return None
        if slot.terminated is not None and slot.waiting is None:
            again = self.restart_policy == "Always" or (
                self.restart_policy == "OnFailure" and slot.terminated["exitCode"] != 0
            )
            if not again:
                return None
            wait = self._back_off(slot)
            if wait is not None:
                return wait
        elif slot.terminated is not None and slot.not_before > time.monotonic():
            return slot.not_before - time.monotonic()
        path = f"spec.{'initContainers' if slot.init else 'containers'}{{{slot.name}}}"

        def say(word: str, reason: str, message: str) -> None:
            self._say(word, reason, message, path)

        wait = self._starter.pull(slot, say)
        if wait is None:
            if slot.terminated is not None:
                slot.last = slot.terminated
                slot.restarts += 1
            wait = self._starter.start(slot, pod, self._mounts.done, self._on_end, say)
        return wait

    def _back_off(self, slot: Slot) -> float | None:
        """None if the container may start again now."""
        if slot.restarts == 0 or self._place.site.restart_backoff <= 0:
            return None
        wait = min(300.0, self._place.site.restart_backoff * 2 ** (slot.restarts - 1))
        namespace, name = self.key
        text = (
            f"back-off {int(wait)}s restarting failed container={slot.name} "
            f"pod={name}_{namespace}({self.uid})"
        )
        slot.last = slot.terminated
        slot.waiting = ("CrashLoopBackOff", text)
        slot.not_before = time.monotonic() + wait
        again = f"Back-off restarting failed container {slot.name} in pod {name}_{namespace}({self.uid})"
        self._say("Warning", "BackOff", again, f"spec.containers{{{slot.name}}}")
        return wait

    def _mount(self, pod: Object) -> float | None:
        mounts = self._mounts
        early = mounts.not_before - time.monotonic()
        if early > 0:
            return early
        for volume in pod["spec"].get("volumes") or []:
            if volume["name"] in mounts.done:
                continue
            try:
                mounts.done[volume["name"]] = self._place.volumes.set_up(
                    pod, volume, self.directory / "volumes"
                )
            except MountError as error:
                self._say("Warning", "FailedMount", str(error), "")
                mounts.wait = min(_LAST_RETRY, mounts.wait * 2 or _FIRST_RETRY)
                mounts.not_before = time.monotonic() + mounts.wait
                return mounts.wait
        return None
