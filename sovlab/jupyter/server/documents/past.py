"""What happened to a job and what was sent for it, as documents."""

from __future__ import annotations

from sovlab.client import Client
from sovlab.jupyter.server.models import Happening, Happenings, Sent, SentFile, Variable
from sovlab.views.document import printable


def events(client: Client, target: str, job: str, page: int, size: int) -> Happenings:
    """A part of what happened to a job.

    Raises:
        JobNotFound: there is none.
        ExecutorError: its target gives no answer.
    """
    found = client.past(job, target)
    return Happenings(
        id=job,
        page=page,
        size=size,
        total=len(found.happenings),
        happenings=[
            Happening(
                time=each.time,
                of=_line(each.of),
                text=_line(each.text),
                warning=each.warning,
                count=each.count,
            )
            for each in found.happenings[page * size : (page + 1) * size]
        ],
        notes=[_line(note) for note in found.notes],
    )


def sent(client: Client, target: str, job: str) -> Sent:
    """What was sent for a job.

    Raises:
        JobNotFound: there is none.
        ExecutorError: its target gives no answer.
    """
    found = client.sent(job, target)
    return Sent(
        id=job,
        source=printable(found.source.replace("\r\n", "\n")),
        cut=found.cut,
        payload=found.size,
        digest=found.digest,
        python=printable(found.python),
        variables=[
            Variable(name=_line(each.name), type=_line(each.type), bytes=each.size)
            for each in found.variables
        ],
        withheld=[_line(name) for name in found.withheld],
        files=[SentFile(path=_line(path), bytes=size) for path, size in found.files.items()],
        options={name: _line(text) for name, text in found.options.items()},
        env=[_line(name) for name in found.env],
        args=[_line(arg) for arg in found.args],
        notes=[_line(note) for note in found.notes],
    )


def _line(text: str) -> str:
    return " ".join(printable(text).split())
