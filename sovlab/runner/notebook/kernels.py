"""Which kernel of the job's environment runs a notebook, and what is missing for one."""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from typing import Any, Dict, Mapping, Sequence, Tuple

NEEDED = ("nbclient", "nbformat", "jupyter_client")


class KernelMissing(Exception):
    """There is no kernel for the notebook; the message is a sentence for people."""


def choose(wanted: str, language: str) -> Tuple[str, str]:
    """The name of the kernel to start, and a notice if it is not the one that was asked for.

    Args:
        wanted: its name, as the notebook has it.
        language: of the notebook; empty if it does not say.

    Raises:
        KernelMissing: there is none of that name, and not just one of that language.
    """
    from jupyter_client.kernelspec import KernelSpecManager

    found: Dict[str, Any] = KernelSpecManager().get_all_specs()
    if wanted in found:
        return wanted, ""
    alike = sorted(name for name, one in found.items() if one["spec"].get("language", "") == language)
    if language and len(alike) == 1:
        return alike[
            0
        ], f"There is no kernel {wanted!r} here: {alike[0]!r} runs it, the only one of {language}."
    there = ", ".join(sorted(found)) or "none"
    raise KernelMissing(
        f"There is no kernel {wanted!r} where the job runs; there: {there}. Name one of these with -k, or "
        "install it there."
    )


def missing() -> str:
    """What the environment of the job lacks to run any notebook; a sentence, empty if it lacks nothing."""
    import importlib.util

    lacking = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if not lacking:
        return ""
    return (
        f"The job's environment cannot run notebooks: it has no {', '.join(lacking)}. Install "
        f"{' '.join(lacking)} and a kernel (ipykernel) there, or choose another image."
    )


def python_path(
    archive: str, environ: Mapping[str, str] = os.environ, places: Sequence[str] = ()
) -> Dict[str, str]:
    """Variables with which a kernel finds `sovlab`, for `sovlab.record` and its like.

    Where it is installed, that one counts: what travels with a job is a part of it.

    Args:
        archive: the file that this runner is; empty if it is none, and then it is installed.
        environ: of this process.
        places: where modules are looked for; empty is ``sys.path``.
    """
    here = [
        place for place in places or sys.path if os.path.abspath(place) != os.path.abspath(archive or ".")
    ]
    if not archive or PathFinder.find_spec("sovlab", here) is not None:
        return {}
    return {"PYTHONPATH": os.pathsep.join([*filter(None, [environ.get("PYTHONPATH")]), archive])}
