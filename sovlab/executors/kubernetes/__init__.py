"""Jobs on a Kubernetes cluster: all that is known of one is in the cluster, found by labels alone."""

from sovlab.executors.kubernetes.executor import KubernetesExecutor

__all__ = ["KubernetesExecutor"]
