"""What Kueue says of a job that it has not let start yet, in plain words. Pure.

Kueue's words are those of its conditions' reasons (``apis/kueue/v1beta2/workload_types.go``), older versions
say ``Pending`` and ``Inadmissible`` for all of them, so their messages are read as well. What is not known
here is passed on, as Kueue's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Object = Mapping[str, Any]

_ADMINISTRATORS = "ask the cluster's administrators"
_LONGEST = 300


class Wait(NamedTuple):
    """Why a job waits.

    Attributes:
        text: in words; empty if nothing is known.
        ahead: jobs before it in its queue; None if unknown.
    """

    text: str = ""
    ahead: int | None = None


UNTOLD = Wait()
"""Nothing is known of why it waits."""


def sentence(queue: str, workload: Object | None, ahead: int | None, *, trouble: str = "") -> str:
    """What to say of a job in a queue.

    Args:
        queue: name of the LocalQueue.
        workload: Kueue's Workload of the job; None if there is none yet, or it may not be seen.
        ahead: jobs before it in the queue; None if unknown.
        trouble: what keeps the queue, or all of Kueue, from letting it start, where that is known otherwise.
    """
    where = _where(queue, ahead)
    if workload is None:
        return _joined(where, trouble)
    conditions = {c.get("type"): c for c in (workload.get("status") or {}).get("conditions") or ()}
    evicted, reserved = conditions.get("Evicted") or {}, conditions.get("QuotaReserved") or {}
    if (workload.get("spec") or {}).get("active") is False:
        why = _put_out(str(evicted.get("reason") or ""), str(evicted.get("message") or ""))
        return f"not let start from queue {queue}, because {why}: cancel it, or {_ADMINISTRATORS}"
    if reserved.get("status") == "True":
        checks = _checks((workload.get("status") or {}).get("admissionChecks") or ())
        return _joined(f"in queue {queue}, with its quota reserved", checks or trouble)
    reason = ""
    if reserved.get("status") == "False":
        reason = refused(str(reserved.get("reason") or ""), str(reserved.get("message") or ""))
    if trouble and reason in ("", _STOPPED, _BEHIND_GONE):
        reason = trouble
    if evicted.get("status") == "True":
        why = _taken_back(str(evicted.get("reason") or ""), str(evicted.get("message") or ""))
        again = f"requeued, because {why}; {where}" if why else f"requeued; {where}"
        return _joined(again, trouble)
    return _joined(where, reason)


def _where(queue: str, ahead: int | None) -> str:
    if ahead is None:
        return f"in queue {queue}"
    return f"{ahead} ahead of you in queue {queue}" if ahead else f"first in queue {queue}"


def _joined(*parts: str) -> str:
    return "; ".join(filter(None, parts))


# --- why it has no quota

_STOPPED = "the queue is stopped"
_BEHIND_GONE = f"the ClusterQueue behind it does not exist: {_ADMINISTRATORS}"
_GONE = r"doesn't exist|does not exist|is terminating or missing|not found"
_REFUSED: tuple[tuple[str, str], ...] = (
    (rf"^LocalQueue \S* ?({_GONE})|localqueue doesn't exist", "this queue does not exist in the namespace"),
    (rf"^ClusterQueue \S+ ({_GONE})", _BEHIND_GONE),
    (r"is inactive|is stopped", _STOPPED),
    (
        r"namespace doesn't match ClusterQueue selector",
        f"its ClusterQueue does not take jobs of this namespace: {_ADMINISTRATORS}",
    ),
    (
        r"PodsReady condition",
        "the queue lets jobs start one after another, and the pods of another are not ready yet",
    ),
    (r"pending evaluation|failed admission checks", ""),
    (r"no longer fits|overlapping preemption targets", "another job has just taken the quota"),
)
"""Messages of Kueue and what they mean here."""
_PREEMPTING = re.compile(r"\.?\s*Pending the preemption of (\d+) workload\(s\)")
_UNAVAILABLE = re.compile(r"resource (\S+) unavailable in ClusterQueue")


def refused(reason: str, message: str) -> str:
    """Why a queue has no quota for a job: Kueue's condition ``QuotaReserved`` where it is false.

    Args:
        reason: of the condition.
        message: of the condition.
    """
    text = " ".join(message.split()).rstrip(".")
    for pattern, plain in _REFUSED:
        if re.search(pattern, text, re.IGNORECASE):
            return plain
    victims = _PREEMPTING.search(text)
    if victims:
        number = int(victims[1])
        whose = "a job of lower priority is" if number == 1 else f"{number} jobs of lower priority are"
        return f"{whose} being ended for it"
    low = text.lower()
    missing = _UNAVAILABLE.search(text)
    if missing:
        return f"the queue has no {missing[1].rstrip(',;')}"
    if "limitrange" in low:
        return f"a LimitRange of the namespace forbids it ({text[:_LONGEST]})"
    if reason == "ExceedsMaxQuota" or "exceeds" in low or "maximum capacity" in low:
        return f"it asks for more than the queue can ever give ({text})"
    if "insufficient unused quota" in low or reason == "WaitingForQuota":
        start = low.find("insufficient unused quota")
        detail = text[start:] if start >= 0 else text
        return f"the quota is in use ({detail})" if detail else "the quota is in use"
    if reason == "NoMatchingFlavor" or "untolerated taint" in low or "match node affinity" in low:
        return f"the queue has no nodes of the kind that it asks for ({text[:_LONGEST]})"
    return _reported(text)


def _reported(text: str) -> str:
    return f'Kueue says "{text[:_LONGEST]}"' if text else ""


# --- what came after the quota


def _checks(checks: Sequence[Object]) -> str:
    """The admission checks that have not passed yet."""
    left = [check for check in checks if check.get("state") != "Ready"]
    if not left:
        return ""
    one = len(left) == 1
    names = ", ".join(str(check.get("name")) for check in left)
    messages = [" ".join(str(check.get("message") or "").split()).rstrip(".")[:_LONGEST] for check in left]
    said = "; ".join(filter(None, messages))
    again = all(check.get("state") == "Retry" for check in left)
    state = ("is tried again" if one else "are tried again") if again else "not passed yet"
    state = state if again else ("has " if one else "have ") + state
    return f"admission check{'' if one else 's'} {names} {state}" + (f" ({said})" if said else "")


_TAKEN_BACK = {
    "Preempted": "a job with a higher priority preempted it",
    "PodsReadyTimeout": "its pods did not all start in time",
    "NodeFailures": "one of its nodes failed",
    "ClusterQueueStopped": "its queue was stopped and drained",
    "LocalQueueStopped": "its queue was stopped and drained",
    "FlavorMigration": "it moves to better hardware",
}


def _taken_back(reason: str, message: str) -> str:
    """Why a job that had its quota has it no longer."""
    if reason.startswith("Deactivated"):
        return _put_out(reason, message)
    if reason == "AdmissionCheck":
        return _of_checks(message)
    return _TAKEN_BACK.get(reason) or _reported(" ".join(message.split()).rstrip("."))


def _of_checks(message: str) -> str:
    """From ``Evicted due to AdmissionCheck in Retry state: "quota" (no room)``."""
    named = re.search(r"AdmissionChecks? in (\w+) state: (.+)$", " ".join(message.split()))
    if not named:
        return "an admission check did not pass"
    word = "refused it" if named[1] == "Rejected" else "has it tried again"
    return f"admission check {named[2].rstrip('.')[:_LONGEST]} {word}"


_CAUSES = {
    "RequeuingLimitExceeded": "its pods did not start in time, too often",
    "MaximumExecutionTimeExceeded": "it ran for longer than its queue allows",
}


def _put_out(reason: str, message: str) -> str:
    """Why a workload was deactivated: ``DeactivatedDueToAdmissionCheck`` and the like."""
    cause = reason.partition("DueTo")[2]
    if cause == "AdmissionCheck" or "AdmissionCheck" in message:
        return _of_checks(message)
    return _CAUSES.get(cause, "it was deactivated by an administrator")


# --- of the queue itself


def queue_trouble(local: Object | None, cluster: Object | None = None) -> str:
    """Why a queue lets nothing start; empty if it does, as far as can be seen.

    Args:
        local: the LocalQueue; None if it may not be seen.
        cluster: the ClusterQueue behind it; None if it may not be seen.
    """
    if local is None:
        return ""
    if _stop_policy(local):
        return "the queue is stopped by an administrator"
    found = _inactive(local)
    behind = str((local.get("spec") or {}).get("clusterQueue") or "")
    if found.get("reason") == "ClusterQueueDoesNotExist":
        return f"the ClusterQueue {behind} behind it does not exist: {_ADMINISTRATORS}"
    if cluster is not None and _stop_policy(cluster):
        return f"the ClusterQueue {behind} behind it is stopped by an administrator"
    why = _inactive(cluster) if cluster is not None else {}
    if found or why:
        said = re.sub(r"^Can't admit new workloads: ", "", " ".join(str(why.get("message") or "").split()))
        detail = f" ({said.rstrip('.')[:_LONGEST]})" if said else ""
        return f"the ClusterQueue {behind} behind it is not active{detail}: {_ADMINISTRATORS}"
    return ""


def _stop_policy(queue: Object) -> bool:
    return str((queue.get("spec") or {}).get("stopPolicy") or "None") != "None"


def _inactive(queue: Object) -> Object:
    """The condition ``Active`` where it is false."""
    for each in (queue.get("status") or {}).get("conditions") or ():
        if each.get("type") == "Active" and each.get("status") == "False":
            return dict(each)
    return {}
