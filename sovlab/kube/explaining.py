"""Why a job does not run yet, in one sentence: from what schedulers, kubelets and quotas say. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_NODES = re.compile(r"0/(\d+) nodes are available:?\s*(.*)", re.DOTALL)
_PART = re.compile(r"^(\d+) (.+?)\.?$")
_QUOTA = re.compile(r"exceeded quota: ([^,]+), requested: (.+?), used: (.+?), limited: (.+)$")
_MUST = re.compile(r"failed quota: ([^:]+): must specify (.+?)(?: for: .+)?$")
_POLICY = re.compile(r'violates PodSecurity "([^"]+)": (.+)$', re.DOTALL)


def unschedulable(message: str) -> str:
    """What the scheduler says of a pod that fits nowhere."""
    text = message.strip()
    claim = re.search(r'persistentvolumeclaim "([^"]+)" (not found|is being deleted)', text)
    if claim:
        return f"the volume claim {claim[1]} of the target's store was not found in the namespace"
    if "unbound immediate PersistentVolumeClaims" in text:
        return "the target's volume claim is not bound to a volume yet"
    found = _NODES.match(text)
    if not found:
        return text.rstrip(".") or "no node has room for it"
    total, rest = int(found[1]), found[2].partition(" preemption:")[0].strip()
    if total == 0:
        return "the cluster has no node that takes jobs now"
    lacking: dict[str, int] = {}
    other: list[str] = []
    for part in re.split(r",\s+(?=\d+ )", rest.rstrip(". ")):
        match = _PART.match(part.strip())
        if not match:
            other += [part.strip()] if part.strip() else []
            continue
        number, why = int(match[1]), match[2]
        short = re.match(r"Insufficient (.+)", why)
        if short:
            lacking[short[1]] = number
        else:
            other.append(f"{_nodes(number)} {_reason(why, number)}")
    said = [
        f"{_nodes(number)} {'has' if number == 1 else 'have'} too little {_resource(name)} free"
        for name, number in lacking.items()
    ]
    return (
        f"no node has room for it: of {_nodes(total)}, {', '.join([*said, *other])}"
        if said or other
        else "no node has room for it"
    )


def _nodes(number: int) -> str:
    return f"{number} node" if number == 1 else f"{number} nodes"


def _reason(why: str, number: int) -> str:
    one = number == 1
    if "node affinity" in why or "node selector" in why or "didn't match" in why:
        return f"{'does' if one else 'do'} not have the labels that the target asks for"
    taint = re.search(r"untolerated taint(?:\(s\))? ?\{?([^:}\s]*)", why)
    if taint:
        name = f" ({taint[1]})" if taint[1] else ""
        return f"{'takes' if one else 'take'} no such pods{name}"
    if "unschedulable" in why:
        return f"{'is' if one else 'are'} closed for new pods"
    if "Too many pods" in why:
        return f"{'has' if one else 'have'} no place for more pods"
    return why


def _resource(name: str) -> str:
    return {"cpu": "CPU", "memory": "memory", "ephemeral-storage": "disk"}.get(name, f"{name}")


def not_created(message: str) -> str:
    """What the Job controller says when the cluster refuses a pod."""
    text = " ".join(message.split())
    quota = _QUOTA.search(text)
    if quota:
        asks = f"it asks for {quota[2]}; {quota[3]} of {quota[4]} in use"
        return f"quota {quota[1]} of the namespace is used up ({asks})"
    must = _MUST.search(text)
    if must:
        return (
            f"quota {must[1]} of the namespace wants every pod to say its {must[2]}: give --cpu and --memory"
        )
    policy = _POLICY.search(text)
    if policy:
        return f"the namespace's Pod Security level {policy[1]} forbids the pod: {policy[2][:300]}"
    account = re.search(r'serviceaccount "([^"]+)" not found', text)
    if account:
        return f"the service account {account[1]} does not exist in the namespace"
    return "the cluster refuses its pod: " + text.removeprefix("Error creating: ")[:300].rstrip(".")


_IMAGE = (
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
)


def container_waits(state: Mapping[str, Any], image: str) -> str:
    """What the kubelet says of a container that has not started; empty if it is only on its way."""
    reason, message = str(state.get("reason") or ""), " ".join(str(state.get("message") or "").split())
    if reason in _IMAGE:
        low = message.lower()
        if "not found" in low or "manifest unknown" in low or "does not exist" in low:
            why = "there is no such image"
        elif "unauthorized" in low or "denied" in low or "authentication" in low or "403" in low:
            why = "the registry does not let the cluster in"
        elif "no such host" in low or "timeout" in low or "connection refused" in low or "dial tcp" in low:
            why = "the registry does not answer"
        else:
            why = message.rpartition(": ")[2][:160] or reason
        return f"the image {image} cannot be pulled: {why}. Check the target's image"
    if reason in ("CreateContainerConfigError", "CreateContainerError", "RunContainerError"):
        if "non-root" in message or "non-numeric user" in message:
            cure = "build it with a numeric USER, or set user in the target"
            return f"the image {image} runs as root, which the pod forbids: {cure}"
        return f"the container cannot be made: {message[:300]}".rstrip(".")
    return ""


def start_error(message: str, image: str) -> str:
    """What a container runtime says of a command that it could not start."""
    missing = re.search(r'exec: "([^"]+)": (?:executable file not found|stat .*no such file)', message)
    if missing or "no such file or directory" in message:
        name = missing[1] if missing else "its Python"
        cure = "choose an image with Python 3.9 or newer, or set python in the target"
        return f"The image {image} has no {name}: {cure}."
    return f"The container could not be started: {' '.join(message.split())[:300]}".rstrip(".") + "."


def mount_problem(events: Sequence[Mapping[str, Any]]) -> str:
    """The last word of the kubelet on volumes that it cannot mount; empty if there is none."""
    for event in reversed(events):
        if event.get("reason") in ("FailedMount", "FailedAttachVolume"):
            said = " ".join(str(event.get("message") or "").split())[:240]
            return f"a volume cannot be mounted: {said}".rstrip(".")
    return ""
