"""Why a job does not run yet, or ended: what schedulers, kubelets and quotas say, in plain words. Pure.

Their messages differ between versions of Kubernetes and of container runtimes; one that is not recognised
is passed on as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sovlab.kube.quantities import parse

_NODES = re.compile(r"0/(\d+) nodes are available:?\s*(.*)", re.DOTALL)
_PART = re.compile(r"^(\d+) (.+?)\.?$")
_QUOTA = re.compile(r"exceeded quota: ([^,]+), requested: (.+?), used: (.+?), limited: (.+)$")
_MUST = re.compile(r"failed quota: ([^:]+): must specify (.+)$")
_POLICY = re.compile(r'violates PodSecurity "([^"]+)": (.+)$', re.DOTALL)
_REFUSED = re.compile(r'^(?:Error creating: )?(?:pods? "[^"]*" is forbidden: )?')
_POD = re.compile(r' \(pod: ".*$')
_LONGEST = 300


def unschedulable(message: str) -> str:
    """The scheduler's message for a pod that fits on no node, in plain words."""
    text = " ".join(message.split())
    claim = re.search(r'persistentvolumeclaim "([^"]+)" (not found|is being deleted)', text)
    if claim and claim[2] == "not found":
        return f"the target's store, volume claim {claim[1]}, does not exist in the namespace"
    if claim:
        return f"the target's store, volume claim {claim[1]}, is being deleted"
    if "unbound immediate PersistentVolumeClaims" in text:
        return "the volume claim of the target's store is not bound to a volume yet"
    nodes = _NODES.match(text)
    if not nodes:
        return text.rstrip(".") or "no node has room for it"
    total, reasons = int(nodes[1]), re.split(r"\.(?:\s|$)", nodes[2])[0].partition(" preemption:")[0]
    if total == 0:
        return "the cluster has no node that accepts pods now"
    parts: list[str] = []
    for part in re.split(r",\s+(?=\d+ )", reasons):
        match = _PART.match(part.strip())
        if match:
            number, why = int(match[1]), _reason(match[2], one=int(match[1]) == 1)
            parts.append(f"{number} {why}" if parts else f"{number} of {_nodes(total)} {why}")
        elif part.strip():
            parts.append(part.strip())
    return f"no node has room for it: {', '.join(parts)}" if parts else "no node has room for it"


def _nodes(number: int) -> str:
    return f"{number} node" if number == 1 else f"{number} nodes"


def _reason(why: str, *, one: bool) -> str:
    short = re.match(r"Insufficient (.+)", why)
    if short:
        name = {"cpu": "CPU", "memory": "memory", "ephemeral-storage": "disk"}.get(short[1], short[1])
        return f"{'has' if one else 'have'} too little {name} free"
    if "volume node affinity" in why:
        return "cannot reach the volume of the target's store"
    if "node affinity" in why or "node selector" in why:
        return f"{'does' if one else 'do'} not have the labels that the target asks for"
    taint = re.search(r"untolerated taint(?:\(s\))?(?: \{([^:}\s]*))?", why)
    if taint:
        name = taint[1] or ""
        if name.startswith("node.kubernetes.io/"):
            return f"{'is' if one else 'are'} not healthy ({name.partition('/')[2]})"
        return f"{'has' if one else 'have'} a taint that the job does not tolerate" + (
            f" ({name})" if name else ""
        )
    if "unschedulable" in why:
        return f"{'is' if one else 'are'} cordoned"
    if "Too many pods" in why:
        return f"{'has' if one else 'have'} reached {'its' if one else 'their'} limit of pods"
    return why.removeprefix("node(s) ")


def not_created(message: str) -> str:
    """The cluster's message when it rejects a pod, in plain words."""
    text = _REFUSED.sub("", " ".join(message.split())).rstrip(".")
    quota = _QUOTA.search(text)
    if quota:
        return _quota(quota[1], *map(_amounts, quota.groups()[1:]))
    must = _MUST.search(text)
    if must:
        what = [n for part in must[2].split(";") for n in part.partition(" for:")[0].strip().split(",")]
        flags = [f"--{name}" for name in ("cpu", "memory") if any(name in w for w in what)]
        cure = f": give {' and '.join(flags)}" if flags else ""
        return f"quota {must[1]} of the namespace requires every pod to specify {' and '.join(what)}{cure}"
    policy = _POLICY.search(text)
    if policy:
        level = policy[1].partition(":")[0]
        return f"the namespace's Pod Security level {level} forbids it: {policy[2][:_LONGEST]}"
    account = re.search(r'serviceaccount "([^"]+)" not found', text)
    if account:
        return f"the namespace has no service account {account[1]}: correct service_account in the target"
    if re.match(r"(maximum|minimum) \S+ usage per |\S+ max limit to request ratio", text):
        return f"a LimitRange of the namespace forbids it: {text[:_LONGEST]}"
    return f"the cluster rejects its pod: {text[:_LONGEST]}".rstrip(".")


def _amounts(text: str) -> dict[str, str]:
    """Amounts by resource, from ``requests.cpu=2,pods=1`` in a message about a quota."""
    return dict(part.partition("=")[::2] for part in text.split(","))


def _quota(
    name: str, requested: Mapping[str, str], used: Mapping[str, str], limits: Mapping[str, str]
) -> str:
    def size(text: str) -> float:
        try:
            return parse(text)
        except ValueError:
            return 0.0

    parts = [
        f"{what} {n} requested, {used.get(what, '?')} of {limits.get(what, '?')} in use"
        for what, n in requested.items()
    ]
    if any(size(n) > size(limits.get(what, "")) for what, n in requested.items() if what in limits):
        return f"it asks for more than quota {name} of the namespace can ever give ({'; '.join(parts)})"
    return f"quota {name} of the namespace has too little left ({'; '.join(parts)})"


