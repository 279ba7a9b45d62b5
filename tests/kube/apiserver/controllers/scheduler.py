"""The scheduler: which node a pod goes to, or in which words it goes to none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal

from tests.kube.apiserver.objects.selectors import expression_matches
from tests.kube.apiserver.objects.store import Change, Key, Object
from tests.kube.apiserver.protocol.calls import Call
from tests.kube.apiserver.protocol.errors import ApiError
from tests.kube.apiserver.protocol.kinds import CLAIMS, NODES, PODS, Kind
from tests.kube.apiserver.protocol.values import now, quantity
from tests.kube.apiserver.rules.resources import requests_of
from tests.kube.apiserver.verbs.events import Recorder
from tests.kube.apiserver.verbs.registry import Registry

from .plane import Controller

_ALL: Key = ("", "*")


class Scheduler(Controller):
    """Binds pods to nodes.

    Args:
        registry: the API.
        recorder: for events.
    """

    def __init__(self, registry: Registry, recorder: Recorder) -> None:
        self._registry = registry
        self._recorder = recorder
        self._call = Call("system:kube-scheduler", manager="kube-scheduler")

    def keys(self, kind: Kind, change: Change) -> Iterable[Key]:
        entry = change.new or change.old
        assert entry is not None
        if kind is PODS:
            if _waits(entry.obj) and change.new is not None and change.old is None:
                yield entry.key
            elif change.new is None or _over(entry.obj) or change.old is None:
                yield _ALL
            elif _waits(entry.obj):
                # Gates lifted, or tolerations added.
                assert change.old is not None
                if change.old.obj["spec"] != entry.obj["spec"]:
                    yield entry.key
        elif kind is NODES:
            old, new = change.old, change.new
            if old is None or new is None or _capacity(old.obj) != _capacity(new.obj):
                yield _ALL
        elif kind is CLAIMS:
            yield _ALL

    def reconcile(self, key: Key) -> float | None:
        if key == _ALL:
            waiting = [entry for entry in self._registry.store.all(PODS) if _waits(entry.obj)]
            waiting.sort(key=lambda entry: (-entry.obj["spec"].get("priority", 0), entry.rv))
            for entry in waiting:
                self._schedule(entry.obj)
            return None
        entry = self._registry.store.get(PODS, *key)
        if entry is not None and _waits(entry.obj):
            self._schedule(entry.obj)
        return None

    def _schedule(self, pod: Object) -> None:
        if pod["spec"].get("schedulingGates"):
            self._say(
                pod, "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates", event=False
            )
            return
        claims = self._missing_claim(pod)
        nodes = self._registry.store.all(NODES)
        if claims:
            message = f"0/{len(nodes)} nodes are available: {claims}. not found"
            self._say(pod, "Unschedulable", message)
            return
        if not nodes:
            self._say(pod, "Unschedulable", "no nodes available to schedule pods")
            return
        reasons: Counter[str] = Counter()
        helped = 0
        fitting = []
        for entry in nodes:
            found, curable = self._reasons(pod, entry.obj)
            reasons.update(found)
            helped += curable
            if not found:
                fitting.append(entry.obj)
        if fitting:
            self._bind(pod, min(fitting, key=lambda node: self._load(node["metadata"]["name"])))
        else:
            listed = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
            message = f"0/{len(nodes)} nodes are available: {listed}. {_preemption(len(nodes), helped)}"
            self._say(pod, "Unschedulable", message)

    def _reasons(self, pod: Object, node: Object) -> tuple[list[str], bool]:
        """Why the pod cannot go to the node; and whether ending other pods could help."""
        spec, metadata = node.get("spec") or {}, node["metadata"]
        tolerations = pod["spec"].get("tolerations") or []
        taints = list(spec.get("taints") or [])
        if spec.get("unschedulable") and not tolerates(
            tolerations, {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
        ):
            return ["node(s) were unschedulable"], False
        wanted = pod["spec"].get("nodeName")
        if wanted and wanted != metadata["name"]:
            return ["node(s) didn't match the requested node name"], False
        for taint in taints:
            if taint["effect"] in ("NoSchedule", "NoExecute") and not tolerates(tolerations, taint):
                value = f": {taint.get('value', '')}"
                return [f"node(s) had untolerated taint {{{taint['key']}{value}}}"], False
        if not _selected(pod, node):
            return ["node(s) didn't match Pod's node affinity/selector"], False
        return self._insufficient(pod, node)

    def _insufficient(self, pod: Object, node: Object) -> tuple[list[str], bool]:
        allocatable = {
            name: quantity(text) for name, text in (node["status"].get("allocatable") or {}).items()
        }
        used: dict[str, Decimal] = {}
        count = 0
        for entry in self._registry.store.all(PODS):
            if entry.obj["spec"].get("nodeName") == node["metadata"]["name"] and not _over(entry.obj):
                count += 1
                for name, amount in requests_of(entry.obj["spec"]).items():
                    used[name] = used.get(name, Decimal(0)) + amount
        found = ["Too many pods"] if count + 1 > allocatable.get("pods", Decimal(110)) else []
        curable = True
        for name, amount in requests_of(pod["spec"]).items():
            if amount and used.get(name, Decimal(0)) + amount > allocatable.get(name, Decimal(0)):
                found.append(f"Insufficient {name}")
                curable = curable and amount <= allocatable.get(name, Decimal(0))
        return found, curable

    def _load(self, node: str) -> int:
        pods = self._registry.store.all(PODS)
        return sum(1 for entry in pods if entry.obj["spec"].get("nodeName") == node and not _over(entry.obj))

    def _bind(self, pod: Object, node: Object) -> None:
        name = node["metadata"]["name"]

        def edit(obj: Object) -> None:
            obj["spec"]["nodeName"] = name
            set_condition(obj["status"], "PodScheduled", True)

        namespace, pod_name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        with self._registry.store.lock:
            entry = self._registry.store.get(PODS, namespace, pod_name)
            if entry is None:
                return
            obj = entry.copy()
            edit(obj)
            # The binding subresource writes what the main path may not.
            bound = self._registry.store.put(PODS, obj)
        where = f"{namespace}/{pod_name}"
        message = f"Successfully assigned {where} to {name}"
        self._recorder.record(PODS, bound.obj, "Normal", "Scheduled", message, "default-scheduler")

    def _say(self, pod: Object, reason: str, message: str, *, event: bool = True) -> None:
        conditions = pod["status"].get("conditions") or []
        known = next((c for c in conditions if c["type"] == "PodScheduled"), None)
        if known is None or known.get("message") != message:

            def edit(obj: Object) -> None:
                set_condition(obj["status"], "PodScheduled", False, reason, message)

            metadata = pod["metadata"]
            try:
                self._registry.change(
                    PODS, metadata["namespace"], metadata["name"], self._call, edit, "status"
                )
            except ApiError:
                return
        if event:
            self._recorder.record(PODS, pod, "Warning", "FailedScheduling", message, "default-scheduler")

    def _missing_claim(self, pod: Object) -> str:
        for volume in pod["spec"].get("volumes") or []:
            source = volume.get("persistentVolumeClaim")
            if source is None:
                continue
            entry = self._registry.store.get(CLAIMS, pod["metadata"]["namespace"], source["claimName"])
            if entry is None:
                return f'persistentvolumeclaim "{source["claimName"]}" not found'
            if (entry.obj.get("status") or {}).get("phase") != "Bound":
                return "pod has unbound immediate PersistentVolumeClaims"
        return ""


def _waits(pod: Object) -> bool:
    if pod["spec"].get("nodeName") or "deletionTimestamp" in pod["metadata"]:
        return False
    return not _over(pod) and pod["spec"].get("schedulerName") == "default-scheduler"


def _over(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _capacity(node: Object) -> tuple[object, ...]:
    spec, status = node.get("spec") or {}, node.get("status") or {}
    return (
        node["metadata"].get("labels"),
        spec.get("taints"),
        spec.get("unschedulable"),
        status.get("allocatable"),
    )


def tolerates(tolerations: Iterable[Object], taint: Object) -> bool:
    """Whether one of the tolerations covers a taint."""
    for toleration in tolerations:
        if toleration.get("effect") not in (None, "", taint["effect"]):
            continue
        if toleration.get("key") and toleration["key"] != taint["key"]:
            continue
        if toleration.get("operator") == "Exists" or (toleration.get("value") or "") == (
            taint.get("value") or ""
        ):
            return True
    return False


def _selected(pod: Object, node: Object) -> bool:
    labels = node["metadata"].get("labels") or {}
    spec = pod["spec"]
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    if affinity is None:
        return True
    fields = {"metadata.name": node["metadata"]["name"]}
    for term in affinity.get("nodeSelectorTerms") or []:
        expressions, by_field = term.get("matchExpressions") or [], term.get("matchFields") or []
        # A term that asks for nothing matches nothing.
        if (expressions or by_field) and all(
            [expression_matches(e, labels) for e in expressions]
            + [expression_matches(e, fields) for e in by_field]
        ):
            return True
    return False


def _preemption(nodes: int, helped: int) -> str:
    parts = []
    if helped:
        parts.append(f"{helped} No preemption victims found for incoming pod")
    if nodes - helped:
        parts.append(f"{nodes - helped} Preemption is not helpful for scheduling")
    return (
        f"no new claims to deallocate, preemption: 0/{nodes} nodes are available: {', '.join(sorted(parts))}."
    )


def set_condition(status: Object, kind: str, value: bool, reason: str = "", message: str = "") -> bool:
    """Sets a condition; whether anything changed."""
    conditions = status.setdefault("conditions", [])
    word = "True" if value else "False"
    made = {"type": kind, "status": word, "lastProbeTime": None, "lastTransitionTime": now()}
    if reason:
        made["reason"] = reason
    if message:
        made["message"] = message
    for index, known in enumerate(conditions):
        if known["type"] == kind:
            if (known["status"], known.get("reason", ""), known.get("message", "")) == (
                word,
                reason,
                message,
            ):
                return False
            if known["status"] == word:
                made["lastTransitionTime"] = known["lastTransitionTime"]
            conditions[index] = made
            return True
    conditions.append(made)
    return True
