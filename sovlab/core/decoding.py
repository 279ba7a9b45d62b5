"""The one door for what comes from jobs: exit records and frames, checked and bounded, in types of ours.

A job runs whatever its user wrote, and what it leaves may be damaged or made up. Behind this door a number
is finite and in the range of what it counts, or None; text is of a length that can be shown, or empty; lists
have an end. An exit record that does not fit is a `DamagedRecord`, and its job is UNKNOWN; a frame that does
not fit is no frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeGuard

from sovlab.core.job import JobState, JobStatus, Progress, Reason, ReturnedName
from sovlab.core.spec import JobSpec
from sovlab.core.untrusted import LATEST, DamagedRecord, Part, clean, finite, parse

if TYPE_CHECKING:
    from sovlab.core.energy.decoding import (
        DeviceDescribed,
        LimitSeen,
        PowerFrame,
        PowerLost,
        PowerPast,
        PowerSeen,
    )
    from sovlab.core.energy.report import EnergyReport

__all__ = [
    "DamagedRecord",
    "ExitRecord",
    "Frame",
    "NotebookPiece",
    "check_request",
    "ended_status",
    "exit_record",
    "frame",
    "is_power",
    "outputs",
]

_MESSAGE, _TRACEBACK = 20_000, 110_000
_NAMES, _FRAMES, _METRICS, _METRIC, _BACKEND = 1000, 100, 50, 60, 100
_BYTES, _RANKS, _LINES, _SECONDS = 2**63, 10**10, 2**31, 1e12
_HUGE = 1e300
_PIECE = 8192
_OUTPUTS = 2000

_STATES = {
    "succeeded": (JobState.SUCCEEDED, Reason.NONE),
    "user_error": (JobState.FAILED, Reason.USER_ERROR),
    "timeout": (JobState.FAILED, Reason.TIMEOUT),
    "limit": (JobState.FAILED, Reason.LIMIT),
    "cancelled": (JobState.CANCELLED, Reason.CANCELLED),
    "killed": (JobState.FAILED, Reason.KILLED),
    "out_of_memory": (JobState.FAILED, Reason.OUT_OF_MEMORY),
    "payload": (JobState.FAILED, Reason.PAYLOAD),
    "runner": (JobState.FAILED, Reason.RUNNER),
    "lost": (JobState.FAILED, Reason.LOST),
}


# --- exit records


class ExitRecord(NamedTuple):
    """How a job ended, as its runner wrote it. Records of older runners have fewer of these.

    Attributes:
        reason: the runner's word for how it ended, e.g. ``user_error``; one that is not known here is that
            of a newer runner.
        message: one sentence; may be empty.
        exit_code: of the user's process; None if it did not exit by itself.
        signal: name of the signal that ended it, or empty.
        started, ended: seconds since the epoch.
        progress: the last report; None too if what was reported is no number.
        error: the exception: ``type``, ``module``, ``message``, ``traceback`` (text), ``frames``, ``rank``.
        returned: the names that were to come back.
        unreturned: names that the code bound besides.
        kept: what became of results for which the termination message has no room: ``store``, ``taken``,
            ``expired`` or ``interrupted``; empty where there are none.
        files: what the code wrote beside itself and what it saved: the first of these paths.
        imported: libraries that the code imported, of those that are worth loading beforehand.
        max_rss: peak resident memory, in bytes.
        cpu_seconds: processor time of the user's process and its children.
        python: version of the interpreter that ran it.
        host: machine that ran it.
        energy: what was measured while it ran; None if nothing was looked at.
    """

    reason: str
    message: str = ""
    exit_code: int | None = None
    signal: str = ""
    started: float | None = None
    ended: float | None = None
    progress: Progress | None = None
    error: Mapping[str, Any] | None = None
    returned: tuple[ReturnedName, ...] = ()
    unreturned: tuple[str, ...] = ()
    kept: str = ""
    imported: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    max_rss: int | None = None
    cpu_seconds: float | None = None
    python: str = ""
    host: str = ""
    energy: EnergyReport | None = None


def exit_record(found: object) -> ExitRecord:
    """An exit record from its JSON, as bytes or parsed.

    Raises:
        DamagedRecord: it is no JSON, or a part of it is not what the runner writes.
    """
    record = Part("", parse(found) if isinstance(found, bytes) else found)
    if record.get("reason") is None:
        record.refuse("reason", "text")
    results = record.part("results")
    return ExitRecord(
        reason=record.text("reason", 40),
        message=record.text("message", _MESSAGE),
        exit_code=record.whole("exit_code", -(2**31), 2**32),
        signal=record.text("signal", 40),
        started=record.number("started", 0.0, LATEST),
        ended=record.number("ended", 0.0, LATEST),
        progress=_last_report(record.part("progress")),
        error=_error(record.part("error")),
        returned=() if results is None else results.items("names", _NAMES, _returned),
        unreturned=() if results is None else results.items("unreturned", _NAMES, _name),
        kept=record.text("kept", 40),
        imported=record.items("imported", _NAMES, _name),
        files=record.items("files", _NAMES, _name),
        max_rss=record.whole("max_rss", 0, _BYTES),
        cpu_seconds=record.number("cpu_seconds", 0.0, _SECONDS),
        python=record.text("python", 100),
        host=record.text("host", 300),
        energy=_measured(record),
    )


def ended_status(record: ExitRecord, submitted: float | None) -> JobStatus:
    """The status that an exit record tells.

    Args:
        record: of the job.
        submitted: seconds since the epoch.
    """
    state, reason = _STATES.get(record.reason, (JobState.FAILED, Reason.RUNNER))
    return JobStatus(
        state=state,
        reason=reason,
        message=record.message,
        submitted=submitted,
        started=record.started,
        ended=record.ended,
        exit_code=record.exit_code,
        signal=record.signal,
        progress=record.progress,
        returned=record.returned,
        unreturned=record.unreturned,
        files=record.files,
        error=record.error,
        max_rss=record.max_rss,
        cpu_seconds=record.cpu_seconds,
        python=record.python,
        host=record.host,
        energy=record.energy,
    )


def _measured(record: Part) -> EnergyReport | None:
    if record.get("energy") is None:
        return None
    from sovlab.core.energy import decoding

    try:
        return decoding.measured(Part("energy", record.get("energy")))
    except DamagedRecord as damage:
        # A job is not lost for a number that a sensor made up.
        return decoding.unreadable(damage)


def _error(part: Part | None) -> Mapping[str, Any] | None:
    if part is None or not part.members(1):
        return None
    return {
        "type": part.text("type"),
        "module": part.text("module"),
        "message": part.text("message", _MESSAGE),
        "traceback": part.text("traceback", _TRACEBACK),
        "frames": list(part.items("frames", _FRAMES, _traceback_frame)),
        "rank": part.whole("rank", 0, _RANKS),
    }


def _traceback_frame(name: str, value: object) -> Mapping[str, Any]:
    part = Part(name, value)
    texts = {key: part.text(key) for key in ("label", "function", "source")}
    return {**texts, "line": part.whole("line", 0, _LINES)}


def _returned(name: str, value: object) -> ReturnedName:
    part = Part(name, value)
    return ReturnedName(
        name=part.text("name"),
        type=part.text("type"),
        size=part.whole("size", 0, _BYTES) or 0,
        detail=part.text("detail"),
        error=part.text("error"),
    )


def _name(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise DamagedRecord(f"{name} is not a list of names")
    return clean(value)


def _last_report(part: Part | None) -> Progress | None:
    # The runner writes text where a user reported what is no finite number: that is no damage.
    if part is None or part.get("step") is None or isinstance(part.get("step"), str):
        return None
    return _progress(part)


def check_request(spec: JobSpec) -> None:
    """See that what is shown of a request is short and plain; its other fields check themselves.

    Raises:
        DamagedRecord: it is not.
    """
    if len(spec.backend) > _BACKEND or not spec.backend.isprintable():
        raise DamagedRecord("backend is not the name of one")


def outputs(found: object) -> list[dict[str, Any]]:
    """What a job displayed, as MIME bundles ``{"data": …, "metadata": …}``; what is none is left out."""
    bundles = []
    for bundle in found[:_OUTPUTS] if isinstance(found, list) else ():
        if isinstance(bundle, dict) and isinstance(bundle.get("data"), dict):
            metadata = bundle.get("metadata")
            bundles.append(
                {"data": bundle["data"], "metadata": metadata if isinstance(metadata, dict) else {}}
            )
    return bundles


# --- frames


@dataclass(frozen=True, slots=True)
class RankNamed:
    """The output that follows was printed by this global rank; None if nobody knows by which."""

    rank: int | None


@dataclass(frozen=True, slots=True)
class PayloadAwaited:
    """The pod waits for its payload to be brought."""


@dataclass(frozen=True, slots=True)
class ResultsHeld:
    """The code has ended, and its pod holds the results until they are fetched.

    Attributes:
        follows: whether it failed for want of another node, of which its cluster should hear first.
    """

    follows: bool = False


@dataclass(frozen=True, slots=True)
class LogMark:
    """Where a pod's log is in the job's output.

    Attributes:
        position: bytes of the output that came before.
        second: when it was written, in whole seconds since the epoch.
        last: whether nothing comes after it.
    """

    position: int
    second: int
    last: bool


@dataclass(frozen=True, slots=True)
class NotebookPiece:
    """A piece of what the run of a notebook tells; see `sovlab.runner.notebook.telling`.

    Attributes:
        number: of the piece, from 0 without a gap.
        more: whether the next piece goes on with the same batch.
        data: of the batch, in base64.
    """

    number: int
    more: bool
    data: str


Frame: TypeAlias = (
    "Progress | NotebookPiece | RankNamed | PayloadAwaited | ResultsHeld | LogMark "
    "| DeviceDescribed | PowerSeen | PowerPast | PowerLost | LimitSeen"
)
"""What a frame in a job's log says, as far as it is of use here."""


