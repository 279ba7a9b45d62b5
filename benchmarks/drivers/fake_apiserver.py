"""The fake API server of the tests, in a process of its own; it ends with this program's stdin."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from serving import serve

MISSING = ""
try:
    from tests.kube.apiserver.cluster import FakeCluster
except ModuleNotFoundError as error:
    MISSING = f"{error.name} is not installed"

if __name__ == "__main__":
    if MISSING:
        serve({}, MISSING)
    else:
        with (
            tempfile.TemporaryDirectory(dir=".") as directory,
            FakeCluster(Path(directory).absolute()) as cluster,
        ):

            def kubeconfig() -> dict[str, Any]:
                """Of the admin."""
                return {"path": str(cluster.kubeconfig)}

            def fill(namespace: str, objects: list[dict[str, Any]]) -> dict[str, Any]:
                """Put Jobs into the store as they are."""
                for obj in objects:
                    obj["metadata"]["namespace"] = namespace
                cluster.fill("jobs", objects)
                return {}

            serve({"kubeconfig": kubeconfig, "fill": fill})
