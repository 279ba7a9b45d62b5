"""Runs what papermill hands to its engine as a job, and does to papermill's notebook what the job tells."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import nbformat

from sovlab.batch import images, record, runs
from sovlab.batch.checking import check_output, parameters_of, refuse_secrets, refuse_unknown
from sovlab.batch.following.leaving import leaving
from sovlab.batch.following.saving import Saves, unwritten
from sovlab.batch.following.telling import Telling
from sovlab.batch.provenance import details
from sovlab.batch.provenance.cell_energy import mark_energy
from sovlab.batch.provenance.places import Places, local_path
from sovlab.batch.replaying import CANCELLED, KILLED, LEFT, TIMEOUT, Replay
from sovlab.batch.shown.lines import Lines
from sovlab.batch.shown.repeating import Repeated, Wanted
from sovlab.client import Client, Notebook, default
from sovlab.client.job import Job
from sovlab.core.job import JobState, JobStatus, Reason
from sovlab.core.spec import JobSpec
from sovlab.core.units import format_limit
from sovlab.core.untrusted import clean
from sovlab.errors import ExecutorError, JobCancelled, JobError, ResultError, SovlabError, SpecError
from sovlab.executors.executor import Executor
from sovlab.options.job import NAMES, Options, from_keywords

_YES = ("1", "true", "yes", "on")
_FAILED = "NotebookFailed: "
"""How the driver's own words on a failure begin in a job's status."""
Told = Callable[[Job, str], None]


def run(
    manager: Any,
    kernel: str,
    wanted: Wanted,
    limits: Mapping[str, float | None],
    keywords: Mapping[str, Any],
) -> None:
    """Run a notebook as a job, and do to papermill's what it tells; see `sovlab.batch.engine.SovlabEngine`.

    Args:
        manager: papermill's ``NotebookExecutionManager``.
        kernel: name.
        wanted: where outputs are repeated.
        limits: ``start_timeout`` and ``execution_timeout``, in seconds.
        keywords: others that papermill was given. ``told`` is called with the job, and how it was found, as
            it begins and whenever its state has changed; with ``lines`` each cell is told of in a line;
            ``strict_params`` refuses parameters that the notebook does not have.
    """
    for part in (manager.nb, *manager.nb.cells):
        part.metadata.pop("sovlab", None)  # of an earlier run, if the notebook is one's output
    told: Told = keywords.get("told") or (lambda job, found: None)
    replay = Replay(manager, Repeated(manager, wanted), _say)
    with _closing(replay):
        _check(manager, kernel, strict=asked(keywords, "strict_params"))
        client, places = default(), Places.of(manager.nb.metadata.get("papermill", {}))
        code = code_of(manager.nb, kernel, keywords.get("input_path"), limits)
        found = runs.begin(
            client,
            code,
            options_of(keywords),
            fresh=asked(keywords, "fresh"),
            commit=places.commit,
            before=partial(_check_image, client, code),
        )
        begun = manager.nb.metadata["sovlab"] = nbformat.from_dict(record.of_begun(found.job, code))

        def changed() -> None:
            begun.run["status"] = str(found.job.last.status.state)
            told(found.job, found.found)

        told(found.job, found.found)
        named = _named(found.job, client.settings.target_named(None).name)
        _say(_found(found, named))
        for message in found.messages:
            _say(message)
        saves, cancel = Saves(manager, _say), asked(keywords, "cancel_on_interrupt")
        with saves.heeded(), leaving(found.job, named, replay, _say, cancel=cancel):
            lines = Lines(manager.nb.cells, _say) if keywords.get("lines") else None
            with lines or nullcontext():
                telling = Telling(found.job, replay, lines, _say, changed, found.began)
                status, complete = telling.follow()
            files, answers = _files(found.job)
            lost = replay.settle(files, complete)
    images.keep(
        client.settings.state,
        found.job.last,
        _image(client.executor(found.job.target), found.job.last.spec),
        replay.place,
    )
    replay.close(_stopped(replay, status))
    mark_energy(found.job, status.energy, replay.cells)
    said = record.of(found.job, status, code, replay, found.commit, found.attempts)
    if status.state is JobState.SUCCEEDED and not lost:
        said["run"]["key"] = found.key
    more = details.details_of(found.job, status, replay.cells, replay.environment, said)
    manager.nb.metadata["sovlab"] = nbformat.from_dict(places.with_details(said, more, _say))
    written = saves.is_written(again=replay.has_grown)
    if written and answers:
        found.delivered()
    if not written and "told" not in keywords:  # whoever is told has words of its own
        _say(unwritten(found.job))
    _raise(replay, status, found.job, code.kernel, lost)


def code_of(nb: Any, kernel: str, path: Any, limits: Mapping[str, float | None]) -> Notebook:
    """What runs, of a notebook as papermill has it with its parameters.

    Args:
        nb: the notebook.
        kernel: name.
        path: of the notebook; its last part is what people call the run.
        limits: ``start_timeout`` and ``execution_timeout``, in seconds.
    """
    return Notebook(
        cells=[dict(cell) for cell in nb.cells],
        metadata=nb.metadata,
        kernel=kernel,
        label=_label(path),
        limits=limits,
    )


def options_of(keywords: Mapping[str, Any]) -> Options:
    """The options of a submit among the keywords that papermill was given."""
    return from_keywords(
        {k: v for k, v in keywords.items() if k in NAMES - {"send", "outputs"} and v is not None}
    )


def asked(keywords: Mapping[str, Any], name: str) -> bool:
    """Whether a keyword is true; where it is not said, whether its variable ``SOVLAB_NAME`` is."""
    said = keywords.get(name)
    return bool(said) if said is not None else os.environ.get(f"SOVLAB_{name.upper()}", "").lower() in _YES


def _check(manager: Any, kernel: str, *, strict: bool) -> None:
    """Refuse what would go wrong at the end, or be wrong in it, before anything runs."""
    papermill = manager.nb.metadata.get("papermill", {})
    given, output = papermill.get("parameters", {}), papermill.get("output_path")
    refuse_secrets(given)
    if strict:
        refuse_unknown(given, known_parameters(manager.nb, kernel, None), "The notebook")
    written = local_path(output)
    if manager.output_path is None and written is not None:  # else papermill has written it by now
        check_output(output, written)


def known_parameters(notebook: Any, kernel: str | None, language: str | None) -> list[str] | None:
    """Names of a notebook's parameters; None if nobody knows: papermill reads those of Python only.

    Args:
        notebook: as papermill has it.
        kernel: name that counts in place of the notebook's own.
        language: that does.
    """
    from papermill.exceptions import PapermillException
    from papermill.translators import papermill_translators
    from papermill.utils import find_first_tagged_cell_index, nb_kernel_name, nb_language

    index = find_first_tagged_cell_index(notebook, "parameters")
    if index < 0:
        return []
    try:
        names = nb_kernel_name(notebook, kernel), nb_language(notebook, language)
        inferred = papermill_translators.find_translator(*names).inspect(notebook.cells[index])
    except (NotImplementedError, ValueError, PapermillException):
        return None
    return list(dict.fromkeys([*(each.name for each in inferred), *parameters_of(notebook)]))


def _label(path: Any) -> str:
    return Path(path).name if isinstance(path, str) and path not in ("", "-") else "notebook"


def _say(sentence: str) -> None:
    """Tell people something: on stderr, between the lines of papermill's bar."""
    from tqdm.auto import tqdm

    tqdm.write(sentence, file=sys.stderr)


