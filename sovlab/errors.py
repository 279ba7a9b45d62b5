"""Every error that sovlab raises on purpose: one tree.

::

    SovlabError                    what happened, to which object, and what to do next
    ├── UsageError                 the request cannot be carried out as written (CLI exit 2)
    │   ├── SpecError              a field of a job request is out of range or contradicts another
    │   ├── SettingsError          a settings file or SOVLAB_* variable is wrong
    │   ├── BackendError           no such backend, or this machine does not have it
    │   ├── CaptureError           a cell reads something that cannot travel
    │   ├── CellSyntaxError        a cell is not valid Python; shows what Python says of it
    │   └── JobNotFound            no job of that name or id on the target
    ├── JobError                   the job ended without success (CLI exit 1)
    │   ├── UserCodeError          the user's code raised; carries their traceback
    │   ├── JobOverLimit           it reached its --energy-budget or --max-temperature (CLI exit 124)
    │   ├── JobTimeout             it ran longer than --timeout (CLI exit 124)
    │   ├── JobCancelled           somebody cancelled it (CLI exit 130)
    │   ├── JobKilled              a signal ended it, or it vanished with its machine
    │   └── JobOutOfMemory         it used more memory than it was given
    ├── PendingResultError         a placeholder was touched before its job ended
    ├── ResultError                a result is missing, or cannot be loaded here
    ├── WaitTimeout                the wait is over, the job goes on
    └── ExecutorError              the place where jobs run does not answer (CLI exit 3)

A message is one or two sentences without a trailing hint; ``hint`` says what to do next. IPython
shows both and no traceback of ours; ``__cause__`` keeps the chain for those who want it.
"""

from __future__ import annotations

from typing import Any, Optional


class SovlabError(Exception):
    """The root of the tree.

    Args:
        message: what happened and to which object, in one sentence.
        hint: what to do next, as a sentence; empty when there is nothing to do.
    """

    exit_code = 3
    """Exit status of the ``sovlab`` command when this error ends it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message

    def _render_traceback_(self) -> list[str]:
        """Lines that IPython prints instead of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(SovlabError):
    """The request cannot be carried out as written."""

    exit_code = 2


class ForeignJob(UsageError):
    """A job is another user's, or may be: what was asked is not done with it unasked."""


class SpecError(UsageError):
    """A field of a job request is out of range or contradicts another."""


class SettingsError(UsageError):
    """A settings file or a ``SOVLAB_*`` variable is wrong."""


class BackendError(UsageError):
    """No such backend, or the target does not have it."""


class CaptureError(UsageError):
    """A cell reads something that cannot travel to a job."""


class CellSyntaxError(UsageError):
    """A cell is not valid Python; shown as the `SyntaxError` that is its ``__cause__``, without our frames.

    Args:
        report: what Python says of it: the place, the line with a mark, the error.
    """

    def __init__(self, report: str) -> None:
        super().__init__(report)

    def _render_traceback_(self) -> list[str]:
        return self.message.splitlines()


class JobNotFound(UsageError):
    """No job of that name or id on the target."""


class JobError(SovlabError):
    """A job ended without success.

    Args:
        job_id: the durable id of the job.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "", *, job_id: str = "") -> None:
        super().__init__(message, hint)
        self.job_id = job_id


class UserCodeError(JobError):
    """The user's code raised an exception that cannot be rebuilt here.

    Args:
        traceback_text: the traceback as it was formatted in the job, with the notebook's own cells
            and line numbers.
    """

    def __init__(self, message: str, hint: str = "", *, job_id: str = "", traceback_text: str = "") -> None:
        super().__init__(message, hint, job_id=job_id)
        self.traceback_text = traceback_text

    def _render_traceback_(self) -> list[str]:
        return self.traceback_text.splitlines() or super()._render_traceback_()


class JobTimeout(JobError):
    """The job ran longer than its ``--timeout``."""

    exit_code = 124


class JobOverLimit(JobError):
    """The job reached its ``--energy-budget`` or ``--max-temperature``."""

    exit_code = 124


class JobCancelled(JobError):
    """Somebody cancelled the job."""

    exit_code = 130


class JobKilled(JobError):
    """A signal ended the job, or it vanished together with its machine."""


class JobOutOfMemory(JobError):
    """The job used more memory than it was given."""


class PendingResultError(SovlabError):
    """A placeholder for a result was touched before its job ended."""


class ResultError(SovlabError):
    """A result is missing, or cannot be loaded in this process."""

    exit_code = 1


class WaitTimeout(SovlabError, TimeoutError):
    """The time to wait is over; the job goes on."""

    exit_code = 124


class ExecutorError(SovlabError):
    """The place where jobs run does not answer, or refuses."""


def remote_cause(text: str) -> Optional[BaseException]:
    """The exception to chain under one rebuilt from a job, showing the traceback it had there."""
    return RemoteTraceback(text) if text else None


class RemoteTraceback(Exception):
    """A traceback from inside a job, as text; only ever a ``__cause__``."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}\n"""'

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.text,)
