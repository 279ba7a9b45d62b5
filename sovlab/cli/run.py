"""``sovlab run``: a notebook with its parameters, as one job, by papermill."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
from collections.abc import Callable
from typing import Any

from sovlab.cli import show
from sovlab.errors import SovlabError, SpecError
from sovlab.options import flags
from sovlab.options.job import Options
from sovlab.settings.words import suggest

_KILLED = 138
"""What papermill's own command says of a dead kernel."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``sovlab run`` takes."""
    parser.add_argument("input", help="the notebook")
    parser.add_argument("output", help="where the executed notebook goes; {name} is a parameter's value")
    batch = parser.add_argument_group("the run")
    batch.add_argument(
        "-p",
        "--parameter",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="a parameter of the notebook; may be repeated",
    )
    batch.add_argument("-k", "--kernel", metavar="NAME", help="instead of the notebook's own")
    batch.add_argument("--cwd", metavar="DIR", help="working directory of the kernel (default: this one)")
    batch.add_argument("--fresh", action="store_true", help="run it anew though the same run is there")
    batch.add_argument(
        "--cancel-on-interrupt", action="store_true", help="end the job with this command; for CI"
    )
    batch.add_argument(
        "--log-output", action="store_true", help="print what the cells show, instead of a bar"
    )
    batch.add_argument("--start-timeout", type=float, default=60.0, metavar="SECONDS", help="of the kernel")
    batch.add_argument("--execution-timeout", type=float, metavar="SECONDS", help="of each cell")
    flags.add_arguments(parser, cell=False, waits=True)


def run(parsed: argparse.Namespace) -> int:
    """Run it; the exit status is that of papermill's command."""
    from sovlab.batch.checking import refuse_secrets
    from sovlab.client import default

    # papermill writes the output before it asks its engine: an earlier run's would be lost for a typo.
    default().executor(parsed.target)
    papermill = import_papermill()
    from papermill.cli import _resolve_type

    if parsed.dry_run:
        raise SpecError(
            "sovlab run has no --dry-run.", "papermill --prepare-only writes the notebook that would run."
        )
    parameters = {name: _resolve_type(value) for name, value in parsed.parameter}
    _check_parameters(papermill, parsed.input, parameters)
    refuse_secrets(parameters)
    if parsed.log_output:
        _log()
    return _outcome(
        lambda: papermill.execute_notebook(
            parsed.input,
            parsed.output,
            parameters=parameters,
            engine_name="sovlab",
            kernel_name=parsed.kernel,
            cwd=parsed.cwd,
            progress_bar=sys.stderr.isatty() and not parsed.log_output,
            log_output=parsed.log_output,
            start_timeout=parsed.start_timeout,
            execution_timeout=parsed.execution_timeout,
            fresh=parsed.fresh or None,
            cancel_on_interrupt=parsed.cancel_on_interrupt or None,
            **said_options(parsed),
        ),
        parsed.output,
    )


def _log() -> None:
    """Have what papermill logs on standard error, as its own command has."""
    import logging

    logging.basicConfig(level=logging.INFO, format="%(message)s")


_NOT_OURS = ("send", "outputs")


def import_papermill() -> Any:
    """The module, which takes a second; raises `SpecError` where it is not installed."""
    try:
        with _without_grammar():
            import papermill
            import papermill.cli
    except ImportError:
        raise SpecError("Notebooks need papermill.", "pip install 'sovlab[batch]'") from None
    return papermill


def said_options(parsed: argparse.Namespace) -> dict[str, Any]:
    """Options of the job that the command line names, as keywords for the engine."""
    options = flags.from_arguments(parsed)
    said = {f.name: getattr(options, f.name) for f in dataclasses.fields(Options) if f.name not in _NOT_OURS}
    return {name: value for name, value in said.items() if value is not None}


def _check_parameters(papermill: Any, path: str, parameters: dict[str, Any]) -> None:
    """A parameter that the notebook does not have is a mistake, and would run for hours with the default."""
    if not parameters:
        return
    try:
        known = papermill.inspect_notebook(path)
    except FileNotFoundError:
        raise SpecError(f"There is no notebook {path}.", "Give the path of a .ipynb file.") from None
    for name in parameters:
        if name not in known:
            hint = suggest(name, known).strip()
            has = f"It has {', '.join(known)}." if known else "It has no cell with the tag `parameters`."
            raise SpecError(f"The notebook {path} has no parameter {name!r}.", f"{hint} {has}".strip())


def _outcome(execute: Callable[[], object], output: str) -> int:
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillException, PapermillExecutionError

    try:
        execute()
    except PapermillExecutionError as error:
        sys.stderr.write(f"{error}\n")
        show.note(f"The notebook as far as it came: {output}")
        return 1
    except FileNotFoundError as error:
        raise SpecError(f"{error}.", "The folder of the output must be there, and the input, too.") from None
    except (DeadKernelError, CellTimeoutError) as error:
        show.note(
            f"{str(error).strip().splitlines()[0].rstrip('.')}. The notebook as far as it came: {output}"
        )
        return _KILLED if isinstance(error, DeadKernelError) else 124
    except (PapermillException, ValueError, LookupError) as error:
        raise SovlabError(f"The notebook was not run: {error}", "") from error
    show.note(f"Done: {output}")
    return 0


@contextlib.contextmanager
def _without_grammar() -> Any:
    """Its jsonschema would build a grammar for URLs, for 0.8 s, that no notebook's schema needs."""
    known = "rfc3987_syntax" in sys.modules
    if not known:
        sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if not known:
            sys.modules.pop("rfc3987_syntax", None)
