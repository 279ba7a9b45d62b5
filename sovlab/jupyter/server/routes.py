"""The routes as data: what each takes, answers and needs; handlers and OpenAPI are made of this table."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from sovlab.jupyter.server import asked, models

BASE = "/sovlab/api"
"""Below the server's base URL."""
STREAM = f"{BASE}/stream"
OPENAPI = f"{BASE}/openapi.json"
JOB = "{job}"
"""What stands for a job's id in a path."""
ID_PATTERN = "[a-z][a-z0-9-]{1,45}"


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path.

    Attributes:
        name: of the operation, and of the method of `sovlab.jupyter.server.operations.Operations`.
        method: of HTTP.
        path: below `BASE`; ``{job}`` stands for a job's id.
        summary: one sentence.
        answer: type of the answer; None is an answer without a body.
        status: of success.
        query: type of the parameters; None takes none.
        body: type of the body; None takes none.
        right: what the authorizer must allow: ``read``, ``write`` or ``execute``.
        seconds: after which the answer is that the target has not answered.
    """

    name: str
    method: Literal["GET", "POST", "DELETE"]
    path: str
    summary: str
    answer: Any = None
    status: int = 200
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    right: Literal["read", "write", "execute"] = "read"
    seconds: float = 20.0


_OF = asked.OfTarget

ROUTES = (
    Route(
        name="version",
        method="GET",
        path="/version",
        summary="What is running here.",
        answer=models.Version,
    ),
    Route(
        name="targets",
        method="GET",
        path="/targets",
        summary="The targets of the user's settings.",
        answer=models.Targets,
    ),
    Route(
        name="backends",
        method="GET",
        path="/backends",
        summary="What hardware a target has, what is free, how its devices do, and what `auto` takes.",
        query=_OF,
        answer=models.Backends,
    ),
    Route(
        name="telemetry",
        method="GET",
        path="/telemetry",
        summary="What a target's devices draw now, and how hot they are.",
        query=_OF,
        answer=models.Telemetry,
        seconds=40.0,
    ),
    Route(
        name="jobs",
        method="GET",
        path="/jobs",
        summary="A page of the jobs of a target.",
        query=asked.JobsQuery,
        answer=models.JobPage,
    ),
    Route(
        name="submit",
        method="POST",
        path="/jobs",
        summary="Run a file, or a cell that needs no variable of its notebook.",
        body=asked.Submit,
        answer=models.Submitted,
        status=201,
        right="execute",
        seconds=60.0,
    ),
    Route(
        name="plan",
        method="POST",
        path="/jobs/plan",
        summary="What a submit would do and send; nothing is submitted.",
        body=asked.Submit,
        answer=models.Plan,
        right="execute",
        seconds=60.0,
    ),
    Route(
        name="form",
        method="GET",
        path="/runs/form",
        summary="What can be set for the run of a notebook, from its parameters cell.",
        query=asked.FormQuery,
        answer=models.Form,
        right="execute",
    ),
    Route(
        name="run",
        method="POST",
        path="/runs",
        summary="Run a whole notebook as a job; what was executed goes to a path of its own.",
        body=asked.Run,
        answer=models.Begun,
        status=201,
        right="execute",
        seconds=60.0,
    ),
    Route(
        name="outcome",
        method="GET",
        path="/runs",
        summary="How far the executed notebook of a run is.",
        query=asked.OutcomeQuery,
        answer=models.Outcome,
        right="execute",
    ),
    Route(
        name="bulk",
        method="POST",
        path="/jobs/bulk",
        summary="Do the same with several jobs.",
        body=asked.Bulk,
        answer=models.BulkResult,
        right="write",
        seconds=120.0,
    ),
    Route(
        name="job",
        method="GET",
        path="/jobs/{job}",
        summary="All that is known of a job.",
        query=_OF,
        answer=models.JobDocument,
    ),
    Route(
        name="remove",
        method="DELETE",
        path="/jobs/{job}",
        summary="Forget a job that has ended, and all that it left.",
        query=_OF,
        status=204,
        right="write",
    ),
    Route(
        name="cancel",
        method="POST",
        path="/jobs/{job}/cancel",
        summary="Ask a job to end: SIGTERM, its grace time, SIGKILL.",
        query=_OF,
        answer=models.JobDocument,
        status=202,
        right="write",
    ),
    Route(
        name="rerun",
        method="POST",
        path="/jobs/{job}/rerun",
        summary="Run a job's request again, as a new job.",
        query=_OF,
        body=asked.Rerun,
        answer=models.Submitted,
        status=201,
        right="execute",
        seconds=60.0,
    ),
    Route(
        name="log",
        method="GET",
        path="/jobs/{job}/log",
        summary="A part of what a job printed.",
        query=asked.LogQuery,
        answer=models.LogPage,
    ),
    Route(
        name="power",
        method="GET",
        path="/jobs/{job}/power",
        summary="The power of a job's devices over the time.",
        query=_OF,
        answer=models.Power,
    ),
    Route(
        name="events",
        method="GET",
        path="/jobs/{job}/events",
        summary="What happened to a job, and when.",
        query=asked.EventsQuery,
        answer=models.Happenings,
    ),
    Route(
        name="sent",
        method="GET",
        path="/jobs/{job}/sent",
        summary="What was sent for a job: its source, names and sizes; no value.",
        query=_OF,
        answer=models.Sent,
    ),
    Route(
        name="card",
        method="GET",
        path="/jobs/{job}/card",
        summary="The card of a job as a display's MIME bundle, for an output that the page writes.",
        query=_OF,
        answer=models.Card,
    ),
    Route(
        name="manifests",
        method="GET",
        path="/jobs/{job}/manifests",
        summary="The objects of a job as its cluster has them.",
        query=_OF,
        answer=models.Manifests,
    ),
)


def patterns() -> dict[str, list[Route]]:
    """The routes by the regular expression of their path."""
    found: dict[str, list[Route]] = {}
    for route in ROUTES:
        found.setdefault(f"{BASE}{route.path}".replace(JOB, f"(?P<job>{ID_PATTERN})"), []).append(route)
    return found
