"""`ClusterProfile`: where in a cluster jobs go and how they must look there, as a target's settings say it.

A new key of ``[targets.NAME.kubernetes]`` is one field here and what acts on it.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from sovlab.core.units import parse_bytes, parse_duration

Word = Annotated[str, msgspec.Meta(min_length=1)]
_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")]
_NameOrNone = Annotated[str, msgspec.Meta(pattern=r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$")]
_Runtime = Annotated[str, msgspec.Meta(pattern=r"^(TrainingRuntime/)?[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")]
_Positive = Annotated[float, msgspec.Meta(gt=0, lt=1e9)]

TEXTS = {"memory": parse_bytes, "keep": parse_duration, "hold": parse_duration}
"""Keys that may be text like ``2G`` or ``30m``, and what makes their value of it."""
OBJECT_NAMES = ("namespace", "queue", "priority")
"""Keys that hold names of objects in the cluster."""
CHOICES = {"workload": ("job", "jobset", "trainjob")}
"""Keys that have few values."""


class ClusterProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What a target says of its cluster.

    Attributes:
        namespace: where all objects go; empty for that of the context.
        image: in which jobs run, for all backends that ``images`` does not name.
        images: by backend.
        python: the interpreter in the image.
        queue: Kueue LocalQueue; empty for none.
        priority: Kueue WorkloadPriorityClass where there is a queue, else Kubernetes PriorityClass.
        store: where payloads and results are kept: ``pvc:CLAIM`` or ``s3://BUCKET/PREFIX``; empty for none.
        s3_endpoint: URL of the S3 service; None is that of the AWS settings.
        workload: what runs several nodes: ``job``, ``jobset`` or ``trainjob``.
        training_runtime: Kubeflow Trainer's runtime for ``trainjob``: a ClusterTrainingRuntime, or
            ``TrainingRuntime/NAME`` of the namespace.
        resources: extended resource by backend, where it is not the vendor's usual one (MIG).
        runtime_class: RuntimeClass by backend, where it is not the backend's own.
        node_selector: labels that nodes must have.
        tolerations: beside those of the backend, as Kubernetes writes them.
        service_account: of the pods; empty for the namespace's default.
        pull_secrets: names of Secrets for pulling images.
        user: UID that containers run as; None leaves it to the image or, on OpenShift, to the cluster.
        fs_group: GID that volumes are given; None leaves them.
        cpu: cores that each process asks for if the job does not say.
        memory: bytes, likewise.
        keep: seconds after which the cluster deletes an ended job.
        hold: seconds that a pod holds results that nobody has fetched.
    """

    namespace: _NameOrNone = ""
    image: str = ""
    images: dict[str, Word] = {}
    python: Word = "python3"
    queue: _NameOrNone = ""
    priority: _NameOrNone = ""
    store: str = ""
    s3_endpoint: str | None = None
    workload: str = "job"
    training_runtime: _Runtime = "torch-distributed"
    resources: dict[str, Word] = {}
    runtime_class: dict[str, Word] = {}
    node_selector: dict[str, str] = {}
    tolerations: list[dict[str, Any]] = []
    service_account: str = ""
    pull_secrets: list[_Name] = []
    user: int | None = None
    fs_group: int | None = None
    cpu: _Positive = 0.5
    memory: int = 512 << 20
    keep: float = 86400.0
    hold: float = 1800.0

    @property
    def claim(self) -> str:
        """PersistentVolumeClaim that is the store; empty if that is none, or there is none."""
        return self.store.removeprefix("pvc:") if self.store.startswith("pvc:") else ""

    @property
    def bucket(self) -> str:
        """``s3://BUCKET/PREFIX`` that is the store; empty if that is none, or there is none."""
        return self.store if self.store.startswith("s3://") else ""

    def image_for(self, backend: str) -> str:
        """The image for a backend; empty if the target names none."""
        return self.images.get(backend) or self.image
