"""The pod of a job: what it runs, what it is given, and what it may use. Pure.

Pods fulfil the *restricted* Pod Security Standard and OpenShift's ``restricted-v2`` as they are.
"""

from __future__ import annotations

import math
from typing import Any

from sovlab.core.backend import Backend
from sovlab.core.spec import JobSpec
from sovlab.kube import labels
from sovlab.kube.mounts import GIVEN, SHM, STORE, TERMINATION, WORK
from sovlab.kube.objects.profile import ClusterProfile

Manifest = dict[str, Any]

GRACE = 120
"""Seconds that a pod gets at least between SIGTERM and SIGKILL; the runner keeps the job's own grace."""
_MARGIN = 15
_START = 900
"""Seconds that a pod's deadline leaves for pulling an image."""
LONGEST = (1 << 31) - 1
"""Longest deadline or time to live that Kubernetes accepts, in seconds."""
CONTAINER_SECURITY: Manifest = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def pod(
    job_id: str, spec: JobSpec, backend: Backend, profile: ClusterProfile, *, rendezvous: str = ""
) -> Manifest:
    """The spec of a job's pods.

    Args:
        job_id: also the subdomain of the pods of several nodes.
        spec: the request.
        backend: the hardware that it runs on.
        profile: the target's cluster.
        rendezvous: ``host:port`` at which the ranks of several nodes meet; empty for one node.
    """
    grace = max(math.ceil(min(spec.grace, LONGEST - _MARGIN)) + _MARGIN, GRACE)
    manifest: Manifest = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace,
        "securityContext": security(profile),
        **account(profile),
        "containers": [_container(spec, backend, profile, rendezvous)],
        "volumes": _volumes(job_id, spec, profile),
    }
    if spec.timeout is not None:
        # The runner keeps the time itself and says so; this is for a runner that cannot.
        deadline = spec.timeout + grace + profile.hold + _START
        manifest["activeDeadlineSeconds"] = math.ceil(min(deadline, LONGEST))
    if spec.nodes > 1:
        manifest["subdomain"] = job_id
    runtime = profile.runtime_class.get(backend.name, backend.runtime_class)
    if runtime:
        manifest["runtimeClassName"] = runtime
    if profile.priority and not profile.queue:
        manifest["priorityClassName"] = profile.priority
    if profile.node_selector:
        manifest["nodeSelector"] = dict(profile.node_selector)
    tolerations = [dict(t) for t in (*backend.tolerations, *profile.tolerations)]
    if tolerations:
        manifest["tolerations"] = tolerations
    return manifest


def _container(spec: JobSpec, backend: Backend, profile: ClusterProfile, rendezvous: str) -> Manifest:
    mounts = [
        {"name": "given", "mountPath": GIVEN, "readOnly": True},
        {"name": "work", "mountPath": WORK},
        {"name": "shm", "mountPath": SHM},
    ]
    command = [profile.python, f"{GIVEN}/runner.pyz", "pod", GIVEN, WORK, TERMINATION]
    if profile.claim:
        mounts.append({"name": "store", "mountPath": STORE})
        command.append(STORE)
    env = [{"name": "SOVLAB_RENDEZVOUS", "value": rendezvous}] if rendezvous else []
    return {
        "name": labels.CONTAINER,
        "image": profile.image_for(backend.name),
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        **({"env": env} if env else {}),
        "resources": resources(spec, backend, profile),
        "securityContext": CONTAINER_SECURITY,
        "terminationMessagePath": TERMINATION,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts,
    }


def _volumes(job_id: str, spec: JobSpec, profile: ClusterProfile) -> list[Manifest]:
    sources = [{"secret": {"name": job_id}}, {"secret": {"name": f"{job_id}-payload", "optional": True}}]
    memory: Manifest = {"medium": "Memory"}
    if spec.resources.memory is not None:
        memory["sizeLimit"] = str(spec.resources.memory)
    volumes: list[Manifest] = [
        {"name": "given", "projected": {"defaultMode": 0o444, "sources": sources}},
        {"name": "work", "emptyDir": {}},
        {"name": "shm", "emptyDir": memory},
    ]
    if profile.claim:
        volumes.append(claim(profile))
    return volumes


def resources(spec: JobSpec, backend: Backend, profile: ClusterProfile) -> Manifest:
    """Requests and limits of a container: both for what the job asks for, a request for what it does not."""
    requested = spec.resources
    requests = {
        "cpu": quantity(requested.cpu if requested.cpu is not None else profile.cpu * spec.procs),
        "memory": str(requested.memory if requested.memory is not None else profile.memory * spec.procs),
    }
    limits = {}
    if requested.cpu is not None:
        limits["cpu"] = requests["cpu"]
    if requested.memory is not None:
        limits["memory"] = requests["memory"]
    if requested.gpus:
        device = profile.resources.get(backend.name, backend.resource)
        limits[device] = requests[device] = str(requested.gpus)
        for name, size in backend.beside.items():
            limits[name] = requests[name] = str(size * requested.gpus)
    return {"requests": requests, **({"limits": limits} if limits else {})}


def quantity(cores: float) -> str:
    """Cores as Kubernetes writes them: ``2``, ``500m``."""
    return str(int(cores)) if float(cores).is_integer() else f"{max(round(cores * 1000), 1)}m"


def security(profile: ClusterProfile) -> Manifest:
    """The security context of a pod: what the restricted level requires, and the profile's UID and GID."""
    context: Manifest = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    if profile.user is not None:
        context |= {"runAsUser": profile.user, "runAsGroup": 0}
    if profile.fs_group is not None:
        context |= {"fsGroup": profile.fs_group, "fsGroupChangePolicy": "OnRootMismatch"}
    return context


def account(profile: ClusterProfile) -> Manifest:
    """The service account of a pod, and the Secrets by which its image is pulled."""
    fields: Manifest = {}
    if profile.service_account:
        fields["serviceAccountName"] = profile.service_account
    if profile.pull_secrets:
        fields["imagePullSecrets"] = [{"name": name} for name in profile.pull_secrets]
    return fields


def claim(profile: ClusterProfile) -> Manifest:
    """The volume that is the target's store."""
    return {"name": "store", "persistentVolumeClaim": {"claimName": profile.claim}}
