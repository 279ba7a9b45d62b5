"""The card of a job as one MIME bundle, computed from the record, the log's end and a clock.

``application/vnd.sovlab.job.v1+json`` is for programs and richer renderers, by the schema beside this
module (``card.schema.json``): the job's document (`sovlab.views.document`) and what the card shows besides.
``text/html`` is what notebooks show, also saved and untrusted ones; ``text/plain`` is for terminals. What the
job displayed is in the HTML only, so that a picture is saved once; the data says how many outputs there are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sovlab.card import words as words
from sovlab.card.html import CardText, render_html
from sovlab.card.terminal import Line, TerminalTail
from sovlab.core.job import JobRecord, JobState, JobStatus, Progress
from sovlab.core.units import format_duration
from sovlab.views.document import earlier_document, job_document, printable, shortened, traceback_lines

if TYPE_CHECKING:
    from sovlab.card.power import PowerText
    from sovlab.core.energy.earlier import EarlierRuns
    from sovlab.core.energy.footprint import Site
    from sovlab.core.energy.history import PowerHistory

MIME = "application/vnd.sovlab.job.v1+json"
"""The type of the card's data. A change that old readers would misread gets another number."""

_BEFORE = (JobState.PENDING, JobState.QUEUED, JobState.SUSPENDED, JobState.RUNNING)
"""States in which it is worth knowing what earlier runs took."""
_OURS = r'  File "(?:sovlab/runner/[^"]*|[^"]*\.pyz/[^"]*|<frozen runpy>)", line \d+ in '
"""Frames of the runner in what faulthandler prints after a crash."""


