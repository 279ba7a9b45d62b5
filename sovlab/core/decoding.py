"""From the runner's exit record to a `JobStatus`: the same for every executor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sovlab.core.job import JobState, JobStatus, Progress, Reason, ReturnedName

_STATES = {
    "succeeded": (JobState.SUCCEEDED, Reason.NONE),
    "user_error": (JobState.FAILED, Reason.USER_ERROR),
    "timeout": (JobState.FAILED, Reason.TIMEOUT),
    "cancelled": (JobState.CANCELLED, Reason.CANCELLED),
    "killed": (JobState.FAILED, Reason.KILLED),
    "out_of_memory": (JobState.FAILED, Reason.OUT_OF_MEMORY),
    "payload": (JobState.FAILED, Reason.PAYLOAD),
    "runner": (JobState.FAILED, Reason.RUNNER),
    "lost": (JobState.FAILED, Reason.LOST),
}
_TEXTS = ("name", "type", "detail", "error")


def ended_status(record: Mapping[str, Any], submitted: float | None) -> JobStatus:
    """The status that an exit record tells.

    Args:
        record: what the runner wrote; its ``reason`` is a string.
        submitted: seconds since the epoch.

    Raises:
        ValueError: a part of the record is not what the runner writes.
    """
    state, reason = _STATES.get(record["reason"], (JobState.FAILED, Reason.RUNNER))
    results = record.get("results") or {}
    try:
        return JobStatus(
            state=state,
            reason=reason,
            message=record.get("message") or "",
            submitted=submitted,
            started=record.get("started"),
            ended=record.get("ended"),
            exit_code=record.get("exit_code"),
            signal=record.get("signal") or "",
            progress=progress_of(record.get("progress")),
            returned=tuple(_returned(name) for name in results.get("names") or ()),
            unreturned=tuple(results.get("unreturned") or ()),
            error=record.get("error"),
            max_rss=record.get("max_rss"),
            cpu_seconds=record.get("cpu_seconds"),
            python=record.get("python") or "",
            host=record.get("host") or "",
        )
    except (TypeError, AttributeError, KeyError) as error:
        raise ValueError(f"the exit record is damaged: {error}") from error


def progress_of(values: Mapping[str, Any] | None) -> Progress | None:
    """`Progress` from a frame or an exit record; None if there is none in it."""
    if not values or "step" not in values:
        return None
    return Progress(
        step=values["step"],
        total=values.get("total"),
        metrics=values.get("metrics") or {},
        time=values.get("time", 0.0),
    )


def _returned(values: Mapping[str, Any]) -> ReturnedName:
    return ReturnedName(
        **{key: str(values.get(key, "")) for key in _TEXTS}, size=int(values.get("size") or 0)
    )
