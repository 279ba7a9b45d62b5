"""Live cards: one display per job, kept up to date from threads until the job has ended."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sovlab.card.bundle import render
from sovlab.card.terminal import TerminalTail
from sovlab.client.job import Job
from sovlab.core.job import JobRecord, Progress, Reason
from sovlab.errors import SovlabError

if TYPE_CHECKING:
    from sovlab.core.energy.earlier import EarlierRuns
    from sovlab.core.energy.history import PowerHistory
    from sovlab.core.event import Event

_REPAINT = 0.2
"""Seconds between two paintings of a card: more would be traffic that nobody can read."""
_TICK = 1.0
"""Seconds after which a running card is painted although nothing happened: its clock goes on."""


class LiveCard:
    """One job's card in one cell's output.

    Args:
        job: whose card it is.
        notes: sentences for the user, from the submit.
        raised: whether the cell is to raise the job's error, and so shows its traceback.
    """

    def __init__(self, job: Job, notes: Sequence[str] = (), *, raised: bool = False) -> None:
        self.job = job
        self._raised = raised
        self.final = threading.Event()
        """Set once the card shows the job's end; only what the site's Prometheus says comes later."""
        self._followed = threading.Event()
        self._notes = tuple(notes)
        self._tail = TerminalTail()
        self._history: list[Progress] = []
        self._power: PowerHistory | None = None
        self._earlier: EarlierRuns | None = None
        self._record: JobRecord = job.last
        self._outputs: list[dict[str, Any]] = []
        self._at_site = ""
        self._site_energy: dict[str, Any] | None = None
        self._dirty = threading.Event()
        self._lock, self._painting = threading.Lock(), threading.Lock()
        self._send: Callable[[dict[str, Any]], object] = lambda bundle: None
        self._stop = threading.Event()

    def show(self) -> None:
        """Display the card here, and keep it up to date from now on."""
        from IPython.display import display

        handle: Any = display(self.bundle(), raw=True, display_id=True)
        self.follow(lambda bundle: handle.update(bundle, raw=True))

    def follow(self, send: Callable[[dict[str, Any]], object]) -> None:
        """Give ``send`` the card as a MIME bundle when it has changed, from threads, one after the other."""
        self._send = send
        threading.Thread(target=self._paint, name=f"sovlab-paint-{self.job.id}", daemon=True).start()

    def stop(self) -> None:
        """Follow the job no more."""
        self._stop.set()
        self._followed.set()
        self._dirty.set()

    @property
    def power(self) -> PowerHistory | None:
        """What was seen of its devices while it ran; None if nothing was."""
        return self._power

    def keep_traceback(self) -> None:
        """Show the traceback here: the cell does not raise the error."""
        if self._raised:
            self._raised = False
            self._update()

    def _follow(self) -> None:
        try:
            with self.job.followed(self._stop) as events:
                for event in events:
                    self._take(event)
                    self._dirty.set()
            if self._record.status.state.ended:
                self._outputs = self.job.outputs
        except Exception as error:
            # The job goes on; only this card stops, and says how to look again.
            said = error if isinstance(error, SovlabError) else f"{type(error).__name__}: {error}"
            self._notes = (*self._notes, f"This card no longer follows the job: {said}")
        finally:
            self._followed.set()
            self._dirty.set()

    def _take(self, event: Event) -> None:
        from sovlab.core.event import LogChunk, PowerChanged, ProgressChanged, after

        with self._lock:
            self._record = after(self._record, event)
            if isinstance(event, LogChunk):
                self._tail.feed(event.data, event.rank)
            elif isinstance(event, ProgressChanged):
                self._history = [*self._history[-199:], event.progress]
            elif isinstance(event, PowerChanged):
                if self._power is None:
                    from sovlab.core.energy.history import PowerHistory

                    self._power = PowerHistory()
                self._power.add(event.seen)

    def _paint(self) -> None:
        threading.Thread(target=self._follow, name=f"sovlab-follow-{self.job.id}", daemon=True).start()
        looked = False
        try:
            while not self._followed.is_set():
                self._dirty.wait(_TICK)
                self._dirty.clear()
                self._update()
                if not self._followed.wait(_REPAINT) and not looked:
                    looked = True  # of what is over at once nobody asks what it will take
                    look = threading.Thread(
                        target=self._look_back, name=f"sovlab-earlier-{self.job.id}", daemon=True
                    )
                    look.start()
            self._update()
        finally:
            self.final.set()
        if self.job.has_prometheus and self._record.status.state.ended and not self._stop.is_set():
            self._add_site()

    def _add_site(self) -> None:
        """What the site's Prometheus has of the job, once its last scrapes are there; nobody waits for it."""
        from sovlab.client.site.job_energy import until_settled

        time.sleep(until_settled(self._record.status))
        with contextlib.suppress(Exception):  # it is a line beside, and there may be no card any more
            from sovlab.views.site import totals_document

            said = self.job.energy_at_site()
            self._site_energy = {**totals_document(said.totals, said.why), "settled": said.settled}
            self._at_site = said.words
            self._update()

    def _look_back(self) -> None:
        """What earlier runs took; in a thread of its own, so that a slow disk or cluster holds up nothing."""
        try:
            earlier = self.job.earlier_runs()
        except Exception:
            return  # it is good to know, and no reason to say anything on the card of this run
        with self._lock:
            self._earlier = earlier
        self._dirty.set()

    def _update(self) -> None:
        with self._painting:  # or an older bundle might be sent last
            self._send(self.bundle())

    def bundle(self) -> dict[str, Any]:
        """The card as it is now."""
        with self._lock:
            return render(
                self._record,
                self._tail,
                self._history,
                time.time(),
                outputs=self._outputs,
                notes=self._notes,
                power=self._power,
                earlier=self._earlier,
                site=self.job.site,
                at_site=self._at_site,
                site_energy=self._site_energy,
                # Of what else may end a job, out of memory say, the error does not show the traceback.
                raised=self._raised and self._record.status.reason is Reason.USER_ERROR,
            )


class LiveCards:
    """The live cards of a kernel, so that waiting for a job does not show it twice."""

    def __init__(self) -> None:
        self._cards: dict[str, LiveCard] = {}

    def show(self, job: Job, notes: Sequence[str] = (), *, raised: bool = False) -> LiveCard:
        """Show ``job`` here, with a card of its own; see `LiveCard`."""
        card = LiveCard(job, notes, raised=raised)
        card.show()
        self._cards[job.id] = card
        return card

    def live(self, job: Job) -> LiveCard | None:
        """The card that follows ``job`` now, if there is one."""
        card = self._cards.get(job.id)
        return card if card is not None and not card.final.is_set() else None


_BOARDS: dict[int, LiveCards] = {}


def live_cards_of(shell: Any) -> LiveCards:
    """The board of an IPython shell."""
    return _BOARDS.setdefault(id(shell), LiveCards())
