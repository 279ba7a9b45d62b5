"""Jobs as rows: one of them, and a page of many, filtered and sorted here."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from sovlab.client.others import shown
from sovlab.core.job import JobRecord, JobState
from sovlab.jupyter.server.asked import JobsQuery
from sovlab.jupyter.server.models import Health, JobPage, JobRow, Reading, State
from sovlab.jupyter.server.problems import RequestError
from sovlab.views.document import job_document, printable, reading_document
from sovlab.views.jobs import hardware_words, state_words

_TEXT = 300
"""Characters of a text in a row; the document has all of it."""


def row(record: JobRecord) -> JobRow:
    """A job as a line of a list."""
    status, spec = record.status, record.spec
    best = status.energy.best if status.energy is not None else None
    words = str(status.state) if status.state is JobState.RUNNING else state_words(status, 0.0)
    return JobRow(
        id=record.id,
        name=_short(record.name),
        target=_short(record.target),
        owner=_short(record.owner),
        own=record.own,
        kind=str(spec.kind) if spec else None,
        origin=_short(spec.origin) if spec else "",
        state=cast(State, str(status.state)),
        reason=str(status.reason),
        message=_short(status.message),
        words=_short(words),
        backend=_short(spec.backend) if spec else None,
        hardware=_short(hardware_words(spec)) if spec else "",
        nodes=spec.nodes if spec else None,
        gpus=spec.resources.gpus if spec else None,
        submitted=status.submitted,
        started=status.started,
        ended=status.ended,
        ahead=status.ahead,
        fraction=status.progress.fraction if status.progress else None,
        energy=Reading(**reading_document(best.energy)) if best is not None else None,
    )


def document(record: JobRecord, site: Any) -> dict[str, Any]:
    """All that is known of a job, as `sovlab.views.document` has it."""
    return job_document(record, site)


def counts(records: Iterable[JobRecord]) -> dict[str, int]:
    """How many jobs there are of each state."""
    return dict(Counter(str(record.status.state) for record in records))


def page(target: str, records: Sequence[JobRecord], query: JobsQuery, health: Health) -> JobPage:
    """The part of the jobs that a query asks for.

    Args:
        target: its name.
        records: all jobs, newest first.
        query: which, and in which order.
        health: whether they are true now.

    Raises:
        RequestError: there is no such state.
    """
    records = shown(records, all_users=query.all_users)
    found = records
    if query.state:
        wanted = {name.strip() for name in query.state.split(",") if name.strip()}
        unknown = sorted(wanted - {str(state) for state in JobState})
        if unknown:
            names = ", ".join(map(str, JobState))
            raise RequestError(400, f"There is no state {unknown[0][:50]!r}.", f"There are {names}.")
        found = [record for record in found if record.status.state in wanted]
    if query.q:
        text = query.q.casefold()
        found = [record for record in found if _has(record, text)]
    if query.sort == "submitted":
        found = found if query.order == "desc" else found[::-1]
    else:
        found = _sorted(found, _KEYS[query.sort], descending=query.order == "desc")
    begin = query.page * query.size
    return JobPage(
        target=target,
        page=query.page,
        size=query.size,
        total=len(found),
        counts=counts(records),
        jobs=[row(record) for record in found[begin : begin + query.size]],
        health=health,
    )


def _sorted(
    records: Sequence[JobRecord], key: Callable[[JobRecord], Any], *, descending: bool
) -> list[JobRecord]:
    """In order; what is not known comes last, either way. Equals keep the newest first."""
    known = [(value, record) for record in records if (value := key(record)) is not None]
    there = {record.id for _, record in known}
    known.sort(key=lambda pair: pair[0], reverse=descending)
    return [record for _, record in known] + [record for record in records if record.id not in there]


def _energy(record: JobRecord) -> float | None:
    best = record.status.energy.best if record.status.energy is not None else None
    return best.energy.value if best is not None else None


_KEYS: dict[str, Callable[[JobRecord], Any]] = {
    "started": lambda record: record.status.started,
    "ended": lambda record: record.status.ended,
    "name": lambda record: record.name.casefold(),
    "state": lambda record: str(record.status.state),
    "backend": lambda record: record.spec.backend if record.spec else None,
    "energy": _energy,
    "ran": lambda record: record.status.elapsed(time.time()),
}


def _has(record: JobRecord, text: str) -> bool:
    spec = record.spec
    parts = (record.name, record.id, spec.origin if spec else "", record.status.message, record.owner)
    return any(text in part.casefold() for part in parts)


def _short(text: str) -> str:
    whole = printable(text)
    return whole if len(whole) <= _TEXT else whole[: _TEXT - 1] + "…"
