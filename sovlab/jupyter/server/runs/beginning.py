"""Begins the run of a notebook, after all that was typed has been looked at."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from sovlab.batch.forms.parameters import parameters_of
from sovlab.batch.forms.request import Request
from sovlab.batch.forms.staying import Staying
from sovlab.batch.forms.values import unknown, value_of
from sovlab.errors import BackendError, ExecutorError, SovlabError, SpecError, WaitTimeout
from sovlab.jupyter.server import asked, models
from sovlab.jupyter.server.problems import RequestError
from sovlab.jupyter.server.runs.faults import Faults
from sovlab.jupyter.server.runs.forms import kernel_of
from sovlab.jupyter.server.runs.kept import Kept
from sovlab.jupyter.server.runs.places import SUFFIX, Places
from sovlab.options import job as job_options

_BEGINS = 55.0
"""Seconds for a run to tell of its job; the route waits a little longer."""
_EMPTY = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
_START_TIMEOUT = 60.0
"""Seconds for a kernel to start, as papermill has it."""


def begin(places: Places, kept: Kept, body: asked.Run, target: str, logs: Path) -> models.Begun:
    """Begin a run, in a process that stays; it has a job then.

    Args:
        places: of the server.
        kept: where the run is kept.
        body: what was typed.
        target: its name.
        logs: directory for what such processes write.

    Raises:
        RequestError: something that was typed is wrong; its faults point to the fields.
        SovlabError: it was refused where it was to run.
    """
    if importlib.util.find_spec("papermill") is None:
        raise RequestError(
            409, "Notebooks need papermill.", "pip install 'sovlab[batch]' where the server runs."
        )
    faults = Faults()
    notebook, content = places.notebook(body.notebook)
    if not kernel_of(content):
        raise RequestError(
            422, f"{body.notebook[:200]} names no kernel.", "Choose a kernel in the notebook, and save it."
        )
    parameters = _parameters(content, body.parameters, faults)
    options = _options(places, body, faults)
    output = faults.tried("/output", lambda: _output(places, notebook, body.output))
    faults.refuse()
    assert output is not None
    request = _request(notebook, output, parameters, {**options, "target": target}, fresh=body.fresh)
    faults.tried("/output", lambda: _reserve(output, body.output))
    faults.refuse()
    try:
        run = Staying(request, notebook.parent, logs)
    except OSError as error:
        _give_up(output)
        raise ExecutorError("No process could be begun for the run.", f"{error.strerror}.") from error
    try:
        begun = run.begun(_BEGINS)
    except WaitTimeout:
        kept.add(output, run)  # it may begin yet
        raise
    except BackendError as error:
        _give_up(output)
        fault = models.Fault(pointer="/options/backend", detail=error.message, hint=error.hint)
        raise RequestError(422, error.message, error.hint, faults=[fault]) from error
    except SovlabError:
        _give_up(output)
        raise
    kept.add(output, run)
    return models.Begun(
        job=begun.id,
        target=begun.target,
        found=begun.found,  # type: ignore[arg-type]
        output=places.told(output),
    )


def _give_up(output: Path) -> None:
    """Take the output away: it was made here a moment ago, and nothing has run."""
    with suppress(OSError):
        output.unlink()


def _parameters(content: Mapping[str, Any], texts: Mapping[str, str], faults: Faults) -> dict[str, Any]:
    known = {each.name: each for each in parameters_of(content)}
    found = {}
    for name in (name for name, each in known.items() if each.required and name not in texts):
        detail = f"{name} has no value in the notebook."
        faults.add(f"/parameters/{_escaped(name)}", SpecError(detail, "Give it one."))
    for name, text in texts.items():

        def value(name: str = name, text: str = text) -> Any:
            if name not in known:
                raise unknown(name, known)
            return value_of(known[name], text)

        found[name] = faults.tried(f"/parameters/{_escaped(name)}", value)
    return found


def _options(places: Places, body: asked.Run, faults: Faults) -> dict[str, Any]:
    """The options that were said, as keywords for the engine."""
    said: dict[str, Any] = msgspec.to_builtins(body.options) if body.options is not msgspec.UNSET else {}
    found: dict[str, Any] = {}
    for name, value in said.items():

        def checked(name: str = name, value: Any = value) -> Any:
            if job_options.FLAGS[name].cell:
                raise SpecError(f"Only a cell has {job_options.FLAGS[name].names[0]}.", "Leave it out.")
            options = job_options.from_keywords({name: value})
            kept = getattr(options, name)
            return [str(places.below(path)) for path in kept] if name == "files" else kept

        found[name] = faults.tried(f"/options/{name}", checked)
    return {name: value for name, value in found.items() if value is not None}


def _output(places: Places, notebook: Path, path: str) -> Path:
    """Where the executed notebook goes."""
    if not path.lower().endswith(SUFFIX) or not path.rpartition("/")[2].removesuffix(SUFFIX).strip():
        raise SpecError("The output is a notebook.", f"Give it a name that ends in {SUFFIX}.")
    output = places.below(path)
    try:
        taken = os.path.lexists(places.unresolved(path)) or os.path.lexists(output)
        same = taken and output.samefile(notebook)
    except OSError:
        same = False
    if output == notebook or same:
        raise SpecError("The output is the notebook itself.", "Give it another name.")
    if not output.parent.is_dir():
        raise SpecError(
            f"There is no folder {places.told(output.parent)[:200]}.", "Make it, or name another."
        )
    if taken:
        raise _is_taken(path)
    if output.suffix != SUFFIX:
        raise SpecError(
            "The output is a notebook.", f"Give it a name that ends in {SUFFIX}, in small letters."
        )
    return output


def _is_taken(path: str) -> RequestError:
    return RequestError(409, f"There is something at {path[:200]} already.", "Give it another name.")


def _reserve(output: Path, path: str) -> None:
    """Make the file, so that no other run, and nobody else, has the same; who opens it finds a notebook."""
    try:
        with output.open("x") as file:
            file.write(_EMPTY)
    except FileExistsError:
        raise _is_taken(path) from None
    except OSError as error:
        said = error.strerror or "it cannot be made"
        raise SpecError(f"{path[:200]} cannot be written: {said.lower()}.", "Name another.") from None


def _request(
    notebook: Path, output: Path, parameters: Mapping[str, Any], options: Mapping[str, Any], *, fresh: bool
) -> Request:
    """As ``sovlab run`` in the notebook's folder would ask for it."""
    path = os.path.relpath(output, notebook.parent)
    no = dict.fromkeys(("kernel_name", "cwd", "execution_timeout", "cancel_on_interrupt"))
    return Request(
        input=_for_papermill(notebook.name),
        output=_for_papermill(path),
        path=path,
        parameters=parameters,
        keywords={
            **no,
            "progress_bar": False,
            "log_output": False,
            "start_timeout": _START_TIMEOUT,
            "fresh": fresh or None,
            **options,
        },
    )


def _for_papermill(path: str) -> str:
    """A path in which papermill finds nothing to fill."""
    return path.replace("{", "{{").replace("}", "}}")


def _escaped(name: str) -> str:
    """A name as a part of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")
