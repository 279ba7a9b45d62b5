"""What is known of a pod on its node, and what its status says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.kube.apiserver.objects.store import Object
from tests.kube.apiserver.protocol.values import now

from .slots import Slot


class PodState:
    """A pod's containers and how far they are.

    Args:
        pod: as it was bound.
        directory: for what it has on disk.
        host_ip: of its node.
    """

    def __init__(self, pod: Object, directory: Path, host_ip: str) -> None:
        spec = pod["spec"]
        self.uid = pod["metadata"]["uid"]
        self.key = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        self.directory = directory
        self.host_ip = host_ip
        self.ip = ""
        self.stopping = False
        self.reason = ""
        self.message = ""
        self.restart_policy = spec["restartPolicy"]
        self._start_time = now()
        self.inits = [self._slot(container, init=True) for container in spec.get("initContainers") or []]
        self.mains = [self._slot(container) for container in spec["containers"]]
        if self.inits:
            for slot in self.slots:
                slot.waiting = ("PodInitializing", "")

    def _slot(self, container: Object, *, init: bool = False) -> Slot:
        return Slot(container, self.directory / "containers" / container["name"], init)

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

    def status(self, pod: Object) -> Object:
        """The pod's status as it is now; conditions of others are kept."""
        old = pod.get("status") or {}
        phase = self.phase()
        status = dict(old)
        status.update(phase=phase, hostIP=self.host_ip, hostIPs=[{"ip": self.host_ip}])
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

    def phase(self) -> str:
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
