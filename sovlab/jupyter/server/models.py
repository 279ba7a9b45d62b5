"""What the server answers, as types: OpenAPI is made of them, and of what it is asked (`asked`).

A docstring's first paragraph and its list of attributes are what the published document says of a type.
Times are seconds since the epoch, sizes are bytes; null is what is not known, never 0.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

PROTOCOL = 1
"""Of the socket and the routes together; a change that an older page would misread gets another number."""

JobDocument = Annotated[dict[str, Any], Meta(extra_json_schema={"$ref": "#/components/schemas/Job"})]
"""What `sovlab.views.document.job_document` makes, by its own schema."""
State = Literal["pending", "queued", "running", "suspended", "succeeded", "failed", "cancelled", "unknown"]


class Answer(msgspec.Struct, kw_only=True, frozen=True):
    """Something that the server says."""


# --- what goes wrong


class Fault(Answer, frozen=True, kw_only=True):
    """A part of a request that is wrong.

    Attributes:
        pointer: where: a JSON pointer into the body, or the name of a parameter.
        detail: what is wrong with it.
        hint: what to do about it; empty if the detail says it.
    """

    pointer: str
    detail: str
    hint: str


class Problem(Answer, frozen=True, kw_only=True):
    """Why a request was not carried out, by RFC 9457.

    Attributes:
        type: ``urn:sovlab:problem:`` and the name of the error, e.g. ``JobNotFound``.
        title: the kind of problem in a few words.
        status: of HTTP.
        detail: what happened, and to which object.
        hint: what to do next; empty if there is nothing to do.
        errors: the parts of the request that are wrong.
    """

    type: str
    title: str
    status: int
    detail: str
    hint: str
    errors: list[Fault]


# --- what there is


class May(Answer, frozen=True, kw_only=True):
    """What the user of this connection may do, by the server's authorizer.

    Attributes:
        write: cancel and remove jobs.
        execute: submit jobs and run them again.
    """

    write: bool
    execute: bool


class Version(Answer, frozen=True, kw_only=True):
    """What is running here, so that a page of another version can say so.

    Attributes:
        version: of the package.
        protocol: of the routes and the socket; a page that knows another asks for nothing more.
        document: version of a job's document.
        card: MIME type of the card.
        epoch: changes when the server starts again; revisions are of one epoch.
        may: what the user may do.
    """

    version: str
    protocol: int
    document: int
    card: str
    epoch: str
    may: May


class Target(Answer, frozen=True, kw_only=True):
    """A named place where jobs run.

    Attributes:
        name: of the target.
        executor: ``local``, ``kubernetes``, or one that another package adds.
        where: the place in a few words.
        source: where it is defined: a file and line, or ``built in``.
        prometheus: whether it names one, which is asked for telemetry.
    """

    name: str
    executor: str
    where: str
    source: str
    prometheus: bool


class Targets(Answer, frozen=True, kw_only=True):
    """The targets of the user's settings.

    Attributes:
        current: the one that is used where none is named.
        targets: all, by name.
        notes: sentences about settings that were left aside or are written in an old way.
    """

    current: str
    targets: list[Target]
    notes: list[str]


class Figure(Answer, frozen=True, kw_only=True):
    """A number on the state of devices, with where it is from.

    Attributes:
        value: null if it is not known.
        unit: ``°C``, ``W`` or ``devices``.
        source: where it is from, in a few words.
        seen: when it was so; null if that is not known.
        why: why there is no value, or what is not in it: a clause.
    """

    value: float | None
    unit: str
    source: str
    seen: float | None
    why: str


class Backend(Answer, frozen=True, kw_only=True):
    """What a target has of one kind of hardware.

    Attributes:
        name: what ``--backend`` takes.
        free, total: devices, or cores of ``cpu``; null if not known.
        queued: jobs that wait for it; null if not known.
        models: product names.
        memory: bytes of the largest device; null if not known.
        why: what was looked at and what it said; also where nothing was found.
        source: where the numbers are from.
        seen: when they were so; null if that is not told.
        celsius: °C of the hottest place of any of its devices.
        slowed: how many of its devices heat slows.
        headroom: W that its devices may draw more until they, or the site, are at their limits.
        passed: why ``auto`` does not take it, a clause; empty if it does, or if there is nothing to say.
    """

    name: str
    free: float | None
    total: float | None
    queued: int | None
    models: list[str]
    memory: int | None
    why: str
    source: str
    seen: float | None
    celsius: Figure
    slowed: Figure
    headroom: Figure
    passed: str


class Backends(Answer, frozen=True, kw_only=True):
    """The hardware of a target.

    Attributes:
        target: its name.
        time: when it was asked.
        auto: the backend that a job gets that asks for none, and for no number of devices.
        auto_why: a sentence: why that one.
        backends: one for each that is known.
    """

    target: str
    time: float
    auto: str
    auto_why: str
    backends: list[Backend]


class Reading(Answer, frozen=True, kw_only=True):
    """A number with where it is from.

    Attributes:
        value: null if it is not known.
        unit: ``J``, ``W``, ``°C`` or ``1`` for a share.
        source: where it is from.
        method: how, for people.
        scope: of what.
        coverage: share of the time of which it is, 0 to 1; null if not known.
        why: why there is no value, or what is not in it.
    """

    value: float | None
    unit: str
    source: Literal["counter", "sampled", "attributed", "modelled", "unavailable"]
    method: str
    scope: str
    coverage: float | None
    why: str


class Device(Answer, frozen=True, kw_only=True):
    """A device as it is now.

    Attributes:
        id: its UUID or address.
        kind: ``gpu``, ``cpu``, ``memory``, ``node``, or a site's own.
        name: its model; may be empty.
        index: as its vendor's runtime numbers it.
        power: W, the mean of the look.
        celsius: by place.
        limit: W that it keeps to; null if not known.
        slowed: why it is slowed; null if that is not told.
    """

    id: str
    kind: str
    name: str
    index: int | None
    power: Reading
    celsius: dict[str, float]
    limit: float | None
    slowed: list[str] | None


class SiteReading(Answer, frozen=True, kw_only=True):
    """What one of the site's own queries says: of its power distribution, its cooling.

    Attributes:
        name: of the query.
        of: what it is of.
        device: may be empty.
        reading: the number.
    """

    name: str
    of: str
    device: str
    reading: Reading


class Telemetry(Answer, frozen=True, kw_only=True):
    """What a target's devices draw, and how hot they are.

    Attributes:
        target: its name.
        time: when it was looked at.
        where: who says so: this machine's sensors, or a Prometheus.
        devices: those that are known, 1000 at most.
        unavailable: why a source measures nothing, by its name.
        own: what the site's own queries say.
    """

    target: str
    time: float
    where: str
    devices: list[Device]
    unavailable: dict[str, str]
    own: list[SiteReading]


# --- jobs


class JobRow(Answer, frozen=True, kw_only=True):
    """A job as a line of a list; `Job` has all that is known of it.

    Attributes:
        id: the durable id.
        name: what people call it; not unique.
        target: where it was submitted to.
        owner: who submitted it; empty where all jobs are one user's.
        own: whether that is this user, as far as its object tells.
        kind: null if its record is damaged.
        origin: where it was submitted from, e.g. ``In[7]``.
        reason: why it is in its state, for machines.
        message: the same as one plain sentence.
        words: the state in a few words, e.g. ``failed: user error``, without the time that passes.
        hardware: what it was given, in a few words.
        gpus: accelerators on each node.
        ahead: jobs before it in its queue; null if it does not wait in one.
        fraction: of its progress, 0 to 1; null if not known.
        energy: what it took in J, once it has ended; null if nothing was looked at.
    """

    id: str
    name: str
    target: str
    owner: str
    own: bool
    kind: str | None
    origin: str
    state: State
    reason: str
    message: str
    words: str
    backend: str | None
    hardware: str
    nodes: int | None
    gpus: int | None
    submitted: float | None
    started: float | None
    ended: float | None
    ahead: int | None
    fraction: float | None
    energy: Reading | None


class Health(Answer, frozen=True, kw_only=True):
    """Whether what is shown of a target is true now.

    Attributes:
        target: its name.
        state: ``connecting`` before the first answer; ``down``: what is shown is the last that was known.
        seen: when what is shown was true; null if nothing was ever known.
        problem: why it is down.
    """

    target: str
    state: Literal["connecting", "live", "down"]
    seen: float | None
    problem: Problem | None


class JobPage(Answer, frozen=True, kw_only=True):
    """A part of the jobs of a target.

    Attributes:
        target: its name.
        page, size: which part: rows from ``page × size`` on.
        total: jobs that pass the filter.
        counts: jobs of the target by state, whatever the filter.
        jobs: the rows, in the order that was asked for.
        health: whether they are true now.
    """

    target: str
    page: int
    size: int
    total: int
    counts: dict[str, int]
    jobs: list[JobRow]
    health: Health


class LogPiece(Answer, frozen=True, kw_only=True):
    r"""A part of what one rank of a job printed.

    Attributes:
        rank: that printed it; null in a job of one process.
        start: bytes that the rank had printed before.
        bytes: how many these are; not the length of the text, where they were not all UTF-8.
        text: decoded; what is not UTF-8 is U+FFFD. ``\r`` and escape sequences are as they were printed.
    """

    rank: int | None
    start: int
    bytes: int
    text: str


class LogPage(Answer, frozen=True, kw_only=True):
    """A part of a job's log.

    Attributes:
        pieces: in the order in which they were printed; where one rank is asked for, they join.
        next: of the rank that was asked for, or of all ranks together: the offset after this part.
        end: nothing came after it when it was read.
        ended: the job has ended: nothing more will come.
        lost: why the rest cannot be read; empty if it can.
    """

    pieces: list[LogPiece]
    next: int
    end: bool
    ended: bool
    lost: str


class PowerSeries(Answer, frozen=True, kw_only=True):
    """The power of one device over the time of a job.

    Attributes:
        id, kind, name, index: of the device.
        source: where its watts are from.
        points: each ``[time, seconds, mean W, highest W]``, oldest first: the last ten minutes by seconds,
            means of more before.
    """

    id: str
    kind: str
    name: str
    index: int | None
    source: Literal["counter", "sampled", "attributed", "modelled", "unavailable"]
    points: list[tuple[float, float, float, float]]


class Power(Answer, frozen=True, kw_only=True):
    """What was measured of a job.

    Attributes:
        id: of the job.
        energy: what it took so far, in J.
        mean, peak: W; null if not known.
        series: of each device.
    """

    id: str
    energy: Reading
    mean: float | None
    peak: float | None
    series: list[PowerSeries]


class Manifests(Answer, frozen=True, kw_only=True):
    """The objects of a job as its cluster has them; values of Secrets are their sizes.

    Attributes:
        yaml: of all, the workload first.
        objects: the same.
        notes: sentences about what is not among them.
    """

    yaml: str
    objects: list[dict[str, Any]]
    notes: list[str]


class Variable(Answer, frozen=True, kw_only=True):
    """A variable that is sent: its name, its type, and how many bytes it takes."""

    name: str
    type: str
    bytes: int


class Happening(Answer, frozen=True, kw_only=True):
    """Something that happened to a job.

    Attributes:
        time: when; null for what is so now.
        of: what it happened to: ``job``, or an object of its cluster.
        text: one sentence, or the cluster's own words.
        warning: it went wrong.
        count: how often it happened up to then.
    """

    time: float | None
    of: str
    text: str
    warning: bool
    count: int


class Happenings(Answer, frozen=True, kw_only=True):
    """A part of what happened to a job, the oldest first.

    Attributes:
        id: of the job.
        page, size: which part.
        total: of all.
        happenings: the part.
        notes: sentences about what could not be seen.
    """

    id: str
    page: int
    size: int
    total: int
    happenings: list[Happening]
    notes: list[str]


class SentFile(Answer, frozen=True, kw_only=True):
    """A file that was sent: its path beside the code, and its bytes."""

    path: str
    bytes: int


class Sent(Answer, frozen=True, kw_only=True):
    """What was sent for a job; values of variables and of the environment are in none of it.

    Attributes:
        id: of the job.
        source: of the cell or script; empty where the code is a function or a module.
        cut: characters that are left out at its end.
        payload: bytes in all; null if the payload is not on this machine.
        digest: SHA-256 of it.
        python: version that sent it; empty if not known.
        variables: of the notebook.
        withheld: names that looked like secrets and stayed.
        files: local modules and files beside the code.
        options: of the request, in words.
        env: names of the environment variables that were added.
        args: of a script; what looks like a secret is ``…``.
        notes: sentences about what is not shown.
    """

    id: str
    source: str
    cut: int
    payload: int | None
    digest: str
    python: str
    variables: list[Variable]
    withheld: list[str]
    files: list[SentFile]
    options: dict[str, str]
    env: list[str]
    args: list[str]
    notes: list[str]


class Card(Answer, frozen=True, kw_only=True):
    """The card of a job as it is now: a display's MIME bundle, with an HTML that needs no server."""

    data: dict[str, Any]


