"""The objects of a job as they may be shown: as they would be made, or as the cluster has them."""

from __future__ import annotations

from typing import Any

from sovlab.core.plan import Manifests
from sovlab.executors.kubernetes.objects.trimming import Object
from sovlab.executors.kubernetes.objects.workloads import WorkloadKind
from sovlab.executors.kubernetes.submitting import Submission
from sovlab.kube.objects.redacting import published, shown
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import Forbidden, NotFound

_LATER = "assigned by the API server"


def planned(submission: Submission, *, check: bool) -> Manifests:
    """What a submit would make; with ``check`` the server has accepted it. Raises `ApiError`."""
    notes = submission.check() if check else []
    return Manifests(objects=[shown(obj) for obj in submission.manifests(uid=_LATER)], notes=notes)


def for_everybody(kind: WorkloadKind, workload: Object) -> dict[str, Any]:
    """A workload as the record of a run may have it, which others read; see `published`."""
    return published({**workload, "kind": kind.name})


def existing(api: Api, namespace: str, kind: WorkloadKind, workload: Object) -> Manifests:
    """What there is of a job: its workload, its Secrets, and its Service if it has one.

    Args:
        api: as the user who asks.
        namespace: the job's.
        kind: the workload's.
        workload: the object as the cluster has it.
    """
    job_id = workload["metadata"]["name"]
    objects, notes = [{"kind": kind.name, **workload}], []
    for plural, name in (("secrets", f"{job_id}-payload"), ("secrets", job_id), ("services", job_id)):
        try:
            objects.append(api.get(f"/api/v1/namespaces/{namespace}/{plural}/{name}"))
        except NotFound:
            continue
        except Forbidden:
            note = (
                f"Its {plural} are not shown: that needs the right to get {plural} in namespace {namespace}."
            )
            notes += [note] if note not in notes else []
    return Manifests(objects=[shown(obj) for obj in objects], notes=notes)
