"""Manifests: from a request and a profile to the objects to create in a cluster. Pure.

One pod is a Job; several are an Indexed Job with a headless Service, a JobSet, or a TrainJob. The workload
comes first and suspended; what it needs (a Secret with what was sent, the Service) is owned by it, so that
deleting the workload deletes all. It is resumed when everything is there.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from sovlab.core.backend import Backend
from sovlab.core.spec import JobSpec
from sovlab.kube import labels
from sovlab.kube.mounts import GIVEN, STORE
from sovlab.kube.objects import podspec, trainjob
from sovlab.kube.objects.profile import ClusterProfile

Manifest = dict[str, Any]

API_VERSIONS = {
    "Job": "batch/v1",
    "JobSet": "jobset.x-k8s.io/v1alpha2",
    "TrainJob": "trainer.kubeflow.org/v1alpha1",
}
_KINDS = {"job": "Job", "jobset": "JobSet", "trainjob": "TrainJob"}
_REPLICATED = "n"
"""Name of a JobSet's replicated job: short, as it is part of the names of pods."""
SECRET_LIMIT = 1 << 20
"""Bytes that a Secret may hold."""


def workload(
    job_id: str,
    spec: JobSpec,
    backend: Backend,
    profile: ClusterProfile,
    annotations: Mapping[str, str],
    owner: Mapping[str, str] | None = None,
) -> Manifest:
    """The Job, JobSet or TrainJob of a request, suspended.

    Args:
        job_id: the name of the workload.
        spec: the request.
        backend: the hardware that it runs on.
        profile: the target's cluster.
        annotations: those of the workload, see `sovlab.kube.labels`.
        owner: label of who submits it, of all objects.

    Raises:
        SpecError: the target sets something that its kind of workload does not support.
    """
    workload_kind = kind(spec, profile)
    common = {**_labels(job_id), **(owner or {})}
    job = _job(job_id, spec, backend, profile, common)
    workload_labels = {**common, **_queue(profile)}
    if labels.HELD in annotations:
        workload_labels.pop(labels.QUEUE, None)
    meta = {
        "name": job_id,
        "namespace": profile.namespace,
        "labels": workload_labels,
        "annotations": dict(annotations),
    }
    head = {"apiVersion": API_VERSIONS[workload_kind], "kind": workload_kind, "metadata": meta}
    if workload_kind == "Job":
        return {**head, "spec": {"suspend": True, **job}}
    if workload_kind == "TrainJob":
        pod = job["template"]["spec"]
        return {**head, "spec": {"suspend": True, **trainjob.spec(spec, profile, pod, common)}}
    template = {"metadata": {"labels": common}, "spec": job}
    ttl = job.pop("ttlSecondsAfterFinished")
    return {
        **head,
        "spec": {
            "suspend": True,
            "ttlSecondsAfterFinished": ttl,
            "network": {"enableDNSHostnames": True, "publishNotReadyAddresses": True, "subdomain": job_id},
            # A rank that is replaced cannot join the others: all begin anew, from their checkpoint.
            "failurePolicy": {
                "maxRestarts": 0,
                # That the cluster took a node away is said by the JobSet, too, whose pods go with it.
                "rules": [
                    {
                        "name": "nodeTakenAway",
                        "action": "FailJobSet",
                        "onJobFailureReasons": ["PodFailurePolicy"],
                    }
                ],
            },
            "replicatedJobs": [{"name": _REPLICATED, "replicas": 1, "template": template}],
        },
    }


def kind(spec: JobSpec, profile: ClusterProfile) -> str:
    """What a request becomes: ``Job``, ``JobSet`` or ``TrainJob``."""
    return _KINDS[profile.workload] if spec.nodes > 1 else "Job"


def rendezvous(job_id: str, spec: JobSpec, profile: ClusterProfile) -> str:
    """``host:port`` at which the ranks of several nodes meet."""
    between = {"Job": "", "JobSet": f"{_REPLICATED}-0-", "TrainJob": f"{trainjob.STEP}-0-"}[
        kind(spec, profile)
    ]
    return f"{job_id}-{between}0.{job_id}:{labels.port(job_id)}"


