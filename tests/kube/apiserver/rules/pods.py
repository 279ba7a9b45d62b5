"""Rules of pods: what the API server and its admission plug-ins fill in, refuse and protect."""

from __future__ import annotations

import copy
from typing import Any

from tests.kube.apiserver.objects.store import Entry, Object, Store
from tests.kube.apiserver.protocol.calls import Call
from tests.kube.apiserver.protocol.errors import forbidden
from tests.kube.apiserver.protocol.kinds import PODS, PRIORITYCLASSES, SERVICEACCOUNTS
from tests.kube.apiserver.protocol.problems import Problems
from tests.kube.apiserver.protocol.values import suffix

from . import Rules, limits, put_defaults, quota, security
from .meta import check_annotations, check_labels
from .podspec import check_spec, default_spec
from .resources import default_requests, quality

TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_NO_CHANGE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


class PodRules(Rules):
    """Rules of pods."""

    def prepare(self, obj: Object, store: Store, call: Call) -> None:
        spec = obj.setdefault("spec", {})
        default_spec(spec)
        default_requests(spec)
        put_defaults(spec, enableServiceLinks=True)
        if isinstance(spec.get("containers"), list):
            _service_account(obj, store)
            limits.apply(obj, store)
        _priority(obj, store)
        tolerations = list(spec.get("tolerations") or [])
        for condition in ("not-ready", "unreachable"):
            key = f"node.kubernetes.io/{condition}"
            if not any(
                t.get("key") in (key, None) and t.get("effect") in ("NoExecute", None) for t in tolerations
            ):
                tolerations.append(
                    {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
                )
        spec["tolerations"] = tolerations
        obj["status"] = {"phase": "Pending"}

    def check(self, obj: Object, problems: Problems) -> None:
        check_spec(obj["spec"], "spec", problems)
        if not problems:
            obj["status"]["qosClass"] = quality(obj["spec"])

    def prepare_update(self, obj: Object, entry: Entry) -> None:
        default_spec(obj.setdefault("spec", {}))

    def check_update(self, obj: Object, old: Object, problems: Problems) -> None:
        check_spec(obj["spec"], "spec", problems)
        if _frozen(obj["spec"]) != _frozen(old["spec"]):
            problems.forbidden("spec", _NO_CHANGE)

    def admit(self, obj: Object, store: Store, call: Call) -> None:
        namespace = obj["metadata"]["namespace"]
        security.enforce(obj, store, call)
        quota.enforce(PODS, namespace, obj, store)

    def grace(self, obj: Object, call: Call) -> int:
        spec, status = obj["spec"], obj.get("status") or {}
        if not spec.get("nodeName") or status.get("phase") in ("Succeeded", "Failed"):
            return 0
        return int(spec.get("terminationGracePeriodSeconds", 30)) if call.grace is None else call.grace


def _frozen(spec: Object) -> Object:
    """The part of a spec that may not change."""
    kept = {k: v for k, v in spec.items() if k not in ("activeDeadlineSeconds", "tolerations", "nodeName")}
    kept = copy.deepcopy(kept)
    for group in ("containers", "initContainers"):
        for container in kept.get(group) or []:
            container.pop("image", None)
    return kept


def _service_account(obj: Object, store: Store) -> None:
    spec, metadata = obj["spec"], obj["metadata"]
    put_defaults(spec, serviceAccountName="default")
    spec["serviceAccount"] = name = spec["serviceAccountName"]
    account = store.get(SERVICEACCOUNTS, metadata["namespace"], name)
    if account is None:
        where = f"{metadata['namespace']}/{name}"
        raise forbidden(
            PODS,
            metadata.get("name", ""),
            f'error looking up service account {where}: serviceaccount "{name}" not found',
        )
    wanted = spec.get("automountServiceAccountToken", account.obj.get("automountServiceAccountToken", True))
    if not wanted:
        return
    volume = f"kube-api-access-{suffix()}"
    used = False
    for group in ("initContainers", "containers"):
        for container in spec.get(group) or []:
            mounts = container.setdefault("volumeMounts", [])
            if not any(mount.get("mountPath") == TOKEN_PATH for mount in mounts):
                mounts.append({"name": volume, "readOnly": True, "mountPath": TOKEN_PATH})
                used = True
    if used:
        spec.setdefault("volumes", []).append({"name": volume, "projected": _token_sources()})


def _token_sources() -> dict[str, Any]:
    return {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {
                "downwardAPI": {
                    "items": [
                        {
                            "path": "namespace",
                            "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                        }
                    ]
                }
            },
        ],
        "defaultMode": 420,
    }


def _priority(obj: Object, store: Store) -> None:
    spec = obj["spec"]
    name = spec.get("priorityClassName")
    value, policy = 0, "PreemptLowerPriority"
    if name in ("system-node-critical", "system-cluster-critical"):
        value = 2000001000 if name == "system-node-critical" else 2000000000
    elif name:
        found = store.get(PRIORITYCLASSES, "", name)
        if found is None:
            raise forbidden(
                PODS, obj["metadata"].get("name", ""), f"no PriorityClass with name {name} was found"
            )
        value, policy = found.obj.get("value", 0), found.obj.get("preemptionPolicy", policy)
    else:
        for entry in store.all(PRIORITYCLASSES):
            if entry.obj.get("globalDefault"):
                spec["priorityClassName"] = entry.key[1]
                value, policy = entry.obj.get("value", 0), entry.obj.get("preemptionPolicy", policy)
    if "priority" in spec and spec["priority"] != value:
        raise forbidden(
            PODS,
            obj["metadata"].get("name", ""),
            f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; "
            f"priority admission controller computed {value} from the given PriorityClass name",
        )
    spec["priority"] = value
    put_defaults(spec, preemptionPolicy=policy)


def default_template(template: Object) -> None:
    """Defaults of a pod template."""
    template.setdefault("metadata", {})
    default_spec(template.setdefault("spec", {}))


def check_template(template: Object, at: str, problems: Problems) -> None:
    """What may be in a pod template."""
    metadata = template.get("metadata") or {}
    check_labels(metadata.get("labels") or {}, f"{at}.labels", problems)
    check_annotations(metadata.get("annotations") or {}, f"{at}.annotations", problems)
    check_spec(template.get("spec") or {}, f"{at}.spec", problems)
