"""How the pods of a job ended, and which of them explains the end of the job. Pure.

The runner's exit record says most. Where it says only that a signal came, or is missing, what the
cluster says of the pod explains it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sovlab.core.decoding import DamagedRecord, ExitRecord, exit_record
from sovlab.core.job import Reason
from sovlab.kube.reading import explaining
from sovlab.kube.reading.pods import (
    Object,
    condition,
    container,
    container_name,
    image,
    index,
    is_leaving,
    node,
    seconds,
)
from sovlab.runner.protocol import termination
from sovlab.runner.protocol.peers import lost_peer

OUTSIDE = ("killed", "lost")
"""Reasons in exit records that say no more than that the end came from outside."""
POLICY = ("PodFailurePolicy", "FailJobSetFailurePolicyAction")
"""Reasons of workloads that failed because the cluster took a node away, as their manifests say."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How one pod ended.

    Attributes:
        index: which node of the job it was.
        pod: the object.
        state: ``terminated`` of its container; empty if the kubelet says nothing of it.
        record: the runner's exit record, None if it left none that can be read.
        results: the results pack, if it was small.
        disrupted: whether the cluster took its node away.
        damage: what is wrong with the record that it left, as a phrase; empty if nothing is.
    """

    index: int
    pod: Object
    state: Object
    record: ExitRecord | None
    results: bytes | None
    disrupted: bool
    damage: str = ""

    @property
    def reason(self) -> str:
        """What the runner's record gives as reason; empty if there is none."""
        return self.record.reason if self.record is not None else ""

    @property
    def is_by_itself(self) -> bool:
        """Whether its record says more than that the end came from outside."""
        return self.record is not None and self.reason not in OUTSIDE


def ended(pod: Object) -> Ended | None:
    """How a pod ended; None if it has not."""
    state = (container(pod).get("state") or {}).get("terminated") or {}
    phase = (pod.get("status") or {}).get("phase")
    if not state and phase not in ("Succeeded", "Failed"):
        return None
    record, results, damage = _last_words(str(state.get("message") or ""))
    before = (container(pod).get("lastState") or {}).get("terminated")
    if before and record is not None and record.reason in OUTSIDE:
        # Where containers are started anew, this one only says that the one before it was ended.
        state = {**state, "reason": before.get("reason"), "exitCode": before.get("exitCode")}
    disrupted = condition(pod, "DisruptionTarget") is not None
    return Ended(index(pod), pod, state, record, results, disrupted, damage)


def gone(pod: Object) -> Object:
    """A pod that is there no more, as one that has ended, though nobody told of its end."""
    if ended(pod) is not None:
        return pod
    status, name = pod.get("status") or {}, container_name(pod)
    running = (container(pod).get("state") or {}).get("running") or {}
    begun = {"startedAt": running.get("startedAt")}
    over = [{"name": name, "state": {"terminated": begun}}] if begun["startedAt"] else []
    meta = pod["metadata"]
    return {
        **pod,
        "metadata": {**meta, "deletionTimestamp": meta.get("deletionTimestamp") or "1970-01-01T00:00:01Z"},
        "status": {**status, "phase": "Failed", "containerStatuses": over},
    }


def _last_words(message: str) -> tuple[ExitRecord | None, bytes | None, str]:
    """The exit record and the results in a termination message, and what is wrong with them."""
    values, results = termination.decode(message)
    if values is None:
        return None, None, "it is cut or garbled" if termination.holds(message) else ""
    try:
        return exit_record(values), results, ""
    except DamagedRecord as damage:
        return None, None, str(damage)


def decisive(found: Sequence[Ended]) -> Ended | None:
    """Of pods that ended, the one whose end explains that of the job: the first node if all went well.

    Of several that failed the one that failed by itself, and of those the first: the others lost it.
    """
    bad = [e for e in found if e.reason != "succeeded"]
    if not bad:
        return min(found, key=lambda e: e.index, default=None)
    return min(bad, key=lambda e: (_passive(e), _time_of(e), e.index))


def follows_another(found: Ended) -> bool:
    """Whether a pod ended because another of its job did, which tells more of why the job ended."""
    return _passive(found) >= _LOST


def _passive(found: Ended) -> int:
    """How likely it is that a pod ended because others did; 0 if it did not."""
    if by_cluster(found) is not None:
        return 0
    if not found.is_by_itself:
        # A cluster ends the others of a job with SIGTERM, a communication library with SIGABRT.
        signal = found.record.signal if found.record is not None else ""
        asked = found.reason == "killed" and signal in ("SIGTERM", "SIGABRT")
        return _ASKED if is_leaving(found.pod) or asked else 1
    if found.reason == "cancelled":
        return 2
    return _LOST if found.reason in ("user_error", "runner") and _lost_its_peer(found.record) else 0


