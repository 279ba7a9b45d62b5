"""What an agent is started with, apart from what it does: whoever submits needs just this."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from sovlab.core.backend import Detection
from sovlab.executors.local.queue import Budget


class Configuration(msgspec.Struct, frozen=True):
    """What an agent is started with."""

    state: str
    socket: str
    cores: float
    memory: int
    devices: dict[str, tuple[int, ...]]
    visible: dict[str, str]
    idle: float = 900.0

    @property
    def budget(self) -> Budget:
        """What its jobs may hold together."""
        return Budget(cores=self.cores, memory=self.memory, devices=self.devices)


def budget_of(detections: Mapping[str, Detection], cores: float | None, memory: int | None) -> Budget:
    """What the jobs of this machine may hold together.

    Args:
        detections: what it has, by backend.
        cores: None is all that this process may use.
        memory: in bytes; None is all that the machine has.
    """
    if cores is None:
        here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        cores = float(here or 1)
    if memory is None:
        memory = detections["cpu"].devices[0].memory
    if memory is None:
        import psutil

        memory = psutil.virtual_memory().total
    devices = {
        name: tuple(device.index for device in detection.devices)
        for name, detection in detections.items()
        if name != "cpu" and detection.devices
    }
    return Budget(cores=cores, memory=memory, devices=devices)


def configuration(state: Path, socket: Path, budget: Budget, idle: float) -> Configuration:
    """What the agent of a state directory is started with.

    Args:
        state: the directory.
        socket: where the agent listens.
        budget: what its jobs may hold together.
        idle: seconds after which it goes when it has nothing to do.
    """
    from sovlab import backends

    known = {name: provider.backend for name, provider in backends.known().items()}
    return Configuration(
        state=str(state),
        socket=str(socket),
        cores=budget.cores,
        memory=budget.memory,
        devices=dict(budget.devices),
        visible={n: backend.visible_devices for n, backend in known.items() if backend.visible_devices},
        idle=idle,
    )
