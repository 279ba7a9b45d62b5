"""Having a cluster validate objects without creating them (``dryRun=All``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sovlab.kube.reading import explaining
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import ApiError, Forbidden, Invalid

Object = Mapping[str, Any]

_MAY_NOT = 'cannot create resource "pods"'
_CANNOT_SAY = "does not support dry run"
"""Part of the API server's message where a webhook may have side effects."""


def try_objects(api: Api, objects: Iterable[tuple[str, Object]]) -> list[str]:
    """Have the server validate objects, and a pod as the first of them would create it.

    A workload is accepted whatever its pods are like: quotas, Pod Security and policies look at the pods.

    Args:
        api: as the user who submits.
        objects: each with the path of its collection; the workload first.

    Returns:
        Sentences about what could not be checked.

    Raises:
        ApiError: the server would refuse one of them.
    """
    unchecked: list[str] = []
    workload: Object | None = None
    for path, obj in objects:
        workload = workload or obj
        try:
            api.create(path, obj, dry_run=True)
        except Invalid as error:
            if _CANNOT_SAY not in error.message:
                raise
            unchecked.append(
                f"The {obj['kind']} was not checked: a webhook of the cluster does not support dry runs."
            )
    if workload is not None:
        unchecked += _try_pod(api, workload)
    return unchecked


def _try_pod(api: Api, workload: Object) -> list[str]:
    namespace = workload["metadata"]["namespace"]
    if workload["kind"] == "TrainJob":
        return ["Its pods were not checked: Kubeflow Trainer creates them from its training runtime."]
    try:
        api.create(f"/api/v1/namespaces/{namespace}/pods", pod_of(workload), dry_run=True)
    except (Forbidden, Invalid) as error:
        if _MAY_NOT in error.message:
            right = f"that needs the right to create pods in namespace {namespace}"
            return [f"Whether the cluster would admit its pods was not checked: {right}."]
        if _CANNOT_SAY in error.message:
            return ["Its pods were not checked: a webhook of the cluster does not support dry runs."]
        why = explaining.not_created(error.message.partition(": ")[2].rstrip("."))
        raise type(error)(
            f"The cluster would reject its pods: {why}.",
            error.hint if "exceeded quota" in error.message else "",
            status=error.status,
            reason=error.reason,
        ) from error
    except ApiError as error:
        return [f"Whether the cluster would admit its pods was not checked: {error.message}"]
    return []


def pod_of(workload: Object) -> dict[str, Any]:
    """A pod as a Job or JobSet would make it."""
    spec = workload["spec"]
    if workload["kind"] == "JobSet":
        spec = spec["replicatedJobs"][0]["template"]["spec"]
    template = spec["template"]
    meta = {"name": f"{workload['metadata']['name']}-0", "namespace": workload["metadata"]["namespace"]}
    labels = (template.get("metadata") or {}).get("labels") or {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**meta, "labels": labels},
        "spec": template["spec"],
    }