_LOST, _ASKED = 3, 4
"""How passive those are that lost another rank, and those that were asked to end."""


def _lost_its_peer(record: ExitRecord | None) -> bool:
    """Whether code, or torchrun, failed for want of another rank, as far as its exception tells."""
    return record is not None and lost_peer(record.error, record.message)


def _time_of(found: Ended) -> float:
    told = found.record.ended if found.record is not None else None
    return told or seconds(found.state.get("finishedAt")) or 0.0


def by_cluster(last: Ended, *, several: bool = False) -> tuple[Reason, str] | None:
    """Why the cluster ended a pod; None if it was not the cluster, or does not say.

    Args:
        last: the pod.
        several: whether the job has more than one.
    """
    pod, kind = last.pod, str(last.state.get("reason") or "")
    status = pod.get("status") or {}
    told, said = str(status.get("reason") or ""), str(status.get("message") or "")
    if kind == "OOMKilled" and not last.is_by_itself:
        return Reason.OUT_OF_MEMORY, "It used more memory than it was given: ask for more with --memory."
    if last.disrupted:
        return Reason.LOST, taken_away(condition(pod, "DisruptionTarget") or {}, node(pod), several=several)
    if told == "DeadlineExceeded":
        return Reason.TIMEOUT, "It ran longer than the cluster allows: its pod reached its deadline."
    if told == "Evicted":
        return Reason.KILLED, f"Node {node(pod)} evicted it: {explaining.evicted(said)}."
    if kind in ("StartError", "ContainerCannotRun"):
        return Reason.RUNNER, explaining.start_error(str(last.state.get("message") or ""), image(pod))
    if kind == "ContainerStatusUnknown":
        return Reason.LOST, f"Node {node(pod)} lost its container, perhaps in a restart. Submit it again."
    if told and not last.state:
        why = " ".join(said.removeprefix("Pod was rejected: ").split()).rstrip(".") or told
        return Reason.LOST, f"Node {node(pod)} rejected its pod: {why}. Submit it again."
    return None


def without_word(last: Ended | None, failed: Object, *, several: bool) -> tuple[Reason, str]:
    """Why a job failed whose runner left no word.

    Args:
        last: the pod that explains it; None if there is no pod any more.
        failed: the condition by which the Job says that it failed; empty if it does not.
        several: whether the job has more than one pod.
    """
    if last is not None and (found := by_cluster(last, several=several)) is not None:
        return found
    if failed.get("reason") in POLICY:
        return Reason.LOST, taken_away({}, "", several=several)
    if last is not None and is_leaving(last.pod):
        pod = f"The pod of node {last.index}" if several else "Its pod"
        return Reason.LOST, f"{pod} was deleted before it had ended. Submit it again."
    if last is not None and last.state:
        code = last.state.get("exitCode")
        if code == 137:
            cure = "Submit it again, with --memory if it needs much"
            return Reason.KILLED, f"Its container was killed from outside, and nothing says why. {cure}."
        said = explaining.last_line(str(last.state.get("message") or "")) or "it printed nothing"
        return Reason.RUNNER, f"Its runner failed (exit status {code}): {said}"
    if failed.get("reason") == "DeadlineExceeded":
        return Reason.TIMEOUT, "It ran longer than the cluster allows: its Job reached its deadline."
    pod = "A pod of it" if several else "Its pod"
    return Reason.LOST, f"{pod} was deleted, or its node was lost, before it had ended. Submit it again."


def taken_away(told: Object, where: str, *, several: bool) -> str:
    """What to say of a pod whose node was taken away.

    Args:
        told: the condition DisruptionTarget; empty if it is not known.
        where: the node; empty if it is not known.
        several: whether the job has more than one pod.
    """
    this = f"node {where}" if where else "one of its nodes" if several else "its node"
    why = {
        "PreemptionByScheduler": f"a job with a higher priority needed {this}",
        "EvictionByEvictionAPI": f"{this} was drained",
        "DeletionByTaintManager": f"{this} was lost or tainted",
        "DeletionByPodGC": f"{this} was lost",
        "TerminationByKubelet": explaining.terminated_by_kubelet(str(told.get("message") or ""), this),
    }.get(str(told.get("reason") or ""), f"the cluster took {this} away")
    if several:
        return f"It was ended because {why}. One of several nodes cannot be replaced: submit it again."
    return f"It was ended because {why}. Submit it again."
