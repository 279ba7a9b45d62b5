"""The file beside an executed notebook with what is too long for its metadata: ``out.ipynb.sovlab.json``.

The notebook's record names it by its SHA-256, so that another run's is not taken for it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sovlab.core.untrusted import MAX_BYTES, DamagedRecord, parse

SUFFIX = ".sovlab.json"


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What became of the file.

    Attributes:
        name: as the record names it; empty if it names none.
        content: what it holds; empty unless it is the file of that run.
        path: where it is; None unless it is the file of that run.
        problem: why it counts for nothing, as a clause; empty if it does count, or none is named.
    """

    name: str = ""
    content: Mapping[str, Any] = field(default_factory=dict)
    path: Path | None = None
    problem: str = ""


def write(notebook: Path, content: Mapping[str, Any]) -> dict[str, str]:
    """Write it, in one step; what the notebook's record says of it.

    Args:
        notebook: beside which it goes.
        content: of JSON.

    Raises:
        OSError: it cannot be written.
    """
    path = notebook.with_name(notebook.name + SUFFIX)
    data = (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        if notebook.exists():
            shutil.copymode(notebook, temporary)  # who may read the one may read the other
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return {"name": path.name, "sha256": hashlib.sha256(data).hexdigest()}


def read(notebook: Path, record: Mapping[str, Any]) -> Sidecar:
    """That of a notebook, if it is there and the one that its record means; nothing is raised.

    Args:
        notebook: its path. One that was renamed with its file finds it by its new name.
        record: ``metadata.sovlab``.
    """
    said = record.get("sidecar")
    name, digest = (said.get("name"), said.get("sha256")) if isinstance(said, dict) else (None, None)
    if not isinstance(name, str) or not isinstance(digest, str) or not _is_plain(name):
        return Sidecar()
    problem = "is not there"
    for path in dict.fromkeys((notebook.with_name(name), notebook.with_name(notebook.name + SUFFIX))):
        try:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except (OSError, ValueError):
            continue
        if hashlib.sha256(data).hexdigest() != digest:
            problem = "is not the one of this run: its digest is another"
            continue
        try:
            content = parse(data)
        except DamagedRecord as damage:
            return Sidecar(name, problem=f"cannot be read: {damage}")
        if not isinstance(content, dict):
            return Sidecar(name, problem="cannot be read: it is no object")
        return Sidecar(name, content, path)
    return Sidecar(name, problem=problem)


def _is_plain(name: str) -> bool:
    return 0 < len(name) <= 255 and name.endswith(SUFFIX) and not set(name) & {"/", "\\", "\0"}
