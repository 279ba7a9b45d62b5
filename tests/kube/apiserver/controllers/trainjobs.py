"""Kubeflow Trainer: a TrainJob becomes a JobSet by the template of its runtime, with what torchrun reads."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from tests.kube.apiserver.objects.store import Change, Key, Object, Store
from tests.kube.apiserver.protocol.calls import Call
from tests.kube.apiserver.protocol.errors import ApiError
from tests.kube.apiserver.protocol.kinds import JOBSETS, NAMESPACED_RUNTIMES, RUNTIMES, TRAINJOBS, Kind
from tests.kube.apiserver.protocol.values import quantity
from tests.kube.apiserver.verbs.events import Recorder
from tests.kube.apiserver.verbs.registry import Registry

from .conditions import set_condition
from .plane import Controller

_PORT = 29500
_STEP = "trainer.kubeflow.org/trainjob-ancestor-step"
_INDEX = "batch.kubernetes.io/job-completion-index"
_PATCHABLE = {
    "serviceAccountName", "volumes", "initContainers", "containers", "imagePullSecrets", "securityContext",
    "nodeSelector", "affinity", "tolerations", "schedulingGates", "terminationGracePeriodSeconds",
}  # fmt: skip
"""Fields of a pod that Trainer 2.3 lets a patch set."""
TORCH_RUNTIME: Object = {
    "apiVersion": RUNTIMES.api_version,
    "kind": RUNTIMES.kind,
    "metadata": {"name": "torch-distributed", "labels": {"trainer.kubeflow.org/framework": "torch"}},
    "spec": {
        "mlPolicy": {"numNodes": 1, "torch": {}},
        "template": {
            "spec": {
                "replicatedJobs": [
                    {
                        "name": "node",
                        "template": {
                            "metadata": {"labels": {_STEP: "trainer"}},
                            "spec": {
                                "template": {
                                    "spec": {
                                        "containers": [{"name": "node", "image": "pytorch/pytorch:2.13.0"}]
                                    }
                                }
                            },
                        },
                    }
                ]
            }
        },
    },
}


class TrainJobs(Controller):
    """Runs TrainJobs.

    Args:
        registry: the API.
        recorder: for events.
    """

    def __init__(self, registry: Registry, recorder: Recorder) -> None:
        self._registry = registry
        self._recorder = recorder
        self._call = Call("system:serviceaccount:kubeflow-system:kubeflow-trainer", manager="trainer")

    def keys(self, kind: Kind, change: Change) -> Iterable[Key]:
        entry = change.new or change.old
        assert entry is not None
        if kind is TRAINJOBS and change.new is not None:
            yield entry.key
        elif kind is JOBSETS:
            for owner in entry.obj["metadata"].get("ownerReferences") or []:
                if owner["kind"] == TRAINJOBS.kind:
                    yield entry.key[0], owner["name"]

    def reconcile(self, key: Key) -> float | None:
        entry = self._registry.store.get(TRAINJOBS, *key)
        if entry is None or "deletionTimestamp" in entry.obj["metadata"]:
            return None
        train = entry.copy()
        existing = self._registry.store.get(JOBSETS, *key)
        runtime = find_runtime(self._registry.store, train)
        if existing is None and runtime is not None:
            existing = self._registry.create(JOBSETS, key[0], build(train, runtime), self._call)
        elif existing is not None:
            wanted = bool(train["spec"].get("suspend"))
            if bool(existing.obj["spec"].get("suspend")) != wanted:
                self._registry.change(JOBSETS, *key, self._call, lambda o: o["spec"].update(suspend=wanted))
        self._report(key, train, existing.obj if existing else None)
        return None

    def _report(self, key: Key, train: Object, jobset: Object | None) -> None:
        status = train.setdefault("status", {})
        suspended = bool(train["spec"].get("suspend"))
        known = next((c for c in status.get("conditions") or [] if c["type"] == "Suspended"), {})
        if suspended:
            set_condition(train, "Suspended", True, "Suspended", "TrainJob is suspended")
        elif known.get("status") == "True":
            set_condition(train, "Suspended", False, "Resumed", "TrainJob is resumed")
        inner = (jobset or {}).get("status") or {}
        for found in inner.get("conditions") or []:
            if found["type"] in ("Completed", "Failed") and found["status"] == "True":
                kind = "Complete" if found["type"] == "Completed" else "Failed"
                set_condition(train, kind, True, found["reason"], found["message"])
        status["jobsStatus"] = [
            {name: value for name, value in counts.items() if name != "restarts"}
            for counts in inner.get("replicatedJobsStatus") or []
        ]
        self._registry.change(TRAINJOBS, *key, self._call, lambda o: o.update(status=status), "status")


def find_runtime(store: Store, train: Object) -> Object | None:
    """The runtime that a TrainJob names."""
    reference = train["spec"].get("runtimeRef") or {}
    name, kind = reference.get("name", ""), reference.get("kind", RUNTIMES.kind)
    if kind == NAMESPACED_RUNTIMES.kind:
        entry = store.get(NAMESPACED_RUNTIMES, train["metadata"]["namespace"], name)
    else:
        entry = store.get(RUNTIMES, "", name)
    return entry.obj if entry else None


class Admission:
    """The webhook: a TrainJob whose runtime is not there is refused.

    Args:
        store: where runtimes are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, kind: Kind, obj: Object) -> None:
        if kind is not TRAINJOBS:
            return
        reference = obj.setdefault("spec", {}).setdefault("runtimeRef", {})
        reference.setdefault("apiGroup", "trainer.kubeflow.org")
        reference.setdefault("kind", RUNTIMES.kind)
        obj["spec"].setdefault("suspend", False)
        obj["spec"].setdefault("managedBy", "trainer.kubeflow.org/trainjob-controller")
        runtime = find_runtime(self._store, obj)
        if runtime is None:
            name = reference.get("name", "")
            what = RUNTIMES.resource if reference["kind"] == RUNTIMES.kind else NAMESPACED_RUNTIMES.resource
            why = f'spec.runtimeRef: {what} "{name}" not found'
            raise _denied(why)
        for why in _wrong_patches(obj["spec"], runtime):
            raise _denied(why)


