"""A real InteractiveShell whose displays are kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell


class Notebook:
    """Runs cells as a kernel would, and keeps what they display, by display id."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell

    def run(self, source: str) -> Any:
        """Run a cell; its error is raised here."""
        result = self.shell.run_cell(source, store_history=True)
        result.raise_error()
        return result.result

    def fails(self, source: str) -> BaseException:
        """Run a cell that must fail; its error."""
        result = self.shell.run_cell(source, store_history=True)
        error = result.error_before_exec or result.error_in_exec
        assert error is not None, "the cell did not fail"
        return error

    def __getitem__(self, name: str) -> Any:
        return self.shell.user_ns[name]

    @property
    def shown(self) -> list[dict[str, Any]]:
        """The last state of each display, in order."""
        states: dict[Any, dict[str, Any]] = {}
        for number, output in enumerate(self.shell.display_pub.outputs):
            display_id = (output.get("transient") or {}).get("display_id", number)
            states[display_id] = output["data"]
        return list(states.values())


@pytest.fixture
def notebook(client: object, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    shell.display_pub = CapturingDisplayPublisher(parent=shell)
    shell.run_line_magic("load_ext", "sovlab")
    yield Notebook(shell)
    shell.run_line_magic("reset", "-f")
    InteractiveShell.clear_instance()
