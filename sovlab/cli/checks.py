"""What ``sovlab doctor`` looks at."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sovlab._version import __version__
from sovlab.client import Client
from sovlab.core.units import format_bytes
from sovlab.errors import SovlabError

_LEAST_FREE = 1 << 30


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Attributes:
        what: what was looked at.
        found: what it is.
        ok: whether jobs can run with it.
        advice: what to do; empty if nothing.
    """

    what: str
    found: str
    ok: bool = True
    advice: str = ""


def run_all(client: Client) -> list[Check]:
    """All checks; one that breaks is a finding, not an error."""
    found: list[Check] = []
    for check in (_versions, _torch, _state, _inotify, _job, _backends):
        try:
            found.extend(check(client))
        except SovlabError as error:
            found.append(Check(check.__name__.strip("_"), error.message, False, error.hint))
    return found


def _versions(_: Client) -> Iterator[Check]:
    yield Check("sovlab", f"{__version__}, Python {platform.python_version()} at {sys.executable}")


def _torch(_: Client) -> Iterator[Check]:
    try:
        yield Check("torch", importlib.metadata.version("torch"))
    except importlib.metadata.PackageNotFoundError:
        yield Check(
            "torch", "not installed here", True, "Cells that use it need it: pip install 'sovlab[torch]'"
        )


def _state(client: Client) -> Iterator[Check]:
    state = client.settings.state
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    writable, free = os.access(state, os.W_OK), shutil.disk_usage(state).free
    yield Check(
        "state directory",
        f"{state}, {format_bytes(free)} free",
        writable and free > _LEAST_FREE,
        ""
        if writable and free > _LEAST_FREE
        else "Make room (sovlab clean), or set SOVLAB_STATE_DIR to a directory on another disk.",
    )


def _inotify(_: Client) -> Iterator[Check]:
    limit = Path("/proc/sys/fs/inotify/max_user_instances")
    if limit.exists():
        number = int(limit.read_text())
        yield Check(
            "inotify instances",
            f"{number} allowed for a user",
            number >= 32,
            ""
            if number >= 32
            else "Ask for sysctl fs.inotify.max_user_instances=128; until then logs come a little later.",
        )


def _job(client: Client) -> Iterator[Check]:
    submit: Callable[..., object] = abs
    from sovlab.options import from_keywords

    job = client.submit_call(submit, (-41,), {}, from_keywords({"name": "doctor", "timeout": 60})).job
    value = job.result(timeout=90)
    job.delete()
    yield Check("a job", f"ran on target {job.target} and came back", value == 41)


def _backends(client: Client) -> Iterator[Check]:
    for item in client.capacity():
        models = ", ".join(sorted({d.model for d in item.detection.devices if d.model}))
        yield Check(
            f"backend {item.detection.backend}", models if item.detection.devices else item.detection.why
        )
