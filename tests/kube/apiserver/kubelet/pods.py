"""A pod on its node: from its volumes and images through its containers to its last status."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.kube.apiserver.kinds import CLAIMS
from tests.kube.apiserver.store import Object, Store
from tests.kube.apiserver.values import now, parse_time, stamp

from .containers import Site, Slot, Starter
from .process import End
from .volumes import MountError, Volumes

Say = Callable[[str, str, str, str], None]  # type, reason, message, path
_FIRST_RETRY, _LAST_RETRY = 0.5, 122.0


@dataclass
class Place:
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


class PodWorker:
    """One pod.

    Args:
        pod: as it was bound.
        place: its node's.
        say: records an event about it.
        poke: has it synced again, from any thread.
    """

    def __init__(self, pod: Object, place: Place, say: Say, poke: Callable[[], None]) -> None:
        self.uid = pod["metadata"]["uid"]
        self.key = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        self._place = place
        self._say = say
        self._poke = poke
        self._starter = Starter(place.site)
        self.directory = place.root / self.uid
        self._mounts = Mounts()
        self._begun = time.monotonic()
        self._start_time = now()
        self.ip = ""
        self.stopping = False
        self.reason = ""
        self.message = ""
        self._lock = threading.Lock()
        self.restart_policy = pod["spec"]["restartPolicy"]
        spec = pod["spec"]
        self.inits = [self._slot(container, init=True) for container in spec.get("initContainers") or []]
        self.mains = [self._slot(container) for container in spec["containers"]]
        if self.inits:
            for slot in self.slots:
                slot.waiting = ("PodInitializing", "")

    @property
    def slots(self) -> list[Slot]:
        """All containers, the init ones first."""
        return [*self.inits, *self.mains]

    @property
    def ended(self) -> bool:
        """Whether no process is left."""
        return all(slot.run is None for slot in self.slots)

    def slot(self, name: str) -> Slot | None:
        """A container by its name."""
        return next((slot for slot in self.slots if slot.name == name), None)

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
        """SIGKILL for all, with nothing said."""
        self.stopping = True
        for slot in self.slots:
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

    def status(self, pod: Object) -> Object:
        """The pod's status as it is now; conditions of others are kept."""
        old = pod.get("status") or {}
        phase = self._phase()
        status = dict(old)
        status.update(phase=phase, hostIP=self._place.host_ip, hostIPs=[{"ip": self._place.host_ip}])
        status["startTime"] = self._start_time
        if self.ip:
            status.update(podIP=self.ip, podIPs=[{"ip": self.ip}])
        done = phase in ("Succeeded", "Failed")
        if self.inits:
            status["initContainerStatuses"] = [slot.status(known=True) for slot in self.inits]
        status["containerStatuses"] = [self._final(slot, done=done) for slot in self.mains]
        if self.reason:
            status.update(reason=self.reason, message=self.message)
        status["conditions"] = self._conditions(old.get("conditions") or [], phase)
        status["observedGeneration"] = pod["metadata"].get("generation", 1)
        return status

    def _final(self, slot: Slot, *, done: bool) -> Object:
        found = slot.status(known=True)
        if done and self.stopping and "waiting" in found["state"] and not slot.started:
            found["state"] = {
                "terminated": {
                    "exitCode": 137,
                    "reason": "ContainerStatusUnknown",
                    "message": "The container could not be located when the pod was terminated",
                    "startedAt": None,
                    "finishedAt": None,
                }
            }
        return found

    def _slot(self, container: Object, *, init: bool = False) -> Slot:
        return Slot(container, self.directory / "containers" / container["name"], init)

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
        if limit is None or self._phase() in ("Succeeded", "Failed"):
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
            "status": {**(pod.get("status") or {}), "podIP": self.ip, "hostIP": self._place.host_ip},
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

    def _phase(self) -> str:
        if any(self._given_up(slot) for slot in self.inits):
            return "Failed"
        if self.stopping and self.ended:
            good = all((slot.terminated or {}).get("exitCode") == 0 for slot in self.mains)
            return "Succeeded" if good and not self.reason else "Failed"
        if all(self._over(slot) for slot in self.mains):
            good = all((slot.terminated or {}).get("exitCode") == 0 for slot in self.mains)
            return "Succeeded" if good and not self.reason else "Failed"
        if any(not slot.started for slot in self.mains):
            return "Pending"
        return "Running"

    def _given_up(self, slot: Slot) -> bool:
        return self._over(slot) and (slot.terminated or {}).get("exitCode") != 0

    def _over(self, slot: Slot) -> bool:
        if slot.terminated is None or slot.waiting is not None:
            return False
        if self.restart_policy == "Always":
            return False
        return self.restart_policy == "Never" or slot.terminated["exitCode"] == 0

    def _conditions(self, old: list[Object], phase: str) -> list[Object]:
        done = phase in ("Succeeded", "Failed")
        ready = phase == "Running" and all(slot.running for slot in self.mains)
        initialized = all((slot.terminated or {}).get("exitCode") == 0 for slot in self.inits)
        unready = [slot.name for slot in self.mains if not slot.running]
        names = " ".join(unready)
        why: tuple[str, str] = ("", "")
        if not ready:
            why = ("ContainersNotReady", f"containers with unready status: [{names}]")
            if done:
                why = ("PodCompleted" if phase == "Succeeded" else "PodFailed", "")
        incomplete = " ".join(
            slot.name for slot in self.inits if (slot.terminated or {}).get("exitCode") != 0
        )
        not_init = ("ContainersNotInitialized", f"containers with incomplete status: [{incomplete}]")
        completed = ("PodCompleted", "") if phase == "Succeeded" else ("", "")
        made = {
            "PodReadyToStartContainers": (
                bool(self.ip) and not (done or (self.stopping and self.ended)),
                ("", ""),
            ),
            "Initialized": (initialized, completed if initialized else not_init),
            "Ready": (ready, why),
            "ContainersReady": (ready, why),
        }
        result = [_condition(kind, value, *reason, old) for kind, (value, reason) in made.items()]
        return result + [condition for condition in old if condition["type"] not in made]


def _condition(kind: str, value: bool, reason: str, message: str, old: list[Object]) -> dict[str, Any]:
    status = "True" if value else "False"
    before = next((condition for condition in old if condition["type"] == kind), None)
    since = before["lastTransitionTime"] if before and before["status"] == status else now()
    found = {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": since}
    if reason:
        found["reason"] = reason
    if message:
        found["message"] = message
    return found


def claim_missing(pod: Object, store: Store) -> str:
    """The claim that a pod names and that is not there, or is not bound; empty if all are."""
    for volume in pod["spec"].get("volumes") or []:
        source = volume.get("persistentVolumeClaim")
        if source is None:
            continue
        entry = store.get(CLAIMS, pod["metadata"]["namespace"], source["claimName"])
        if entry is None:
            return f'persistentvolumeclaim "{source["claimName"]}" not found'
    return ""


__all__ = ["Mounts", "Place", "PodWorker", "claim_missing", "parse_time", "stamp"]