def _named(job: Job, current: str) -> str:
    """A job as the shell's commands find it: on another target than the one in use that is said, too."""
    return job.id if job.target == current else f"{job.id} --target {job.target}"


def _found(run: runs.Run, named: str) -> str:
    name, again = run.job.id, "SOVLAB_FRESH=1, or --fresh of sovlab run, runs it anew."
    if run.found == "ended":
        return f"The same run is there: job {name} on target {run.job.target}; this is its outcome. {again}"
    if run.found == "running":
        return f"The same run goes on: job {name} on target {run.job.target} is followed from its begin."
    return f"Job {name} on target {run.job.target}: sovlab logs -f {named} shows what it prints."


def _image(executor: Executor, spec: JobSpec | None) -> str:
    named = getattr(executor, "image", None)
    return named(spec) if named is not None and spec is not None else ""


def _check_image(client: Client, code: Notebook, spec: JobSpec, executor: Executor) -> None:
    image = _image(executor, spec)
    try:
        images.check(client.settings.state, executor.target, image, code.kernel, code.language, _say)
    except images.Unfit as error:
        if not error.kernel:
            raise SpecError(str(error)) from None
        _no_such_kernel(code.kernel, str(error))


def _files(job: Job) -> tuple[Mapping[str, Path], bool]:
    """What it left; and whether its target answered, for what it has is not lost if it did not."""
    try:
        return job.files(), True
    except SovlabError as error:
        _say(str(error))
        return {}, not isinstance(error, ExecutorError)


