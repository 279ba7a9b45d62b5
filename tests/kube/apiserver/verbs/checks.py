"""What the verbs look at before they do anything."""

from __future__ import annotations

from tests.kube.apiserver.objects.store import Entry, Object, Store
from tests.kube.apiserver.protocol.calls import Call
from tests.kube.apiserver.protocol.errors import ApiError, about, bad_request, forbidden, not_found
from tests.kube.apiserver.protocol.kinds import NAMESPACES, Kind


def same(new: Object, old: Object) -> bool:
    """Whether an update changes nothing; who would manage it does not count."""

    def plain(obj: Object) -> Object:
        rest = {key: value for key, value in obj.items() if key not in ("metadata", "kind", "apiVersion")}
        metadata = {k: v for k, v in obj["metadata"].items() if k not in ("managedFields", "resourceVersion")}
        return {**rest, "metadata": metadata}

    return plain(new) == plain(old)


def check_name(obj: Object, name: str) -> None:
    """400 when an object is not called as its path says."""
    found = obj["metadata"].get("name", "")
    if found != name:
        raise bad_request(f"the name of the object ({found}) does not match the name on the URL ({name})")


def check_preconditions(kind: Kind, entry: Entry, call: Call) -> None:
    """409 when a deletion means another object than the one that is there."""
    metadata = entry.obj["metadata"]
    for key, title, hint in (
        ("uid", "UID", "The object might have been deleted and then recreated"),
        ("resourceVersion", "ResourceVersion", "The object might have been modified"),
    ):
        asked = call.preconditions.get(key)
        if asked is not None and asked != metadata[key]:
            why = (
                f"the {title} in the precondition ({asked}) does not match the {title} in record "
                f"({metadata[key]}). {hint}"
            )
            name = entry.key[1]
            text = f'Operation cannot be fulfilled on {kind.qualified} "{name}": {why}'
            raise ApiError(409, "Conflict", text, details={**about(kind, name), "kind": kind.kind})


def check_namespace(store: Store, kind: Kind, namespace: str, name: str) -> None:
    """404 or 403 when nothing can be made in a namespace."""
    if not kind.namespaced:
        return
    found = store.get(NAMESPACES, "", namespace)
    if found is None:
        raise not_found(NAMESPACES, namespace)
    if "deletionTimestamp" in found.obj["metadata"]:
        error = forbidden(
            kind,
            name,
            f"unable to create new content in namespace {namespace} because it is being terminated",
        )
        error.details = about(
            kind,
            name,
            causes=[
                {
                    "reason": "NamespaceTerminating",
                    "message": f"namespace {namespace} is being terminated",
                    "field": "metadata.namespace",
                }
            ],
        )
        raise error
