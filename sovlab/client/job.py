"""`Job`: the live handle of a job, from any process, by its durable id."""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sovlab.core.job import JobRecord, JobState, JobStatus, Reason
from sovlab.core.spec import PayloadKind
from sovlab.errors import (
    JobCancelled,
    JobError,
    JobKilled,
    JobOutOfMemory,
    JobOverLimit,
    JobTimeout,
    UsageError,
)

if TYPE_CHECKING:
    from concurrent.futures import Future

    from matplotlib.figure import Figure

    from sovlab.client.loading import Loader
    from sovlab.client.measuring import Energy, Thermal
    from sovlab.client.site.job_energy import EnergyAtSite
    from sovlab.client.site.site import Site as Prometheus
    from sovlab.core.energy.earlier import EarlierRuns
    from sovlab.core.energy.footprint import Site
    from sovlab.core.energy.history import PowerCurves, PowerHistory
    from sovlab.core.event import Cursor, Event
    from sovlab.executors.executor import Executor

_FAILURES = {
    Reason.TIMEOUT: JobTimeout,
    Reason.LIMIT: JobOverLimit,
    Reason.CANCELLED: JobCancelled,
    Reason.KILLED: JobKilled,
    Reason.LOST: JobKilled,
    Reason.OUT_OF_MEMORY: JobOutOfMemory,
}


