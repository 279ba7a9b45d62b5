"""Runs the cells of a notebook in a kernel, as papermill's own engine does, and tells each step.

The kernel is a process of its own, reached over sockets of the file system, so that two runs never meet at
a port (and nobody else on the machine can reach it). Outputs, display updates and widgets are nbclient's.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional

from sovlab.runner import context
from sovlab.runner.notebook import environment, forking, kernels, telling
from sovlab.runner.protocol.kernel_choice import KernelMissing, choose, without
from sovlab.runner.protocol.notebook_run import FOLDER, NOTEBOOK

if TYPE_CHECKING:
    from sovlab.runner.notebook.client import Client

_SHOWN = 256 << 10
"""Characters of text that the job's own log repeats, for whoever reads that."""


class NotebookFailed(Exception):
    """A cell failed, or the kernel; the message is a sentence, and the notebook has the traceback."""


def run(notebook: Dict[str, Any], options: Mapping[str, Any], directory: str) -> None:
    """Run a notebook; what it left is in ``directory``.

    Args:
        notebook: nbformat 4.
        options: ``kernel``, ``language``, ``start_timeout`` and ``execution_timeout``, in seconds.
        directory: of the job's files.

    Raises:
        NotebookFailed: it did not come to its end.
    """
    template = forking.prepare()
    folder = os.path.join(directory, FOLDER)
    os.makedirs(folder, exist_ok=True)
    job = context.current
    teller = telling.Teller(job.say if job is not None else lambda _: None, folder)
    sockets = tempfile.mkdtemp(prefix="sovk-")
    os.environ["JUPYTER_RUNTIME_DIR"] = sockets
    archive = getattr(__spec__.loader, "archive", None)
    os.environ.update(kernels.python_path(os.path.abspath(archive) if archive else ""))
    try:
        _run(notebook, options, teller, folder, template)
    finally:
        if template is not None:
            template.close()
        teller.close()
        shutil.rmtree(sockets, ignore_errors=True)


def _run(
    notebook: Dict[str, Any],
    options: Mapping[str, Any],
    teller: telling.Teller,
    folder: str,
    template: Optional[forking.Template],
) -> None:
    # A grammar that jsonschema would build for 0.8 s, to check URLs that no notebook's schema has.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    lacking = kernels.lacking()
    found = {} if lacking else kernels.found()
    teller.tell("place", kernels=found, lacking=lacking)
    if lacking:
        teller.tell("fatal", kind="environment", message=without(lacking))
        raise NotebookFailed(without(lacking))
    from sovlab.runner.notebook import client

    try:
        kernel, notice = choose(str(options["kernel"]), str(options.get("language", "")), found)
    except KernelMissing as error:
        teller.tell("fatal", kind="kernel", message=str(error))
        raise NotebookFailed(str(error)) from None
    teller.tell("kernel", wanted=options["kernel"], used=kernel, notice=notice)
    if notice:
        sys.stderr.write(f"{notice}\n")
    shown = Shown(len(notebook["cells"]))
    running = client.Client(notebook, kernel, options, teller, shown, template)
    teller.tell("environment", **environment.described(notebook))
    try:
        running.run()
    finally:
        try:
            _keep(running, os.path.join(folder, NOTEBOOK))
        except OSError as error:
            raise running.without_room(error) from None
        finally:
            teller.tell("end")


def _keep(running: Client, path: str) -> None:
    try:
        with open(f"{path}.tmp", "w", encoding="utf-8", errors="surrogatepass") as file:
            json.dump(running.result(), file)
        os.rename(f"{path}.tmp", path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(f"{path}.tmp")
        raise


class Shown:
    """The text of the run in the job's own log: which cell runs, and what it prints.

    Args:
        cells: how many there are.
    """

    def __init__(self, cells: int) -> None:
        self._cells = cells
        self._left = _SHOWN

    def cell(self, index: int) -> None:
        """A code cell begins."""
        from sovlab.runner import progress

        progress.progress(index, self._cells)
        self._write(f"[cell {index + 1} of {self._cells}]\n")

    def done(self) -> None:
        """All have run."""
        from sovlab.runner import progress

        progress.progress(self._cells, self._cells)

    def output(self, output: Mapping[str, Any]) -> None:
        """A cell has shown something; of that, what is text."""
        kind = output.get("output_type")
        if kind == "stream":
            self._write(str(output.get("text", "")))
        elif kind == "error":
            lines: List[Any] = output.get("traceback") or []
            self._write("\n".join(map(str, lines)) + "\n")
        else:
            text: Optional[str] = (output.get("data") or {}).get("text/plain")
            if text:
                self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        if self._left <= 0:
            return
        rest = text[: self._left]
        self._left -= len(rest)
        if self._left <= 0:
            rest += f"\n[more than {_SHOWN >> 10} kB of text: the rest is in the notebook]\n"
        sys.stdout.write(rest)
        sys.stdout.flush()
