"""What happened to the objects of a job, as far as we may see it."""

from __future__ import annotations

from typing import Any

from sovlab.core.plan import Happening, Past
from sovlab.executors.kubernetes.objects.trimming import Object
from sovlab.executors.kubernetes.objects.workloads import WorkloadKind
from sovlab.kube import labels
from sovlab.kube.reading import happenings
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import Forbidden

_PODS, _EVENTS = 8, 100
"""Of a job that are looked at, and of an object."""


def existing(api: Api, namespace: str, kind: WorkloadKind, job_id: str) -> Past:
    """What happened to a job's workload and its first pods.

    Args:
        api: as the user who asks.
        namespace: the job's.
        kind: the workload's.
        job_id: its name.

    Raises:
        ClusterError: the cluster gives no answer.
    """
    core = f"/api/v1/namespaces/{namespace}"
    workload = api.get(f"{kind.path}/{job_id}")
    selector = f"{labels.MANAGED_BY}={labels.MANAGER},{labels.JOB}={job_id}"
    pods = api.get(f"{core}/pods", labelSelector=selector).get("items") or []
    found, notes = happenings.of_workload(workload, kind.name), list[str]()
    for pod in pods[:_PODS]:
        found += happenings.of_pod(pod)
    if len(pods) > _PODS:
        notes.append(f"Of its {len(pods)} pods {_PODS} were looked at.")
    try:
        found += _events(api, core, workload, f"{kind.name} {job_id}")
        for pod in pods[:_PODS]:
            found += _events(api, core, pod, f"Pod {pod['metadata']['name']}")
    except Forbidden:
        notes.append(
            f"Events of the cluster are not shown: that needs the right to list events in {namespace}."
        )
    return Past(happenings=tuple(found), notes=tuple(notes))


def _events(api: Api, core: str, obj: Object, of: str) -> list[Happening]:
    query: dict[str, Any] = {"fieldSelector": f"involvedObject.uid={obj['metadata'].get('uid')}"}
    return happenings.of_events(api.get(f"{core}/events", limit=_EVENTS, **query).get("items") or [], of)
