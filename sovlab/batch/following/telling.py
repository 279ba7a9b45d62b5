"""What a job tells of a notebook's run, done to papermill's notebook as it comes."""

from __future__ import annotations

from collections.abc import Callable

from sovlab.batch.replaying import Replay
from sovlab.batch.shown.lines import Lines
from sovlab.batch.steps import Steps
from sovlab.client.job import Job
from sovlab.core.event import NotebookTold, StatusChanged, TargetAway
from sovlab.core.job import JobStatus
from sovlab.core.units import format_duration
from sovlab.errors import ExecutorError

GIVEN_UP = 1800.0
"""Seconds for which a target must not answer until its client ends; the run goes on, and can be had again."""
_WORTH_SAYING = ("requeued", "waiting: ")
"""How what is said of a job begins that does not run, though nobody asked it to wait."""


class Telling:
    """Follows a job to its end.

    Args:
        job: to follow.
        replay: is told each step.
        lines: likewise, where there are lines; else None.
        say: called with a sentence for people.
        changed: called when the state has changed.
        begun: called with the name of each attempt of the job; one after the first begins all anew.
    """

    def __init__(
        self,
        job: Job,
        replay: Replay,
        lines: Lines | None,
        say: Callable[[str], None],
        changed: Callable[[], None],
        begun: Callable[[str], None],
    ) -> None:
        self._job, self._replay, self._lines = job, replay, lines
        self._say, self._changed, self._begun = say, changed, begun
        self._steps = Steps()
        self._attempt: str | None = None
        self._said = ""
        self._away = False

    def follow(self) -> tuple[JobStatus, bool]:
        """How it ended, and whether all that it told in its last attempt has come.

        Raises:
            ExecutorError: its target has not answered for so long that nobody need wait any more.
        """
        for event in self._job.events(follow=True):
            if isinstance(event, StatusChanged):
                self._changed()
                self._heed(event.status)
            elif isinstance(event, TargetAway):
                self._wait_for_target(event)
            elif isinstance(event, NotebookTold):
                self._take(event)
        return self._job.wait(), self._steps.complete

    def _take(self, event: NotebookTold) -> None:
        if event.attempt != self._attempt:
            if self._attempt is not None:
                self._steps = Steps()
                self._replay.begin_again()
                if self._lines is not None:
                    self._lines.begin_again()
                self._say("The notebook runs again from its first cell: what it had shown before is gone.")
            self._attempt = event.attempt
            self._begun(event.attempt)
        for step in self._steps.take(event.piece):
            self._replay.apply(step)
            if self._lines is not None:
                self._lines.take(step)
        self._replay.save()

    def _heed(self, status: JobStatus) -> None:
        message = status.message
        if status.state.ended or not message.startswith(_WORTH_SAYING) or message == self._said:
            return
        self._said = message
        self._say(f"Job {self._job.id} is {message.rstrip('.')}.")

    def _wait_for_target(self, event: TargetAway) -> None:
        target, took = self._job.target, format_duration(event.seconds)
        if event.error is None:
            self._away = False
            self._say(f"Target {target} answers again, after {took}.")
            return
        if event.seconds > GIVEN_UP:
            raise ExecutorError(
                f"Target {target} has not answered for {took}: {event.error}",
                f"The run goes on as job {self._job.id}: the same command again follows it to its end.",
            ) from event.error
        if not self._away:
            self._away = True
            self._say(
                f"Target {target} does not answer: {event.error} Job {self._job.id} goes on there, and is "
                f"waited for; whoever ends this command finds it by the same command again."
            )
