"""A job as front ends show it: its card as it is now, or, where there are widgets, one that follows it."""

from __future__ import annotations

import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from sovlab.card.bundle import render
from sovlab.card.terminal import TerminalTail
from sovlab.core.job import Progress
from sovlab.errors import UsageError

if TYPE_CHECKING:
    from sovlab.client.job import Job
    from sovlab.jupyter.widget import JobWidget

_HISTORY = 200
"""Reports of progress that the time left is worked out from."""


def bundle(job: Job) -> dict[str, Any]:
    """The card of a job as it is now: its data, HTML and text, see `sovlab.card.bundle.render`."""
    from sovlab.core.energy.history import PowerHistory
    from sovlab.core.event import LogChunk, PowerChanged, ProgressChanged

    tail, history, power = TerminalTail(), list[Progress](), PowerHistory()
    for event in job.events(follow=False):
        if isinstance(event, LogChunk):
            tail.feed(event.data, event.rank)
        elif isinstance(event, ProgressChanged):
            history = [*history[1 - _HISTORY :], event.progress]
        elif isinstance(event, PowerChanged):
            power.add(event.seen)
    record = job.last
    outputs = job.outputs if record.status.state.ended else []
    return render(record, tail, history, time.time(), outputs=outputs, power=power, site=job.site)


def show_once(job: Job) -> None:
    """Display the card of a job as it is now."""
    from IPython.display import display

    display(bundle(job), raw=True)


def widget(job: Job) -> JobWidget:
    """The card of a job as an anywidget, which follows it.

    Raises:
        UsageError: anywidget is not installed, or its front end is not built.
    """
    if find_spec("anywidget") is None:
        raise UsageError("anywidget is not installed.", 'pip install "sovlab[widget]" brings it.')
    from sovlab.jupyter.widget import JobWidget

    return JobWidget(job)


def displayed(job: Job) -> Any:
    """What marimo shows of a job: the widget where there is anywidget, else the card as HTML."""
    try:
        return widget(job)
    except UsageError:
        return _Html(bundle(job)["text/html"])


class _Html:
    def __init__(self, html: str) -> None:
        self._html = html

    def _repr_html_(self) -> str:
        return self._html
