"""The command line as argparse sees it."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Sequence
from typing import NoReturn

from sovlab._version import __version__
from sovlab.core.units import parse_duration
from sovlab.errors import SpecError, UsageError
from sovlab.options import complaints, flags, target

_EPILOG = (
    "exit status: 0 done, 1 the job failed, 2 the request is wrong, 3 the target does not answer,\n"
    "124 out of time, 130 cancelled or interrupted"
)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse a command line. Raises `UsageError` with a hint where it is wrong."""
    own, script_args = flags.split_words(argv)
    parsed, unknown = _parser().parse_known_args(own)
    if parsed.command == "sweep":  # argparse takes words from one place only
        parsed.parameters += [word for word in unknown if not word.startswith("-")]
        unknown = [word for word in unknown if word.startswith("-")]
    if unknown:
        parsed.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    if script_args is not None:
        if parsed.command == "manifests" and parsed.job is None and len(script_args) == 1:
            parsed.job, parsed.is_job = script_args[0], True
        elif parsed.command not in ("submit", "sweep"):
            parsed.parser.error("only submit and sweep take arguments after --")
        else:
            parsed.args = [*parsed.args, *script_args]
    if parsed.command == "manifests" and parsed.job is None:
        parsed.parser.error("the following arguments are required: job")
    return parsed


def _later(module: str, name: str) -> Callable[[argparse.Namespace], int]:
    """A function of a module of this package, which is imported when it is called: help needs none of it."""

    def run(parsed: argparse.Namespace) -> int:
        found = importlib.import_module(f"sovlab.cli.{module}")
        return int(getattr(found, name)(parsed) or 0)

    return run


class _Parser(argparse.ArgumentParser):
    """A parser that complains in one sentence and says what to do, as everything else here."""

    def error(self, message: str) -> NoReturn:
        text, hint = complaints.advise(self, message)
        raise UsageError(text[:1].upper() + text[1:], hint or f"{self.prog} --help shows what it takes.")