_OF_POWER = ("DeviceDescribed", "PowerSeen", "PowerPast", "PowerLost", "LimitSeen")
"""Names of types whose module is loaded only for them."""


def is_power(frame: Frame | None) -> TypeGuard[PowerFrame]:
    """Whether a frame says what was seen of the job's devices."""
    return type(frame).__name__ in _OF_POWER


def frame(found: object) -> Frame | None:
    """A frame from its JSON, as bytes or parsed; None if its type is not known, or it does not fit."""
    try:
        part = Part("", parse(found) if isinstance(found, bytes) else found)
        read = _READERS.get(part.text("t"))
        return read(part) if read is not None else None
    except DamagedRecord:
        return None


def _progress(part: Part) -> Progress:
    step = part.number("step", -_HUGE, _HUGE)
    if step is None:
        part.refuse("step", "a number")
    unknown = isinstance(part.get("total"), str)  # see `_last_report`
    metrics = part.part("metrics")
    return Progress(
        step=step,
        total=None if unknown else part.number("total", -_HUGE, _HUGE),
        metrics={} if metrics is None else _metrics(metrics),
        time=part.number("time", 0.0, LATEST) or 0.0,
    )


def _metrics(part: Part) -> dict[str, float | str]:
    metrics: dict[str, float | str] = {}
    for name, value in part.members(_METRICS):
        told = clean(value, _METRIC) if isinstance(value, str) else finite(value, -_HUGE, _HUGE)
        if told is None:
            raise DamagedRecord("progress.metrics holds what is neither a number nor text")
        metrics[clean(name, _METRIC)] = told
    return metrics


