"""`Sweep`: the live handle of one code's jobs at many points, and what they took side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from sovlab.client.sweeping.feeding import Feeder, Run
from sovlab.client.sweeping.rows import row_of
from sovlab.core.job import JobState
from sovlab.errors import ExecutorError, JobNotFound, SovlabError, WaitTimeout
from sovlab.views.sweep import headline, point_words, sweep_notes, sweep_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sovlab.client.client import Client
    from sovlab.client.job import Job
    from sovlab.core.job import JobRecord
    from sovlab.options.sweep import Point
    from sovlab.views.table import Table

_SHOWN = 200
"""Runs that are shown where nobody asked for the table."""
_FEW = 4
"""Jobs that are asked for one by one; of more the target's list is asked for."""


class Sweep:
    """Jobs of one code at many points. Get one from `sovlab.sweep`.

    Jobs go on without it. Where not all are submitted at once, the process that made it submits the next as
    one ends, as long as it lives; `wait` waits for all. A pickle holds the jobs by their ids, and submits
    nothing.

    Args:
        name: what people call it.
        runs: in the order of the points.
        client: asks for their jobs; None makes the default one at first use.
        feeder: submits those that wait; None if nobody does.
        messages: what the user should know about the submit.
    """

    def __init__(
        self,
        name: str,
        runs: Sequence[Run],
        client: Client | None = None,
        feeder: Feeder | None = None,
        messages: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.messages = tuple(messages)
        self._runs = tuple(runs)
        number = 0
        for run in self._runs:
            number += run.point.repeat == 1
            run.number = number
        self._client = client
        self._feeder = feeder

    @property
    def points(self) -> list[Point]:
        """What was chosen for each run."""
        return [run.point for run in self._runs]

    @property
    def jobs(self) -> list[Job]:
        """The jobs that were submitted so far, in the order of the points."""
        return [run.job for run in self._runs if run.job is not None]

    @property
    def waiting(self) -> int:
        """How many runs wait to be submitted."""
        return sum(not run.settled.is_set() for run in self._runs)

    def done(self) -> bool:
        """Whether every run has ended, or will never be submitted."""
        self._refresh()
        return all(run.settled.is_set() and _is_over(run) for run in self._runs)

    def wait(self, timeout: float | None = None) -> Sweep:
        """Block until all have ended, however; returns the sweep itself.

        Args:
            timeout: seconds to wait at most; None waits as long as it takes.

        Raises:
            WaitTimeout: not all have ended by then; they go on.
            ExecutorError: a target does not answer.
        """
        for _ in self.as_completed(timeout):
            pass
        return self

    def as_completed(self, timeout: float | None = None) -> Iterator[Mapping[str, Any]]:
        """A row of each run once it has ended, in the order in which they are submitted; see `rows`.

        Raises:
            WaitTimeout: not all have ended after ``timeout`` seconds; they go on.
            ExecutorError: a target does not answer.
        """
        end = None if timeout is None else time.monotonic() + timeout
        for run in sorted(self._runs, key=lambda run: run.point.repeat):
            if not run.settled.wait(_left(end)):
                raise self._late(timeout)
            if run.job is not None and not _is_over(run):
                try:
                    run.job.wait(_left(end))
                    run.record = run.job.last
                except WaitTimeout:
                    raise self._late(timeout) from None
                except JobNotFound as error:  # one that was deleted hides no other
                    run.lose(error)
            yield row_of(run, values=False)

    def wait_for_next(self, timeout: float) -> None:
        """Block until the next run has ended, in the order in which they are submitted, or time is over.

        Raises:
            ExecutorError: a target does not answer.
        """
        end = time.monotonic() + timeout
        for run in sorted(self._runs, key=lambda run: run.point.repeat):
            if run.settled.is_set() and _is_over(run):
                continue
            try:
                if run.settled.wait(_left(end)) and run.job is not None:
                    run.job.wait(_left(end))
            except WaitTimeout:
                pass
            except JobNotFound as error:
                run.lose(error)
            return

    def _late(self, timeout: float | None) -> WaitTimeout:
        ended = sum(run.settled.is_set() and _is_over(run) for run in self._runs)
        return WaitTimeout(
            f"Of {len(self._runs)} runs of sweep {self.name} {ended} have ended after {timeout or 0:g} s.",
            "The others go on.",
        )

    def rows(self, values: bool | None = None) -> list[dict[str, Any]]:
        """What is known of each run now, one a dict, in the order of the points.

        Each has ``number`` (of the point), ``repeat``, ``point`` (what was chosen, by name), ``id``,
        ``target``, ``state``, ``reason``, ``host``, ``started`` and ``ended`` (seconds since the epoch),
        ``seconds`` (that it ran, None before its end), ``joules`` with ``source``, ``method``, ``scope``,
        ``coverage`` and ``of`` (accelerators, processors or node), ``mean`` (W), and ``why``: what is to be
        known of the joules, or why there are none. What is not known is None.

        Args:
            values: whether what succeeded has a ``value``; None is where that is small and plain, as
                numbers and text are.
        """
        self._refresh()
        return [row_of(run, values) for run in self._runs]

    def _refresh(self) -> None:
        """Ask for what may have changed. A job that cannot be read hides no other."""
        by_target: dict[str, list[Run]] = {}
        for run in self._runs:
            if run.job is not None and not _has_ended(run):
                by_target.setdefault(run.job.target, []).append(run)
        for target, runs in by_target.items():
            records: Mapping[str, JobRecord] = {}
            if len(runs) > _FEW:
                try:
                    records = {record.id: record for record in self.client.jobs(target)}
                except SovlabError as error:
                    for run in runs:
                        run.trouble = str(error)
                    continue
            for run in runs:
                self._look_again(run, records)

    def _look_again(self, run: Run, records: Mapping[str, JobRecord]) -> None:
        assert run.job is not None
        record = records.get(run.job.id)
        try:
            if record is None:
                record = run.job.record
            elif record.status.state.ended:
                run.job = self.client.handle(record)  # which knows its end, and asks no more
            run.record, run.trouble = record, ""
        except JobNotFound as error:
            run.lose(error)
        except SovlabError as error:
            run.trouble = str(error)

    @property
    def client(self) -> Client:
        """What asks for the jobs."""
        if self._client is None:
            from sovlab.client.client import default

            self._client = default()
        return self._client

    def results(self, *, return_exceptions: bool = False) -> list[Any]:
        """What each run returned, in the order of the points; waits for all.

        Args:
            return_exceptions: give the exception of a run that failed in its place, as `asyncio.gather` does.

        Raises:
            Exception: of the first run that failed, as `Job.result` raises it.
            ExecutorError: a run was not submitted.
        """
        self.wait()
        found: list[Any] = []
        for run in self._runs:
            try:
                if run.job is None:
                    raise ExecutorError(
                        f"The run at {point_words(run.point.values)} was not submitted: {run.why}"
                    )
                found.append(run.job.result())
            except Exception as error:
                if not return_exceptions:
                    raise
                found.append(error)
        return found

    def table(self, values: bool | None = None) -> Table:
        """The rows as a table for people; printed it is text, and a notebook shows it as HTML.

        Args:
            values: as for `rows`.
        """
        return sweep_table(self.rows(values))

    def plot(self) -> Figure:
        """Run time against energy as a matplotlib figure, a mark for each point at the mean of its runs.

        Points without energy are named in a note under it.

        Raises:
            UsageError: no energy is known, or matplotlib is not installed.
        """
        from sovlab.client.sweeping.plotting import plot

        return plot(self.name, self.rows(values=False))

    def best(self, by: str | Callable[[Mapping[str, Any]], float | None] = "energy") -> dict[str, Any]:
        """The row of the best point among those that succeeded: with the least of something.

        Of several runs of a point their mean counts, and the row is that of the best of them.

        Args:
            by: ``energy`` (J), ``time`` (seconds run), or a function that makes a number of a row; it gives
                None where there is none. ``lambda row: -row["value"]`` takes the largest value.

        Raises:
            UsageError: no run succeeded, what counts is not known of any, or the energies of the points are
                not of the same devices.
        """
        from sovlab.client.sweeping.choosing import best

        return best(self.name, self.rows(values=callable(by)), by)

    def cancel(self) -> None:
        """Submit no more, and ask what runs to end, as `Job.cancel` does. Returns at once.

        Raises:
            ExecutorError: a target does not answer; the others were asked.
        """
        if self._feeder is not None:
            self._feeder.stop("the sweep was cancelled before its turn came")
        failure: SovlabError | None = None
        for run in self._runs:
            if run.job is not None and not _is_over(run):
                try:
                    run.job.cancel()
                except JobNotFound:
                    pass  # somebody has deleted it
                except SovlabError as error:
                    failure = failure or error
        if failure is not None:
            raise failure

    def detach(self) -> int:
        """Submit no more; what runs goes on. How many runs are not submitted for that."""
        left = self.waiting
        if self._feeder is not None:
            self._feeder.stop("the sweep was left before its turn came")
        return left

    def __len__(self) -> int:
        return len(self._runs)

    def __repr__(self) -> str:
        return f"<Sweep {headline(self.name, self.rows(values=False))}>"

    def describe(self) -> list[Table | str]:
        """The sweep for people: a headline, the table, and notes."""
        rows = self.rows()
        left_out = len(rows) - _SHOWN
        more = [f"{left_out} more are not shown here: rows() has all of them."] if left_out > 0 else []
        shown = sweep_table(rows[:_SHOWN])
        return [headline(self.name, rows), shown, *more, *sweep_notes(rows), *self.messages]

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text("\n".join(str(part) for part in self.describe()))

    def _repr_html_(self) -> str:
        parts = self.describe()
        return "".join(f"<p>{escape(part)}</p>" if isinstance(part, str) else part.html() for part in parts)

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.name, [(run.point, run.job, run.why) for run in self._runs])


def _again(name: str, runs: Sequence[tuple[Point, Job | None, str]]) -> Sweep:
    """The handle that was pickled; nothing is asked for."""
    made = []
    for point, job, why in runs:
        run = Run(point, job, why)
        run.settled.set()
        made.append(run)
    return Sweep(name, made)


def _has_ended(run: Run) -> bool:
    return run.lost or (run.record is not None and run.record.status.state.ended)


def _is_over(run: Run) -> bool:
    """Whether there is nothing to wait for, once it is settled."""
    damaged = run.record is not None and run.record.status.state is JobState.UNKNOWN
    return run.job is None or damaged or _has_ended(run)


def _left(end: float | None) -> float | None:
    return None if end is None else max(end - time.monotonic(), 0.0)