class Submitted(Answer, frozen=True, kw_only=True):
    """A job that was accepted.

    Attributes:
        job: what is known of it.
        messages: what the user should know, e.g. a name that was withheld.
    """

    job: JobDocument
    messages: list[str]


class Plan(Answer, frozen=True, kw_only=True):
    """What a submit would do; nothing was submitted.

    Attributes:
        target: where it would run.
        backend, backend_why: on what, and why on that.
        hardware: what it would be given, in a few words.
        payload: bytes that would be sent.
        variables: what of it are variables.
        files: files that would be sent.
        messages: what the user should know.
        yaml: the objects that a cluster would be asked for; empty where jobs are not made of objects.
    """

    target: str
    backend: str
    backend_why: str
    hardware: str
    payload: int
    variables: list[Variable]
    files: list[str]
    messages: list[str]
    yaml: str


class Done(Answer, frozen=True, kw_only=True):
    """What became of one job of several.

    Attributes:
        id, target: of the job.
        problem: why nothing was done; null if it was.
        job: the new job of a rerun, or the job as it is now; null of one that was removed.
    """

    id: str
    target: str
    problem: Problem | None
    job: JobRow | None


class BulkResult(Answer, frozen=True, kw_only=True):
    """What became of each job, in the order of the request."""

    results: list[Done]


