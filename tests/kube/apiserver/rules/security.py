"""Pod Security admission: the `baseline` and `restricted` levels of a namespace's labels."""

from __future__ import annotations

from typing import Any

from tests.kube.apiserver.objects.store import Object, Store
from tests.kube.apiserver.protocol.calls import Call
from tests.kube.apiserver.protocol.errors import forbidden
from tests.kube.apiserver.protocol.kinds import NAMESPACES, PODS

from .resources import all_containers

_LABEL = "pod-security.kubernetes.io/"
_VOLUMES = (
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
)
_BASELINE_CAPABILITIES = {
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
}


def enforce(pod: Object, store: Store, call: Call) -> None:
    """403 for a pod that violates the level its namespace enforces; a warning for one it warns of."""
    namespace = store.get(NAMESPACES, "", pod["metadata"]["namespace"])
    labels = namespace.obj["metadata"].get("labels", {}) if namespace else {}
    level, version = (
        labels.get(f"{_LABEL}enforce", "privileged"),
        labels.get(f"{_LABEL}enforce-version", "latest"),
    )
    found = violations(pod["spec"], level)
    if found:
        raise forbidden(
            PODS, pod["metadata"].get("name", ""), f'violates PodSecurity "{level}:{version}": {found}'
        )
    _warn(pod["spec"], labels, call)


def warn(template: Object, namespace: str, store: Store, call: Call) -> None:
    """A workload is not refused: only warned of, at the level that its pods would be refused or warned at."""
    found = store.get(NAMESPACES, "", namespace)
    labels = found.obj["metadata"].get("labels", {}) if found else {}
    _warn(template.get("spec") or {}, labels, call)


def _warn(spec: Object, labels: dict[str, str], call: Call) -> None:
    # Where no level to warn at is set, the one that is enforced is.
    enforced = labels.get(f"{_LABEL}enforce", "privileged")
    level, version = labels.get(f"{_LABEL}warn"), labels.get(f"{_LABEL}warn-version", "latest")
    if level is None:
        level, version = enforced, labels.get(f"{_LABEL}enforce-version", "latest")
    found = violations(spec, level)
    if found:
        call.warnings.append(f'would violate PodSecurity "{level}:{version}": {found}')


def violations(spec: Object, level: str) -> str:
    """What is against a level, in the words of the admission plug-in; empty if nothing is."""
    if level not in ("baseline", "restricted"):
        return ""
    found = _baseline(spec, level)
    if level == "restricted":
        found += _restricted(spec)
    return ", ".join(found)