def _parser() -> argparse.ArgumentParser:
    shape = argparse.RawDescriptionHelpFormatter
    parser = _Parser(
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
        sub.set_defaults(run=run, parser=sub)
        if json:
            sub.add_argument("--json", action="store_true", help="print one JSON document")
        return sub

    submit = verb(
        "submit",
        "Run a Python script or module as a job; its own arguments go after --.",
        _later("commands", "submit"),
    )
    submit.add_argument("script", nargs="?", help="a Python file")
    submit.add_argument("-m", dest="module", metavar="MODULE", help="run a module, as python -m does")
    submit.add_argument("args", nargs="*", metavar="arguments", help="for the script, after --")
    submit.add_argument(
        "-f", "--follow", action="store_true", help="print its log as it comes; implies --wait"
    )
    flags.add_arguments(submit, cell=False)

    _sweep(verb)

    from sovlab.cli import publish, recorded, run, verify

    run.add_arguments(
        verb(
            "run",
            "Run a notebook as one job, or as one for each combination of values, by papermill; the same "
            "command again is the same run.",
            run.run,
        )
    )
    verify.add_arguments(
        verb("verify", "Run an executed notebook again, and compare the two cell by cell.", verify.verify)
    )
    recorded.add_arguments(
        verb("show", "Show what an executed notebook says of the run that made it.", recorded.show_record)
    )
    publish.add_arguments(
        verb(
            "publish",
            "Copy an executed notebook without what tells who ran it and where.",
            publish.publish,
            json=False,
        )
    )

    jobs = verb("jobs", "List jobs, newest first.", _later("commands", "jobs"))
    jobs.add_argument("-n", type=int, default=20, metavar="N", help="at most N (default: 20; 0 is all)")
    _target(jobs)
    _all_users(jobs, "others' jobs, too, with their owners")

    logs = verb("logs", "Print the log of a job.", _later("commands", "logs"), json=False)
    _job(logs)
    logs.add_argument("-f", "--follow", action="store_true", help="go on until it has ended")
    logs.add_argument("--rank", type=int, metavar="N", help="only what this rank printed")
    logs.add_argument("--tail", type=int, metavar="N", help="only the last N lines")
    _target(logs)

    wait = verb("wait", "Wait for jobs to end; the exit status tells how.", _later("commands", "wait"))
    _job(wait, many=True)
    wait.add_argument(
        "--timeout", type=_seconds, metavar="TIME", help="wait no longer than this, e.g. 90s or 2h"
    )
    _target(wait)

    cancel = verb("cancel", "End jobs: SIGTERM, their grace time, SIGKILL.", _later("commands", "cancel"))
    _job(cancel, many=True)
    _target(cancel)
    _all_users(cancel, "also one that another user submitted, by its id")

    backends = verb(
        "backends", "Show the hardware of a target, and what of it is free.", _later("commands", "backends")
    )
    _target(backends)
    backends.add_argument("--all", action="store_true", help="every target of the settings")

    power = verb(
        "power",
        "Show what this machine draws now, how hot it is, and what is not measured.",
        _later("commands", "power"),
    )
    power.add_argument(
        "job", nargs="?", help="a job instead: what it took, and what its site's Prometheus has of that"
    )
    power.add_argument(
        "--target", metavar="NAME", help="a target's devices instead, as its site's Prometheus has them"
    )

    manifests = verb(
        "manifests",
        "Print the objects of a job as its cluster has them, as YAML; or recording rules for a Prometheus.",
        _later("commands", "manifests"),
    )
    manifests.set_defaults(is_job=False)
    manifests.add_argument(
        "job",
        nargs="?",
        help="its name or id; the word telemetry prints recording rules for a Prometheus that shows each "
        "tenant one namespace (with --target for the labels there); a job of that name is meant by its id or "
        "after --",
    )
    _target(manifests)

    _target_verbs(
        verb(
            "target",
            "List, add, show, use and remove targets, on which jobs run.",
            _later("target", "list_all"),
        )
    )

    clean = verb("clean", "Delete ended jobs with their logs and results.", _later("commands", "clean"))
    clean.add_argument(
        "--older-than",
        type=_seconds,
        metavar="TIME",
        help="ended longer ago than this, e.g. 7d (default: as in the settings)",
    )
    clean.add_argument("--all", action="store_true", help="all that have ended")
    clean.add_argument(
        "--files", action="store_true", help="those too that hold files which they wrote, like checkpoints"
    )
    clean.add_argument("--dry-run", action="store_true", help="only say what would be deleted")
    _target(clean)
    _all_users(clean, "others' jobs, too, where the place lets you")

    trust = verb(
        "trust",
        "Take the settings that came with this folder, or what another user's job left: both may run code as "
        "you.",
        _later("commands", "trust"),
        json=False,
    )
    trust.add_argument(
        "job", nargs="?", help="a job, by its id; without one, sovlab.toml and .env of this folder"
    )
    _target(trust)

    doctor = verb(
        "doctor",
        "Check that jobs can run, and say what to do where they cannot.",
        _later("commands", "doctor"),
    )
    _target(doctor)
    return parser


def _sweep(verb: Callable[..., argparse.ArgumentParser]) -> None:
    parser = verb(
        "sweep",
        "Run a Python script or module as a job at each combination of values, wait for all, and compare.",
        _later("sweep", "sweep"),
    )
    parser.add_argument("script", nargs="?", help="a Python file")
    parser.add_argument("-m", dest="module", metavar="MODULE", help="run a module, as python -m does")
    parser.add_argument(
        "parameters",
        nargs="*",
        metavar="name=value,value",
        help="what takes several values; {name} in the arguments after -- is filled with each",
    )
    parser.set_defaults(args=[])
    parser.add_argument("--plot", metavar="FILE", help="draw run time against energy, e.g. sweep.png")
    flags.add_sweep_arguments(parser)
    flags.add_arguments(parser, cell=False, waits=True)


def _target_verbs(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="action")

    def action(name: str, help_: str, run: object) -> argparse.ArgumentParser:
        sub = actions.add_parser(
            name,
            help=help_,
            description=help_,
            epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        sub.set_defaults(run=run)
        # Left out, it must not undo one that stands before the action.
        sub.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON document"
        )
        return sub

    target.add_arguments(
        action(
            "add",
            "Examine a cluster, say what jobs will find there, and add it to the settings.",
            _later("target", "add"),
        )
    )
    show = action(
        "show", "Show all settings of a target, and where each is set.", _later("target", "show_one")
    )
    show.add_argument("name", nargs="?", help="default: the current one")
    use = action("use", "Make a target the current one from now on.", _later("target", "use"))
    use.add_argument("name", help="its name")
    remove = action(
        "remove",
        "Take a target out of the settings; its jobs are left as they are.",
        _later("target", "remove"),
    )
    remove.add_argument("name", help="its name")


def _job(parser: argparse.ArgumentParser, *, many: bool = False) -> None:
    parser.add_argument("job", nargs="+" if many else None, help="names or ids" if many else "its name or id")


def _target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--target", metavar="NAME", help="a target from the settings (default: the current one)"
    )


def _all_users(parser: argparse.ArgumentParser, help_: str) -> None:
    parser.add_argument("--all-users", action="store_true", help=help_)


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except SpecError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
