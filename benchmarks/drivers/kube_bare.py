"""The API of a cluster with nothing between: HTTP and `json`. What any client on it is measured against."""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from arrivals import Arrivals
from serving import serve

_PAGE = 500


class Api:
    """A pool of connections to one server."""

    def __init__(self, kubeconfig: str, context: str) -> None:
        # A validator, where one is installed, takes seconds to import, and nothing here uses it.
        sys.modules.setdefault("kubernetes_validate", None)  # type: ignore[arg-type]
        from kubernetes import client, config

        settings = client.Configuration()
        config.load_kube_config(kubeconfig, context, client_configuration=settings)
        settings.connection_pool_maxsize = 32
        self.server = settings.host
        self._settings = settings
        self._pool = client.ApiClient(settings).rest_client.pool_manager

    def send(self, method: str, path: str, body: Any = None, content: str = "application/json") -> Any:
        """What the server answers."""
        return json.loads(self.open(method, path, body, content).data)

    def open(self, method: str, path: str, body: Any = None, content: str = "application/json") -> Any:
        """An answer that is read as it comes."""
        headers = {"Content-Type": content}
        token = self._settings.auth_settings().get("BearerToken")
        if token:
            headers["authorization"] = token["value"]
        data = json.dumps(body) if body is not None else None
        answer = self._pool.request(
            method, self.server + path, body=data, headers=headers, preload_content=False, retries=False
        )
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.data[:300]!r}")
        return answer

    def watch(self, path: str, selector: str, version: str) -> Iterator[Any]:
        """Objects, each as it changes."""
        query = f"watch=true&{selector}&resourceVersion={version}&timeoutSeconds=300"
        with self.open("GET", f"{path}?{query}") as answer:
            rest = b""
            for data in answer.stream(65536):
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    yield json.loads(line)["object"]


API: Api


def connect(kubeconfig: str, context: str) -> dict[str, Any]:
    """Read the kubeconfig; which server that is."""
    global API
    API = Api(kubeconfig, context)
    return {"server": API.server, "version": API.send("GET", "/version")["gitVersion"]}


def send(method: str, path: str, body: Any = None, content: str = "application/json") -> dict[str, Any]:
    """One call; its answer, and when it was sent."""
    sent = time.time_ns()
    return {"answer": API.send(method, path, body, content), "sent": sent}


def job(namespace: str, pod: dict[str, Any], until: str) -> float:
    """Seconds from the create of a Job until the news of its success: by the ``job``, or by its ``pod``."""
    name = f"bare-{secrets.token_hex(4)}"
    jobs, pods = f"/apis/batch/v1/namespaces/{namespace}/jobs", f"/api/v1/namespaces/{namespace}/pods"
    spec = {"backoffLimit": 0, "template": {"spec": pod}}
    begun = time.perf_counter()
    made = API.send("POST", jobs, {"metadata": {"name": name}, "spec": spec})
    version = made["metadata"]["resourceVersion"]
    if until == "job":
        watched = API.watch(jobs, f"fieldSelector=metadata.name%3D{name}", version)
    else:
        watched = API.watch(pods, f"labelSelector=job-name%3D{name}", version)
    for found in watched:
        conditions = found["status"].get("conditions") or ()
        true = {c["type"] for c in conditions if c["status"] == "True"}
        phase = found["status"].get("phase")
        if "Failed" in (*true, phase):
            raise RuntimeError(f"it failed: {found['status']}")
        if "Complete" in true or phase == "Succeeded":
            break
    seconds = time.perf_counter() - begun
    watched.close()
    API.send("DELETE", f"{jobs}/{name}?propagationPolicy=Background")
    return seconds


def log(namespace: str, pod: dict[str, Any], expected: int) -> dict[str, Any]:
    """Follow what a pod prints."""
    name, path = f"bare-{secrets.token_hex(4)}", f"/api/v1/namespaces/{namespace}/pods"
    arrivals = Arrivals()
    made = API.send("POST", path, {"metadata": {"name": name}, "spec": pod})
    version = made["metadata"]["resourceVersion"]
    for found in API.watch(path, f"fieldSelector=metadata.name%3D{name}", version):
        if found["status"]["phase"] != "Pending":
            break
    with API.open("GET", f"{path}/{name}/log?follow=true") as answer:
        for data in answer.stream(65536):
            arrivals.feed(data)
    API.send("DELETE", f"{path}/{name}?gracePeriodSeconds=0")
    return arrivals.answer(expected)


def listing(path: str) -> dict[str, Any]:
    """Read a whole collection page by page."""
    import psutil

    begun = time.perf_counter()
    found: list[Any] = []
    token = ""
    while True:
        page = API.send("GET", f"{path}?limit={_PAGE}{token}")
        found += page["items"]
        if not page["metadata"].get("continue"):
            break
        token = f"&continue={page['metadata']['continue']}"
    seconds = time.perf_counter() - begun
    return {"seconds": seconds, "jobs": len(found), "memory": psutil.Process().memory_info().rss}


def fill(path: str, objects: list[dict[str, Any]]) -> dict[str, Any]:
    """Create objects, and give each the status that it has."""

    def make(obj: dict[str, Any]) -> None:
        API.send("POST", path, obj)
        change = {"status": obj["status"]}
        API.send("PATCH", f"{path}/{obj['metadata']['name']}/status", change, "application/merge-patch+json")

    with ThreadPoolExecutor(24) as pool:
        list(pool.map(make, objects))
    return {}


if __name__ == "__main__":
    serve({f.__name__: f for f in (connect, send, job, log, listing, fill)})
