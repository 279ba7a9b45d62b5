"""What the routes that change something do; each is called in a thread, with what was asked."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, cast

import msgspec

from sovlab.client import Cell, Script
from sovlab.client.job import Job
from sovlab.errors import SovlabError
from sovlab.jupyter.server import asked, models
from sovlab.jupyter.server.listing import document, row
from sovlab.jupyter.server.operations import Request, handle
from sovlab.jupyter.server.problems import RequestError, problem_of
from sovlab.jupyter.server.runs import beginning
from sovlab.jupyter.server.services import Services
from sovlab.options import job as job_options
from sovlab.views.document import printable
from sovlab.views.jobs import hardware_words
from sovlab.views.yaml import plan_yaml

_TOGETHER = 4


def submit(services: Services, request: Request) -> models.Submitted:
    """See the route."""
    body: asked.Submit = request.body

    def once() -> models.Submitted:
        code, options = _code(services, body)
        submitted = services.client().submit(code, replace(options, target=request.target))
        return models.Submitted(
            job=document(submitted.job.last, submitted.job.site),
            messages=[printable(message) for message in submitted.messages],
        )

    return cast(models.Submitted, services.once(body.key, once))


def plan(services: Services, request: Request) -> models.Plan:
    """See the route."""
    code, options = _code(services, request.body)
    found = services.client().plan(code, replace(options, target=request.target))
    return models.Plan(
        target=printable(found.target),
        backend=printable(found.spec.backend),
        backend_why=printable(found.spec.backend_why),
        hardware=printable(hardware_words(found.spec)),
        payload=found.payload,
        variables=[
            models.Variable(name=name, type=printable(kind), bytes=size)
            for name, (kind, size) in found.variables.items()
        ],
        files=[printable(path) for path in found.files],
        messages=[printable(message) for message in found.messages],
        yaml=str(plan_yaml(found)),
    )


def run(services: Services, request: Request) -> models.Begun:
    """See the route."""
    body: asked.Run = request.body

    def once() -> models.Begun:
        logs = services.client().settings.state / "runs" / "logs"
        return beginning.begin(services.places, services.runs, body, request.target, logs)

    return cast(models.Begun, services.once(body.key, once))


def cancel(services: Services, request: Request) -> dict[str, Any]:
    """See the route."""
    found = handle(services, request)
    found.cancel()
    return document(found.record, found.site)


def rerun(services: Services, request: Request) -> models.Submitted:
    """See the route."""
    body: asked.Rerun = request.body
    found = handle(services, request)
    again = found.rerun(body.resume)
    return models.Submitted(job=document(again.last, again.site), messages=[])


def remove(services: Services, request: Request) -> None:
    """See the route."""
    handle(services, request).delete()


def bulk(services: Services, request: Request) -> models.BulkResult:
    """See the route: some at a time, each with its own outcome."""
    body: asked.Bulk = request.body

    def one(name: asked.JobName) -> models.Done:
        target = name.target or ""
        try:
            target = services.resolve(name.target)
            job = _BULK[body.action](handle(services, Request(target=target, may=request.may, job=name.id)))
            return models.Done(id=name.id, target=target, problem=None, job=row(job.record) if job else None)
        except SovlabError as error:
            problem = problem_of(error, about_job=True)
            return models.Done(id=name.id, target=printable(target), problem=problem, job=None)

    with ThreadPoolExecutor(_TOGETHER, "sovlab-server-bulk") as threads:
        return models.BulkResult(results=list(threads.map(one, body.jobs)))


def _cancelled(job: Job) -> Job:
    job.cancel()
    return job


def _removed(job: Job) -> None:
    job.delete()


_BULK: dict[str, Callable[[Job], Job | None]] = {
    "cancel": _cancelled,
    "rerun": Job.rerun,
    "remove": _removed,
}


def _code(services: Services, body: asked.Submit) -> tuple[Cell | Script, job_options.Options]:
    """What is to be run, and the options for it."""
    if (body.source is None) == (body.file is None):
        raise RequestError(422, "Either source or file must be given, and not both.")
    said: dict[str, Any] = msgspec.to_builtins(body.options) if body.options is not msgspec.UNSET else {}
    options = job_options.from_keywords(said)
    options = replace(options, files=tuple(str(services.places.below(path)) for path in options.files))
    if body.file is not None:
        path = services.places.below(body.file)
        if path.suffix != ".py":
            raise RequestError(422, f"{body.file} is not a Python file.", "Name a file that ends in .py.")
        if not path.is_file():
            raise RequestError(404, f"There is no file {body.file} below the server's root.")
        return Script(path, body.args), options
    if body.args:
        raise RequestError(422, "A cell takes no arguments.", "Leave out args.")
    folder = services.places.below(body.directory or ".")
    if not folder.is_dir():
        raise RequestError(404, f"There is no folder {body.directory} below the server's root.")
    return Cell(body.source or "", {}, label=body.label, directory=folder, alone=True), options


ACT: dict[str, Callable[[Services, Request], Any]] = {
    "submit": submit,
    "plan": plan,
    "cancel": cancel,
    "rerun": rerun,
    "remove": remove,
    "bulk": bulk,
    "run": run,
}
"""By the name of the route."""
