"""`Notebook`: all cells of a notebook, run in a fresh kernel from the first to the last."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from sovlab.core.spec import PayloadKind
from sovlab.errors import CaptureError
from sovlab.payload import capture
from sovlab.payload.files import modules
from sovlab.payload.files.luggage import Travel
from sovlab.payload.gathering import gather
from sovlab.payload.pack import Packed, write_payload


class Notebook(msgspec.Struct, frozen=True):
    """A notebook, with the local modules that its cells import.

    Attributes:
        cells: of nbformat 4; of each, ``cell_type``, ``source`` and ``metadata`` travel. Ids, outputs and
            counts do not: the same cells are the same payload.
        metadata: of the notebook: ``kernelspec`` and ``language_info`` travel.
        kernel: the name of the kernel.
        label: the notebook's name, for people.
        directory: where local modules are looked for before ``sys.path``; None is the working directory.
        limits: ``start_timeout`` of the kernel and ``execution_timeout`` of each cell, in seconds.
    """

    cells: Sequence[Mapping[str, Any]]
    metadata: Mapping[str, Any]
    kernel: str
    label: str = "notebook"
    directory: Path | None = None
    limits: Mapping[str, float | None] = {}

    kind = PayloadKind.NOTEBOOK
    args = ()

    @property
    def name(self) -> str:
        """The file's, without its suffix."""
        return Path(self.label).stem or "notebook"

    @property
    def origin(self) -> str:
        """The file's name."""
        return self.label

    @property
    def language(self) -> str:
        """Of the notebook; empty if it does not say."""
        spec, info = (self.metadata.get(key) or {} for key in ("kernelspec", "language_info"))
        return str(spec.get("language") or info.get("name") or "")

    def pack(
        self,
        store: Path,
        *,
        send: Sequence[str] | None = None,
        outputs: Sequence[str] = (),
        files: Sequence[str] = (),
        shared: bool = False,
    ) -> Packed:
        """See `Code.pack`; ``send`` and ``outputs`` are a cell's.

        Raises:
            CaptureError: a file that is named cannot travel.
        """
        spec = dict(self.metadata.get("kernelspec") or {})
        info = dict(self.metadata.get("language_info") or {})
        language = self.language
        notebook = {
            "nbformat": 4,
            "nbformat_minor": 4,  # the first with ids is 5
            "metadata": {key: value for key, value in (("kernelspec", spec), ("language_info", info)) if value},
            "cells": [_bare(cell) for cell in self.cells],
        }
        data = json.dumps(notebook, sort_keys=True).encode()
        trees = self._trees() if language in ("", "python") else []
        imported = {name for _, tree in trees for name in modules.imports_in(tree)}
        return write_payload(
            gather({}, None, None),
            store,
            kind=self.kind,
            entry={"notebook": {"kernel": self.kernel, "language": language, **self.limits}},
            segments={"source": data},
            imported=imported,
            code=hashlib.sha256(data).hexdigest(),
            travel=Travel(
                self.directory,
                files=files,
                named=lambda folder: _named(trees, folder),
                shared=shared,
            ),
        )

    def _trees(self) -> list[tuple[int, ast.AST]]:
        """Number and syntax tree of each cell that can be read."""
        found: list[tuple[int, ast.AST]] = []
        for number, cell in enumerate(self.cells, 1):
            if cell.get("cell_type") != "code":
                continue
            try:
                tree = capture.read_cell(str(cell.get("source", "")), self.label).tree
            except (SyntaxError, CaptureError):
                continue  # its kernel says what is wrong with it, in its turn
            found.append((number, tree))
        return found


def _named(trees: list[tuple[int, ast.AST]], folder: Path) -> tuple[dict[Path, str], list[str]]:
    from sovlab.payload.files import named_in_cells  # not needed where the job sees the files of this machine

    return named_in_cells.named(trees, folder)


def _bare(cell: Mapping[str, Any]) -> dict[str, Any]:
    metadata = dict(cell.get("metadata") or {})
    kept = {key: metadata[key] for key in ("tags",) if metadata.get(key)}
    bare = {"cell_type": cell["cell_type"], "source": cell["source"], "metadata": kept}
    if cell["cell_type"] == "code":
        bare.update(execution_count=None, outputs=[])
    elif cell.get("attachments"):
        bare["attachments"] = cell["attachments"]
    return bare
