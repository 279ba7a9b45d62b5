"""What a target on a cluster may say: the keys of a ``[targets.NAME]`` with ``executor = "kubernetes"``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from sovlab.core.units import parse_bytes, parse_duration
from sovlab.errors import SettingsError, SpecError
from sovlab.settings.words import suggest

_Word = Annotated[str, msgspec.Meta(min_length=1)]
_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")]
_NameOrNone = Annotated[str, msgspec.Meta(pattern=r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$")]
_Runtime = Annotated[str, msgspec.Meta(pattern=r"^(TrainingRuntime/)?[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")]
_Positive = Annotated[float, msgspec.Meta(gt=0, lt=1e9)]


class Cluster(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Kubernetes cluster as a target.

    Attributes:
        context: of the kubeconfig; None with ``in_cluster``.
        in_cluster: use the service account of the pod that this runs in.
        kubeconfig: its file; None is what ``KUBECONFIG`` says, else ``~/.kube/config``.
        namespace: where jobs go; None is that of the context.
        image: in which jobs run, for all backends that ``images`` does not name.
        images: by backend.
        python: the interpreter in the image.
        queue: Kueue LocalQueue.
        priority: Kueue WorkloadPriorityClass where there is a queue, else Kubernetes PriorityClass.
        store: where payloads and results are kept: ``pvc:CLAIM`` or ``s3://BUCKET/PREFIX``.
        s3_endpoint: URL of the S3 service; None is that of the AWS settings.
        workload: what runs several nodes: ``job``, ``jobset`` or ``trainjob``.
        training_runtime: Kubeflow Trainer's runtime for ``trainjob``: a ClusterTrainingRuntime, or
            ``TrainingRuntime/NAME``.
        resources: extended resource by backend, e.g. a MIG profile.
        runtime_class: RuntimeClass by backend.
        node_selector: labels that nodes must have.
        tolerations: beside those of the backend, as Kubernetes writes them.
        service_account: of the pods.
        pull_secrets: names of Secrets for pulling images.
        user: UID of the containers.
        fs_group: GID of the volumes.
        cpu: cores that each process asks for if the job does not say.
        memory: bytes, likewise.
        keep: seconds after which the cluster deletes an ended job.
        hold: seconds that a pod holds results that nobody has fetched.
    """

    context: _Word | None = None
    in_cluster: bool = False
    kubeconfig: _Word | None = None
    namespace: _Name | None = None
    image: str = ""
    images: dict[str, _Word] = {}
    python: _Word = "python3"
    queue: _NameOrNone = ""
    priority: _NameOrNone = ""
    store: str = ""
    s3_endpoint: str | None = None
    workload: str = "job"
    training_runtime: _Runtime = "torch-distributed"
    resources: dict[str, _Word] = {}
    runtime_class: dict[str, _Word] = {}
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


_TEXTS = {"memory": parse_bytes, "keep": parse_duration, "hold": parse_duration}
_NAMES = ("namespace", "queue", "priority")
_CHOICES = {"workload": ("job", "jobset", "trainjob")}


def read_cluster(target: str, table: Mapping[str, Any], place: str, folder: Path) -> Cluster:
    """The cluster of a target.

    Args:
        target: its name.
        table: from the settings file, without ``executor``.
        place: file and line, for messages.
        folder: of the file, where a relative ``kubeconfig`` begins.

    Raises:
        SettingsError: a key is unknown or its value is wrong.
    """
    known = Cluster.__struct_fields__
    unknown = next((key for key in table if key not in known), None)
    if unknown is not None:
        raise SettingsError(
            f"{place}: target {target!r} has no setting {unknown!r}.",
            f"{suggest(unknown, known)}There are {', '.join(sorted(known))}.",
        )
    values = dict(table)
    try:
        for key, parse in _TEXTS.items():
            if isinstance(values.get(key), str):
                values[key] = parse(values[key])
        found = msgspec.convert(values, Cluster)
    except (msgspec.ValidationError, SpecError) as error:
        wrong = next((key for key in _NAMES if str(error).endswith(f"`$.{key}`")), None)
        if wrong is not None and isinstance(values[wrong], str):
            raise SettingsError(
                f"{place}: target {target!r} has {wrong} = {values[wrong]!r}.",
                "Give a name as clusters have them: small letters, digits, - and dots.",
            ) from error
        raise SettingsError(
            f"{place}: target {target!r}: {error}.".replace("..", "."), "Correct it."
        ) from error
    for key, choices in _CHOICES.items():
        if getattr(found, key) not in choices:
            raise SettingsError(
                f"{place}: target {target!r} has {key} = {getattr(found, key)!r}.",
                f"There are {', '.join(choices)}.",
            )
    if (found.context is None) == (not found.in_cluster):
        raise SettingsError(
            f"{place}: target {target!r} names no cluster."
            if found.context is None
            else f"{place}: target {target!r} names a context and says in_cluster.",
            'Set context = "…" to one of the kubeconfig, or in_cluster = true.',
        )
    if found.store and not found.store.startswith(("pvc:", "s3://")):
        raise SettingsError(
            f"{place}: target {target!r} has the store {found.store!r}.",
            'Write "pvc:CLAIM" or "s3://BUCKET/PREFIX".',
        )
    if found.kubeconfig is not None:
        path = folder / Path(found.kubeconfig).expanduser()
        found = msgspec.structs.replace(found, kubeconfig=str(path))
    return found
