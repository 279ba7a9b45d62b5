"""Which waiting jobs may start: pure, first come first served within a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from sovlab.core.spec import JobSpec


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """What one job holds while it runs.

    Attributes:
        cores: may be a fraction.
        memory: bytes; 0 if the job does not say.
        backend: the backend of the devices.
        devices: their number.
    """

    cores: float
    memory: int = 0
    backend: str = "cpu"
    devices: int = 0


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What all running jobs may hold together.

    Attributes:
        cores: may be a fraction.
        memory: bytes.
        devices: indices of the devices, by backend.
    """

    cores: float
    memory: int
    devices: Mapping[str, tuple[int, ...]] = {}


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What a running job holds: its demand, and the indices of its devices."""

    demand: Demand
    devices: tuple[int, ...] = ()


def demand(spec: JobSpec, budget: Budget) -> Demand:
    """What a job holds while it runs: what it asks for, else a core for each of its processes."""
    cores = spec.resources.cpu * spec.nodes if spec.resources.cpu else min(float(spec.ranks), budget.cores)
    return Demand(
        cores=cores,
        memory=(spec.resources.memory or 0) * spec.nodes,
        backend=spec.backend,
        devices=spec.resources.gpus * spec.nodes,
    )


def startable(
    waiting: Sequence[tuple[str, Demand]], running: Sequence[Held], budget: Budget
) -> list[tuple[str, tuple[int, ...]]]:
    """The jobs that may start now and the devices that each gets, in order.

    The first job that does not fit keeps its place: of what it needs nothing is given to those behind
    it, so a big job is not starved by small ones; jobs that need other things may pass it.

    Args:
        waiting: (job id, demand), in the order of arrival.
        running: what is held already.
        budget: what there is.
    """
    cores = budget.cores - sum(h.demand.cores for h in running)
    memory = budget.memory - sum(h.demand.memory for h in running)
    free = {b: [i for i in all_ if i not in _held_devices(running, b)] for b, all_ in budget.devices.items()}
    started: list[tuple[str, tuple[int, ...]]] = []
    blocked: set[str] = set()
    for job, demand in waiting:
        devices = free.get(demand.backend, [])
        lacks = {
            kind
            for kind, short in (
                ("cores", demand.cores > cores + 1e-9),
                ("memory", demand.memory > memory),
                (demand.backend, demand.devices > len(devices)),
            )
            if short
        }
        needs = (
            {"cores"}
            | ({"memory"} if demand.memory else set())
            | ({demand.backend} if demand.devices else set())
        )
        if lacks or needs & blocked:
            blocked |= needs
            continue
        cores, memory = cores - demand.cores, memory - demand.memory
        indices = tuple(devices[: demand.devices])
        if indices:
            free[demand.backend] = devices[demand.devices :]
        started.append((job, indices))
    return started


def too_large(demand: Demand, budget: Budget) -> str:
    """Why a job could never start here; empty if it could."""
    if demand.cores > budget.cores + 1e-9:
        return f"{demand.cores:g} cores, but there are only {budget.cores:g}"
    if demand.memory > budget.memory:
        return (
            f"{demand.memory / 2**30:.1f} GiB of memory, but there are only {budget.memory / 2**30:.1f} GiB"
        )
    available = len(budget.devices.get(demand.backend, ()))
    if demand.devices > available:
        return f"{demand.devices} devices of backend {demand.backend}, but there are only {available}"
    return ""


def lacking(demand: Demand, budget: Budget) -> str:
    """What the next job waits for, in words: ``1 of 2 cores and 2 of 4 devices``."""
    parts = [
        f"{demand.cores:g} of {budget.cores:g} cores",
        f"{demand.memory / 2**30:.1f} of {budget.memory / 2**30:.1f} GiB of memory" if demand.memory else "",
        f"{demand.devices} of {len(budget.devices.get(demand.backend, ()))} devices"
        if demand.devices
        else "",
    ]
    return " and ".join(part for part in parts if part)


def _held_devices(running: Sequence[Held], backend: str) -> set[int]:
    return {i for h in running if h.demand.backend == backend for i in h.devices}
