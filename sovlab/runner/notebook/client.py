"""nbclient's client, which tells what each message changes in the notebook."""

from __future__ import annotations

import os
import time
from queue import Empty
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.client import CellExecutionComplete
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbclient.util import ensure_async
from traitlets.config import Config

from sovlab.runner.notebook import deaths, determinism, floods, forking
from sovlab.runner.notebook.differences import Differences
from sovlab.runner.notebook.replies import reply_to
from sovlab.runner.notebook.telling import Teller

if TYPE_CHECKING:
    from sovlab.runner.notebook.driver import NotebookFailed, Shown


_SILENCE = 4
"""Seconds after a cell's end in which nothing comes of it, though its end was not told; as in nbclient."""
_LONGEST_FLOOD = 24 * 3600


class Client(NotebookClient):  # type: ignore[misc]  # it is not everywhere
    """Runs cells one after another.

    Args:
        notebook: nbformat 4, without outputs.
        kernel: its name here.
        options: see `sovlab.runner.notebook.driver.run`.
        teller: tells the steps.
        shown: writes their text into the job's log.
        template: becomes the kernel, if it can.
    """

    def __init__(
        self,
        notebook: Dict[str, Any],
        kernel: str,
        options: Mapping[str, Any],
        teller: Teller,
        shown: Shown,
        template: Optional[forking.Template] = None,
    ) -> None:
        # Left to itself, a manager without a connection file names them after the working directory, which
        # runs share.
        place = os.path.join(os.environ["JUPYTER_RUNTIME_DIR"], "kernel")
        sockets = {"transport": "ipc", "ip": place}
        super().__init__(
            nbformat.from_dict(notebook),
            kernel_name=kernel,
            timeout=options.get("execution_timeout"),
            startup_timeout=options.get("start_timeout") or 60,
            raise_on_iopub_timeout=True,
            iopub_timeout=_LONGEST_FLOOD,
            kernel_manager_class=_manager(template),
            config=Config({"KernelManager": sockets, "AsyncKernelManager": sockets}),
        )
        self._teller, self._shown = teller, shown
        self._is_python = options.get("language") in ("", None, "python")
        self._differences = Differences(teller)

    def run(self) -> None:
        """Run all cells.

        Raises:
            NotebookFailed: a cell failed, took too long, or the kernel died.
        """
        from sovlab.runner.notebook.driver import NotebookFailed

        self.reset_execution_trackers()
        failed, watched = "", deaths.Deaths()
        try:
            with self.setup_kernel():
                try:
                    if self._is_python:
                        floods.send_all(self)
                    failed = self._run_cells()
                    language = self._language()
                    self._teller.tell("language", info=language)
                    self.set_widgets_metadata()
                    if "widgets" in self.nb.metadata:
                        self._teller.tell("widgets", widgets=self._teller.stored(self.nb.metadata["widgets"]))
                    if language.get("name") == "python":
                        self._teller.tell("determinism", found=determinism.asked(self))
                except DeadKernelError as error:
                    why = watched.why(deaths.exit_status(self.km))
                    self._teller.tell("fatal", kind="dead", message=str(error), why=why)
                    raise NotebookFailed(f"The kernel died. {why}".strip()) from None
                except CellTimeoutError as error:
                    self._teller.tell("fatal", kind="timeout", message=str(error))
                    raise NotebookFailed(str(error).splitlines()[0]) from None
        except NotebookFailed:
            raise
        except OSError as error:
            raise self.without_room(error) from None
        except RuntimeError as error:
            self._teller.tell("fatal", kind="start", message=str(error))
            raise NotebookFailed(f"The kernel did not start: {error}") from None
        if failed:
            raise NotebookFailed(failed)
        self._shown.done()

    def without_room(self, error: OSError) -> NotebookFailed:
        """Tell that outputs cannot be kept; what to raise then."""
        from sovlab.runner.notebook.driver import NotebookFailed

        said = f"What the notebook shows cannot be kept where it runs: {error.strerror or error}."
        hint = (
            "Make room there, or show and write less: on this machine sovlab clean forgets what has ended, "
            "on a cluster it is the disk of the pod."
        )
        self._teller.tell("fatal", kind="room", message=said, why=hint)
        return NotebookFailed(f"{said} {hint}")

    def result(self) -> Dict[str, Any]:
        """The notebook as it is now; long outputs are references."""
        for cell in self.nb.cells:
            if cell.get("outputs"):
                cell["outputs"] = [self._teller.stored(output) for output in cell["outputs"]]
        return dict(self.nb)

    def _run_cells(self) -> str:
        for index, cell in enumerate(self.nb.cells):
            if cell.cell_type == "code":
                self._shown.cell(index)
            self._teller.tell("start", cell=index, time=time.time())
            try:
                self.execute_cell(cell, index)
            except CellExecutionError as error:
                self._differ(index)
                self._teller.tell(
                    "exception", cell=index, ename=error.ename, evalue=error.evalue, text=str(error)
                )
                if error.ename == "SystemExit" and error.evalue in ("", "0"):
                    return ""
                return f"In [{cell.get('execution_count', ' ')}] failed: {error.ename}: {error.evalue}"
            finally:
                self._differ(index)
                execution = cell.metadata.get("execution", {})
                self._teller.tell(
                    "complete",
                    cell=index,
                    time=time.time(),
                    count=cell.get("execution_count"),
                    execution=dict(execution),
                )
        return ""

    def _language(self) -> Dict[str, Any]:
        reply = reply_to(self, self.kc.kernel_info())
        info: Dict[str, Any] = reply["content"]["language_info"] if reply else {}
        if info:
            self.nb.metadata["language_info"] = info
        return info

    async def _async_poll_output_msg(self, parent_msg_id: str, cell: Any, cell_index: int) -> None:
        """As nbclient's, but what a cell has displayed may take as long as it takes to be read.

        nbclient gives all of it a few seconds from the cell's end on; here that is how long nothing may come.
        """
        is_over = False
        while True:
            try:
                message = await ensure_async(self.kc.iopub_channel.get_msg(timeout=_SILENCE))
            except Empty:
                if is_over:
                    self.iopub_timeout = _SILENCE  # of which the error tells
                    raise
                # The cell may have ended just now: from then on nothing may come for so long, not before.
                is_over = "shell.execute_reply" in cell["metadata"].get("execution", {})
                continue
            if message["parent_header"].get("msg_id") == parent_msg_id:
                try:
                    self.process_message(message, cell, cell_index)
                except CellExecutionComplete:
                    return

    def process_message(self, message: Dict[str, Any], cell: Any, cell_index: int) -> Any:
        """As nbclient's; tells what it has changed."""
        output = super().process_message(message, cell, cell_index)
        if output is not None:
            self._shown.output(output)
        kind = message["msg_type"]
        if kind in ("stream", "display_data", "execute_result", "error", "clear_output"):
            self._differ(cell_index)
        elif kind == "update_display_data":
            for index in range(cell_index + 1):
                self._differ(index, changed=True)
        elif kind == "execute_input":
            self._teller.tell("count", cell=cell_index, count=cell.get("execution_count"))
        return output

    def _differ(self, index: int, changed: bool = False) -> None:
        outputs = self.nb.cells[index].get("outputs")
        if outputs is not None:
            self._differences.tell(index, outputs, changed)


def _manager(template: Optional[forking.Template]) -> Any:
    """The class of the kernel's manager: nbclient's own, but for how it starts the kernel."""

    class Manager(AsyncKernelManager):  # type: ignore[misc]  # it is not everywhere
        async def _async_launch_kernel(self, kernel_cmd: List[str], **options: Any) -> None:
            environ, directory = options.get("env") or dict(os.environ), options.get("cwd")
            forked = template.start(kernel_cmd, environ, directory) if template is not None else None
            if forked is None:
                await super()._async_launch_kernel(kernel_cmd, **options)
                return
            provisioner = self.provisioner
            provisioner.process, provisioner.pid, provisioner.pgid = forked, forked.pid, forked.pid
            provisioner.cwd = directory or os.getcwd()
            self._reconcile_connection_info(provisioner.connection_info)

    return Manager
