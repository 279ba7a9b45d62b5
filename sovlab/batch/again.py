"""A notebook run again from its record, so that both can be compared."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sovlab.batch import one
from sovlab.batch.forms.request import Request
from sovlab.batch.provenance.reading import read_whole
from sovlab.batch.recorded import record_of, was_changed, without_markers
from sovlab.batch.verifying.cells import members
from sovlab.client import default
from sovlab.options.job import Options


def run_again(
    recorded: Mapping[str, Any],
    name: str,
    options: Mapping[str, Any],
    keywords: Mapping[str, Any],
    output: str,
    note: Callable[[str], None],
) -> dict[str, Any]:
    """Run what a notebook holds, without its outputs, as its record says; what came of it.

    A cell that fails, or a kernel that dies, is no error: the notebook has what there is.

    Args:
        recorded: the executed notebook.
        name: of its file; what people call the run.
        options: of the job; one that is said, and not as it is anyway, counts instead of the record's.
        keywords: others of `papermill.execute_notebook`.
        output: where the notebook of this run goes; empty keeps it nowhere.
        note: called with sentences for people.

    Raises:
        SovlabError: it was not run.
    """
    record = record_of(recorded)
    if not record:
        note("It has no record of a run by sovlab: it runs as this command says.")
    elif was_changed(recorded):
        note("Its cells are not those of its record: it was changed after that run.")
    usual = Options()
    said = {key: value for key, value in options.items() if value != getattr(usual, key)}
    chosen = {**_recorded_options(record, note), **said}
    if chosen.get("backend") == "cpu":
        chosen.pop("gpus", None)
    with tempfile.TemporaryDirectory() as scratch:
        begin = Path(scratch, Path(name).name)
        begin.write_text(json.dumps(_bare(recorded)), encoding="utf-8")
        end = output or str(Path(scratch, "again.ipynb"))
        plain = end.replace("{", "{{").replace("}", "}}")
        one.run(Request(str(begin), plain, end, {}, {**keywords, **chosen, "fresh": True}))
        return read_whole(end, note)


def _bare(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The notebook as it was before it ran."""
    bare = copy.deepcopy(without_markers(recorded))
    for cell in bare["cells"]:
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            cell.update(outputs=[], execution_count=None)
    if isinstance(bare.get("metadata"), dict):
        bare["metadata"].pop("sovlab", None)
    return bare


def _recorded_options(record: Mapping[str, Any], note: Callable[[str], None]) -> dict[str, Any]:
    """Where and with what it ran, as far as that is to be had here."""
    said: dict[str, Any] = {}
    run, accel = members(record.get("run")), members(record.get("accel"))
    target, nodes = run.get("target"), record.get("nodes")
    if isinstance(target, str) and target:
        if target in [known.name for known in default().targets()]:
            said["target"] = target
        else:
            note(f"Its target {target!r} is none of those here: it runs on the current one.")
    if isinstance(accel.get("backend"), str):
        said["backend"] = accel["backend"]
    if type(accel.get("gpus")) is int and accel["gpus"] > 0:
        said["gpus"] = accel["gpus"]
    if type(nodes) is int and nodes > 1:
        said["nodes"] = nodes
    return said