@contextmanager
def _closing(replay: Replay) -> Iterator[None]:
    """Whatever ends it before the run has ended, the notebook says which cells were not run."""
    try:
        yield
    except BaseException:
        replay.close(LEFT)
        raise


def _stopped(replay: Replay, status: JobStatus) -> str:
    """What became of the cell that was running when the run ended."""
    if replay.fatal is not None:
        return {"timeout": TIMEOUT, "dead": KILLED}.get(str(replay.fatal.get("kind")), KILLED)
    if status.state is JobState.SUCCEEDED or replay.failed is not None:
        return ""
    return CANCELLED if status.state is JobState.CANCELLED else KILLED


def _raise(replay: Replay, status: JobStatus, job: Job, kernel: str, lost: str) -> None:
    """What papermill's own engine would raise; a failed cell is papermill's own to tell.

    Args:
        replay: what was told.
        status: the end.
        job: that it is of.
        kernel: that was asked for.
        lost: a sentence on outputs that could not be had; empty if none is missing.
    """
    again = "The same command again asks for them once more; --fresh (SOVLAB_FRESH=1) runs it anew."
    if lost and status.state is JobState.SUCCEEDED:
        raise ResultError(lost, again)
    if lost:
        _say(lost)
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    if replay.fatal is not None:
        kind, message = replay.fatal.get("kind"), str(replay.fatal.get("message", ""))
        if kind == "dead":
            if replay.fatal.get("why"):
                _say(f"The kernel died. {clean(str(replay.fatal['why']), 500)}")
            raise DeadKernelError(message or "Kernel died")
        if kind == "timeout":
            raise CellTimeoutError(message)
        if kind == "kernel":
            _no_such_kernel(kernel, message)
        if kind == "environment":
            raise SpecError(message)
        if kind == "room":
            raise JobError(message, str(replay.fatal.get("why", "")), job_id=job.id)
        raise RuntimeError(message)
    if status.state is JobState.SUCCEEDED or replay.failed is not None:
        return
    if status.reason is Reason.USER_ERROR and not status.message.startswith(f"{_FAILED}The kernel died"):
        raise JobError(status.message.removeprefix(_FAILED), job_id=job.id)  # its log has lost its last words
    if status.state is JobState.CANCELLED:
        raise JobCancelled(f"Job {job.name} was cancelled.", job_id=job.id)
    message = status.message or f"Job {job.id} has ended: {status.reason}"
    if status.reason is Reason.OUT_OF_MEMORY:
        message += _limit(job, message)
        if "sk for more" not in message:
            message += " Ask for more with --memory, or hold less at a time."
    raise DeadKernelError(message)


def _limit(job: Job, message: str) -> str:
    """How much memory a job was given that ran out of it, where it was asked for and is not said yet."""
    given = job.last.spec.resources.memory if job.last.spec is not None else None
    return "" if given is None or format_limit(given) in message else f" It was given {format_limit(given)}."


def _no_such_kernel(kernel: str, message: str) -> NoReturn:
    from jupyter_client.kernelspec import NoSuchKernel

    _say(message)
    raise NoSuchKernel(kernel)
