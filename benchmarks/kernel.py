"""A real kernel, started as Jupyter starts one."""

from __future__ import annotations

import ast
import contextlib
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

from benchmarks.measuring import CaseFailed

_PATIENCE = 60.0


class Kernel:
    """A running kernel."""

    def __init__(self, manager: Any, client: Any) -> None:
        self._client = client
        self.pid: int = manager.provisioner.pid

    def run(self, cell: str, value: str = "None") -> Any:
        """Execute ``cell``; the value of an expression after it, a literal.

        Raises:
            CaseFailed: it raised.
        """
        reply = self._client.execute_interactive(
            cell, user_expressions={"value": value}, timeout=_PATIENCE, output_hook=lambda _: None
        )["content"]
        if reply["status"] != "ok":
            said = f"{reply['ename']}: {reply['evalue']}"
            # A module of ours that is missing is a defect, not an environment.
            missing = said.startswith("ModuleNotFoundError") and "sovlab" not in said
            raise CaseFailed("not installed" if missing else f"failed: {said}")
        return ast.literal_eval(reply["user_expressions"]["value"]["data"]["text/plain"])


@contextlib.contextmanager
def kernel(python: str | None, directory: Path, environ: Mapping[str, str]) -> Iterator[Kernel]:
    """A kernel of ``python``, for a while."""
    if python is None:
        raise CaseFailed("not installed")
    manager = KernelManager()
    argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager._kernel_spec = KernelSpec(argv=argv, display_name="measured", language="python")
    manager.start_kernel(cwd=str(directory), env=dict(environ), stderr=subprocess.DEVNULL)
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=_PATIENCE)
        started = Kernel(manager, client)
        started.run("import time")
        yield started
    except RuntimeError as error:
        raise CaseFailed(f"failed: {error}") from error
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