# --- whole notebooks


class Parameter(Answer, frozen=True, kw_only=True):
    """A parameter of a notebook, as its cell with the tag `parameters` has it.

    Attributes:
        name: as the notebook has it.
        kind: what its value is; ``any`` where the notebook does not say.
        type: the same as the notebook writes it, or as its default is; empty if neither says.
        default: as somebody would type it; null if it has none, or none that is shown.
        computed: whether the default is computed in the notebook.
        optional: whether it may be None.
        choices: the only values that it may have; empty if it may have others.
        note: the comment behind it.
        secret: whether it looks like a secret, which is taken from nobody: notebooks are for all to read.
        required: whether the notebook has only its type, and no value.
    """

    name: str
    kind: Literal["int", "float", "bool", "str", "list", "dict", "any"]
    type: str
    default: str | None
    computed: bool
    optional: bool
    choices: list[str]
    note: str
    secret: bool
    required: bool


class Form(Answer, frozen=True, kw_only=True):
    """What a form for the run of a notebook has.

    Attributes:
        notebook: path as the contents API has it.
        kernel: name of the kernel that the notebook names; empty if it names none.
        language: of the kernel; empty if the notebook does not say.
        parameters: in the order of the notebook.
        output: a path beside it at which nothing is.
        notes: sentences about what cannot be set, and why.
    """

    notebook: str
    kernel: str
    language: str
    parameters: list[Parameter]
    output: str
    notes: list[str]


class Begun(Answer, frozen=True, kw_only=True):
    """A run of a notebook that is under way, or was there already.

    Attributes:
        job: id of its job.
        target: of the job.
        found: whether it is ``new``, or how the same run was found, whose outcome is written to the output.
        output: path of the executed notebook, as the contents API has it.
    """

    job: str
    target: str
    found: Literal["new", "running", "ended"]
    output: str


class Outcome(Answer, frozen=True, kw_only=True):
    """How far the executed notebook of a run is.

    Attributes:
        output: its path, as the contents API has it.
        written: whether it is whole: with the record of its run.
        over: whether nobody writes it any more; null if that is not known: this server has not begun the run.
        problem: why it was not written whole, or how the run failed, as a sentence; empty if it did not.
    """

    output: str
    written: bool
    over: bool | None
    problem: str
