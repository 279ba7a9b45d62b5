"""`python -m tests.kube.apiserver --dir DIR`: a cluster as a process, until SIGTERM or SIGINT.

It prints the path of the kubeconfig. SIGUSR1 takes the API away, SIGUSR2 brings it back; processes go on.
"""

from __future__ import annotations

import argparse
import queue
import signal
from pathlib import Path

from .cluster import FakeCluster
from .handles import Node


def main() -> None:
    """Serves."""
    parser = argparse.ArgumentParser(prog="python -m tests.kube.apiserver", description=__doc__)
    parser.add_argument("--dir", type=Path, required=True, help="for all that the cluster writes")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--namespace", default="default")
    parser.add_argument(
        "--node", action="append", default=[], help="NAME or NAME:cpu=8,memory=16Gi,nvidia.com/gpu=2"
    )
    for name in ("kueue", "jobset", "trainer"):
        parser.add_argument(f"--{name}", action="store_true")
    options = parser.parse_args()
    said: queue.SimpleQueue[int] = queue.SimpleQueue()
    # Handlers, not a mask: that would be inherited by every container.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, lambda number, frame: said.put(number))
    with FakeCluster(
        options.dir,
        [_node(text) for text in options.node] or None,
        namespace=options.namespace,
        port=options.port,
        kueue=options.kueue,
        jobset=options.jobset,
        trainer=options.trainer,
    ) as cluster:
        print(cluster.kubeconfig, flush=True)
        while True:
            number = said.get()
            if number == signal.SIGUSR1:
                cluster.stop_api()
            elif number == signal.SIGUSR2:
                cluster.start_api()
            else:
                return


def _node(text: str) -> Node:
    name, _, rest = text.partition(":")
    return Node(name, dict(item.split("=", 1) for item in rest.split(","))) if rest else Node(name)


if __name__ == "__main__":
    main()
