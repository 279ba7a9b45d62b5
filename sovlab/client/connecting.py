"""From a target's settings to its executor: the values that the adapter for Kubernetes is given."""

from __future__ import annotations

from pathlib import Path

from sovlab.executors.kubernetes import KubernetesExecutor
from sovlab.kube.objects.profile import ClusterProfile
from sovlab.kube.transport.connection import Login
from sovlab.settings import Cluster


def login_of(cluster: Cluster) -> Login:
    """Where the cluster of a target is, and who we are there."""
    path = Path(cluster.kubeconfig) if cluster.kubeconfig is not None else None
    return Login(context=cluster.context, kubeconfig=path)


def profile_of(cluster: Cluster, namespace: str) -> ClusterProfile:
    """What a target says of its cluster.

    Args:
        cluster: its settings.
        namespace: that of the context, for targets that name none.
    """
    return ClusterProfile(
        namespace=cluster.namespace or namespace,
        images={**({"": cluster.image} if cluster.image else {}), **cluster.images},
        python=cluster.python,
        queue=cluster.queue,
        priority=cluster.priority,
        claim=cluster.store.removeprefix("pvc:") if cluster.store.startswith("pvc:") else "",
        bucket=cluster.store if cluster.store.startswith("s3://") else "",
        s3_endpoint=cluster.s3_endpoint,
        workload=cluster.workload,
        training_runtime=cluster.training_runtime,
        resources=cluster.resources,
        runtime_class=cluster.runtime_class,
        node_selector=cluster.node_selector,
        tolerations=tuple(cluster.tolerations),
        service_account=cluster.service_account,
        pull_secrets=tuple(cluster.pull_secrets),
        user=cluster.user,
        fs_group=cluster.fs_group,
        cpu=cluster.cpu,
        memory=cluster.memory,
        keep=cluster.keep,
        hold=cluster.hold,
    )


def executor_for(name: str, cluster: Cluster, state: Path) -> KubernetesExecutor:
    """The executor of a target on a cluster.

    Raises:
        CredentialsError: its kubeconfig cannot be used.
    """
    from sovlab.kube.transport.connection import namespace_of

    login = login_of(cluster)
    namespace = cluster.namespace or namespace_of(login)
    return KubernetesExecutor(name, login, profile_of(cluster, namespace), state)