def _denied(why: str) -> ApiError:
    webhook = "validator.trainjob.trainer.kubeflow.org"
    return ApiError(403, "Forbidden", f'admission webhook "{webhook}" denied the request: {why}', details={})


def _wrong_patches(spec: Object, runtime: Object) -> Iterable[str]:
    """What the webhook finds wrong with the patches of a runtime."""
    there = {r["name"]: r["template"]["spec"] for r in runtime["spec"]["template"]["spec"]["replicatedJobs"]}
    for patch in spec.get("runtimePatches") or []:
        if "/" not in patch["manager"]:
            yield "spec.runtimePatches.manager: must be a domain-prefixed path"
        for replicated in _patched_jobs(patch):
            if replicated["name"] not in there:
                yield "must not have replicated job that doesn't exist in the runtime job template"
                continue
            pod = replicated["template"]["spec"]["template"]["spec"]
            if unknown := set(pod) - _PATCHABLE:
                yield f"spec.runtimePatches: unknown fields {sorted(unknown)}"
            containers = {c["name"] for c in there[replicated["name"]]["template"]["spec"]["containers"]}
            for container in pod.get("containers") or []:
                if container["name"] not in containers:
                    yield "must not have container that doesn't exist in the runtime job"
                elif container.get("env") and container["name"] == "node":
                    yield "must not have envs for the node container"
                elif unknown := set(container) - {"name", "env", "volumeMounts", "securityContext"}:
                    yield f"spec.runtimePatches: unknown fields {sorted(unknown)} of a container"


def _patched_jobs(patch: Object) -> Any:
    template = (patch.get("trainingRuntimeSpec") or {}).get("template") or {}
    return (template.get("spec") or {}).get("replicatedJobs") or []


def build(train: Object, runtime: Object) -> Object:
    """The JobSet of a TrainJob."""
    metadata, spec = train["metadata"], train["spec"]
    template = copy.deepcopy(runtime["spec"]["template"]["spec"])
    for patch in spec.get("runtimePatches") or []:
        template = _merged(template, {"replicatedJobs": _patched_jobs(patch)})
    trainer = spec.get("trainer") or {}
    policy = runtime["spec"].get("mlPolicy") or {}
    nodes = trainer.get("numNodes") or policy.get("numNodes") or 1
    for replicated in template["replicatedJobs"]:
        inner = replicated["template"]
        if ((inner.get("metadata") or {}).get("labels") or {}).get(_STEP) != "trainer":
            continue
        inner["spec"].update(parallelism=nodes, completions=nodes)
        for container in inner["spec"]["template"]["spec"]["containers"]:
            if container["name"] == "node":
                _fill(container, metadata["name"], trainer, nodes, torch="torch" in policy)
    return {
        "metadata": {
            "name": metadata["name"],
            "labels": spec.get("labels") or {},
            "annotations": spec.get("annotations") or {},
            "ownerReferences": [
                {
                    "apiVersion": TRAINJOBS.api_version,
                    "kind": TRAINJOBS.kind,
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {**template, "suspend": bool(spec.get("suspend"))},
    }


def _merged(there: Any, patch: Any) -> Any:
    """A strategic merge patch as far as runtimes are patched: lists of named things merge by name."""
    if isinstance(there, dict) and isinstance(patch, dict):
        found = {key: _merged(there[key], value) for key, value in patch.items() if key in there}
        return {**there, **patch, **found}
    if isinstance(there, list) and isinstance(patch, list) and all("name" in item for item in patch):
        named = {item["name"]: item for item in there}
        for item in patch:
            named[item["name"]] = _merged(named.get(item["name"]), item)
        return list(named.values())
    return patch


def _fill(container: Object, name: str, trainer: Object, nodes: int, *, torch: bool) -> None:
    for key in ("image", "command", "args"):
        if trainer.get(key):
            container[key] = trainer[key]
    if trainer.get("resourcesPerNode"):
        container["resources"] = trainer["resourcesPerNode"]
    env: list[dict[str, Any]] = [*(container.get("env") or []), *(trainer.get("env") or [])]
    if torch:
        processes = trainer.get("numProcPerNode") or _processes(container.get("resources") or {})
        field = {"fieldRef": {"fieldPath": f"metadata.annotations['{_INDEX}']"}}
        env += [
            {"name": "PET_NNODES", "value": str(nodes)},
            {"name": "PET_NPROC_PER_NODE", "value": str(processes)},
            {"name": "PET_NODE_RANK", "valueFrom": field},
            {"name": "PET_MASTER_ADDR", "value": f"{name}-node-0-0.{name}"},
            {"name": "PET_MASTER_PORT", "value": str(_PORT)},
        ]
        container["ports"] = [*(container.get("ports") or []), {"containerPort": _PORT}]
    if env:
        container["env"] = env


def _processes(resources: Object) -> str | int:
    """The processes of a node when the TrainJob does not say: as many as CPUs, or as torchrun finds GPUs."""
    limits, asked = resources.get("limits") or {}, resources.get("requests") or {}
    if any("gpu" in name for name in limits):
        return "auto"
    return max(1, int(quantity(asked.get("cpu") or limits.get("cpu") or 0)))