def _baseline(spec: Object, level: str) -> list[str]:
    found = []
    spaces = [key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    if spaces:
        found.append(f"host namespaces ({', '.join(f'{key}=true' for key in spaces)})")
    privileged = [c["name"] for c in all_containers(spec) if _context(c).get("privileged")]
    if privileged:
        found.append(f"privileged ({_containers(privileged)} must not set securityContext.privileged=true)")
    added = [
        c["name"]
        for c in all_containers(spec)
        if set((_context(c).get("capabilities") or {}).get("add") or []) - _BASELINE_CAPABILITIES
    ]
    if added and level == "baseline":
        names = sorted(
            {
                name
                for c in all_containers(spec)
                for name in (_context(c).get("capabilities") or {}).get("add") or []
                if name not in _BASELINE_CAPABILITIES
            }
        )
        listed = ", ".join(f'"{name}"' for name in names)
        found.append(
            f"non-default capabilities ({_containers(added)} must not include {listed} in "
            "securityContext.capabilities.add)"
        )
    paths = [v["name"] for v in spec.get("volumes") or [] if v.get("hostPath") is not None]
    if paths and level == "baseline":
        listed = ", ".join(f'"{name}"' for name in paths)
        found.append(f"hostPath volumes (volume{'s' if len(paths) > 1 else ''} {listed})")
    ports = [c["name"] for c in all_containers(spec) for port in c.get("ports") or [] if port.get("hostPort")]
    if ports:
        numbers = [
            str(p["hostPort"])
            for c in all_containers(spec)
            for p in c.get("ports") or []
            if p.get("hostPort")
        ]
        plural = "s" if len(numbers) > 1 else ""
        found.append(
            f"hostPort ({_containers(ports)} use{'' if len(ports) > 1 else 's'} hostPort{plural} "
            f"{', '.join(numbers)})"
        )
    if level == "baseline":
        found += _seccomp(spec.get("securityContext") or {}, all_containers(spec), must=False)
    return found


def _restricted(spec: Object) -> list[str]:
    found: list[str] = []
    containers = all_containers(spec)
    pod = spec.get("securityContext") or {}
    escalating = [c["name"] for c in containers if _context(c).get("allowPrivilegeEscalation") is not False]
    if escalating:
        why = "must set securityContext.allowPrivilegeEscalation=false"
        found.append(f"allowPrivilegeEscalation != false ({_containers(escalating)} {why})")
    able = [
        c["name"]
        for c in containers
        if "ALL" not in ((_context(c).get("capabilities") or {}).get("drop") or [])
    ]
    adding = [
        c["name"]
        for c in containers
        if set((_context(c).get("capabilities") or {}).get("add") or []) - {"NET_BIND_SERVICE"}
    ]
    parts = []
    if able:
        parts.append(f'{_containers(able)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        names = sorted(
            {n for c in containers for n in (_context(c).get("capabilities") or {}).get("add") or []}
            - {"NET_BIND_SERVICE"}
        )
        listed = ", ".join(f'"{name}"' for name in names)
        parts.append(f"{_containers(adding)} must not include {listed} in securityContext.capabilities.add")
    if parts:
        found.append(f"unrestricted capabilities ({'; '.join(parts)})")
    found += _volumes(spec)
    found += _root(pod, containers)
    found += _seccomp(pod, containers, must=True)
    return found


def _volumes(spec: Object) -> list[str]:
    bad = {}
    for volume in spec.get("volumes") or []:
        kinds = [key for key in volume if key != "name" and volume[key] is not None]
        if kinds and kinds[0] not in _VOLUMES:
            bad[volume["name"]] = kinds[0]
    if not bad:
        return []
    names = ", ".join(f'"{name}"' for name in bad)
    kinds = ", ".join(f'"{kind}"' for kind in sorted(set(bad.values())))
    if len(bad) == 1:
        return [f"restricted volume types (volume {names} uses restricted volume type {kinds})"]
    plural = "types" if len(set(bad.values())) > 1 else "type"
    return [f"restricted volume types (volumes {names} use restricted volume {plural} {kinds})"]


def _root(pod: Object, containers: list[Object]) -> list[str]:
    found = []
    explicit = [c["name"] for c in containers if _context(c).get("runAsNonRoot") is False]
    open_ones = [c["name"] for c in containers if _context(c).get("runAsNonRoot") is None]
    ok = pod.get("runAsNonRoot") is True
    if explicit:
        found.append(
            f"runAsNonRoot != true ({_containers(explicit)} must not set securityContext.runAsNonRoot=false)"
        )
    elif open_ones and pod.get("runAsNonRoot") is False:
        found.append("runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)")
    elif open_ones and not ok:
        found.append(
            f"runAsNonRoot != true (pod or {_containers(open_ones)} must set "
            f"securityContext.runAsNonRoot=true)"
        )
    zero = [c["name"] for c in containers if _context(c).get("runAsUser") == 0]
    parts = ["pod"] if pod.get("runAsUser") == 0 else []
    parts += [_containers(zero)] if zero else []
    if parts:
        found.append(f"runAsUser=0 ({' and '.join(parts)} must not set runAsUser=0)")
    return found


def _seccomp(pod: Object, containers: list[Object], *, must: bool) -> list[str]:
    good = ("RuntimeDefault", "Localhost")

    def kind(context: Object) -> Any:
        return (context.get("seccompProfile") or {}).get("type")

    bad = [c["name"] for c in containers if kind(_context(c)) not in (None, *good)]
    unset = [c["name"] for c in containers if kind(_context(c)) is None]
    if kind(pod) not in (None, *good):
        return [f'seccompProfile (pod must not set securityContext.seccompProfile.type to "{kind(pod)}")']
    if bad:
        return [
            f"seccompProfile ({_containers(bad)} must not set securityContext.seccompProfile.type to "
            f'"Unconfined")'
        ]
    if must and unset and kind(pod) is None:
        what = f"pod or {_containers(unset)}"
        why = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
        return [f"seccompProfile ({what} {why})"]
    return []


def _context(container: Object) -> dict[str, Any]:
    return container.get("securityContext") or {}


def _containers(names: list[str]) -> str:
    listed = ", ".join(f'"{name}"' for name in dict.fromkeys(names))
    return f"container{'s' if len(set(names)) > 1 else ''} {listed}"
