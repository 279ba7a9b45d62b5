"""sovlab, as a program uses it that lives on: a kernel, a script."""

from __future__ import annotations

import gc
import resource
import sys
import time
from typing import Any

import memory
from arrivals import Arrivals
from serving import serve

import sovlab
from sovlab.client import Cell, Client
from sovlab.core.event import LogChunk
from sovlab.options.job import Options

CLIENT = Client()


def double(number: int) -> int:
    """A trivial function."""
    return 2 * number


def echo(tensor: Any) -> Any:
    """Send it back, changed, so that nothing can be a copy of what was there before."""
    tensor[0] += 1
    return tensor


def nothing_with_torch() -> int:
    """What a job's memory is compared with: one that has torch and no tensor."""
    import torch

    return torch.ones(1).numel()


def trivial() -> float:
    """Seconds from the submit to its result in hand."""
    begun = time.perf_counter()
    assert sovlab.submit(double, 21).result() == 42
    return time.perf_counter() - begun


def torch_cell() -> float:
    """Seconds from the submit of a cell that imports torch to its result in hand."""
    begun = time.perf_counter()
    cell = "import torch\ntotal = float(torch.ones(3).sum())"
    job = CLIENT.submit(Cell(cell, {}, label="In[1]"), Options(outputs=("total",))).job
    assert job.result("total") == 3.0
    return time.perf_counter() - begun


def first_line(code: str, **options: Any) -> float:
    """Seconds from the submit of a cell to the first that it prints."""
    begun = time.perf_counter()
    job = CLIENT.submit(Cell(code, {}, label="In[1]"), Options(**options)).job
    printed = next(event for event in job.events(follow=True) if isinstance(event, LogChunk))
    seconds = time.perf_counter() - begun
    assert printed.data.startswith(b"here")
    assert job.exception() is None
    job.delete()
    return seconds


def tensor(size: int, number: int) -> dict[str, Any]:
    """A tensor of ``size`` bytes there and back; also the time with every byte of it read, and the memory.

    ``number`` fills it: no two calls send the same bytes.
    """
    import torch

    before = _peak()
    sent = torch.full((size // 4,), float(number))
    memory.touch(2 * size)
    begun = time.perf_counter()
    job = sovlab.submit(echo, sent)
    submitted = time.perf_counter()
    del sent
    gc.collect()
    back = job.result()
    returned = time.perf_counter()
    low, high = (float(edge) for edge in torch.aminmax(back))
    read = time.perf_counter()
    assert back[0] == number + 1 == high
    assert low == number
    answer = {
        "seconds": returned - begun,
        "submit": submitted - begun,
        "read": read - begun,
        "client": _peak() - before,
        "job": job.status.max_rss,
    }
    del back
    job.delete()
    return answer


def torch_job_memory() -> dict[str, Any]:
    """Peak memory of a job that has torch and no tensor."""
    job = sovlab.submit(nothing_with_torch)
    job.wait()
    return {"job": job.status.max_rss}


def log(code: str, expected: int) -> dict[str, Any]:
    """Follow what ``code`` prints."""
    arrivals = Arrivals()
    job = CLIENT.submit(Cell(code, {}, label="In[1]"), Options()).job
    for event in job.events(follow=True):
        if isinstance(event, LogChunk):
            arrivals.feed(event.data)
    assert job.exception() is None
    job.delete()
    return arrivals.answer(expected)


def listing() -> dict[str, Any]:
    """All jobs, as a client lists them, and the memory of this process afterwards."""
    import psutil

    begun = time.perf_counter()
    records = CLIENT.jobs()
    seconds = time.perf_counter() - begun
    return {
        "seconds": seconds,
        "jobs": len(records),
        "succeeded": sum(record.status.state == "succeeded" for record in records),
        "newest": records[0].id,
        "memory": psutil.Process().memory_info().rss,
    }


def one_job() -> dict[str, Any]:
    """Run one trivial job, and say which it was."""
    job = sovlab.submit(double, 21)
    assert job.result() == 42
    return {"id": job.id}


def _peak() -> int:
    """The most memory this process has had so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    orders = (trivial, torch_cell, first_line, tensor, torch_job_memory, log, listing, one_job)
    serve({f.__name__: f for f in orders})
