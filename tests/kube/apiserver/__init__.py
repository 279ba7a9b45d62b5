"""A fake Kubernetes cluster for tests: the API over HTTPS, and each container's command as a local process.

The rule: it is never kinder than the real one. What it refuses, forgets, delays and cuts off, a real cluster
does too; where it differs, `DIFFERENCES` in this docstring's module says so.

    with FakeCluster(tmp_path, nodes=["a", "b"], users={"ada": edit("default")}) as cluster:
        cluster.kubeconfig_for("ada"), cluster.faults.add("watch pods", drop(after_events=1))
"""

from __future__ import annotations

from .auth import Rule, edit, kueue_user
from .cluster import FakeCluster, Node, Record
from .faults import Fault, answered, close, cut, delay, drop, error_event, lost, respond, stall

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
