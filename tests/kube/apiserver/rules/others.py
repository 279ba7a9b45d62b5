"""Rules of the small kinds: namespaces, secrets, configmaps, services, claims, quotas, events."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from typing import Any

from tests.kube.apiserver.objects.store import Entry, Object, Store
from tests.kube.apiserver.protocol.calls import Call
from tests.kube.apiserver.protocol.errors import bad_request, forbidden
from tests.kube.apiserver.protocol.kinds import (
    CLAIMS,
    CONFIGMAPS,
    NAMESPACES,
    SECRETS,
    SERVICES,
    STORAGECLASSES,
    Kind,
)
from tests.kube.apiserver.protocol.problems import Problems
from tests.kube.apiserver.protocol.values import quantity

from . import Rules, put_defaults, quota

DATA_LIMIT = 1024 * 1024


class NamespaceRules(Rules):
    """Rules of namespaces."""

    label_name = True

    def prepare(self, obj: Object, store: Store, call: Call) -> None:
        obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"].get(
            "name", ""
        )
        obj["spec"] = {"finalizers": ["kubernetes"]}
        obj["status"] = {"phase": "Active"}

    def protect(self, obj: Object) -> None:
        name = obj["metadata"]["name"]
        if name in ("default", "kube-system", "kube-public"):
            raise forbidden(NAMESPACES, name, "this namespace may not be deleted")

    def deleting(self, obj: Object) -> None:
        obj["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}

    def grace(self, obj: Object, call: Call) -> int:
        return 0

    def removable(self, obj: Object) -> bool:
        return not obj["spec"].get("finalizers")


class CountedRules(Rules):
    """Rules of a kind of which a quota may count the objects."""

    kind: Kind

    def admit(self, obj: Object, store: Store, call: Call) -> None:
        quota.enforce(self.kind, obj["metadata"]["namespace"], obj, store)


class SecretRules(CountedRules):
    """Rules of secrets."""

    kind = SECRETS

    def prepare(self, obj: Object, store: Store, call: Call) -> None:
        self._fold(obj)

    def prepare_update(self, obj: Object, entry: Entry) -> None:
        self._fold(obj)

    def _fold(self, obj: Object) -> None:
        data = obj.get("data") or {}
        for key, text in (obj.pop("stringData", None) or {}).items():
            data[key] = base64.b64encode(text.encode()).decode()
        for value in data.values():
            _decoded(value, "Secret")
        if data:
            obj["data"] = data
        put_defaults(obj, type="Opaque")

    def check(self, obj: Object, problems: Problems) -> None:
        data = obj.get("data") or {}
        check_keys(data, "data", problems)
        if sum(len(_decoded(value, "Secret")) for value in data.values()) > DATA_LIMIT:
            problems.too_long("data", DATA_LIMIT)

    def check_update(self, obj: Object, old: Object, problems: Problems) -> None:
        self.check(obj, problems)
        if obj["type"] != old["type"]:
            problems.invalid("type", obj["type"], "field is immutable")
        if old.get("immutable") and (obj.get("data") != old.get("data") or not obj.get("immutable")):
            problems.forbidden("data", "field is immutable when `immutable` is set")


class ConfigMapRules(CountedRules):
    """Rules of configmaps."""

    kind = CONFIGMAPS

    def check(self, obj: Object, problems: Problems) -> None:
        data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
        check_keys(data, "data", problems)
        check_keys(binary, "binaryData", problems)
        size = sum(len(text.encode()) for text in data.values())
        size += sum(len(_decoded(value, "ConfigMap")) for value in binary.values())
        if size > DATA_LIMIT:
            problems.too_long("[]", DATA_LIMIT)

    def check_update(self, obj: Object, old: Object, problems: Problems) -> None:
        self.check(obj, problems)
        if old.get("immutable") and (obj.get("data") != old.get("data") or not obj.get("immutable")):
            problems.forbidden("data", "field is immutable when `immutable` is set")


def check_keys(data: dict[str, Any], where: str, problems: Problems) -> None:
    """Keys of a Secret or ConfigMap are names of files."""
    for key in sorted(data):
        if len(key) > 253 or not key or not all(c.isascii() and (c.isalnum() or c in "-_.") for c in key):
            why = (
                "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
                "'key.name',  or "
                "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
            )
            problems.invalid(f"{where}[{key}]", key, why)
        if key in (".", "..") or key.startswith(".."):
            problems.invalid(f"{where}[{key}]", key, "must not start with '..'")


def _decoded(value: Any, kind: str) -> bytes:
    try:
        return base64.b64decode(value or "", validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise bad_request(
            f'{kind} in version "v1" cannot be handled as a {kind}: illegal base64 data at input byte 0'
        ) from None


class ServiceRules(CountedRules):
    """Rules of services."""

    kind = SERVICES

    def prepare(self, obj: Object, store: Store, call: Call) -> None:
        spec = obj.setdefault("spec", {})
        put_defaults(
            spec,
            type="ClusterIP",
            sessionAffinity="None",
            internalTrafficPolicy="Cluster",
            ipFamilies=["IPv4"],
            ipFamilyPolicy="SingleStack",
        )
        for port in spec.get("ports") or []:
            put_defaults(port, protocol="TCP", targetPort=port.get("port"))
        if not spec.get("clusterIP"):
            taken = {entry.obj["spec"].get("clusterIP") for entry in store.all(SERVICES)}
            addresses = ipaddress.ip_network("10.96.0.0/16").hosts()
            spec["clusterIP"] = next(
                str(a) for a in addresses if str(a) not in taken and str(a) != "10.96.0.1"
            )
        spec["clusterIPs"] = [spec["clusterIP"]]
        obj["status"] = {"loadBalancer": {}}

    def check(self, obj: Object, problems: Problems) -> None:
        spec = obj["spec"]
        if "." in obj["metadata"].get("name", ""):
            problems.invalid("metadata.name", obj["metadata"]["name"], "must not contain dots")
        elif len(obj["metadata"].get("name", "")) > 63:
            problems.invalid("metadata.name", obj["metadata"]["name"], "must be no more than 63 bytes")
        if not spec.get("ports") and spec["clusterIP"] != "None" and spec["type"] != "ExternalName":
            problems.required("spec.ports")
        names = [port.get("name") or "" for port in spec.get("ports") or []]
        for index, port in enumerate(spec.get("ports") or []):
            if len(names) > 1 and not names[index]:
                problems.required(f"spec.ports[{index}].name")
            if names[index] and names[index] in names[:index]:
                problems.duplicate(f"spec.ports[{index}].name", names[index])
            if not 0 < (port.get("port") or 0) < 65536:
                why = "must be between 1 and 65535, inclusive"
                problems.invalid(f"spec.ports[{index}].port", port.get("port"), why)

    def check_update(self, obj: Object, old: Object, problems: Problems) -> None:
        self.check(obj, problems)
        if obj["spec"].get("clusterIP") != old["spec"].get("clusterIP"):
            why = "may not change once set"
            problems.invalid("spec.clusterIPs[0]", [obj["spec"].get("clusterIP")], why)


class ClaimRules(CountedRules):
    """Rules of persistent volume claims."""

    kind = CLAIMS

    def prepare(self, obj: Object, store: Store, call: Call) -> None:
        spec = obj.setdefault("spec", {})
        put_defaults(spec, volumeMode="Filesystem")
        if spec.get("storageClassName") is None:
            for entry in store.all(STORAGECLASSES):
                marks = entry.obj["metadata"].get("annotations") or {}
                if marks.get("storageclass.kubernetes.io/is-default-class") == "true":
                    spec["storageClassName"] = entry.key[1]
        obj["metadata"].setdefault("finalizers", ["kubernetes.io/pvc-protection"])
        obj["status"] = {"phase": "Pending"}

    def check(self, obj: Object, problems: Problems) -> None:
        spec = obj["spec"]
        modes = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
        if not spec.get("accessModes"):
            problems.required("spec.accessModes", "at least 1 access mode is required")
        for mode in spec.get("accessModes") or []:
            if mode not in modes:
                problems.unsupported("spec.accessModes", mode, modes)
        storage = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
        if storage is None:
            problems.required("spec.resources[storage]")
            return
        try:
            if quantity(storage) <= 0:
                problems.invalid("spec.resources[storage]", storage, "must be greater than zero")
        except ValueError as error:
            problems.invalid("spec.resources[storage]", storage, str(error))

    def check_update(self, obj: Object, old: Object, problems: Problems) -> None:
        def fixed(spec: Object) -> Object:
            return {key: value for key, value in spec.items() if key not in ("resources", "volumeName")}

        if fixed(obj["spec"]) != fixed(old["spec"]):
            problems.forbidden(
                "spec",
                "spec is immutable after creation except resources.requests and volumeAttributesClassName "
                "for bound claims",
            )


class QuotaRules(Rules):
    """Rules of resource quotas."""

    def prepare(self, obj: Object, store: Store, call: Call) -> None:
        obj.setdefault("spec", {})
        obj["status"] = {}

    def check(self, obj: Object, problems: Problems) -> None:
        for name, text in (obj["spec"].get("hard") or {}).items():
            try:
                quantity(text)
            except ValueError as error:
                problems.invalid(f"spec.hard[{name}]", text, str(error))


class EventRules(Rules):
    """Rules of events."""

    def check(self, obj: Object, problems: Problems) -> None:
        about = obj.get("involvedObject") or {}
        if about.get("namespace") and about["namespace"] != obj["metadata"].get("namespace"):
            problems.invalid("involvedObject.namespace", about["namespace"], "does not match event.namespace")


class PriorityRules(Rules):
    """Rules of priority classes."""

    def prepare(self, obj: Object, store: Store, call: Call) -> None:
        put_defaults(obj, preemptionPolicy="PreemptLowerPriority")

    def check_update(self, obj: Object, old: Object, problems: Problems) -> None:
        if obj.get("value") != old.get("value"):
            problems.forbidden("value", "may not be changed in an update.")
