"""`Request`: a run that is asked for, and how a process of its own is asked for it."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from typing import Any

STAYS = "stays"
"""Said beside a request: the run goes on when whoever asked for it goes away."""


@dataclasses.dataclass(frozen=True)
class Request:
    """A run that is asked for.

    Attributes:
        input: path of the notebook.
        output: where the executed one goes, as papermill takes it: braces are doubled.
        path: the same for everybody else; empty if papermill makes another of it each time.
        parameters: values by name.
        keywords: others of `papermill.execute_notebook`; options of a submit are among them.
    """

    input: str
    output: str
    path: str
    parameters: Mapping[str, Any]
    keywords: Mapping[str, Any]


def command() -> list[str]:
    """What begins `sovlab.batch.one.main`: the same modules as here, whatever the working directory has."""
    code = f"import sys; sys.path[:] = {sys.path!r}; from sovlab.batch.one import main; main()"
    return [sys.executable, "-c", code]


def asked_line(request: Request, *, stays: bool = False) -> bytes:
    """What that process is told on its standard input.

    Args:
        request: what it is to run.
        stays: whether it goes on when its input ends.
    """
    return json.dumps({**dataclasses.asdict(request), STAYS: stays}).encode() + b"\n"
