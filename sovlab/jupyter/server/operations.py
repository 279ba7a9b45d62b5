"""What the routes that only look do; each is called in a thread, with what was asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

from sovlab import __version__
from sovlab.card.bundle import MIME
from sovlab.client.job import Job
from sovlab.jupyter.server import asked, listing, models
from sovlab.jupyter.server.documents import hardware, past
from sovlab.jupyter.server.runs import forms
from sovlab.jupyter.server.services import Services
from sovlab.jupyter.server.stream.log_parts import LogReader, first
from sovlab.jupyter.showing import bundle
from sovlab.views.document import VERSION, printable, reading_document
from sovlab.views.yaml import yaml_text


class Request(msgspec.Struct, kw_only=True, frozen=True):
    """A request that has passed the door.

    Attributes:
        target: the name of its target, which there is.
        may: what its user may do.
        job: id in its path; empty if there is none.
        query, body: of the types that its route names.
    """

    target: str
    may: models.May
    job: str = ""
    query: Any = None
    body: Any = None


def version(services: Services, request: Request) -> models.Version:
    """See the route."""
    return models.Version(
        version=__version__,
        protocol=models.PROTOCOL,
        document=VERSION,
        card=MIME,
        epoch=services.epoch,
        may=request.may,
    )


def targets(services: Services, request: Request) -> models.Targets:
    """See the route."""
    client = services.client()
    settings = client.settings
    return models.Targets(
        current=settings.target_named(None).name,
        targets=[
            models.Target(
                name=printable(summary.name),
                executor=printable(summary.executor),
                where=printable(summary.where),
                source=printable(summary.source),
                prometheus=any(key.startswith("prometheus.") for key in summary.settings),
            )
            for summary in client.targets()
        ],
        notes=[printable(sentence) for sentence in (*settings.ignored, *settings.outdated)],
    )


def backends(services: Services, request: Request) -> models.Backends:
    """See the route."""
    return hardware.backends(services.client(), request.target)


def telemetry(services: Services, request: Request) -> models.Telemetry:
    """See the route."""
    return services.samplers.of(request.target).look()


def jobs(services: Services, request: Request) -> models.JobPage:
    """See the route: from the watch of the target if there is one."""
    watch = services.watches.of(request.target)
    known = watch.listed() if watch is not None and not request.query.all_users else None
    if known is None:
        records = services.client().jobs(request.target)
        health = models.Health(target=request.target, state="live", seen=time.time(), problem=None)
        known = records, health
    return listing.page(request.target, known[0], request.query, known[1])


def job(services: Services, request: Request) -> dict[str, Any]:
    """See the route."""
    found = handle(services, request)
    return listing.document(found.record, found.site)


def card(services: Services, request: Request) -> models.Card:
    """See the route."""
    return models.Card(data=bundle(handle(services, request)))


def power(services: Services, request: Request) -> models.Power:
    """See the route."""
    from sovlab.client.measuring import history_of

    found = handle(services, request)
    energy = found.energy
    history = history_of(found)
    series = [
        models.PowerSeries(
            id=printable(device.id),
            kind=printable(device.kind),
            name=printable(device.name),
            index=device.index,
            source=device.drawn,  # type: ignore[arg-type]
            points=[(each.time, each.seconds, each.watts, each.peak) for each in history.points(number)],
        )
        for number, device in sorted(history.devices.items())
    ]
    return models.Power(
        id=found.id,
        energy=models.Reading(**reading_document(energy.reading)),
        mean=energy.mean,
        peak=energy.peak,
        series=series,
    )


def manifests(services: Services, request: Request) -> models.Manifests:
    """See the route."""
    found = services.client().manifests(request.job, request.target)
    return models.Manifests(
        yaml=yaml_text(found.objects),
        objects=[dict(each) for each in found.objects],
        notes=[printable(note) for note in found.notes],
    )


def events(services: Services, request: Request) -> models.Happenings:
    """See the route."""
    query: asked.EventsQuery = request.query
    return past.events(services.client(), request.target, request.job, query.page, query.size)


def sent(services: Services, request: Request) -> models.Sent:
    """See the route."""
    return past.sent(services.client(), request.target, request.job)


def log(services: Services, request: Request) -> models.LogPage:
    """See the route."""
    query: asked.LogQuery = request.query
    found = handle(services, request)
    reader = LogReader(services.marks, (request.target, request.job), found, query.rank)
    if query.offset < 0:
        pieces, begin = reader.last(min(-query.offset, asked.MOST_LOG))
        pieces, size = first(pieces, query.limit)
        end = begin + size >= reader.total
        start = begin
    else:
        pieces, size, end = reader.part(query.offset, query.limit)
        start = min(query.offset, reader.total) if end else query.offset
    return models.LogPage(
        pieces=[piece.shown() for piece in pieces],
        next=start + size,
        end=end,
        ended=found.last.status.state.ended,
        lost=reader.lost,
    )


def form(services: Services, request: Request) -> models.Form:
    """See the route."""
    query: asked.FormQuery = request.query
    return forms.form(services.places, query.path)


def outcome(services: Services, request: Request) -> models.Outcome:
    """See the route."""
    query: asked.OutcomeQuery = request.query
    return services.runs.outcome(services.places, query.output)


def handle(services: Services, request: Request) -> Job:
    """The handle of the job that a request is about; it has been looked up.

    Raises:
        JobNotFound: there is none.
        ExecutorError: its target does not answer.
    """
    found = services.client().attach(request.job, request.target)
    _ = found.record
    return found


GET: dict[str, Callable[[Services, Request], Any]] = {
    "version": version,
    "targets": targets,
    "backends": backends,
    "telemetry": telemetry,
    "jobs": jobs,
    "job": job,
    "card": card,
    "power": power,
    "manifests": manifests,
    "events": events,
    "sent": sent,
    "log": log,
    "form": form,
    "outcome": outcome,
}
"""By the name of the route."""
