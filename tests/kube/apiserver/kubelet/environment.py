"""A container's environment and arguments, as the kubelet puts them together."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from tests.kube.apiserver.objects.store import Object, Store
from tests.kube.apiserver.protocol.kinds import CONFIGMAPS, SECRETS, SERVICES
from tests.kube.apiserver.protocol.values import quantity

_REFERENCE = re.compile(r"\$(\$|\(([^)]*)\))")
_KEY = re.compile(r"(labels|annotations)\['(.*)'\]")


class ConfigError(Exception):
    """What the container needs is not there: it waits with CreateContainerConfigError."""


def expand(text: str, values: Mapping[str, str]) -> str:
    """`$(NAME)` by its value; `$$` is a dollar; what has no value stays."""

    def one(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        return values.get(match[2], match[0])

    return _REFERENCE.sub(one, text)


def field_of(pod: Object, path: str) -> str:
    """What a fieldRef names."""
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    inner = path.removeprefix("metadata.")
    match = _KEY.fullmatch(inner)
    if match:
        return str((metadata.get(match[1]) or {}).get(match[2], ""))
    if inner in ("labels", "annotations"):
        pairs = sorted((metadata.get(inner) or {}).items())
        return "\n".join(f'{key}="{_escaped(value)}"' for key, value in pairs)
    found = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "status.podIP": status.get("podIP", ""),
        "status.podIPs": status.get("podIP", ""),
        "status.hostIP": status.get("hostIP", ""),
        "status.hostIPs": status.get("hostIP", ""),
    }
    return str(found.get(path, ""))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class Environment:
    """Builds environments.

    Args:
        store: where Secrets, ConfigMaps and Services are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def build(self, pod: Object, container: Object) -> dict[str, str]:
        """What the container says, with what the node adds for services; raises ConfigError."""
        services = self._services(pod)
        found: dict[str, str] = {}
        for source in container.get("envFrom") or []:
            found.update(self._all_of(pod, source))
        for env in container.get("env") or []:
            if env.get("valueFrom"):
                value = self._value(pod, container, env["valueFrom"])
                if value is not None:
                    found[env["name"]] = value
            else:
                found[env["name"]] = expand(env.get("value") or "", {**services, **found})
        return {**services, **found}

    def _services(self, pod: Object) -> dict[str, str]:
        found: dict[str, str] = {}
        namespaces = {"default": ("kubernetes",)}
        if pod["spec"].get("enableServiceLinks", True):
            own = pod["metadata"]["namespace"]
            names = tuple(entry.key[1] for entry in self._store.all(SERVICES, own))
            namespaces = {"default": ("kubernetes",), own: names}
        for namespace, names in namespaces.items():
            for name in names:
                entry = self._store.get(SERVICES, namespace, name)
                if entry is not None and entry.obj["spec"].get("clusterIP") not in (None, "", "None"):
                    found.update(_links(name, entry.obj))
        return found

    def _all_of(self, pod: Object, source: Object) -> dict[str, str]:
        for kind, key, word in ((SECRETS, "secretRef", "secret"), (CONFIGMAPS, "configMapRef", "configmap")):
            reference = source.get(key)
            if reference is None:
                continue
            entry = self._store.get(kind, pod["metadata"]["namespace"], reference["name"])
            if entry is None:
                if reference.get("optional"):
                    return {}
                raise ConfigError(f'{word} "{reference["name"]}" not found')
            prefix = source.get("prefix") or ""
            return {prefix + name: text for name, text in _texts(entry.obj, secret=kind is SECRETS).items()}
        return {}

    def _value(self, pod: Object, container: Object, source: Object) -> str | None:
        namespace = pod["metadata"]["namespace"]
        if source.get("fieldRef"):
            return field_of(pod, source["fieldRef"]["fieldPath"])
        if source.get("resourceFieldRef"):
            return _resource(container, source["resourceFieldRef"])
        for kind, key, word in (
            (SECRETS, "secretKeyRef", "Secret"),
            (CONFIGMAPS, "configMapKeyRef", "ConfigMap"),
        ):
            reference = source.get(key)
            if reference is None:
                continue
            entry = self._store.get(kind, namespace, reference["name"])
            texts = _texts(entry.obj, secret=kind is SECRETS) if entry else None
            if texts is not None and reference["key"] in texts:
                return texts[reference["key"]]
            if reference.get("optional"):
                return None
            if texts is None:
                raise ConfigError(f'{word.lower()} "{reference["name"]}" not found')
            raise ConfigError(
                f"couldn't find key {reference['key']} in {word} {namespace}/{reference['name']}"
            )
        return None


def _texts(obj: Object, *, secret: bool) -> dict[str, str]:
    data = obj.get("data") or {}
    if not secret:
        return dict(data)
    return {
        name: base64.b64decode(text or "").decode(errors="surrogateescape") for name, text in data.items()
    }


def _resource(container: Object, reference: dict[str, Any]) -> str:
    side, _, name = reference["resource"].partition(".")
    amount = quantity(((container.get("resources") or {}).get(side) or {}).get(name, "0"))
    return str(-int(-amount // quantity(reference.get("divisor") or "1")))


def _links(name: str, service: Object) -> dict[str, str]:
    prefix = name.upper().replace("-", "_")
    spec = service["spec"]
    address, ports = spec["clusterIP"], spec.get("ports") or []
    found = {f"{prefix}_SERVICE_HOST": address}
    if ports:
        first = ports[0]
        found[f"{prefix}_SERVICE_PORT"] = str(first["port"])
        found[f"{prefix}_PORT"] = f"{first['protocol'].lower()}://{address}:{first['port']}"
    for port in ports:
        protocol, number = port["protocol"], port["port"]
        if port.get("name"):
            found[f"{prefix}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(number)
        base = f"{prefix}_PORT_{number}_{protocol}"
        found |= {
            base: f"{protocol.lower()}://{address}:{number}",
            f"{base}_PROTO": protocol.lower(),
            f"{base}_PORT": str(number),
            f"{base}_ADDR": address,
        }
    return found
