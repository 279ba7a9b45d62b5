"""What a target on a cluster may say: the keys of ``[targets.NAME.kubernetes]``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from sovlab.errors import SettingsError
from sovlab.executors.provider import ClusterAccess, ConfiguredTarget, ExecutorProvider
from sovlab.kube.objects.profile import CHOICES, OBJECT_NAMES, TEXTS, ClusterProfile, Word
from sovlab.settings import Target
from sovlab.settings.sections import read_section

if TYPE_CHECKING:
    from sovlab.core.finding import Finding
    from sovlab.executors.kubernetes.executor import KubernetesExecutor
    from sovlab.kube.transport.connection import Login

_PATIENCE = 2.0
"""Seconds for which a question that nothing depends on is asked again."""


class KubernetesSection(ClusterProfile, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a target on a cluster: how to reach it, and what `ClusterProfile` says of it.

    Attributes:
        context: of the kubeconfig; None with ``in_cluster``.
        in_cluster: use the service account of the pod that this runs in.
        kubeconfig: its file; None is what ``KUBECONFIG`` says, else ``~/.kube/config``.
    """

    context: Word | None = None
    in_cluster: bool = False
    kubeconfig: Word | None = None

    @property
    def login(self) -> Login:
        """Where the cluster is, and who we are there."""
        from sovlab.kube.transport.connection import Login

        path = Path(self.kubeconfig) if self.kubeconfig is not None else None
        return Login(context=self.context, kubeconfig=path)


def read(target: Target) -> KubernetesSection:
    """The section of a target on a cluster.

    Raises:
        SettingsError: a key is unknown or its value is wrong.
    """
    section = read_section(target, KubernetesSection, texts=TEXTS, choices=CHOICES, object_names=OBJECT_NAMES)
    subject = f"{target.source}: target {target.name!r}"
    if (section.context is None) == (not section.in_cluster):
        raise SettingsError(
            f"{subject} names no cluster."
            if section.context is None
            else f"{subject} sets both context and in_cluster.",
            'Set context = "…" to one of the kubeconfig, or in_cluster = true.',
        )
    if section.store and not (section.claim or section.bucket):
        raise SettingsError(
            f"{subject} has the store {section.store!r}.", 'Write "pvc:CLAIM" or "s3://BUCKET/PREFIX".'
        )
    if section.kubeconfig is not None:
        path = target.folder / Path(section.kubeconfig).expanduser()
        section = msgspec.structs.replace(section, kubeconfig=str(path))
    return section


def make(configured: ConfiguredTarget) -> KubernetesExecutor:
    """The executor of a target on a cluster.

    Raises:
        CredentialsError: its kubeconfig cannot be used.
    """
    from sovlab.executors.kubernetes.executor import KubernetesExecutor
    from sovlab.kube.transport.connection import namespace_of

    section: KubernetesSection = configured.options
    if section.kubeconfig is None and not section.in_cluster:
        for brought in configured.settings.brought:
            if "KUBECONFIG" in brought.keys:
                raise SettingsError(
                    f"{brought.path} sets KUBECONFIG, which came with the folder: a kubeconfig says which "
                    "program logs you in.",
                    f"Set kubeconfig for target {configured.name} in your settings, or take this one by "
                    "sovlab trust, in that folder.",
                )
    login = section.login
    if not section.namespace:
        section = msgspec.structs.replace(section, namespace=namespace_of(login))
    return KubernetesExecutor(
        configured.name,
        login,
        section,
        configured.settings.state,
        key_file=configured.settings.key_file,
    )


def where(section: KubernetesSection) -> str:
    """The cluster and namespace, as far as the settings name them."""
    place = f"context {section.context}" if section.context is not None else "this cluster"
    return f"{place}, namespace {section.namespace}" if section.namespace else place


def examine(configured: ConfiguredTarget) -> list[Finding]:
    """See `sovlab.executors.kubernetes.examining.examine`."""
    from sovlab.executors.kubernetes.examining import examine as look

    return look(configured.name, configured.options, configured.settings.state)


def cluster(configured: ConfiguredTarget) -> ClusterAccess:
    """How the cluster's API is asked, and where the pods are. Raises `CredentialsError`."""
    from sovlab.kube.transport.api import Api
    from sovlab.kube.transport.connection import namespace_of

    section: KubernetesSection = configured.options
    api = Api(section.login, patience=_PATIENCE)

    def get(path: str, params: Mapping[str, str], seconds: float) -> bytes:
        return api.call("GET", path, params, read_timeout=seconds)

    return ClusterAccess(get, section.namespace or namespace_of(section.login))


PROVIDER = ExecutorProvider(read=read, make=make, where=where, examine=examine, cluster=cluster)
