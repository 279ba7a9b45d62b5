"""sovlab with a target on a cluster, as a program uses it that lives on."""

from __future__ import annotations

import os
import queue
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from arrivals import Arrivals
from serving import serve

from sovlab.client import Call, Cell, Client
from sovlab.client.job import Job
from sovlab.core.event import LogChunk, StatusChanged
from sovlab.core.job import JobState
from sovlab.executors.kubernetes import KubernetesExecutor
from sovlab.kube.labels import CONTAINER
from sovlab.kube.transport.exec_files import Container
from sovlab.options.job import Options
from sovlab.settings import Settings, Target

CLIENT: Client
NAMESPACE = ""
JOBS: list[Job] = []
_SEEN: queue.SimpleQueue[int] = queue.SimpleQueue()


def double(number: int) -> int:
    """A trivial function."""
    return 2 * number


def connect(**target: Any) -> float:
    """Define the target; seconds until the server has said what it is, and could be asked more."""
    global CLIENT, NAMESPACE
    begun = time.perf_counter()
    NAMESPACE = target["namespace"]
    state = Path(os.environ["SOVLAB_STATE_DIR"])
    found = Target(name="cluster", executor="kubernetes", table=target)
    CLIENT = Client(Settings(state=state, target="cluster", targets={"cluster": found}))
    _executor()._objects.kinds()
    return time.perf_counter() - begun


def trivial() -> dict[str, Any]:
    """Seconds from the submit until its success is known, and until its result is in hand."""
    begun = time.perf_counter()
    job = CLIENT.submit(Call(double, (21,)), Options()).job
    submitted = time.perf_counter()
    status = job.wait()
    known = time.perf_counter()
    assert job.result() == 42, status
    seconds = time.perf_counter() - begun
    job.delete()
    return {"seconds": seconds, "known": known - begun, "submit": submitted - begun}


def log(code: str, expected: int) -> dict[str, Any]:
    """Follow what ``code`` prints."""
    arrivals = Arrivals()
    job = CLIENT.submit(Cell(code, {}, label="In[1]"), Options()).job
    for event in job.events(follow=True):
        if isinstance(event, LogChunk):
            arrivals.feed(event.data)
    job.delete()
    return arrivals.answer(expected)


def one_job() -> dict[str, Any]:
    """Run one trivial job, and say which it was."""
    job = CLIENT.submit(Call(double, (21,)), Options()).job
    assert job.result() == 42
    return {"id": job.id}


def listing() -> dict[str, Any]:
    """All jobs, as a client lists them."""
    begun = time.perf_counter()
    records = CLIENT.jobs()
    seconds = time.perf_counter() - begun
    return {
        "seconds": seconds,
        "jobs": len(records),
        "succeeded": sum(record.status.state == "succeeded" for record in records),
    }


def await_change(job_id: str) -> dict[str, Any]:
    """Have a thread wait for a change of a job, so that the list begins with it."""
    executor, ready = _executor(), threading.Event()

    def wait() -> None:
        changed = threading.Event()
        with executor._objects.watched() as watched:
            watched.listen(changed.set)
            ready.set()
            while CLIENT.jobs()[0].id != job_id:
                changed.wait()
                changed.clear()
            _SEEN.put(time.time_ns())
            watched.ignore(changed.set)

    assert CLIENT.jobs()[0].id != job_id
    threading.Thread(target=wait, daemon=True).start()
    ready.wait()
    time.sleep(0.5)
    return {}


def seen() -> dict[str, Any]:
    """When a list with the change was in hand, and the memory of this process afterwards."""
    return {"seen": _SEEN.get(timeout=30), "memory": psutil.Process().memory_info().rss}


def follow(count: int) -> dict[str, Any]:
    """Submit jobs, and follow each of them; returns once all have printed."""
    code = "import time\nwhile True:\n    print('here', flush=True)\n    time.sleep(1)"
    printed: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read(job: Job) -> None:
        for event in job.events(follow=True):
            if isinstance(event, LogChunk):
                printed.put(job.id)

    for _ in range(count):
        JOBS.append(CLIENT.submit(Cell(code, {}, label="In[1]"), Options()).job)
        threading.Thread(target=read, args=(JOBS[-1],), daemon=True).start()
    silent = {job.id for job in JOBS}
    while silent:
        silent.discard(printed.get(timeout=300))
    return {}


def stay() -> dict[str, Any]:
    """Submit a job that only stays; its pod, once it runs."""
    job = CLIENT.submit(Cell("import time\ntime.sleep(3600)", {}, label="In[1]"), Options()).job
    JOBS.append(job)
    for event in job.events(follow=True):
        if isinstance(event, StatusChanged) and event.status.state is JobState.RUNNING:
            break
    (pod,) = _executor()._objects.pods(job.id)
    return {"pod": pod["metadata"]["name"]}


def leave() -> dict[str, Any]:
    """Cancel the jobs that were left running."""
    for job in JOBS:
        job.cancel()
    return {}


def bring(pod: str, path: str) -> float:
    """Seconds until a file is there."""
    begun = time.perf_counter()
    _container(pod).bring(Path(path))
    return time.perf_counter() - begun


def fetch(pod: str, source: str, target: str) -> float:
    """Seconds until a file is here."""
    begun = time.perf_counter()
    _container(pod).fetch(Path(target), source)
    return time.perf_counter() - begun


def remove(pod: str, path: str) -> dict[str, Any]:
    """Delete a file in a container."""
    with _executor()._api.exec(NAMESPACE, pod, CONTAINER, ["rm", "-f", path]) as channel:
        channel.finish()
    return {}


def _executor() -> KubernetesExecutor:
    executor = CLIENT.executor()
    assert isinstance(executor, KubernetesExecutor)
    return executor


def _container(pod: str) -> Container:
    return Container(_executor()._api, NAMESPACE, pod, "python3")


if __name__ == "__main__":
    orders = (connect, trivial, log, one_job, listing, await_change, seen, follow, stay, leave)
    serve({f.__name__: f for f in (*orders, bring, fetch, remove)})
