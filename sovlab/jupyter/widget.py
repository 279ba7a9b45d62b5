"""The card of a job as an anywidget: shown by the front end in ``front``, told and obeyed from here.

The kernel's end keeps the card's data, what the devices draw now, and after the end the HTML, which has what
the job displayed. The front end asks by messages ``{"type": "ask", "id": …, "what": "cancel"}``; the answer
has the same id, and either ``answer`` or ``problem``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import msgspec
import traitlets

from sovlab.card.bundle import MIME
from sovlab.core.job import JobState
from sovlab.errors import SovlabError, UsageError
from sovlab.jupyter.live_cards import LiveCard
from sovlab.views.document import job_document, printable

if TYPE_CHECKING:
    from sovlab.client.job import Job

_FRONT = Path(__file__).with_name("front")
_SILENCE = 5.0
"""Seconds after which a running job's card is sent although only its clock has changed: the kernel lives."""
_CLOCK = frozenset({"updated", "headline"})
_LONGEST = 8 << 20
"""Characters of HTML above which what the job displayed is not sent."""
_ASKED = 8
"""Questions that are worked on at a time; more are refused."""


def _part(name: str) -> str:
    try:
        return (_FRONT / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(
            f"The front end of the widget is not built: there is no {name}.",
            "In a checkout `make lab` builds it; a wheel brings it.",
        ) from None


class JobWidget(anywidget.AnyWidget):  # type: ignore[misc]
    """A job's card, live while the kernel is.

    Args:
        job: whose card it is.

    Attributes:
        card: the data of the card, by ``card.schema.json``.
        html: the card as HTML once the job has ended, else empty: what it displayed is in there.
        readings: what its devices draw now, as `sovlab.jupyter.server.stream.messages.Readings`; empty if
            nothing is known of that.

    Raises:
        UsageError: the front end is not built.
    """

    card = traitlets.Dict().tag(sync=True)
    html = traitlets.Unicode("").tag(sync=True)
    readings = traitlets.Dict().tag(sync=True)

    def __init__(self, job: Job) -> None:
        self._esm, self._css = _part("widget.js"), _part("widget.css")
        self.job = job
        self._card_sent = self._readings_of = 0.0
        self._asked = 0
        self._count = threading.Lock()
        self._live = LiveCard(job)
        first = self._live.bundle()
        super().__init__(card=first[MIME])
        self.on_msg(self._hear)
        self._live.follow(self._take)

    def close(self) -> None:
        """Take it out of the page, and follow the job no more; the job goes on."""
        self._live.stop()
        super().close()

    def _take(self, bundle: Mapping[str, Any]) -> None:
        """Send what has changed; all of one look goes together."""
        if self.comm is None:
            self._live.stop()
            return
        card, now = bundle[MIME], time.monotonic()
        ended = JobState(card["state"]).ended
        if not _same(card, self.card) or ended or now - self._card_sent >= _SILENCE:
            self._card_sent = now
            with self.hold_sync():
                self.card = card
                self.readings = {} if ended else self._measured()
                self.html = bundle["text/html"] if ended and len(bundle["text/html"]) <= _LONGEST else ""

    def _measured(self) -> dict[str, Any]:
        power = self._live.power
        if power is None:
            return {}
        if power.heard == self._readings_of:
            return dict(self.readings)
        from sovlab.jupyter.server.stream.readings import readings

        self._readings_of = power.heard
        return dict(msgspec.to_builtins(readings(self.job.target, self.job.id, power)))

    def _hear(self, _widget: object, content: Any, _buffers: object) -> None:
        """Do what was asked, in a thread: a cluster may take its time, and the kernel has more to do."""
        if not isinstance(content, dict) or content.get("type") != "ask":
            return
        number, action = content.get("id"), _ACTIONS.get(str(content.get("what")))
        with self._count:
            accepted = self._asked < _ASKED
            self._asked += accepted
        if action is None or not accepted:
            problem = (
                "It cannot be asked for that." if action is None else "It was asked for too much at a time."
            )
            if accepted:
                self._done()
            self.send({"type": "answer", "id": number, "problem": problem})
            return
        name = f"sovlab-asked-{self.job.id}"
        threading.Thread(target=self._answer, args=(number, action), name=name, daemon=True).start()

    def _answer(self, number: Any, action: Callable[[Job], Any]) -> None:
        try:
            said: dict[str, Any] = {"answer": action(self.job)}
        except Exception as error:
            text = str(error) if isinstance(error, SovlabError) else f"{type(error).__name__}: {error}"
            said = {"problem": printable(text)}
        finally:
            self._done()
        self.send({"type": "answer", "id": number, **said})

    def _done(self) -> None:
        with self._count:
            self._asked -= 1


def _same(card: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two cards differ in their clocks only."""
    return {**card, **dict.fromkeys(_CLOCK)} == {**other, **dict.fromkeys(_CLOCK)}


def _cancel(job: Job) -> dict[str, Any]:
    job.cancel()
    return job_document(job.record, job.site)


def _rerun(job: Job) -> dict[str, Any]:
    again = job.rerun()
    return {"job": job_document(again.last, again.site), "messages": []}


def _remove(job: Job) -> None:
    job.delete()


def _manifests(job: Job) -> dict[str, Any]:
    from sovlab.client import default
    from sovlab.views.yaml import yaml_text

    found = default().manifests(job.id, job.target)
    notes = [printable(note) for note in found.notes]
    return {"yaml": yaml_text(found.objects), "objects": [], "notes": notes}


_ACTIONS: dict[str, Callable[[Job], Any]] = {
    "cancel": _cancel,
    "rerun": _rerun,
    "remove": _remove,
    "manifests": _manifests,
}
