"""What people say of a target on a cluster when they add it: one list for the shell and the magic."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTarget:
    """A target as it is asked for; the rest is found out from the cluster.

    Attributes:
        context: of the kubeconfig; None takes the only one that there is.
        kubeconfig: its file; None is what ``KUBECONFIG`` says, else ``~/.kube/config``.
        in_cluster: use the service account of the pod that this runs in.
        namespace: where jobs go; None is that of the context.
        image: in which jobs run.
        queue: Kueue LocalQueue.
        priority: Kueue WorkloadPriorityClass where there is a queue, else Kubernetes PriorityClass.
        store: ``pvc:CLAIM`` or ``s3://BUCKET/PREFIX``.
    """

    context: str | None = None
    kubeconfig: str | None = None
    in_cluster: bool = False
    namespace: str | None = None
    image: str = ""
    queue: str = ""
    priority: str = ""
    store: str = ""

    def table(self, context: str | None, namespace: str) -> dict[str, Any]:
        """As the settings file has it, without what is not said.

        Args:
            context: that was chosen; None with ``in_cluster``.
            namespace: that was chosen.
        """
        values: dict[str, Any] = {"in_cluster": True} if self.in_cluster else {"context": context}
        if self.kubeconfig is not None:
            values["kubeconfig"] = str(Path(self.kubeconfig).expanduser().absolute())
        values["namespace"] = namespace
        said = {"image": self.image, "queue": self.queue, "priority": self.priority, "store": self.store}
        return {**values, **{key: value for key, value in said.items() if value}}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``target add`` takes to ``parser``."""
    parser.add_argument("name", help="what to call it")
    where = parser.add_argument_group("the cluster")
    where.add_argument("--context", metavar="CTX", help="of the kubeconfig (default: the only one there is)")
    where.add_argument("--kubeconfig", metavar="FILE", help="default: KUBECONFIG, else ~/.kube/config")
    where.add_argument(
        "--in-cluster", action="store_true", help="use the service account of the pod that this runs in"
    )
    where.add_argument("--namespace", metavar="NS", help="where jobs go (default: as the context says)")
    jobs = parser.add_argument_group("its jobs")
    jobs.add_argument("--image", metavar="IMG", help="in which they run: with Python 3.9 or newer")
    jobs.add_argument("--queue", metavar="Q", help="Kueue queue (LocalQueue) that they go through")
    jobs.add_argument(
        "--priority", metavar="P", help="WorkloadPriorityClass in a queue, PriorityClass without one"
    )
    jobs.add_argument(
        "--store", metavar="STORE", help="for payloads and results: pvc:CLAIM or s3://BUCKET/PREFIX"
    )
    parser.add_argument("--use", action="store_true", help="make it the current target")
    parser.add_argument("--force", action="store_true", help="replace a target of that name")


def from_arguments(parsed: argparse.Namespace) -> NewTarget:
    """`NewTarget` from what a parser with `add_arguments` has read."""
    return NewTarget(
        context=parsed.context,
        kubeconfig=parsed.kubeconfig,
        in_cluster=parsed.in_cluster,
        namespace=parsed.namespace,
        image=parsed.image or "",
        queue=parsed.queue or "",
        priority=parsed.priority or "",
        store=parsed.store or "",
    )
