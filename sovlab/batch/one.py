"""One run of a notebook by papermill, in this process; and as a process of its own, for one of many.

Papermill changes the working directory of its process, and signals reach main threads only: of several runs
at once each has a process.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sovlab.batch import running, runs
from sovlab.batch.following.saving import Before, unwritten, why_not
from sovlab.batch.forms.request import STAYS, Request
from sovlab.batch.recorded import record_of, row_of_record, was_changed, without_markers
from sovlab.batch.results import recorded_values
from sovlab.batch.verifying.cells import members
from sovlab.client import default
from sovlab.client.job import Job
from sovlab.client.sweeping.feeding import Run
from sovlab.client.sweeping.rows import row_of
from sovlab.core.job import JobState
from sovlab.core.untrusted import clean
from sovlab.errors import ResultError, SovlabError, SpecError
from sovlab.options.sweep import Point

KILLED = 138
"""What papermill's own command says of a dead kernel."""
COMPLETE = "complete"
"""How a run was found whose output is there already."""


class Outcome(NamedTuple):
    """How a run ended.

    Attributes:
        status: the exit status of papermill's command.
        why: it failed, as a clause; empty if it did not.
        text: what papermill says of a failed cell, several lines.
        refused: the error that kept it from being run; None if it was run.
    """

    status: int
    why: str = ""
    text: str = ""
    refused: SovlabError | None = None


def run(request: Request, told: running.Told | None = None) -> Outcome:
    """Run it.

    Args:
        request: what to run.
        told: see `sovlab.batch.running.run`.

    Raises:
        SovlabError: it was not run.
    """
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    if request.keywords.get("log_output"):
        logging.basicConfig(level=logging.INFO, format="%(message)s")  # as papermill's command
    jobs: list[Job] = []

    def heard(job: Job, found: str) -> None:
        jobs[:] = [job]
        if told is not None:
            told(job, found)

    before = Before(request.path)
    try:
        with refusals(jobs):
            papermill.execute_notebook(
                request.input,
                request.output,
                parameters=dict(request.parameters),
                engine_name="sovlab",
                told=heard,
                **request.keywords,
            )
    except PapermillExecutionError as error:
        return Outcome(1, f"{error.ename}: {error.evalue}", f"{error}\n")
    except (DeadKernelError, CellTimeoutError) as error:
        why = str(error).strip().splitlines()[0].rstrip(".")
        return Outcome(KILLED if isinstance(error, DeadKernelError) else 124, why)
    except BaseException:
        if not jobs:
            before.restore()
        raise
    return Outcome(0)


_HINTS = {
    "kernel name": "Say which with -k, e.g. -k python3.",
    "language": "Say which with --language, e.g. --language python.",
}


@contextlib.contextmanager
def refusals(jobs: Sequence[Job] = ()) -> Iterator[None]:
    """What papermill refuses is an error of ours; what a run has come to is left as it is.

    Args:
        jobs: the one that runs the notebook, once it has begun.
    """
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillException, PapermillExecutionError

    try:
        yield
    except (PapermillExecutionError, DeadKernelError, CellTimeoutError):
        raise
    except OSError as error:
        if jobs:
            raise ResultError(
                f"The executed notebook cannot be written: {why_not(error)}.",
                unwritten(jobs[0]),
            ) from error
        said = f"{error.strerror}: {error.filename}" if error.strerror and error.filename else str(error)
        raise SpecError(
            f"The notebook was not run: {said.rstrip('.')}.",
            "The input must be there and the folder of the output, too, with room in it.",
        ) from error
    except (PapermillException, ValueError, LookupError) as error:
        hint = next((hint for lacking, hint in _HINTS.items() if f"No {lacking} found" in str(error)), "")
        raise SpecError(f"The notebook was not run: {str(error).rstrip('.')}.", hint) from error


def check(request: Request) -> None:
    """Raise `SovlabError` where it could not be submitted as it is asked for; nothing is written."""
    _key(request)


