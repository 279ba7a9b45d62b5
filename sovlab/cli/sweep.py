"""What ``sovlab sweep`` does: runs a script at several points, waits, and compares what they took."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sovlab.cli import show
from sovlab.client import Client, Module, Script, default
from sovlab.core.interrupts import Interrupts
from sovlab.core.job import JobState, Reason
from sovlab.core.units import format_duration, format_energy
from sovlab.errors import ExecutorError, SpecError, UsageError
from sovlab.options import flags
from sovlab.options.job import Options
from sovlab.options.sweep import filled, grid, literal, over_in, parameters_in
from sovlab.views.sweep import (
    NOT_SUBMITTED,
    Row,
    kind_words,
    planned_table,
    point_document,
    point_words,
    sweep_document,
    sweep_notes,
)

if TYPE_CHECKING:
    from sovlab.client.sweeping import Planned, Sweep

_STATUS = {
    str(Reason.TIMEOUT): 124,
    str(Reason.CANCELLED): 130,
}


def sweep(parsed: argparse.Namespace) -> int:
    """``sovlab sweep``: 0 if every run succeeded."""
    from sovlab.client.sweeping import Planned, coded

    words = list(parsed.parameters)
    if parsed.module is not None and parsed.script is not None:
        words.insert(0, parsed.script)  # the first word after it is no script
    elif parsed.module is None and (parsed.script is None or "=" in parsed.script):
        raise UsageError(
            "sovlab sweep was given nothing to run.", "Name a Python file first, or -m and a module."
        )
    points = grid(parameters_in(words), over_in(parsed.over, cell=False), parsed.repeats)
    planned = coded(points, lambda texts: _code(parsed, texts))
    values = {id(p.parameters): {n: literal(text) for n, text in p.parameters.items()} for p in points}
    planned = [
        Planned(type(point)(values[id(point.parameters)], point.options, point.repeat), code)
        for point, code in planned
    ]
    client, chosen = default(), flags.from_arguments(parsed)
    if parsed.dry_run:
        return _plan(client, planned, chosen, check=parsed.dry_run == "server", json=parsed.json)
    if parsed.plot:
        _check_picture(parsed.plot)
    made = client.sweep(planned, chosen, at_once=parsed.at_once)
    for message in made.messages:
        show.note(message)
    try:
        with Interrupts():
            if not parsed.json:
                waits = f"; {made.waiting} wait for their turn" if made.waiting else ""
                show.note(f"Sweep {made.name}: submitted {len(made.jobs)} of {len(made)} runs{waits}.")
            for row in made.as_completed():
                if not parsed.json:
                    show.note(_ended(row))
    except KeyboardInterrupt:
        _interrupted(made)
        raise
    rows = made.rows(values=False)
    if parsed.json:
        show.json_document(sweep_document(made.name, rows))
    else:
        show.table(made.table(values=False))
        for sentence in sweep_notes(rows):
            show.note(sentence)
    status = max((exit_status(row) for row in rows), default=0)
    return _draw(made, parsed.plot) or status if parsed.plot else status


def _code(parsed: argparse.Namespace, texts: Mapping[str, str]) -> Script | Module:
    arguments = filled(parsed.args, texts)
    if parsed.module is not None:
        return Module(parsed.module, arguments)
    return Script(Path(parsed.script).expanduser(), arguments)


def _plan(client: Client, planned: Sequence[Planned], chosen: Options, *, check: bool, json: bool) -> int:
    specs = client.plan_sweep(planned, chosen, check=check)
    points = [point.values for point, _ in planned]
    if json:
        runs = [
            {"point": point_document(point), "name": spec.name, "backend": spec.backend}
            for point, spec in zip(points, specs, strict=True)
        ]
        show.json_document({"version": 1, "runs": runs})
    else:
        show.table(planned_table(points, specs))
        show.note(f"Would submit {len(specs)} jobs. Nothing was submitted (--dry-run).")
    return 0


def _check_picture(path: str) -> None:
    """Say what is wrong with a picture's file before hours of work, not after."""
    try:
        from matplotlib.backend_bases import FigureCanvasBase
    except ImportError as error:
        raise UsageError("A plot needs matplotlib.", "Install it: pip install matplotlib.") from error
    kinds = FigureCanvasBase.get_supported_filetypes()
    if Path(path).suffix.lstrip(".").lower() not in kinds or not Path(path).absolute().parent.is_dir():
        raise SpecError(
            f"No picture can be written to {path}.", f"Name a file like {Path(path).stem or 'sweep'}.png."
        )


def _draw(made: Sweep, path: str) -> int:
    """Write the picture; the exit status of what kept it from that, or 0."""
    try:
        made.plot().savefig(path)
    except UsageError as error:  # after the table, which is there all the same
        show.complain(error)
        return error.exit_code
    except OSError as error:
        raise SpecError(f"The picture cannot be written to {path}: {error.strerror}.") from error
    return 0


def _ended(row: Row) -> str:
    point = point_words(row["point"]) or row["id"]
    if row["state"] == NOT_SUBMITTED:
        return f"{point} was not submitted: {row['why']}"
    took = f" after {format_duration(row['seconds'])}" if row["seconds"] is not None else ""
    known = row["joules"] is not None
    energy = f", {format_energy(row['joules'])} ({kind_words(row)})" if known else ""
    return f"{point} {row['state']}{took}{energy}."


def _interrupted(made: Sweep) -> None:
    left = made.detach()
    ids = " ".join(row["id"] for row in made.rows(values=False) if row["id"] and row["seconds"] is None)
    sentences = ["\nInterrupted; what runs goes on."]
    if left:
        sentences.append(f" {left} of {len(made)} runs {'was' if left == 1 else 'were'} not submitted.")
    if ids:
        sentences.append(f"\n  wait again: sovlab wait {ids}\n  cancel:     sovlab cancel {ids}")
    show.note("".join(sentences))


def exit_status(row: Row) -> int:
    """What a run makes of the command's exit status, of which the greatest counts."""
    if row["state"] == NOT_SUBMITTED:
        return ExecutorError.exit_code
    return 0 if row["state"] == JobState.SUCCEEDED else _STATUS.get(row["reason"], 1)
