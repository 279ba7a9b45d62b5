"""Whether a cap of power can be kept, as far as that is known before a job runs."""

from __future__ import annotations

from sovlab.core.backend import Backend
from sovlab.errors import ExecutorError, SpecError

_LOOK = 0.05
"""Seconds: only bounds are asked for."""


def check_cap(watts: float, backend: Backend, *, here: bool) -> None:
    """Refuse a cap that no device of the job can keep to.

    Args:
        watts: the cap.
        backend: of the job.
        here: whether the job runs on this machine, whose devices can be asked.

    Raises:
        SpecError: the job has no accelerator, or one that keeps only to other powers.
    """
    if not backend.is_accelerator:
        raise SpecError(
            f"--power-cap is for accelerators, and a job of backend {backend.name} has none.",
            "Leave it out, or choose another --backend.",
        )
    if not here:
        return
    from sovlab.client.machine_power import machine_power

    try:
        report = machine_power(_LOOK)
    except ExecutorError:
        return  # then it is not set, and the card says why
    for device in report.devices:
        low, high = device.lowest, device.highest
        if device.kind == "gpu" and low is not None and high is not None and not low <= watts <= high:
            name = f" ({device.name})" if device.name else ""
            raise SpecError(
                f"--power-cap is {watts:g} W, and GPU {device.index}{name} keeps to {low:g} to {high:g} W.",
                f"Give a power in that range, like {high:g}W.",
            )
