"""`ClusterProfile`: where in a cluster jobs go and how they must look there, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterProfile:
    """What a target says of its cluster.

    Attributes:
        namespace: where all objects go.
        images: image by backend; under ``""`` the one for backends that are not named.
        python: the interpreter in the image.
        queue: Kueue LocalQueue; empty for none.
        priority: Kueue WorkloadPriorityClass where there is a queue, else Kubernetes PriorityClass.
        claim: PersistentVolumeClaim that is the store; empty for none.
        bucket: ``s3://BUCKET/PREFIX`` that is the store; empty for none.
        s3_endpoint: URL of the S3 service; None is that of the AWS settings.
        workload: what runs several nodes: ``job``, ``jobset`` or ``trainjob``.
        training_runtime: of a TrainJob: that of the cluster, or ``TrainingRuntime/NAME`` of the namespace.
        resources: extended resource by backend, where it is not the vendor's usual one (MIG).
        runtime_class: by backend, where it is not the backend's own.
        node_selector: labels that nodes must have.
        tolerations: beside those of the backend.
        service_account: empty for the namespace's default.
        pull_secrets: names of Secrets for pulling images.
        user: UID that containers run as; None leaves it to the image or, on OpenShift, to the cluster.
        fs_group: GID that volumes are given; None leaves them.
        cpu, memory: cores and bytes that each process asks for if the job does not say.
        keep: seconds after which the cluster deletes an ended job.
        hold: seconds that a pod holds results that nobody has fetched.
    """

    namespace: str
    images: Mapping[str, str] = field(default_factory=dict)
    python: str = "python3"
    queue: str = ""
    priority: str = ""
    claim: str = ""
    bucket: str = ""
    s3_endpoint: str | None = None
    workload: str = "job"
    training_runtime: str = "torch-distributed"
    resources: Mapping[str, str] = field(default_factory=dict)
    runtime_class: Mapping[str, str] = field(default_factory=dict)
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ()
    service_account: str = ""
    pull_secrets: tuple[str, ...] = ()
    user: int | None = None
    fs_group: int | None = None
    cpu: float = 0.5
    memory: int = 512 << 20
    keep: float = 86400.0
    hold: float = 1800.0

    def image(self, backend: str) -> str:
        """The image for a backend; empty if the target names none."""
        return self.images.get(backend) or self.images.get("", "")
