"""``sovlab run``: a notebook with its parameters as one job, or as one for each combination, by papermill."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sovlab.cli import show
from sovlab.errors import SpecError
from sovlab.options import flags
from sovlab.options.job import Options, whole_number

ELSEWHERE = 16
"""Runs at a time on targets with queues: each is followed by a process here."""

if TYPE_CHECKING:
    from sovlab.batch.forms.request import Request
    from sovlab.batch.grid import Planned


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
        help="a parameter of the notebook; may be repeated; 0.1,0.01 and 1..5 are several values, each run "
        "by itself, where the output names the parameter in braces",
    )
    batch.add_argument(
        "--at-most",
        type=flags.argument_type(_one_or_more),
        metavar="N",
        help="of several runs, so many at a time (default: 1 on this machine, where jobs that run together "
        f"share what they are measured by; else {ELSEWHERE})",
    )
    batch.add_argument("-k", "--kernel", metavar="NAME", help="instead of the notebook's own")
    batch.add_argument("-l", "--language", metavar="NAME", help="of the notebook, if it does not say")
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


def _one_or_more(text: str) -> int:
    number = whole_number(text)
    if number < 1:
        raise ValueError(f"{text} is not one or more")
    return number


def run(parsed: argparse.Namespace) -> int:
    """Run it; the exit status is that of papermill's command, of several runs that of a sweep."""
    from sovlab.client import default

    # papermill writes the output before it asks its engine: an earlier run's would be lost for a typo.
    default().executor(parsed.target)
    import_papermill()
    from papermill.cli import _resolve_type

    if parsed.dry_run:
        raise SpecError(
            "sovlab run has no --dry-run.", "papermill --prepare-only writes the notebook that would run."
        )
    from sovlab.batch.grid import check_places, planned

    runs = planned(parsed.parameter, parsed.output, _resolve_type)
    check_places(parsed.input, runs)
    _check_parameters(parsed, runs[0].point.parameters)
    _refuse_secrets(runs)
    if len(runs) == 1 and not parsed.json and parsed.at_most is None:
        return _one(_request(parsed, runs[0]), bar=sys.stderr.isatty() and not parsed.log_output)
    from sovlab.cli import many

    return many.run(parsed, runs, [_request(parsed, each) for each in runs])


def _refuse_secrets(runs: Sequence[Planned]) -> None:
    from sovlab.batch.checking import refuse_secrets

    seen = set()
    for point, _ in runs:
        for name, value in point.parameters.items():
            if (name, str(value)) not in seen:
                seen.add((name, str(value)))
                refuse_secrets({name: value})


def _request(parsed: argparse.Namespace, planned: Planned) -> Request:
    from sovlab.batch.forms.request import Request
    from sovlab.batch.outputs import for_papermill, is_certain

    keywords = {
        "kernel_name": parsed.kernel,
        "language": parsed.language,
        "cwd": parsed.cwd,
        "progress_bar": False,
        "log_output": parsed.log_output,
        "last_drawn": True,
        "start_timeout": parsed.start_timeout,
        "execution_timeout": parsed.execution_timeout,
        "fresh": parsed.fresh or None,
        "cancel_on_interrupt": parsed.cancel_on_interrupt or None,
        **said_options(parsed),
    }
    return Request(
        input=parsed.input,
        output=for_papermill(planned.output, parsed.output),
        path=planned.output if is_certain(parsed.output) else "",
        parameters=planned.point.parameters,
        keywords=keywords,
    )


def _one(request: Request, *, bar: bool) -> int:
    from sovlab.batch import one
    from sovlab.batch.recorded import row_of_record

    output = request.path or request.output
    there = one.complete(request)
    if there is not None:
        job = row_of_record(there)["id"]
        show.note(f"{output} is there already, of the same run: job {job}. --fresh runs it anew.")
        return 0
    shown = {"progress_bar": bar, "lines": not bar and not request.keywords.get("log_output")}
    outcome = one.run(dataclasses.replace(request, keywords={**request.keywords, **shown}))
    sys.stderr.write(outcome.text)
    so_far = f"The notebook as far as it came: {output}"
    if outcome.status:
        show.note(so_far if outcome.text else f"{outcome.why}. {so_far}")
    else:
        show.note(f"Done: {output}")
    return outcome.status


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


def _check_parameters(parsed: argparse.Namespace, parameters: Mapping[str, Any]) -> None:
    """A parameter that the notebook does not have is a mistake, and would run for hours with the default."""
    if not parameters:
        return
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import add_builtin_parameters, parameterize_path

    from sovlab.batch.checking import refuse_unknown
    from sovlab.batch.one import refusals
    from sovlab.batch.running import known_parameters

    with refusals():
        notebook = load_notebook_node(parameterize_path(parsed.input, add_builtin_parameters(parameters)))
    known = known_parameters(notebook, parsed.kernel, parsed.language)
    refuse_unknown(parameters, known, f"The notebook {parsed.input}")


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