def _log_mark(part: Part) -> LogMark:
    position, second = part.whole("o", 0, _BYTES), part.whole("s", 1, int(LATEST))
    if position is None or second is None:
        raise DamagedRecord("the mark is not whole")
    return LogMark(position, second, part.get("t") == "end")


def _device(part: Part) -> DeviceDescribed:
    from sovlab.core.energy import decoding

    return decoding.device_described(part)


def _power(part: Part) -> PowerSeen:
    from sovlab.core.energy import decoding

    return decoding.power_seen(part)


def _past(part: Part) -> PowerPast:
    from sovlab.core.energy import decoding

    return decoding.power_past(part)


def _lost(part: Part) -> PowerLost:
    from sovlab.core.energy import decoding

    return decoding.power_lost(part)


def _limit(part: Part) -> LimitSeen:
    from sovlab.core.energy import decoding

    return decoding.limit_seen(part)


def _notebook_piece(part: Part) -> NotebookPiece:
    number, more = part.whole("s", 0, _BYTES), part.get("more")
    if number is None or not isinstance(more, bool):
        raise DamagedRecord("the piece of a notebook has no number")
    return NotebookPiece(number, more, part.text("d", _PIECE))


_READERS: Mapping[str, Callable[[Part], Frame]] = {
    "progress": _progress,
    "notebook": _notebook_piece,
    "rank": lambda part: RankNamed(part.whole("rank", 0, _RANKS)),
    "waiting": lambda part: PayloadAwaited(),
    "held": lambda part: ResultsHeld(part.get("follows") is True),
    "at": _log_mark,
    "end": _log_mark,
    "device": _device,
    "power": _power,
    "past": _past,
    "unseen": _lost,
    "limit": _limit,
}