_IMAGE = (
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
)
_PULLING = (
    (r"no match for platform", "it is not built for the node's CPU architecture"),
    (
        r"pull access denied|repository does not exist",
        "there is no such image, or the cluster may not pull it",
    ),
    (
        r"unauthorized|denied|authentication|authorization|\b40[13]\b",
        "the registry denies access",
    ),
    (r"no such host|timeout|timed out|connection refused|dial tcp|eof$", "the registry does not answer"),
    (r"x509|certificate", "the node does not trust the registry's certificate"),
    (r"toomanyrequests|too many requests", "the registry's rate limit is reached"),
    (r"no space left", "the node's disk is full"),
    (r"not found|manifest unknown|does not exist", "there is no such image"),
)


def container_waits(state: Mapping[str, Any], image: str) -> str:
    """Why the kubelet has not started a container; empty if it is only starting."""
    reason, message = str(state.get("reason") or ""), " ".join(str(state.get("message") or "").split())
    if reason == "InvalidImageName":
        return f"the target's image {image} is not a valid image name: {message.rpartition(': ')[2][:160]}"
    if reason in _IMAGE:
        whys = (why for pattern, why in _PULLING if re.search(pattern, message, re.IGNORECASE))
        why = next(whys, message.rpartition(": ")[2][:160] or reason)
        cure = "; check the target's pull_secrets" if "denies access" in why or "may not" in why else ""
        return f"the target's image {image} cannot be pulled: {why}{cure}"
    if reason in ("CreateContainerConfigError", "CreateContainerError", "RunContainerError"):
        if "run as root" in message:
            return f"the image {image} runs as root: build it with a numeric USER, or set user in the target"
        if "non-numeric user" in message:
            return f"the image {image} has no numeric USER: build it with one, or set user in the target"
        if "runAsUser breaks non-root" in message:
            return "the target's user is 0, and root is not allowed: set another"
        return f"its container cannot be created: {_POD.sub('', message)[:_LONGEST]}".rstrip(".")
    return ""


def start_error(message: str, image: str) -> str:
    """The container runtime's message for a command that it could not start, in plain words."""
    text = " ".join(message.split())
    if "exec format error" in text:
        return f"The image {image} is built for another CPU architecture than the node's."
    program = re.search(
        r'exec: "([^"]+)": (?:executable file not found|stat .*no such file|permission denied)', text
    )
    program = program or re.search(r"executable file [`'\"]([^`'\"]+)[`'\"] not found", text)
    if program:
        cure = "choose an image with Python 3.9 or newer, or set python in the target"
        return f"The image {image} has no program {program[1]}: {cure}."
    detail = text.removesuffix(": unknown").rpartition("unable to start container process: ")[2]
    detail = detail[:_LONGEST].strip(" .") or "the container runtime gives no reason"
    return f"Its container could not be started: {detail}."


def node_problem(events: Sequence[Mapping[str, Any]]) -> str:
    """What the newest event says of why a pod on its node does not begin: a volume, or the node itself."""
    begun = False
    for event in reversed(events):
        text = " ".join(str(event.get("message") or "").split())
        begun = begun or event.get("reason") in ("Pulling", "Pulled", "Created", "Started")
        if event.get("reason") in ("FailedMount", "FailedAttachVolume"):
            return f"a volume cannot be mounted: {text[:240]}".rstrip(".")
        if event.get("reason") == "FailedCreatePodSandBox" and not begun:
            detail = re.sub(r"^Failed to create pod sandbox: (?:rpc error: code = \w+ desc = )?", "", text)
            return f"its node cannot begin a pod, and tries again: {detail[:240]}".rstrip(".")
    return ""


def evicted(message: str) -> str:
    """Why a kubelet evicted a pod."""
    text = " ".join(message.split()).rstrip(".")
    volume = re.search(r'EmptyDir volume "([^"]+)" exceeds the limit "([^"]+)"', text)
    if volume and volume[1] == "shm":
        return f"it wrote more than {volume[2]} to /dev/shm, which its --memory limits"
    if volume or "ephemeral" in text:
        return f"it wrote more to its disk than the cluster allows ({text})"
    low = re.search(r"low on resource: ([\w-]+)", text)
    if low:
        return f"the node ran low on {_SHORT.get(low[1], low[1])}"
    return text or "the cluster needed its resources"


_SHORT = {"memory": "memory", "ephemeral-storage": "disk", "inodes": "disk", "pids": "process IDs"}


def terminated_by_kubelet(message: str, node: str) -> str:
    """Why a kubelet terminated a pod."""
    low = re.search(r"low on resource: ([\w-]+)", message)
    if low:
        return f"{node} ran low on {_SHORT.get(low[1], low[1])}"
    if "shutdown" in message:
        return f"{node} was shut down"
    return f"{node} needed its resources"


def last_line(log: str) -> str:
    """The last line of the end of a log, without the runner's frames and what terminals draw with."""
    text = re.sub(r"\x1e[^\n]*\n?|\x1b\[[0-9;?]*[A-Za-z]", "", log)
    lines = ["".join(c for c in line if c.isprintable()).strip() for line in text.splitlines()]
    return next(filter(None, reversed(lines)), "")[:_LONGEST]
