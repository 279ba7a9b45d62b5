"""What stands between a Workload and its quota, or its start: stopped queues and admission checks."""

from __future__ import annotations

from tests.kube.apiserver.controllers.conditions import condition, holds, set_condition
from tests.kube.apiserver.objects.store import Object
from tests.kube.apiserver.protocol.kinds import (
    ADMISSION_CHECKS,
    CLUSTERQUEUES,
    FLAVORS,
    LOCALQUEUES,
    WORKLOADS,
)
from tests.kube.apiserver.verbs.registry import Registry

from . import workloads
from .managing import Managing


def checks_of(queue: Object) -> list[str]:
    """The admission checks that a ClusterQueue names."""
    strategy = queue["spec"].get("admissionChecksStrategy") or {}
    return sorted(each["name"] for each in strategy.get("admissionChecks") or [])


def why_inactive(registry: Registry, queue: Object) -> tuple[str, str] | None:
    """The reason and message of a ClusterQueue that admits nothing, in Kueue's order; None if it does."""
    found: list[tuple[str, str]] = []
    if policy(queue) != "None":
        found.append(("Stopped", "is stopped"))
    names = [f["name"] for g in queue["spec"].get("resourceGroups") or [] for f in g.get("flavors") or []]
    missing = [name for name in names if registry.store.get(FLAVORS, "", name) is None]
    if missing:
        found.append(("FlavorNotFound", f"references missing ResourceFlavor(s): {','.join(missing)}"))
    checks = {name: registry.store.get(ADMISSION_CHECKS, "", name) for name in checks_of(queue)}
    unknown = [name for name, entry in checks.items() if entry is None]
    if unknown:
        text = f"references missing AdmissionCheck(s): {','.join(unknown)}"
        found.append(("AdmissionCheckNotFound", text))
    idle = [name for name, entry in checks.items() if entry is not None and not holds(entry.obj, "Active")]
    if idle:
        text = f"references inactive AdmissionCheck(s): {','.join(idle)}"
        found.append(("AdmissionCheckInactive", text))
    if not found:
        return None
    return found[0][0], f"Can't admit new workloads: {', '.join(text for _, text in found)}."


def policy(queue: Object) -> str:
    """Whether a queue is stopped: ``None``, ``Hold``, ``HoldAndDrain``."""
    return str(queue["spec"].get("stopPolicy") or "None")


def is_checked(workload: Object) -> bool:
    """Whether all checks have passed."""
    return all(c["state"] == "Ready" for c in (workload.get("status") or {}).get("admissionChecks") or [])


class Gates(Managing):
    """Stops, drains, and carries out what checks say."""

    def _gate(self, workload: Object) -> None:
        """One step for an open workload."""
        if holds(workload, "Evicted"):
            return
        if self._is_stopped(workload) or self._is_checked_out(workload):
            return
        if holds(workload, "QuotaReserved") and not holds(workload, "Admitted") and is_checked(workload):
            admitted = "The workload is admitted"
            self._change(workload, lambda w: set_condition(w, "Admitted", True, "Admitted", admitted))

    def _is_stopped(self, workload: Object) -> bool:
        name, namespace = workload["spec"]["queueName"], workload["metadata"]["namespace"]
        local = self._store.get(LOCALQUEUES, namespace, name)
        if local is None:
            return False
        behind = self._store.get(CLUSTERQUEUES, "", local.obj["spec"].get("clusterQueue", ""))
        for kind, queue in (("LocalQueue", local), ("ClusterQueue", behind)):
            stopped = policy(queue.obj) if queue is not None else "None"
            if holds(workload, "Admitted"):
                if stopped == "HoldAndDrain":
                    self._put_back(workload, f"{kind}Stopped", f"The {kind} is stopped")
                    return True
            elif stopped != "None" and queue is not None:
                self._refuse(workload, "Suspended", f"{kind} {queue.key[1]} is stopped")
                return True
        return False

    def _is_checked_out(self, workload: Object) -> bool:
        checks = (workload.get("status") or {}).get("admissionChecks") or []
        for state in ("Rejected", "Retry"):
            found = [check for check in checks if check["state"] == state]
            if not found:
                continue
            named = "; ".join(
                f'"{c["name"]}" ({c["message"]})' if c.get("message") else f'"{c["name"]}"' for c in found
            )
            text = f"AdmissionCheck{'s' if len(found) > 1 else ''} in {state} state: {named}"
            if state == "Retry":
                self._put_back(workload, "AdmissionCheck", f"Evicted due to {text}")
                return True
            self._change(workload, lambda w: w["spec"].update(active=False), "")
            message = f"The workload is deactivated due to {text}"
            self._put_back(workload, "DeactivatedDueToAdmissionCheck", message)
            return True
        return False

    def _put_back(self, workload: Object, reason: str, message: str) -> None:
        self._change(workload, lambda w: set_condition(w, "Evicted", True, reason, message))
        self._say(WORKLOADS, workload, "Normal", f"EvictedDueTo{reason}", message)

    def _refuse(self, workload: Object, reason: str, message: str) -> None:
        known = condition(workload, "QuotaReserved")
        if (known.get("reason"), known.get("message")) != (reason, message):
            self._change(workload, lambda w: workloads.release(w, reason, message))
            self._say(WORKLOADS, workload, "Warning", reason, message)
