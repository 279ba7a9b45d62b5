"""The power of a job's devices, as the log of its first pod tells it."""

from __future__ import annotations

from collections.abc import Sequence

from sovlab.core.energy.history import PowerHistory
from sovlab.executors.kubernetes.objects.trimming import Object
from sovlab.executors.power import Sieve, history_in
from sovlab.kube.reading import status
from sovlab.kube.reading.pods import container_name
from sovlab.kube.transport.api import READ, Api
from sovlab.kube.transport.errors import ClusterError


def power_history(api: Api, namespace: str, pods: Sequence[Object], nonce: str) -> PowerHistory:
    """Read it; nothing is known where there is no log (any more), or it may not be read.

    Args:
        api: of the cluster.
        namespace: of the job.
        pods: of the job.
        nonce: marks its frames.
    """
    first = next((pod for pod in map(dict, status.newest(list(pods))) if status.index(pod) == 0), None)
    if first is None:
        return PowerHistory()
    path = f"/api/v1/namespaces/{namespace}/pods/{first['metadata']['name']}/log"
    sieve = Sieve(nonce)
    try:
        with api.stream(path, {"container": container_name(first)}, read_timeout=READ) as stream:
            for chunk in stream.chunks():
                sieve.feed(chunk)
    except ClusterError:
        pass  # what came before may be enough
    return history_in(sieve.kept, nonce)
