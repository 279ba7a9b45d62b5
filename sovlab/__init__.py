"""sovlab: run PyTorch cells of a notebook as jobs on your own hardware, and get the variables back.

This module only re-exports; names are loaded when they are first used, so that ``import sovlab`` and
``%load_ext sovlab`` cost milliseconds. Inside a job the same name is the small subset that travels
with it: `progress`, `checkpoint`, `measure`, `record` and `torch`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from sovlab._version import __version__

if TYPE_CHECKING:
    from sovlab import torch as torch
    from sovlab.api import job as job
    from sovlab.api import jobs as jobs
    from sovlab.api import remote as remote
    from sovlab.api import submit as submit
    from sovlab.api import sweep as sweep
    from sovlab.client import Client as Client
    from sovlab.client.job import Job as Job
    from sovlab.client.sweeping import Sweep as Sweep
    from sovlab.client.waiting import as_completed as as_completed
    from sovlab.client.waiting import wait as wait
    from sovlab.core.job import JobState as JobState
    from sovlab.errors import SovlabError as SovlabError
    from sovlab.runner.checkpoint import checkpoint as checkpoint
    from sovlab.runner.phases import measure as measure
    from sovlab.runner.progress import progress as progress
    from sovlab.runner.recording import record as record

_HOME = {
    "Client": "sovlab.client",
    "Job": "sovlab.client.job",
    "JobState": "sovlab.core.job",
    "SovlabError": "sovlab.errors",
    "Sweep": "sovlab.client.sweeping",
    "as_completed": "sovlab.client.waiting",
    "checkpoint": "sovlab.runner.checkpoint",
    "job": "sovlab.api",
    "jobs": "sovlab.api",
    "measure": "sovlab.runner.phases",
    "progress": "sovlab.runner.progress",
    "record": "sovlab.runner.recording",
    "remote": "sovlab.api",
    "submit": "sovlab.api",
    "sweep": "sovlab.api",
    "torch": "",
    "wait": "sovlab.client.waiting",
}

__all__ = [*sorted(_HOME), "__version__"]


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _HOME:
        raise AttributeError(f"module 'sovlab' has no attribute {name!r}")
    if name == "torch":
        return importlib.import_module("sovlab.torch")
    try:
        value = getattr(importlib.import_module(_HOME[name]), name)
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("sovlab."):
            raise
        if name == "remote":
            return _plain
        raise AttributeError(f"sovlab.{name} is not available inside a job") from error
    if name in ("Job", "job", "jobs", "submit", "sweep"):
        _show_jobs_as_cards()
    globals()[name] = value
    return value


def _plain(function: Any = None, **options: Any) -> Any:
    """What `remote` is inside a job: the function itself."""
    return (lambda f: f) if function is None else function


def _show_jobs_as_cards() -> None:
    """In IPython, let a `Job` at the end of a cell be shown as its card."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    if shell is not None:
        from sovlab.jupyter.magics import register_cards

        register_cards(shell)


def __dir__() -> list[str]:
    return __all__


def load_ipython_extension(shell: Any) -> None:
    """Register the magics: ``%load_ext sovlab``."""
    from sovlab.jupyter.magics import register

    register(shell)
