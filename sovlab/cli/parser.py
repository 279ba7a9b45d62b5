"""The command line as argparse sees it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from sovlab import options
from sovlab._version import __version__
from sovlab.cli import commands
from sovlab.core.units import parse_duration
from sovlab.errors import SpecError

_EPILOG = (
    "exit status: 0 done, 1 the job failed, 2 the request is wrong, 3 the target does not answer,\n"
    "124 out of time, 130 cancelled or interrupted"
)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse a command line; leaves with status 2 and a hint where it is wrong."""
    own, script_args = options.split_words(argv)
    parsed = _parser().parse_args(own)
    if script_args is not None:
        if parsed.command != "submit":
            _parser().error("only submit takes arguments after --")
        parsed.args = [*parsed.args, *script_args]
    return parsed


def _parser() -> argparse.ArgumentParser:
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "sovlab",
        description="Run PyTorch code as jobs on your own hardware.",
        epilog=_EPILOG,
        formatter_class=shape,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"sovlab {__version__}")
    verbs = parser.add_subparsers(dest="command", required=True, metavar="command")

    def verb(name: str, help_: str, run: object, *, json: bool = True) -> argparse.ArgumentParser:
        sub = verbs.add_parser(
            name, help=help_, description=help_, epilog=_EPILOG, formatter_class=shape, allow_abbrev=False
        )
        sub.set_defaults(run=run)
        if json:
            sub.add_argument("--json", action="store_true", help="print one JSON document")
        return sub

    submit = verb("submit", "Run a Python script as a job; its own arguments go after --.", commands.submit)
    submit.add_argument("script", help="a Python file")
    submit.add_argument("args", nargs="*", metavar="arguments", help="for the script, after --")
    submit.add_argument(
        "-f", "--follow", action="store_true", help="print its log as it comes; implies --wait"
    )
    options.add_arguments(submit, cell=False)

    jobs = verb("jobs", "List jobs, newest first.", commands.jobs)
    jobs.add_argument("-n", type=int, default=20, metavar="N", help="at most so many (default: 20; 0 is all)")
    _target(jobs)

    logs = verb("logs", "Print what a job has printed.", commands.logs, json=False)
    _job(logs)
    logs.add_argument("-f", "--follow", action="store_true", help="go on until it has ended")
    logs.add_argument("--rank", type=int, metavar="N", help="only what this rank printed")
    logs.add_argument("--tail", type=int, metavar="N", help="only the last N lines")
    _target(logs)

    wait = verb("wait", "Wait for jobs to end; the exit status tells how.", commands.wait)
    _job(wait, many=True)
    wait.add_argument(
        "--timeout", type=_seconds, metavar="TIME", help="wait no longer than this, e.g. 90s or 2h"
    )
    _target(wait)

    cancel = verb("cancel", "End jobs: SIGTERM, their grace time, SIGKILL.", commands.cancel)
    _job(cancel, many=True)
    _target(cancel)

    backends = verb("backends", "What hardware a target has, and what of it is free.", commands.backends)
    _target(backends)

    target = verb("target", "Show the targets, or choose the one to use from now on.", commands.target)
    target.add_argument("action", nargs="?", choices=("show", "use"), default="show")
    target.add_argument("name", nargs="?")

    clean = verb("clean", "Delete ended jobs with their logs and results.", commands.clean)
    clean.add_argument(
        "--older-than",
        type=_seconds,
        metavar="TIME",
        help="ended longer ago than this, e.g. 7d (default: as in the settings)",
    )
    clean.add_argument("--all", action="store_true", help="all that have ended")
    clean.add_argument("--dry-run", action="store_true", help="only say what would be deleted")
    _target(clean)

    verb("doctor", "Check that jobs can run here, and say what to do where they cannot.", commands.doctor)
    return parser


def _job(parser: argparse.ArgumentParser, *, many: bool = False) -> None:
    parser.add_argument("job", nargs="+" if many else None, help="names or ids" if many else "its name or id")


def _target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--target", metavar="NAME", help="a place from the settings (default: the current one)"
    )


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except SpecError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
