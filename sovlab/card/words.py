"""The words of a card, the same in its HTML, its plain text and its data."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from sovlab.core.job import JobRecord, JobState, JobStatus, Progress, Reason, ReturnedName
from sovlab.core.spec import JobSpec
from sovlab.core.units import format_bytes, format_clock, format_duration
from sovlab.views.jobs import hardware_words

if TYPE_CHECKING:
    from sovlab.core.energy.footprint import Site
    from sovlab.core.energy.report import EnergyReport

_METRICS = 8
_SILENT = 30.0
"""Seconds without a report after which a card says so, if the job used to report more often."""

_ENDED_BADLY = {
    Reason.USER_ERROR: "failed",
    Reason.TIMEOUT: "ran out of time",
    Reason.LIMIT: "was stopped at its limit",
    Reason.KILLED: "was killed",
    Reason.OUT_OF_MEMORY: "ran out of memory",
    Reason.LOST: "was lost",
    Reason.PAYLOAD: "could not load its payload",
    Reason.RUNNER: "failed in its runner",
}


class Fact(msgspec.Struct, frozen=True):
    """One line of the table on the card of an ended job.

    Attributes:
        label: the subject, one or two words.
        text: the value, in words.
        hint: what to type, as code; empty if nothing.
        bad: whether it is a failure of its own.
    """

    label: str
    text: str
    hint: str = ""
    bad: bool = False


def headline(status: JobStatus, now: float) -> str:
    """The one line that says the state: ``running 2 min 14 s``, ``waiting: 2 ahead of you, 4 min so far``."""
    # Of a job that vanished nobody knows when it ended.
    elapsed = None if status.state.ended and status.ended is None else status.elapsed(now)
    took = format_duration(elapsed) if elapsed is not None else ""
    if status.state in (JobState.QUEUED, JobState.PENDING, JobState.SUSPENDED):
        word = "suspended" if status.state is JobState.SUSPENDED else "waiting"
        reason = status.message.rstrip(".") if status.message.startswith("waiting") else word
        since = now - status.submitted if status.submitted is not None else 0.0
        return f"{reason}, {format_clock(since)} so far" if since >= 1 else reason
    if status.state is JobState.RUNNING:
        return f"running {format_clock(elapsed)}" if elapsed is not None and elapsed >= 1 else "running"
    if status.state is JobState.SUCCEEDED:
        return f"succeeded in {took}" if took else "succeeded"
    if status.state is JobState.CANCELLED:
        return f"cancelled after {took}" if took else "cancelled before it started"
    if status.state is JobState.FAILED:
        words = _ENDED_BADLY.get(status.reason, "failed") + (f" after {took}" if took else "")
        if status.reason is Reason.USER_ERROR and status.error:
            return f"{words}: {status.error.get('type') or 'error'}"
        return words
    return "state unknown"


def sentence(status: JobStatus) -> str:
    """What the headline does not say, as one sentence; often empty."""
    message = status.message.strip()
    # A reason to wait is the headline, and the user's own error stands in the traceback.
    shown_elsewhere = message.startswith("waiting") or (status.error and status.error.get("traceback"))
    if shown_elsewhere or status.state is JobState.CANCELLED:
        return ""
    return message[:1].upper() + message[1:]


def location(record: JobRecord) -> str:
    """Hardware, target and host: ``cuda, 2 GPUs · local · node-7``."""
    hardware = hardware_words(record.spec) if record.spec else ""
    return " · ".join(part for part in (hardware, record.target, record.status.host) if part)


def progress_words(progress: Progress) -> str:
    """Step and metrics: ``step 31 of 50 · loss 0.084``."""
    step = f"step {number(progress.step)}"
    if progress.total:
        step += f" of {number(progress.total)}"
    shown = [f"{name} {number(value)}" for name, value in list(progress.metrics.items())[:_METRICS]]
    return " · ".join([step, *shown])


def time_left(history: Sequence[Progress], now: float) -> float | None:
    """Seconds until the last step at the rate of the reports so far; None if that cannot be said.

    The rate is the mean over the reports since the steps last began anew. It cannot be said from one
    report, without a total, or when reports have stopped coming.
    """
    run = list(history)
    for i in range(len(run) - 1, 0, -1):
        if run[i].step < run[i - 1].step or run[i].total != run[i - 1].total:
            run = run[i:]
            break
    if len(run) < 2 or silence(history, now) is not None:
        return None
    first, last = run[0], run[-1]
    steps, seconds = last.step - first.step, last.time - first.time
    if not last.total or steps <= 0 or seconds <= 0:
        return None
    remaining = (last.total - last.step) * seconds / steps - max(now - last.time, 0.0)
    return max(remaining, 0.0) if math.isfinite(remaining) else None


def silence(history: Sequence[Progress], now: float) -> float | None:
    """Seconds since the last report, if that is much longer than it used to take; else None."""
    if len(history) < 2:
        return None
    since, span = now - history[-1].time, history[-1].time - history[0].time
    return since if since > max(_SILENT, 5 * span / (len(history) - 1)) else None


def time_left_words(seconds: float) -> str:
    """``about 1 min 20 s left``, rounded to what such a guess is worth."""
    if seconds < 5:
        return "a few seconds left"
    unit = next((u for below, u in ((60, 5), (600, 10), (3600, 60), (36000, 300)) if seconds < below), 3600)
    return f"about {format_duration(max(round(seconds / unit), 1) * unit)} left"


def facts(record: JobRecord, site: Site | None = None) -> list[Fact]:
    """The table on the card of an ended job.

    Args:
        record: the job.
        site: what the site says of its electricity; nothing is shown of what it does not say.
    """
    status, spec = record.status, record.spec
    rows = []
    where = hardware_words(spec) if spec else ""
    where += f" on {status.host}" if status.host and where else status.host
    where += f", Python {status.python}" if status.python else ""
    if where and status.started is not None:
        rows.append(Fact("Hardware", where))
    if status.progress is not None:
        rows.append(Fact("Reached", progress_words(status.progress)))
    if spec is not None and spec.deferral is not None:
        from sovlab.core.deferral.words import brought

        text = brought(spec, status)
        rows += [Fact("Finish by", text[:1].upper() + text[1:])] if text else []
    if status.max_rss:
        seconds = status.cpu_seconds or 0.0
        cpu = f", {format_duration(seconds)} of CPU time" if seconds >= 0.1 else ""
        rows.append(Fact("Memory", f"{format_bytes(status.max_rss)} at its peak{cpu}"))
    if status.energy is not None:
        from sovlab.views.energy import energy_rows

        rows += [Fact(label, text, bad=bad) for label, text, bad in energy_rows(status.energy)]
        if site is not None and site.says_something:
            rows += _footprint(status, status.energy, site)
    if status.exit_code and status.reason is Reason.USER_ERROR and not status.error:
        rows.append(Fact("Exit status", str(status.exit_code)))
    if status.signal:
        rows.append(Fact("Signal", status.signal))
    returned = [returned_words(name) for name in status.returned if not name.error]
    if returned and status.state is JobState.SUCCEEDED:
        rows.append(Fact("Returned", ", ".join(returned)))
    elif returned:
        text = f"{', '.join(returned)}, as of when it failed; to get"
        rows.append(Fact("Kept", f"{text} {'it' if len(returned) == 1 else 'them'}:", partial_words(record)))
    for name in (each for each in status.returned if each.error):
        text = name.error if name.error.startswith(f"{name.name} ") else f"{name.name}: {name.error}"
        rows.append(Fact("Not returned", text, bad=True))
    if status.unreturned and status.state is JobState.SUCCEEDED:
        outputs = [name.name for name in status.returned if not name.error] + list(status.unreturned)
        them = "it" if len(status.unreturned) == 1 else "them"
        text = f"{', '.join(status.unreturned)}; to get {them}, run the cell with"
        rows.append(Fact("Left behind", text, f"--out {','.join(outputs)}"))
    return rows


def _footprint(status: JobStatus, report: EnergyReport, site: Site) -> list[Fact]:
    from sovlab.core.energy.footprint import footprint_of_report, steps_of
    from sovlab.views.energy import footprint_words

    text = footprint_words(footprint_of_report(report, site, steps=steps_of(status)))
    return [Fact("Footprint", text)] if text else []


def chosen(spec: JobSpec) -> str:
    """``Backend: cuda, because 3 of 8 GPUs are free``; empty where there was no accelerator to choose."""
    has_choice = spec.backend != "cpu" or "GPU" in spec.backend_why
    return f"Backend: {spec.backend_why}" if spec.backend_why and has_choice else ""


def partial_words(record: JobRecord) -> str:
    """What to type to get what a failed job had bound."""
    return f'sovlab.job("{record.id}").partial()'


def returned_words(name: ReturnedName) -> str:
    """A returned name with its type, size and detail: ``model (Net, 1.2 MB)``."""
    kind = name.type.rpartition(".")[2]
    size = format_bytes(name.size) if name.size else ""
    details = ", ".join(part for part in (kind, name.detail, size) if part)
    shown = "return value" if name.name == "return" else name.name
    return f"{shown} ({details})" if details else shown


def commands(record: JobRecord) -> list[tuple[str, str]]:
    """What can be done now: (what for, what to type).

    They name the id, because a newer job may have the same name, and it would be cancelled instead.
    """
    state = record.status.state
    if state in (JobState.UNKNOWN, JobState.SUCCEEDED):
        return []
    if not state.ended:
        return [("wait", f"%sovwait {record.id}"), ("cancel", f"%sovcancel {record.id}")]
    return [("run again", f'sovlab.job("{record.id}").rerun()')] if record.spec else []


def seen(status: JobStatus, now: float) -> str:
    """When a card that may still change was last painted: it stands still once its kernel is gone."""
    if status.state.ended:
        return ""
    return f"as of {datetime.datetime.fromtimestamp(now).astimezone():%Y-%m-%d %H:%M %Z}"


def look_again(record: JobRecord) -> tuple[str, str]:
    """How to see the job as it is now: (what for, what to type)."""
    return "look again", f'sovlab.job("{record.id}")'


def number(value: float | int | str) -> str:
    """A metric as people read it: four digits, and no more than 40 characters."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        text = str(value)
        return text if len(text) <= 40 else text[:39] + "…"
    if isinstance(value, int) or (value.is_integer() and abs(value) < 1e15):
        return str(int(value))
    return f"{value:.4g}"
