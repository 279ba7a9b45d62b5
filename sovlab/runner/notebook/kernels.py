"""What the environment of a job has to run a notebook, and lacks."""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from typing import Any, Dict, List, Mapping, Sequence

NEEDED = ("nbclient", "nbformat", "jupyter_client")


def found() -> Dict[str, str]:
    """The kernels of this environment, with their languages; `NEEDED` must be there."""
    from jupyter_client.kernelspec import KernelSpecManager

    specs: Dict[str, Any] = KernelSpecManager().get_all_specs()
    return {name: str(one["spec"].get("language", "")) for name, one in specs.items()}


def lacking() -> List[str]:
    """What this environment lacks to run any notebook."""
    import importlib.util

    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


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
