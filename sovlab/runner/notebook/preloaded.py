"""What a notebook's driver and its kernel import: loaded in the process that both are forked from.

Importing this module loads it. A process that has loaded it must have no thread when it forks; none of these
starts one by being imported.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import List

MODULES = (
    "nbformat",
    "nbformat.validator",
    "nbformat.v4",
    "jupyter_client.asynchronous",
    "jupyter_client.manager",
    "jupyter_client.provisioning.local_provisioner",
    "nbclient",
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.zmqshell",
)
_ARCHIVE = getattr(__spec__.loader, "archive", None)
_ASKED = os.environ.get("PYTHONPATH", "").split(os.pathsep)
fresh_path: List[str] = [path for path in sys.path if path and path != _ARCHIVE and path not in _ASKED]
"""``sys.path`` as a started interpreter has it, but for what ``PYTHONPATH`` says."""
fresh_hooks = list(sys.meta_path)
"""``sys.meta_path`` as such a one has it."""


def _load() -> None:
    # A grammar that jsonschema would build for 0.8 s, to check URLs that no notebook's schema has.
    is_ours = "rfc3987_syntax" not in sys.modules
    if is_ours:
        sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
    for name in MODULES:
        try:
            importlib.import_module(name)
        except Exception:  # noqa: S112 - the run itself says what its environment lacks
            continue
    if is_ours:
        sys.modules.pop("rfc3987_syntax", None)


_load()