def secret(
    job_id: str, profile: ClusterProfile, owner: Manifest, data: Mapping[str, bytes], *, part: str = ""
) -> Manifest:
    """The Secret with what a job is sent: runner, order and, if small, the payload."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _owned(f"{job_id}{part}", job_id, profile, owner),
        "type": "Opaque",
        "immutable": True,
        "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
    }


def service(job_id: str, profile: ClusterProfile, owner: Manifest) -> Manifest:
    """The headless Service that gives the pods of an Indexed Job their names."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _owned(job_id, job_id, profile, owner),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {labels.JOB_NAME: job_id},
            "ports": [{"name": "rendezvous", "port": labels.port(job_id)}],
        },
    }


def reader(name: str, owner: Manifest, profile: ClusterProfile, backend: str, *, seconds: int) -> Manifest:
    """A pod that mounts the store for a while, so that the client can read it by exec commands.

    Args:
        name: what the pod is called.
        owner: the workload whose results are read; its Secret holds the runner.
        profile: the target's cluster.
        backend: name of the backend whose image the pod gets.
        seconds: the pod ends by itself after this time.
    """
    job_id = str(owner["metadata"]["name"])
    meta = _owned(name, job_id, profile, owner)
    del meta["labels"][labels.JOB]  # it is no pod of the job
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": seconds,
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": podspec.security(profile),
            **podspec.account(profile),
            "containers": [
                {
                    "name": labels.CONTAINER,
                    "image": profile.image_for(backend),
                    "imagePullPolicy": "IfNotPresent",
                    "command": [profile.python, f"{GIVEN}/runner.pyz", "idle", str(seconds)],
                    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
                    "securityContext": podspec.CONTAINER_SECURITY,
                    "volumeMounts": [
                        {"name": "given", "mountPath": GIVEN, "readOnly": True},
                        {"name": "store", "mountPath": STORE},
                    ],
                }
            ],
            "volumes": [
                {"name": "given", "secret": {"secretName": job_id, "defaultMode": 0o444}},
                podspec.claim(profile),
            ],
        },
    }


def _owned(name: str, job_id: str, profile: ClusterProfile, owner: Manifest) -> Manifest:
    """Metadata of what belongs to a workload, and to its user."""
    meta = owner["metadata"]
    marked, told = meta.get("labels") or {}, meta.get("annotations") or {}
    return {
        "name": name,
        "namespace": profile.namespace,
        "labels": {**_labels(job_id), **_only(marked, labels.OWNER)},
        **({"annotations": named} if (named := _only(told, labels.OWNER_NAME)) else {}),
        "ownerReferences": [
            {
                "apiVersion": API_VERSIONS[owner["kind"]],
                "kind": owner["kind"],
                "name": owner["metadata"]["name"],
                "uid": owner["metadata"].get("uid", ""),
                "blockOwnerDeletion": False,
                "controller": False,
            }
        ],
    }


def _labels(job_id: str) -> dict[str, str]:
    return {labels.MANAGED_BY: labels.MANAGER, "app.kubernetes.io/name": "sovlab-job", labels.JOB: job_id}


def _only(marks: Mapping[str, str], key: str) -> dict[str, str]:
    return {key: marks[key]} if key in marks else {}


def _queue(profile: ClusterProfile) -> dict[str, str]:
    if not profile.queue:
        return {}
    return {labels.QUEUE: profile.queue, **({labels.PRIORITY: profile.priority} if profile.priority else {})}


def _job(
    job_id: str, spec: JobSpec, backend: Backend, profile: ClusterProfile, common: Mapping[str, str]
) -> Manifest:
    """The spec of the Job, without ``suspend``."""
    disrupted = {"onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    several = spec.nodes > 1
    endpoint = rendezvous(job_id, spec, profile) if several else ""
    # The pod of one node is replaced if its node is wanted or lost; one of several cannot join the others.
    policy = [{"action": "FailJob" if several else "Ignore", **disrupted}]
    shape: Manifest = {"completions": spec.nodes, "parallelism": spec.nodes}
    return {
        **shape,
        "completionMode": "Indexed" if several else "NonIndexed",
        "backoffLimit": 0,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": policy},
        "ttlSecondsAfterFinished": int(min(profile.keep, podspec.LONGEST)),
        "template": {
            "metadata": {"labels": dict(common)},
            "spec": podspec.pod(job_id, spec, backend, profile, rendezvous=endpoint),
        },
    }