def render(
    record: JobRecord,
    tail: bytes | TerminalTail,
    history: Sequence[Progress],
    now: float,
    *,
    outputs: Sequence[Mapping[str, Any]] = (),
    notes: Sequence[str] = (),
    raised: bool = False,
    power: PowerHistory | None = None,
    earlier: EarlierRuns | None = None,
    site: Site | None = None,
    at_site: str = "",
    site_energy: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The card as a MIME bundle.

    Args:
        record: the job as it stands.
        tail: the end of its log, frames removed.
        history: the last reports of progress, in order; for the time left.
        now: seconds since the epoch; the clock of a running job stops here.
        outputs: what it displayed, as MIME bundles ``{"data": …, "metadata": …}``.
        notes: sentences for the user, e.g. about a name that was withheld.
        raised: whether the cell of the card raises the job's error: then the traceback is shown below it.
        power: what has been seen of its devices while it runs.
        earlier: what the last runs of the same code took; shown until it has ended.
        site: what the site says of its electricity.
        at_site: what its site's Prometheus says of an ended job, in one line; empty if it was not asked.
        site_energy: the same as JSON, see `sovlab.views.site.totals_document`; None if it was not asked.
    """
    if isinstance(tail, bytes):
        printed, tail = tail, TerminalTail()
        tail.feed(printed)
    status, running = record.status, record.status.state is JobState.RUNNING
    traceback = traceback_lines(status.error)
    facts = words.facts(record, site) if status.state.ended else []
    if at_site and status.state.ended:
        facts.append(words.Fact("Site", f"Prometheus: {at_site}"))
    lines = _without(tail.kept(), traceback, (status.error or {}).get("rank"))
    if status.signal:
        lines = [line for line in lines if not re.match(_OURS, line.text)]
    seconds_left = words.time_left(history, now) if running else None
    quiet = words.silence(history, now) if running else None
    text = CardText(
        headline=words.headline(status, now),
        # The table has it, with more.
        location="" if facts and facts[0].label == "Hardware" else words.location(record),
        message=words.sentence(status),
        progress=status.progress or (history[-1] if history else None),
        time_left=_time_left(seconds_left, quiet),
        facts=facts,
        lines=lines[-tail.shown :],
        total=tail.total,
        traceback=[] if raised else shortened(traceback),
        notes=(*notes, *_limits(power)) if running else notes,
        seen=words.seen(status, now),
        power=_power(power, record.status, now, site) if running else None,
        earlier=earlier.words if earlier is not None and status.state in _BEFORE else "",
        chosen=words.chosen(record.spec) if record.spec is not None and status.state in _BEFORE else "",
    )
    data = _data(record, text, now, seconds_left, len(outputs), site)
    if earlier is not None and text.earlier:
        data["earlier"] = earlier_document(earlier)
    if site_energy is not None and status.state.ended:
        data["site_energy"] = dict(site_energy)
    return {
        MIME: data,
        "text/html": render_html(record, text, outputs),
        "text/plain": _plain(record, text),
    }


def _power(
    history: PowerHistory | None, status: JobStatus, now: float, site: Site | None
) -> PowerText | None:
    if history is None or not (history.numbers or history.lost):
        return None
    from sovlab.card.power import running

    return running(history, status=status, now=now, site=site)


def _limits(history: PowerHistory | None) -> tuple[str, ...]:
    if history is None or not history.limits:
        return ()
    from sovlab.views.energy import limit_words

    return tuple(limit_words(seen, history.nodes) for seen in history.limits.values())


def _time_left(seconds_left: float | None, quiet: float | None) -> str:
    if seconds_left is not None:
        return words.time_left_words(seconds_left)
    return f"no report for {format_duration(quiet)}" if quiet is not None else ""


def _without(lines: list[Line], traceback: Sequence[str], rank: int | None) -> list[Line]:
    """The log without the traceback that the rank printed at its end: the card shows it by itself."""
    end = [line for line in traceback if line.strip()]
    printed = [i for i, line in enumerate(lines) if line.text.strip() and line.rank in (rank, None)]
    count = min(len(end), len(printed))
    if not count:
        return lines
    printed, end = printed[-count:], end[-count:]
    # A line of the log may have been cut at the terminal's width, and the log itself at its height.
    texts = [lines[i].text.rstrip("…") for i in printed]
    same = [bool(text) and full.rstrip().startswith(text) for text, full in zip(texts, end, strict=True)]
    start, first = printed[0], lines[printed[0]]
    remaining = lines[:start]
    if not same[0] and first.text.endswith(end[0]):
        same[0] = True  # behind something that did not end its line
        remaining.append(first.without(len(end[0])))
    if not all(same):
        return lines
    remaining += [line for line in lines[start + 1 :] if line.rank not in (rank, None)]
    while remaining and not remaining[-1].text.strip():
        remaining.pop()
    return remaining


def _plain(record: JobRecord, text: CardText) -> str:
    first = f"{record.name}: {text.headline}" + (f" · {text.location}" if text.location else "")
    parts = [first, *filter(None, (text.chosen, text.earlier))]
    if text.progress is not None and not record.status.state.ended:
        parts.append(words.progress_words(text.progress) + (f" · {text.time_left}" if text.time_left else ""))
    if text.power is not None:
        parts += filter(None, (text.power.plain, text.power.footprint, text.power.slowed, text.power.trouble))
    if text.message:
        parts.append(text.message)
    parts += [line.text if line.rank is None else f"[{line.rank}] {line.text}" for line in text.lines]
    parts += text.traceback
    parts += [f"{f.label}: {f.text}" + (f" {f.hint}" if f.hint else "") for f in text.facts]
    parts += text.notes
    parts += [f"{what}: {code}" for what, code in words.commands(record)]
    if text.seen:
        parts.append(f"{text.seen} · {': '.join(words.look_again(record))}")
    return "\n".join(printable(part) for part in parts)


def _data(
    record: JobRecord,
    text: CardText,
    now: float,
    seconds_left: float | None,
    outputs: int,
    site: Site | None,
) -> dict[str, Any]:
    document = job_document(replace(record, status=replace(record.status, progress=text.progress)), site)
    progress = document["progress"]
    return {
        **document,
        "progress": {**progress, "seconds_left": seconds_left} if progress is not None else None,
        "headline": printable(text.headline),
        "updated": now,
        "log": {
            "lines": [{"rank": line.rank, "text": printable(line.text)} for line in text.lines],
            "total": text.total,
        },
        "outputs": outputs,
        "notes": [printable(note) for note in text.notes],
    }
