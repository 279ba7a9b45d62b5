"""What the server is asked, as types with bounds: what does not fit is refused before anything is done."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sovlab.options import job as job_options

PAGE, MOST_ROWS = 100, 500
"""Jobs of a page: what is given where nothing is asked for, and the most."""
MOST_AT_ONCE = 500
"""Jobs that one request may act on."""
LOG_PAGE, MOST_LOG = 64 << 10, 1 << 20
"""Bytes of a log in one answer: the default, and the most."""
MOST_SOURCE = 1 << 20
"""Characters of a cell."""
MOST_VALUE, MOST_VALUES = 100_000, 1000
"""Characters of a parameter of a notebook, and parameters of one."""

TargetName = Annotated[str, Meta(min_length=1, max_length=100)]
JobId = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{1,45}$", max_length=46)]
Short = Annotated[str, Meta(max_length=200)]
Path = Annotated[str, Meta(min_length=1, max_length=4096)]


class Asked(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Something that the server is asked; what it does not know is refused."""


class OfTarget(Asked, frozen=True, kw_only=True):
    """Parameters of what is asked of a target.

    Attributes:
        target: its name; the current one where none is named.
    """

    target: TargetName | None = None


class JobsQuery(Asked, frozen=True, kw_only=True):
    """Which jobs, and in which order.

    Attributes:
        target: its name; the current one where none is named.
        state: states, with commas between; all where none is named.
        q: text that the name, the id, the origin or the message has, whatever its case.
        sort: by what; what is not known comes last.
        order: ``desc`` is the newest, the largest, the last of the alphabet first.
        page: from 0.
        size: rows of a page.
        all_users: others' jobs, too.
    """

    target: TargetName | None = None
    state: Annotated[str, Meta(max_length=100)] | None = None
    q: Short | None = None
    sort: Literal["submitted", "started", "ended", "name", "state", "backend", "energy", "ran"] = "submitted"
    order: Literal["asc", "desc"] = "desc"
    page: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    size: Annotated[int, Meta(ge=1, le=MOST_ROWS)] = PAGE
    all_users: bool = False


class LogQuery(Asked, frozen=True, kw_only=True):
    """Which part of a log.

    Attributes:
        target: its name; the current one where none is named.
        rank: of which rank; all of them where none is named.
        offset: bytes that come before; a negative number counts from the end.
        limit: bytes at most.
    """

    target: TargetName | None = None
    rank: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    offset: Annotated[int, Meta(ge=-(1 << 40), le=1 << 50)] = 0
    limit: Annotated[int, Meta(ge=1, le=MOST_LOG)] = LOG_PAGE


class EventsQuery(Asked, frozen=True, kw_only=True):
    """Which part of what happened to a job.

    Attributes:
        target: its name; the current one where none is named.
        page: from 0.
        size: of a page.
    """

    target: TargetName | None = None
    page: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    size: Annotated[int, Meta(ge=1, le=MOST_ROWS)] = PAGE


class FormQuery(Asked, frozen=True, kw_only=True):
    """Which notebook a form is for.

    Attributes:
        path: of the notebook, as the contents API has it.
    """

    path: Path


class OutcomeQuery(Asked, frozen=True, kw_only=True):
    """Which run of a notebook.

    Attributes:
        output: path of the executed notebook, as the contents API has it.
    """

    output: Path


def _options() -> type[msgspec.Struct]:
    """The options of a submit, made from `sovlab.options.job.FLAGS`: what is added there is here."""
    fields: list[tuple[str, Any, Any]] = []
    for field in dataclasses.fields(job_options.Options):
        flag = job_options.FLAGS[field.name]
        about = Meta(description=f"{flag.names[-1]}: {flag.help}")
        fields.append((field.name, Annotated[_kind(field.name), about] | UnsetType, UNSET))
    return msgspec.defstruct(
        "Options",
        fields,
        kw_only=True,
        frozen=True,
        forbid_unknown_fields=True,
        module=__name__,
        namespace={"__doc__": "Options of a submit, as its flags have them; what is not said is not set."},
    )


def _kind(name: str) -> Any:
    text = Annotated[str, Meta(max_length=1000)]
    several = Annotated[list[Annotated[str, Meta(max_length=4096)]], Meta(max_length=1000)]
    flag = job_options.FLAGS[name]
    if name == "env":
        value = Annotated[str, Meta(max_length=100_000)]
        return Annotated[dict[text, value], Meta(max_length=1000)]
    if name == "files":
        return several
    if flag.cell:
        return several | text
    if flag.text:
        return text | float
    if flag.whole:
        return Annotated[int, Meta(ge=0, le=1_000_000)]
    return text if flag.parse is str else float


if TYPE_CHECKING:

    class SubmitOptions(Asked, frozen=True, kw_only=True):
        """What `_options` makes, as far as it is named here."""

        target: str | UnsetType = UNSET

else:
    SubmitOptions = _options()


class Submit(Asked, frozen=True, kw_only=True):
    """Something to run: the source of a cell, or a Python file below the server's root; one of the two.

    Attributes:
        source: of a cell. The notebook's variables are its kernel's: a cell that reads any is refused.
        label: what the cell is called in tracebacks, e.g. ``In[7]``.
        directory: of the notebook, below the server's root: where local modules are.
        file: path below the server's root, as the contents API has it.
        args: of the file.
        options: where and with what.
        key: chosen by the page; the same one again, within ten minutes, finds the job instead of making two.
    """

    source: Annotated[str, Meta(min_length=1, max_length=MOST_SOURCE)] | None = None
    label: Annotated[str, Meta(max_length=100)] = ""
    directory: Annotated[str, Meta(max_length=4096)] = ""
    file: Path | None = None
    args: Annotated[list[Annotated[str, Meta(max_length=10_000)]], Meta(max_length=1000)] = []
    options: SubmitOptions | UnsetType = UNSET
    key: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{8,64}$")] | None = None


class Run(Asked, frozen=True, kw_only=True):
    """A whole notebook to run, with what was typed into its form.

    Attributes:
        notebook: path as the contents API has it; what is saved there is what runs.
        output: path of the executed notebook; nothing may be there.
        parameters: texts by name; of those that are not named the notebook's own values hold.
        options: where and with what; those of cells, and arguments, there are not.
        fresh: run it anew though the same run is there.
        key: chosen by the page; the same one again, within ten minutes, finds the run that it began.
    """

    notebook: Path
    output: Path
    parameters: Annotated[
        dict[Short, Annotated[str, Meta(max_length=MOST_VALUE)]], Meta(max_length=MOST_VALUES)
    ] = {}
    options: SubmitOptions | UnsetType = UNSET
    fresh: bool = False
    key: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{8,64}$")] | None = None


class Rerun(Asked, frozen=True, kw_only=True):
    """How a job is run again.

    Attributes:
        resume: whether it goes on from what the earlier one saved; null is yes if outside ended that.
    """

    resume: bool | None = None


class JobName(Asked, frozen=True, kw_only=True):
    """A job: its id, and its target, null for the current one."""

    id: JobId
    target: TargetName | None = None


class Bulk(Asked, frozen=True, kw_only=True):
    """Several jobs, and what is to be done with each.

    Attributes:
        action: ``remove`` refuses those that have not ended.
        jobs: of any targets.
    """

    action: Literal["cancel", "rerun", "remove"]
    jobs: Annotated[list[JobName], Meta(min_length=1, max_length=MOST_AT_ONCE)]
