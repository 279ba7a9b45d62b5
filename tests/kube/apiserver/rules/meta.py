"""What may be in the metadata of any object."""

from __future__ import annotations

from typing import Any

from tests.kube.apiserver.objects.store import Object
from tests.kube.apiserver.protocol.problems import Problems
from tests.kube.apiserver.protocol.values import label_value_problems, name_problems, qualified_problems

ANNOTATIONS_LIMIT = 256 * 1024


def check_metadata(obj: Object, problems: Problems, *, label: bool) -> None:
    """Name, labels, annotations, owners and finalizers of an object."""
    metadata = obj["metadata"]
    name = metadata.get("name") or ""
    if not name:
        problems.required("metadata.name", "name or generateName is required")
    for why in name_problems(name, label=label) if name else []:
        problems.invalid("metadata.name", name, why)
    check_labels(metadata.get("labels") or {}, "metadata.labels", problems)
    check_annotations(metadata.get("annotations") or {}, "metadata.annotations", problems)
    for owner in metadata.get("ownerReferences") or []:
        for key in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(key):
                why = "version must not be empty" if key == "apiVersion" else "must not be empty"
                problems.invalid(f"metadata.ownerReferences.{key}", owner.get(key, ""), why)
    owners = [owner for owner in metadata.get("ownerReferences") or [] if owner.get("controller")]
    if len(owners) > 1:
        why = 'Only one reference can have Controller set to true. Found "true" in references for '
        problems.invalid(
            "metadata.ownerReferences",
            metadata["ownerReferences"],
            why + " and ".join(f"{owner.get('kind')}/{owner.get('name')}" for owner in owners[:2]),
        )
    for index, item in enumerate(metadata.get("finalizers") or []):
        if "/" not in item and item not in ("orphan", "foregroundDeletion", "kubernetes"):
            problems.invalid(
                f"metadata.finalizers[{index}]",
                item,
                "name is neither a standard finalizer name nor is it fully qualified",
            )


def check_labels(labels: dict[str, Any], where: str, problems: Problems) -> None:
    """Keys and values of labels."""
    for key, value in labels.items():
        for why in qualified_problems(key):
            problems.invalid(where, key, why)
        for why in label_value_problems(value):
            problems.invalid(where, value, why)


def check_annotations(annotations: dict[str, Any], where: str, problems: Problems) -> None:
    """Keys of annotations, and their size together."""
    for key in annotations:
        for why in qualified_problems(key.lower()):
            problems.invalid(where, key, why)
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > ANNOTATIONS_LIMIT:
        problems.too_long(where, ANNOTATIONS_LIMIT)
