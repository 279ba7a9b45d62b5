"""Jobs on a Kubernetes cluster: all that is known of one is in the cluster, found by labels alone."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sovlab.executors.kubernetes.executor import KubernetesExecutor as KubernetesExecutor

__all__ = ["KubernetesExecutor"]


def __getattr__(name: str) -> Any:
    # Settings are read with `target` alone, which must not cost what jobs cost.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sovlab.executors.kubernetes.executor import KubernetesExecutor

    return KubernetesExecutor