def complete(request: Request) -> dict[str, Any] | None:
    """The output, if it is that of this very run, which succeeded; None if it has to be run or fetched.

    The job may be gone: what the output holds is enough.

    Raises:
        SovlabError: as `run`.
    """
    if running.asked(request.keywords, "fresh") or not request.path:
        return None
    notebook = read(request.path)
    said = members(record_of(notebook).get("run"))
    if said.get("status") != JobState.SUCCEEDED or not said.get("key") or was_changed(notebook):
        return None
    if without_markers(notebook) != notebook:  # of a cell that was allowed to fail: for papermill the run has
        return None
    return notebook if said["key"] == _key(request) else None


def read(path: str) -> dict[str, Any]:
    """A notebook as JSON has it; empty where there is none."""
    try:
        if not Path(path).is_file():  # of a device there is no end
            return {}
        found = json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _key(request: Request) -> str:
    import papermill
    from papermill.utils import chdir, nb_kernel_name

    said = request.keywords
    with refusals():
        nb = papermill.execute_notebook(
            request.input,
            None,
            parameters=dict(request.parameters),
            engine_name="sovlab",
            prepare_only=True,
            kernel_name=said.get("kernel_name"),
            language=said.get("language"),
            cwd=said.get("cwd"),
        )
        kernel = nb_kernel_name(nb, said.get("kernel_name"))
    limits = {name: said.get(name) for name in ("start_timeout", "execution_timeout")}
    code = running.code_of(nb, kernel, request.input, limits)
    with refusals(), chdir(said.get("cwd")):
        return runs.key_of(default(), code, running.options_of(said))


def main() -> None:
    """Run what standard input asks for, and tell of it on standard output, both a line of JSON each.

    Whatever else would write there writes to standard error. When its input ends, whoever asked is gone, and
    it ends as by Ctrl-C; one that stays goes on to its end, and tells nobody.
    """
    gone = contextlib.suppress(BrokenPipeError)  # closing tries once more
    with gone, os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1) as channel:
        os.dup2(2, 1)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
        heard = True

        def tell(**said: Any) -> None:
            nonlocal heard
            if heard:
                try:
                    channel.write(json.dumps(said) + "\n")
                except BrokenPipeError:
                    heard = False

        try:
            asked = json.loads(sys.stdin.buffer.readline())
            stays = asked.pop(STAYS, False)
            request = Request(**asked)
            if not stays:
                threading.Thread(target=_leave_with_parent, daemon=True).start()
            _run_and_tell(request, tell)
        except (KeyboardInterrupt, SystemExit):
            tell(t="end", status=130)


def _leave_with_parent() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGINT)


def _run_and_tell(request: Request, tell: Callable[..., None]) -> None:
    jobs: list[Job] = []
    last = ""

    def told(job: Job, found: str) -> None:
        nonlocal last
        jobs[:] = [job]
        state = str(job.last.status.state)
        if state != last:
            last = state
            tell(t="state", id=job.id, target=job.target, state=state, found=found)

    try:
        there = complete(request)
        if there is not None:
            tell(t="end", status=0, found=COMPLETE, row=row_of_record(there), recorded=recorded_values(there))
            return
        outcome = run(request, told)
    except SovlabError as error:
        outcome = Outcome(error.exit_code, str(error), refused=error)
    except Exception as error:  # whatever papermill raises; it hides no other run
        outcome = Outcome(1, f"{type(error).__name__}: {error}")
    sys.stderr.write(outcome.text)
    tell(
        t="end",
        status=outcome.status,
        why=clean(outcome.why, 1000),
        refused=_told_error(outcome.refused),
        row=_row(jobs[0]) if jobs else {},
        recorded=recorded_values(read(request.path)) if jobs and request.path else {},
    )


def _told_error(error: SovlabError | None) -> dict[str, str] | None:
    if error is None:
        return None
    said = {"message": error.message, "hint": error.hint}
    return {"error": type(error).__name__, **{name: clean(text, 1000) for name, text in said.items()}}


def _row(job: Job) -> dict[str, Any]:
    known = Run(Point(), job)
    known.record = job.last
    row = row_of(known, values=False)
    return {key: value for key, value in row.items() if key not in ("number", "repeat", "point")}
