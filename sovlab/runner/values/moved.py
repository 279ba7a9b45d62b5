"""Where modules that packs name are now: packs live for weeks, on disks and in stores.

A name in this table is never taken out, and its module keeps what a pack may name: see
``tests/compat/test_older_packs.py``, which loads packs that an older sovlab has written.
"""

from __future__ import annotations

MOVED = {
    "binding": "source.binding",
    "child": "process.child",
    "culprit": "values.unpicklable",
    "definitions": "source.definitions",
    "display": "output.display",
    "ending": "process.verdict",
    "figures": "output.matplotlib_backend",  # for its classes: a value may be one, or of one
    "frames": "protocol.frames",
    "hashing": "values.hashing",
    "hatch": "pod.commands",
    "importing": "execution.import_hooks",
    "installing": "source.installing",
    "memory": "system.memory",
    "merging": "process.log_merging",
    "message": "protocol.termination",
    "missing": "values.absent",
    "nursery": "process.forkserver",
    "order": "protocol.order",
    "outlet": "pod.log_writer",
    "pack": "values.pack",
    "pickling": "values.pickling",
    "places": "protocol.layout",
    "pod": "pod.entrypoint",
    "program": "execution.program",
    "rank": "process.rank",
    "ranks": "process.ranks",
    "record": "protocol.exit_record",
    "results": "execution.results",
    "scopes": "source.scopes",
    "sources": "source.locating",
    "streams": "output.streams",
    "supervisor": "process.supervisor",
    "tensors": "values.tensors",
    "tracebacks": "output.tracebacks",
    "tree": "system.processes",
    "unpickling": "values.unpickling",
    "web": "pod.presigned",
    "work": "process.work",
}
"""Modules of the runner, by the name that they had."""


def present(module: str) -> str:
    """The name that a module of sovlab has now, by the one that it had when a pack was written."""
    prefix = "sovlab.runner."
    if not module.startswith(prefix):
        return module
    return prefix + MOVED.get(module[len(prefix) :], module[len(prefix) :])
