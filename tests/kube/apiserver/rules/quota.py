"""ResourceQuota: what a namespace may hold, enforced at creation and counted in its status."""

from __future__ import annotations

from decimal import Decimal

from tests.kube.apiserver.objects.store import Object, Store
from tests.kube.apiserver.protocol.errors import forbidden
from tests.kube.apiserver.protocol.kinds import (
    CLAIMS,
    CONFIGMAPS,
    JOBS,
    PODS,
    QUOTAS,
    SECRETS,
    SERVICES,
    Kind,
)
from tests.kube.apiserver.protocol.values import quantity, written

from .resources import limits_of, requests_of

_COUNTED = {
    CONFIGMAPS: "configmaps",
    SECRETS: "secrets",
    SERVICES: "services",
    CLAIMS: "persistentvolumeclaims",
}


def used_by(kind: Kind, obj: Object) -> dict[str, Decimal]:
    """What an object takes of a quota."""
    one = Decimal(1)
    used = {f"count/{kind.resource}": one}
    if kind in _COUNTED:
        used[_COUNTED[kind]] = one
    if kind is CLAIMS:
        storage = ((obj.get("spec") or {}).get("resources") or {}).get("requests", {}).get("storage", "0")
        used["requests.storage"] = quantity(storage)
    if kind is not PODS or (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return used
    used["pods"] = one
    requests, limits = requests_of(obj["spec"]), limits_of(obj["spec"])
    for name, amount in requests.items():
        used[f"requests.{name}"] = amount
        if name in ("cpu", "memory", "ephemeral-storage"):
            used[name] = amount
    for name, amount in limits.items():
        used[f"limits.{name}"] = amount
    return used


def enforce(kind: Kind, namespace: str, obj: Object, store: Store) -> None:
    """403 when the object would go over a quota of its namespace, or does not say what it needs."""
    quotas = store.all(QUOTAS, namespace)
    if not quotas:
        return
    wanted = used_by(kind, obj)
    name = obj["metadata"].get("name", "")
    for entry in quotas:
        hard = {key: quantity(text) for key, text in (entry.obj["spec"].get("hard") or {}).items()}
        if not _in_scope(kind, obj, entry.obj["spec"]):
            continue
        if kind is PODS:
            _must_say(obj, hard, wanted, entry.key[1], name)
        used = usage(namespace, hard, store, entry.obj["spec"])
        over = [key for key in sorted(hard) if key in wanted and used[key] + wanted[key] > hard[key]]
        if over:
            asked = ",".join(f"{key}={written(wanted[key], key)}" for key in over)
            have = ",".join(f"{key}={written(used[key], key)}" for key in over)
            most = ",".join(f"{key}={entry.obj['spec']['hard'][key]}" for key in over)
            raise forbidden(
                kind,
                name,
                f"exceeded quota: {entry.key[1]}, requested: {asked}, used: {have}, limited: {most}",
            )


def _must_say(
    obj: Object, hard: dict[str, Decimal], wanted: dict[str, Decimal], quota: str, name: str
) -> None:
    plain = [
        key
        for key in hard
        if key in ("cpu", "memory")
        or key.startswith(("requests.cpu", "requests.memory", "limits.cpu", "limits.memory"))
    ]
    missing: dict[str, list[str]] = {}
    for key in sorted(plain):
        side, _, resource = key.rpartition(".")
        for container in obj["spec"].get("containers") or []:
            resources = container.get("resources") or {}
            if resource not in (resources.get(side or "requests") or {}):
                missing.setdefault(key, []).append(container["name"])
    if missing:
        listed = "; ".join(f"{key} for: {','.join(names)}" for key, names in missing.items())
        raise forbidden(PODS, name, f"failed quota: {quota}: must specify {listed}")


def _in_scope(kind: Kind, obj: Object, spec: Object) -> bool:
    for scope in spec.get("scopes") or []:
        if kind is not PODS:
            return False
        deadline = obj["spec"].get("activeDeadlineSeconds") is not None
        effort = not requests_of(obj["spec"]) and not limits_of(obj["spec"])
        if {"Terminating": deadline, "NotTerminating": not deadline, "BestEffort": effort,
            "NotBestEffort": not effort}.get(scope) is False:  # fmt: skip
            return False
    return True


def usage(namespace: str, hard: dict[str, Decimal], store: Store, spec: Object) -> dict[str, Decimal]:
    """What the objects of a namespace take of a quota."""
    total = dict.fromkeys(hard, Decimal(0))
    for kind in (PODS, JOBS, *_COUNTED):
        for entry in store.all(kind, namespace):
            if _in_scope(kind, entry.obj, spec):
                for key, amount in used_by(kind, entry.obj).items():
                    if key in total:
                        total[key] += amount
    return total