class Job:
    """A job that was submitted, in the words of `concurrent.futures`.

    Any process can hold one by the durable id, and holding one keeps nothing alive. Get one from
    `sovlab.submit`, or again with `sovlab.job`; a pickle holds the id and the name of the target. It keeps
    the last record that it was given: by its submit, a list, a wait or its events. What has ended never
    changes and is not asked for again; of a job that has not, each question is asked anew.

    ``await job`` gives its `result`; for several jobs there are `sovlab.as_completed` and `sovlab.wait`.

    Args:
        job_id: the durable id.
        executor: where it runs.
        rerun: submits the same request again.
        record: what is known of it; None if nothing is.
        site: what the site says of its electricity; None if nothing is known of that.
        prometheus: gives the Prometheus of its target; None if that names none.
    """

    def __init__(
        self,
        job_id: str,
        executor: Executor,
        rerun: Callable[[JobRecord, bool | None], Job],
        record: JobRecord | None = None,
        site: Site | None = None,
        prometheus: Callable[[], Prometheus | None] | None = None,
    ) -> None:
        self.id, self.site = job_id, site
        self._executor, self._rerun = executor, rerun
        self._last = record
        self._followers = 0
        self._lock = threading.Lock()
        self._ended: Future[JobStatus] | None = None
        self._loader: Loader | None = None
        self._prometheus = prometheus
        self._at_site: EnergyAtSite | None = None

    @property
    def record(self) -> JobRecord:
        """All that is known of it now."""
        last = self._last
        if last is not None and last.status.state.ended:
            return last
        return self._keep(self._executor.record(self.id))

    @property
    def last(self) -> JobRecord:
        """The last record that it was given, however old; asked for only if there is none."""
        return self._last or self.record

    @property
    def current(self) -> JobRecord:
        """As `record`, but without asking while somebody has it `followed`."""
        return self.last if self._followers else self.record

    def _keep(self, record: JobRecord) -> JobRecord:
        """Keep a record, unless a thread has kept that of its end meanwhile; the one that is kept."""
        with self._lock:
            if self._last is None or not self._last.status.state.ended:
                self._last = record
            return self._last

    @property
    def name(self) -> str:
        """What people call it; not unique."""
        return self.last.name

    @property
    def target(self) -> str:
        """The target it was submitted to."""
        return self._executor.target

    @property
    def status(self) -> JobStatus:
        """State, reason, one plain sentence, and what is known beside."""
        return self.record.status

    @property
    def state(self) -> JobState:
        """Where it stands."""
        return self.status.state

    def done(self) -> bool:
        """Whether it has ended, however."""
        return self.state.ended

    def done_within(self, timeout: float | None) -> bool:
        """As `done`; raises `WaitTimeout` if the target has not answered after ``timeout`` seconds."""
        from sovlab.client.answering import answered

        return answered(timeout, self.done)

    def wait(self, timeout: float | None = None) -> JobStatus:
        """Block until it has ended.

        Args:
            timeout: seconds to wait at most; None waits as long as it takes.

        Raises:
            WaitTimeout: it has not ended by then; it goes on.
        """
        last = self._last
        if last is None or not last.status.state.ended:
            last = self._keep(self._executor.wait(self.id, timeout))
        return last.status

    def when_ended(self) -> Future[JobStatus]:
        """A future that is done when it has ended, for what waits for several things at once.

        A thread waits for that, one for each handle however often it is asked.
        """
        from concurrent.futures import Future

        from sovlab.client.waiting import in_thread

        with self._lock:
            failed = self._ended is not None and self._ended.done() and self._ended.exception() is not None
            if self._ended is None or failed:
                last = self._last
                self._ended = Future()
                if last is not None and last.status.state.ended:
                    self._ended.set_result(last.status)
                else:
                    self._ended = in_thread(self.wait, f"sovlab-wait {self.id}")
            return self._ended

    def result(self, name: str | None = None, timeout: float | None = None, *, trust: bool = False) -> Any:
        """What it returned, waiting for its end.

        Args:
            name: one name of ``--out``; None gives a function's return value, or for a cell a dict of
                all names.
            timeout: seconds to wait at most.
            trust: load it though another user may have submitted the job: that runs their code here.

        Raises:
            Exception: the user's own, with the job's traceback as its ``__cause__``.
            ForeignJob: another may have submitted it, and it is not trusted.
            JobError: it was cancelled, killed, or ran out of time or memory.
            ResultError: there is no such name, or its value cannot be loaded here.
            WaitTimeout: it has not ended in time.
        """
        end = None if timeout is None else time.monotonic() + timeout
        self._loading.trusting |= trust
        failure = self.exception(timeout)
        if failure is not None:
            raise failure
        spec, results = self.last.spec, self._loading.results(end)
        if name is None and spec is not None and spec.kind is not PayloadKind.CALL:
            return results.values()
        if name is not None and name not in results.names and spec is not None and spec.outputs:
            raise self._loading.missing(name, spec.outputs, results.names)
        return results.value(name or "return")

    def results(self, *, trust: bool = False) -> dict[str, Any]:
        """The values of all names of ``--out`` that can be loaded here; waits for the job's end.

        Args:
            trust: see `result`.
        """
        self._loading.trusting |= trust
        failure = self.exception()
        if failure is not None:
            raise failure
        return self._loading.results().values()

    def partial(self) -> dict[str, Any]:
        """Of a job that failed: the names of ``--out`` as they were bound when the error came.

        They are not what the code was to compute, only what it had by then. Waits for the job's end; of a
        job that succeeded they are its results.

        Raises:
            ResultError: it left nothing.
        """
        self.wait()
        return self._loading.results().values()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Why it failed, as an exception to raise; None if it succeeded. Waits for its end."""
        end = None if timeout is None else time.monotonic() + timeout
        status = self.wait(timeout)
        if status.state is JobState.SUCCEEDED:
            return None
        message = f"Job {self.name} {status.state}: {status.message or status.reason}"
        error = status.error or {}
        if status.reason is Reason.USER_ERROR:
            return self._loading.user_exception(message, str(error.get("traceback", "")), end)
        return _FAILURES.get(status.reason, JobError)(message, job_id=self.id)

    def files(self, directory: str | os.PathLike[str] | None = None) -> dict[str, Path]:
        """What it wrote beside its code on a cluster, by its path there: copies here. Waits for its end.

        On this machine a job writes where the user has the code, and nothing need come back.

        Args:
            directory: where to put them; None is the job's own here.

        Raises:
            ResultError: they cannot be written.
        """
        self.wait()
        path = self._executor.results(self.id)
        if path is None:
            return {}
        folder = path.parent / "files" if directory is None else Path(directory)
        return self._loading.open(path).extract(folder)

    @property
    def outputs(self) -> list[dict[str, Any]]:
        """What its cell displayed, as MIME bundles ``{"data": …, "metadata": …}``; empty before its end."""
        path = self._executor.results(self.id)
        return self._loading.open(path).outputs if path is not None else []

    @property
    def energy(self) -> Energy:
        """What it took, with where the numbers are from; up to now if it runs."""
        from sovlab.client.measuring import energy_of

        return energy_of(self)

    def earlier_runs(self) -> EarlierRuns | None:
        """What this user's last runs of the same code on the same hardware took; None if there are none."""
        from sovlab.client.measuring import earlier_of

        return earlier_of(self, self._executor)

    @property
    def thermal(self) -> Thermal:
        """How hot its devices were, and for which share of the time they were slowed; once it has ended."""
        from sovlab.client.measuring import thermal_of

        return thermal_of(self)

    def energy_at_site(self) -> EnergyAtSite:
        """What its site's Prometheus has of its energy, beside `energy`, with the difference of the two.

        It is asked now, for some seconds at most. From a minute after the job's end on the answer stays as
        it is; before, the last scrapes may be missing. Where there is none, ``why`` says why.
        """
        from sovlab.client.site.job_energy import energy_at_site

        if self._at_site is None or not self._at_site.settled:
            self._at_site = energy_at_site(self.current, self._prometheus or (lambda: None))
        return self._at_site

    @property
    def has_prometheus(self) -> bool:
        """Whether its target names a Prometheus, which `energy_at_site` asks."""
        return self._prometheus is not None

    def power_history(self, source: Literal["job", "site"] = "job") -> PowerCurves:
        """Power over the time by device, oldest first, with where it is from; up to now if it runs.

        Args:
            source: ``job`` is what was measured in it: the last ten minutes by seconds, before that means; of
                one that has run for more than an hour and has not ended, half minutes. ``site`` is what the
                Prometheus of its target has, in some hundred points; it is asked now, for some seconds at
                most. Where there is nothing, ``why`` says why.

        Raises:
            UsageError: it is another word.
        """
        from sovlab.client.measuring import curves_at_site, curves_of

        if source not in ("job", "site"):
            raise UsageError(f"source is {source!r}.", "It is 'job' or 'site'.")
        return (
            curves_of(self) if source == "job" else curves_at_site(self, self._prometheus or (lambda: None))
        )

    def power_told(self) -> PowerHistory | None:
        """What its log tells of its power; None if its executor does not look for that by itself."""
        told = getattr(self._executor, "power_history", None)
        return told(self.id) if told is not None else None

    def manifest(self) -> Mapping[str, Any] | None:
        """The object of a cluster that it is, without what is secret, private or of this job alone.

        None where jobs are no objects, or where it is gone.
        """
        described = getattr(self._executor, "manifest_for_everybody", None)
        return described(self.id) if described is not None else None

    def plot(self, source: Literal["job", "site"] = "job") -> Figure:
        """Power over the time as a matplotlib figure.

        Args:
            source: as in `power_history`.

        Raises:
            UsageError: nothing was measured, or matplotlib is not installed.
        """
        from sovlab.client.measuring import plot

        return plot(self, self.power_history(source))

    def logs(self, *, follow: bool = False, rank: int | None = None) -> str:
        """The log as text, decoded from UTF-8; with ``follow``, once the job has ended.

        Args:
            follow: wait until the job has ended.
            rank: only what this rank printed; None is all, each line of several ranks marked ``[rank]``.
        """
        return "".join(self.stream(follow=follow, rank=rank))

    def stream(
        self,
        *,
        follow: bool = True,
        rank: int | None = None,
        tail: int | None = None,
        errors: str = "replace",
    ) -> Iterator[str]:
        r"""The log as text, piece by piece as it comes (``\r`` kept).

        Args:
            follow: go on until the job has ended.
            rank: only what this rank printed; None is all, each line of several ranks marked ``[rank]``.
            tail: of what is there already, only the last so many lines.
            errors: what to do with bytes that are not UTF-8, as for `bytes.decode`.

        Raises:
            ExecutorError: the target refuses the log, or, at the end, a part of it cannot be read.
        """
        from sovlab.client.logs.reading import texts

        return texts(self.events, follow=follow, rank=rank, tail=tail, errors=errors)

    def events(
        self, *, follow: bool = True, offset: Cursor = 0, stop: threading.Event | None = None
    ) -> Iterator[Event]:
        """Its log, progress and states; with ``follow`` until it has ended.

        Args:
            follow: wait for more until it has ended.
            offset: of an earlier event, to go on after it; 0 is the start.
            stop: set it to end the waiting.
        """
        return self._noted(self._executor.events(self.id, follow=follow, offset=offset, stop=stop))

    def _noted(self, events: Iterator[Event]) -> Iterator[Event]:
        from sovlab.core.event import after

        for event in events:
            if self._last is not None:
                self._keep(after(self._last, event))
            yield event

    @contextlib.contextmanager
    def followed(self, stop: threading.Event | None = None) -> Iterator[Iterator[Event]]:
        """Its events until its end, for somebody who takes each at once: meanwhile `current` asks nothing.

        Args:
            stop: set it to end that before.
        """
        with self._lock:
            self._followers += 1
        try:
            yield self.events(stop=stop)
        finally:
            with self._lock:
                self._followers -= 1

    def __await__(self) -> Generator[Any, None, Any]:
        """Its `result`, while the event loop goes on: another thread waits for the end and loads it."""
        from sovlab.client.waiting import awaited

        return awaited(self).__await__()

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.id, self.target)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and (self.id, self.target) == (other.id, other.target)

    def __hash__(self) -> int:
        return hash((self.id, self.target))

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name == "_condition":  # what concurrent.futures looks for first
                raise AttributeError(
                    "concurrent.futures waits for futures only: "
                    "for jobs there are sovlab.as_completed(jobs) and sovlab.wait(jobs)."
                )
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def cancel(self, *, all_users: bool = False) -> None:
        """Ask it to end: SIGTERM, its grace time for the checkpoint hook, SIGKILL. Returns at once.

        Args:
            all_users: also if another user submitted it.

        Raises:
            ForeignJob: another did.
        """
        if not all_users:
            from sovlab.client.others import refuse_others

            refuse_others(self.last, "cancelled")
        self._executor.cancel(self.id)

    def rerun(self, resume: bool | None = None) -> Job:
        """Submit the same request again, as a new job with the same payload.

        Args:
            resume: whether the new job finds what this one saved in `sovlab.checkpoint.directory`; None is
                yes if this one was cancelled, lost, killed or out of time, and no if it came to its own end.
        """
        return self._rerun(self.record, resume)

    def delete(self, *, all_users: bool = False) -> None:
        """Forget it and all that it left; it must have ended.

        Args:
            all_users: also if another user submitted it.

        Raises:
            ForeignJob: another did.
        """
        if not all_users:
            from sovlab.client.others import refuse_others

            refuse_others(self.last, "removed")
        self._executor.delete(self.id)
        self._last = None

    @property
    def _loading(self) -> Loader:
        if self._loader is None:
            from sovlab.client.loading import Loader

            self._loader = Loader(self, self._executor)
        return self._loader

    def __repr__(self) -> str:
        return f"<Job {self.id}: {self.record.status.state}>"

    def widget(self) -> Any:
        """Its card as an anywidget, for front ends that run no extension of JupyterLab: live, with buttons.

        It is told by the kernel, in a thread, until the job has ended or the widget is closed.

        Raises:
            UsageError: anywidget is not installed (``pip install "sovlab[widget]"``).
        """
        return _face().widget(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {
            mime: data
            for mime, data in _face().bundle(self).items()
            if (not include or mime in include) and (not exclude or mime not in exclude)
        }

    def _repr_html_(self) -> str | None:
        html = self._repr_mimebundle_().get("text/html")
        return html if isinstance(html, str) else None

    def _display_(self) -> Any:  # marimo's word for it
        return _face().displayed(self)


def _face() -> Any:
    """What shows jobs in notebooks; it is above this floor, and whoever has the package has it."""
    return importlib.import_module("sovlab.jupyter.showing")


def _again(job_id: str, target: str) -> Job:
    """The handle that was pickled; nothing is asked for."""
    from sovlab.client.client import default

    return default().attach(job_id, target)
