"""What a Job makes of its pods: the pods it creates, how each ended, and which indexes are done."""

from __future__ import annotations

import copy
from typing import Any

from tests.kube.apiserver.objects.store import Object
from tests.kube.apiserver.protocol.kinds import JOBS

PREFIX = "batch.kubernetes.io/"
FINALIZER = f"{PREFIX}job-tracking"
INDEX = f"{PREFIX}job-completion-index"


def new_pod(job: Object, index: int | None) -> Object:
    """A pod from a Job's template."""
    metadata, spec = job["metadata"], job["spec"]
    template = copy.deepcopy(spec["template"])
    pod: Object = {"metadata": template.get("metadata") or {}, "spec": template["spec"]}
    meta = pod["metadata"]
    meta["generateName"] = f"{metadata['name']}-" if index is None else f"{metadata['name']}-{index}-"
    meta["finalizers"] = [FINALIZER]
    meta["ownerReferences"] = [
        {
            "apiVersion": JOBS.api_version,
            "kind": JOBS.kind,
            "name": metadata["name"],
            "uid": metadata["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    if index is not None:
        meta.setdefault("annotations", {})[INDEX] = str(index)
        meta.setdefault("labels", {})[INDEX] = str(index)
        pod["spec"]["hostname"] = f"{metadata['name']}-{index}"
        source = {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.labels['{INDEX}']"}}
        for group in ("initContainers", "containers"):
            for container in pod["spec"].get(group) or []:
                env = container.setdefault("env", [])
                if not any(item["name"] == "JOB_COMPLETION_INDEX" for item in env):
                    env.append({"name": "JOB_COMPLETION_INDEX", "valueFrom": source})
    return pod


def index_of(pod: Object) -> int | None:
    """The completion index of a pod."""
    text = (pod["metadata"].get("annotations") or {}).get(INDEX, "")
    return int(text) if text.isdigit() else None


def terminating(pod: Object) -> bool:
    """Whether a pod is being deleted and not over yet."""
    return "deletionTimestamp" in pod["metadata"] and _phase(pod) not in ("Succeeded", "Failed")


def active(pod: Object) -> bool:
    """Whether a pod counts as running or about to."""
    return _phase(pod) not in ("Succeeded", "Failed") and "deletionTimestamp" not in pod["metadata"]


def succeeded(pod: Object) -> bool:
    """Whether a pod is done."""
    return _phase(pod) == "Succeeded"


def failed(pod: Object, job: Object) -> bool:
    """Whether a pod has failed, as the Job's replacement policy sees it."""
    if _phase(pod) == "Failed":
        return True
    if "deletionTimestamp" not in pod["metadata"] or _phase(pod) == "Succeeded":
        return False
    if job["spec"].get("podReplacementPolicy") == "Failed":
        # One that never got to a node has no kubelet that would end it.
        return _phase(pod) == "Pending" and not pod["spec"].get("nodeName")
    return True


def _phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase", "Pending"))


def verdict(job: Object, pod: Object) -> tuple[str, str]:
    """The action that the Job's podFailurePolicy has for a failed pod, and the message of FailJob."""
    policy = job["spec"].get("podFailurePolicy") or {}
    name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    for number, rule in enumerate(policy.get("rules") or []):
        action = rule["action"]
        if rule.get("onExitCodes"):
            found = _exit(rule["onExitCodes"], pod)
            if found is not None:
                container, code = found
                text = f"Container {container} for pod {name} failed with exit code {code}"
                return action, f"{text} matching {action} rule at index {number}"
        for pattern in rule.get("onPodConditions") or []:
            for condition in (pod.get("status") or {}).get("conditions") or []:
                if (condition["type"], condition["status"]) == (
                    pattern["type"],
                    pattern.get("status", "True"),
                ):
                    text = f"Pod {name} has condition {condition['type']}"
                    return action, f"{text} matching {action} rule at index {number}"
    return "Count", ""


def _exit(rule: dict[str, Any], pod: Object) -> tuple[str, int] | None:
    status = pod.get("status") or {}
    for state in [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]:
        ended = (state.get("state") or {}).get("terminated")
        if ended is None or ended["exitCode"] == 0:
            continue
        if rule.get("containerName") not in (None, state["name"]):
            continue
        if (ended["exitCode"] in rule["values"]) == (rule["operator"] == "In"):
            return state["name"], ended["exitCode"]
    return None


def restarts(pod: Object) -> int:
    """How often the containers of a pod were started again."""
    status = pod.get("status") or {}
    states = [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]
    return sum(state.get("restartCount", 0) for state in states)


def parse_indexes(text: str) -> set[int]:
    """`0,2-4` as numbers."""
    found: set[int] = set()
    for part in filter(None, (text or "").split(",")):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def format_indexes(indexes: set[int]) -> str:
    """Numbers as `0,2-4`."""
    parts: list[list[int]] = []
    for number in sorted(indexes):
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    # Two neighbours are written as two, as the controller does.
    return ",".join(
        str(first) if first == last else f"{first},{last}" if last == first + 1 else f"{first}-{last}"
        for first, last in parts
    )
