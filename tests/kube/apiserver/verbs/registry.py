"""What the verbs do to objects: creation, updates, patches and deletions, with all rules applied.

The rule: each verb is one transaction under the store's lock; a refusal changes nothing.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable
from typing import Any

import msgspec

from tests.kube.apiserver.objects import managed, patching
from tests.kube.apiserver.objects.store import Entry, Object, Store
from tests.kube.apiserver.protocol.calls import Call
from tests.kube.apiserver.protocol.errors import (
    ApiError,
    already_exists,
    bad_options,
    bad_request,
    conflict,
    not_found,
)
from tests.kube.apiserver.protocol.kinds import Kind, Kinds
from tests.kube.apiserver.protocol.problems import Problems
from tests.kube.apiserver.protocol.values import generated, now, parse_time, stamp
from tests.kube.apiserver.rules import RuleSet, schema
from tests.kube.apiserver.rules.meta import check_metadata

from .checks import check_name, check_namespace, check_preconditions, same

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
_POLICIES = {"Foreground": FOREGROUND, "Orphan": ORPHAN, "Background": None}


class Registry:
    """The verbs.

    Args:
        store: where the objects are.
        kinds: which there are.
        rules: what is special about each.
    """

    def __init__(self, store: Store, kinds: Kinds, rules: RuleSet) -> None:
        self.store = store
        self.kinds = kinds
        self._rules = rules
        # Webhooks: they change a new object, or refuse it.
        self.webhooks: list[Callable[[Kind, Object], None]] = []

    def get(self, kind: Kind, namespace: str, name: str) -> Entry:
        """An object; 404 if there is none."""
        entry = self.store.get(kind, namespace, name)
        if entry is None:
            raise not_found(kind, name)
        return entry

    def create(self, kind: Kind, namespace: str, obj: Object, call: Call, *, applying: bool = False) -> Entry:
        """A new object."""
        with self.store.lock:
            obj = self._read(kind, namespace, obj, call)
            metadata = obj["metadata"]
            if metadata.get("resourceVersion") and not applying:
                raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
            if not metadata.get("name") and metadata.get("generateName"):
                metadata["name"] = generated(metadata["generateName"])
            check_namespace(self.store, kind, namespace, metadata.get("name", ""))
            if kind.custom and kind.has_status:
                obj.pop("status", None)
            if kind.namespaced:
                metadata["namespace"] = namespace
            for webhook in self.webhooks:
                webhook(kind, obj)
            rules = self._rules.of(kind)
            for key in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"):
                metadata.pop(key, None)
            metadata.update(uid=str(uuid.uuid4()), creationTimestamp=now())
            if kind.has_generation:
                metadata["generation"] = 1
            asked = copy.deepcopy(obj) if applying else obj
            rules.prepare(obj, self.store, call)
            problems = Problems()
            check_metadata(obj, problems, label=rules.label_name)
            rules.check(obj, problems)
            problems.raise_for(kind, metadata.get("name", ""))
            if self.store.get(kind, metadata.get("namespace", ""), metadata["name"]):
                raise already_exists(kind, metadata["name"])
            rules.admit(obj, self.store, call)
            metadata.pop("managedFields", None)
            fields = managed.fields_of({key: value for key, value in asked.items() if key != "status"})
            managed.record(kind, obj, call.manager, fields, now(), apply=applying)
            return self._keep(kind, obj, call)

    def replace(self, kind: Kind, namespace: str, name: str, obj: Object, call: Call, sub: str = "") -> Entry:
        """PUT: the object as given, or its status."""
        with self.store.lock:
            obj = self._read(kind, namespace, obj, call)
            check_name(obj, name)
            entry = self.get(kind, namespace, name)
            asked, have = obj["metadata"].get("uid"), entry.obj["metadata"]["uid"]
            if asked and asked != have:
                key = f"/registry/{kind.plural}/{namespace + '/' if namespace else ''}{name}"
                why = f"Precondition failed: UID in precondition: {asked}, UID in object meta: {have}"
                place = f"Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: {why}"
                raise conflict(kind, name, f"StorageError: invalid object, {place}")
            return self._update(entry, obj, call, sub)

    def patch(
        self, kind: Kind, namespace: str, name: str, content_type: str, patch: Any, call: Call, sub: str = ""
    ) -> tuple[Entry, bool]:
        """PATCH: the object and whether it is new (by apply)."""
        with self.store.lock:
            if content_type == patching.APPLY_PATCH:
                return self._apply(kind, namespace, name, patch, call, sub)
            entry = self.get(kind, namespace, name)
            current = {"kind": kind.kind, "apiVersion": kind.api_version, **entry.copy()}
            obj = patching.patched(content_type, current, patch, custom=kind.custom)
            obj = msgspec.json.decode(msgspec.json.encode(obj))
            obj = self._read(kind, namespace, obj, call)
            check_name(obj, name)
            return self._update(entry, obj, call, sub), False

    def change(
        self, kind: Kind, namespace: str, name: str, call: Call, edit: Callable[[Object], Any], sub: str = ""
    ) -> Entry:
        """An update by a function that edits the newest version, as a controller does with retries."""
        with self.store.lock:
            entry = self.get(kind, namespace, name)
            obj = entry.copy()
            edit(obj)
            return self._update(entry, obj, call, sub)

    def delete(self, kind: Kind, namespace: str, name: str, call: Call) -> tuple[Entry, bool]:
        """The object as it is now, and whether it is gone already."""
        with self.store.lock:
            rules = self._rules.of(kind)
            if call.policy is None and rules.orphan_warning:
                call.warnings.append(rules.orphan_warning)
            if call.policy not in (None, *_POLICIES):
                text = (
                    f'Unsupported value: "{call.policy}": supported values: "Foreground", "Background", '
                    f'"Orphan", "nil"'
                )
                raise bad_options("DeleteOptions", "propagationPolicy", "FieldValueNotSupported", text)
            entry = self.get(kind, namespace, name)
            check_preconditions(kind, entry, call)
            rules.protect(entry.obj)
            obj = entry.copy()
            metadata = obj["metadata"]
            finalizers = [
                name for name in metadata.get("finalizers") or [] if name not in (FOREGROUND, ORPHAN)
            ]
            added = _POLICIES[call.policy or rules.propagation]
            if call.policy is None and "deletionTimestamp" in metadata:
                finalizers = list(metadata.get("finalizers") or [])
            elif added:
                finalizers.append(added)
            metadata["finalizers"] = finalizers
            if not finalizers:
                del metadata["finalizers"]
            rules.deleting(obj)
            grace = rules.grace(obj, call)
            if "deletionTimestamp" in metadata:
                grace = min(grace, metadata.get("deletionGracePeriodSeconds", 0))
            if call.dry_run:
                return entry, not finalizers and not grace
            if not finalizers and not grace and rules.removable(obj):
                last = self.store.remove(kind, entry.key[0], name)
                assert last is not None
                return last, True
            self._mark(metadata, grace)
            return self._keep_changed(entry, obj), False

    def _mark(self, metadata: Object, grace: int) -> None:
        if "deletionTimestamp" not in metadata and "generation" in metadata:
            metadata["generation"] += 1
        if metadata.get("deletionGracePeriodSeconds") != grace or "deletionTimestamp" not in metadata:
            metadata["deletionTimestamp"] = stamp(parse_time(now()) + grace)
        metadata["deletionGracePeriodSeconds"] = grace

    def _apply(
        self, kind: Kind, namespace: str, name: str, config: Any, call: Call, sub: str
    ) -> tuple[Entry, bool]:
        if not isinstance(config, dict):
            raise bad_request("the applied configuration is not an object")
        version, word = config.get("apiVersion", ""), config.get("kind", "")
        if (version, word) != (kind.api_version, kind.kind):
            raise bad_request(
                f"invalid object type: {version if '/' in version else '/' + version}, Kind={word}"
            )
        config = copy.deepcopy(config)
        config.setdefault("metadata", {}).setdefault("name", name)
        if config["metadata"].get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        entry = self.store.get(kind, namespace if kind.namespaced else "", name)
        if entry is None:
            if sub:
                raise not_found(kind, name)
            if config["metadata"].get("uid") or config["metadata"].get("resourceVersion"):
                raise conflict(
                    kind,
                    name,
                    "uid mismatch: the provided object specified a uid, and no existing object was found",
                )
            return self.create(kind, namespace, config, call, applying=True), True
        config = self._read(kind, namespace, config, call)
        check_name(config, name)
        result = managed.applied(kind, entry.copy(), config, call.manager, now(), force=call.force, sub=sub)
        return self._update(entry, result, call, sub, applying=True), False

    def _update(self, entry: Entry, obj: Object, call: Call, sub: str, *, applying: bool = False) -> Entry:
        kind, old = entry.kind, entry.obj
        metadata, before = obj["metadata"], old["metadata"]
        name = before["name"]
        asked = metadata.get("resourceVersion")
        if asked and asked != before["resourceVersion"]:
            raise conflict(kind, name)
        if metadata.get("uid") and metadata["uid"] != before["uid"]:
            problems = Problems()
            problems.invalid("metadata.uid", metadata["uid"], "field is immutable")
            problems.raise_for(kind, name)
        for key in (
            "uid",
            "creationTimestamp",
            "generation",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "resourceVersion",
            "namespace",
            "generateName",
        ):
            metadata.pop(key, None)
            if key in before:
                metadata[key] = before[key]
        rules = self._rules.of(kind)
        if sub == "status":
            status = obj.get("status")
            kept = {**copy.deepcopy({k: v for k, v in old.items() if k not in ("status", "metadata")})}
            # A status update changes the metadata of built-in kinds, but not of custom ones.
            meta = copy.deepcopy(before) if kind.custom else metadata
            if kind.custom:
                meta["managedFields"] = metadata.get("managedFields") or meta.get("managedFields")
            obj = {"metadata": meta, **kept, **({} if status is None else {"status": status})}
            metadata = obj["metadata"]
        elif kind.has_status and not rules.status_in_main:
            obj.pop("status", None)
            if "status" in old:
                obj["status"] = copy.deepcopy(old["status"])
        if sub != "status":
            rules.prepare_update(obj, entry)
        problems = Problems()
        check_metadata(obj, problems, label=rules.label_name)
        if sub == "status":
            rules.check_status(obj, old, problems)
        else:
            rules.check_update(obj, old, problems)
        problems.raise_for(kind, name)
        if same(obj, old):
            return entry
        if kind.has_generation and obj.get("spec") != old.get("spec"):
            metadata["generation"] = before.get("generation", 0) + 1
        if not applying:
            fields = managed.changed(old, obj)
            metadata["managedFields"] = metadata.get("managedFields") or before.get("managedFields") or []
            managed.record(kind, obj, call.manager, fields, now(), sub=sub)
        if call.dry_run:
            return self._keep(kind, obj, call)
        return self._keep_changed(entry, obj)

    def _keep_changed(self, entry: Entry, obj: Object) -> Entry:
        """Stores an update, or removes an object that only waited for its last finalizer."""
        metadata = obj["metadata"]
        done = "deletionTimestamp" in metadata and not metadata.get("finalizers")
        if (
            done
            and not metadata.get("deletionGracePeriodSeconds")
            and self._rules.of(entry.kind).removable(obj)
        ):
            self.store.put(entry.kind, obj)
            last = self.store.remove(entry.kind, *entry.key)
            assert last is not None
            return last
        return self.store.put(entry.kind, obj)

    def _keep(self, kind: Kind, obj: Object, call: Call) -> Entry:
        if not call.dry_run:
            return self.store.put(kind, obj)
        obj.pop("kind", None)
        obj.pop("apiVersion", None)
        metadata = obj["metadata"]
        return Entry(
            kind, (metadata.get("namespace", ""), metadata["name"]), 0, obj, msgspec.json.encode(obj)
        )

    def _read(self, kind: Kind, namespace: str, sent: Object, call: Call) -> Object:
        """The body of a request as the server has it; a copy."""
        version, word = sent.get("apiVersion", kind.api_version), sent.get("kind", kind.kind)
        if (version, word) != (kind.api_version, kind.kind):
            raise bad_request(
                f'{word} in version "{version.rpartition("/")[2]}" cannot be handled as a {kind.kind}: '
                f"no kind "
                f'"{word}" is registered for version "{version}" in scheme '
                f'"pkg/api/legacyscheme/scheme.go:30"'
            )
        obj, warnings = schema.read(kind, sent, call.validation)
        call.warnings += warnings
        obj = msgspec.json.decode(msgspec.json.encode(obj))
        obj.setdefault("metadata", {})
        there = obj["metadata"].get("namespace") or namespace
        if kind.namespaced and there != namespace:
            raise bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        if not kind.namespaced:
            obj["metadata"].pop("namespace", None)
        return obj
