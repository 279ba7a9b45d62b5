"""From a `JobSpec` to the `Order` that the runner is given: the one function for every executor."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from sovlab.core.backend import Backend
from sovlab.core.spec import JobSpec
from sovlab.runner.protocol.order import FIELDS, Order

_SHARED = [field.name for field in dataclasses.fields(JobSpec) if field.name in FIELDS - {"payload"}]
"""What a request and an order both have: it is passed on under its name."""


def order_for(
    job_id: str,
    spec: JobSpec,
    backend: Backend,
    *,
    nonce: str,
    env: Mapping[str, str] | None = None,
    **places: Any,
) -> Order:
    """The order for a job.

    Args:
        job_id: the durable id.
        spec: the request.
        backend: that it names.
        nonce: marks the frames in the job's log.
        env: environment variables that the executor adds to those of the backend; the request's win.
        places: what only the executor knows, as `Order` has it: paths, URLs, how long a pod waits.
    """
    passed = {name: _plain(getattr(spec, name)) for name in _SHARED}
    return Order(
        **{
            **passed,
            "job_id": job_id,
            "nonce": nonce,
            "device": backend.device,
            "distributed": backend.distributed,
            "env": {**backend.env, **(env or {}), **spec.env},
            "memory": spec.resources.memory,
            "digest": spec.payload,
            **places,
        }
    )


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value
