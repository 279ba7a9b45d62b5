"""A fake Kubernetes cluster for tests: the API over HTTPS, and each container's command as a local process.

    with FakeCluster(tmp_path, nodes=["a", "b"], users={"ada": edit("default")}) as cluster:
        cluster.kubeconfig_for("ada")
        cluster.faults.add("watch pods", drop(after_events=1), times=3)

The rule: it is never kinder than the real one. Its texts, statuses and orders of events were compared with
Kubernetes 1.36 on containerd. Where it cannot be like the real one, it says so here:

- Containers share this machine: its files, users, network and host name (HOSTNAME is the pod's, `hostname`
  is not). There are no images, and no limits but that of memory; securityContext is checked, not applied.
- Mounts are rewritten paths in commands and environments (`kubelet/rewriting.py`); a path that a program has
  in its own text, or in a mounted file, is not found. Read-only mounts can be written to.
- Names of pods become addresses when a container starts, not when it asks; a pod that follows another under
  the same name has the same address. Ports are the machine's: two pods cannot both listen on all addresses.
- A volume does not follow changes of its Secret or ConfigMap.
- Of the scheduler there are no preemption, no spreading and no pod affinity; of Jobs no backoffLimitPerIndex
  and no successPolicy; of Kueue no cohorts, checks or topologies; of JobSet no startup order.
- Custom resources have no schemas. Exec is spoken over WebSocket only; there are no attach and port-forward.
- The delays are short unless they are set; FakeCluster names the real ones.
"""

from __future__ import annotations

from .access.auth import Rule, edit, kueue_user
from .cluster import FakeCluster, Record
from .faults import Fault, answered, close, cut, delay, drop, error_event, lost, respond, stall
from .handles import Node

__all__ = [
    "FakeCluster",
    "Fault",
    "Node",
    "Record",
    "Rule",
    "answered",
    "close",
    "cut",
    "delay",
    "drop",
    "edit",
    "error_event",
    "kueue_user",
    "lost",
    "respond",
    "stall",
]
