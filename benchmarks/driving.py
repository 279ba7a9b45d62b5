"""Processes that are asked to do things and say how long they took: see ``drivers/``."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.measuring import CaseFailed

DRIVERS = Path(__file__).parent / "drivers"


class Driver:
    """One running driver.

    Args:
        python: the interpreter, and so the environment, that it runs in; None where there is none.
        name: of the program in ``drivers/``.
        directory: its working directory.
        environ: its environment.
    """

    def __init__(self, python: str | None, name: str, directory: Path, environ: Mapping[str, str]) -> None:
        self.name = name
        self._missing = "" if python is not None else "not installed"
        self._log = directory / f"{name}-{os.urandom(3).hex()}.log"
        if python is None:
            return
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [python, DRIVERS / f"{name}.py"],
                cwd=directory,
                env=dict(environ),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        try:
            self._missing = str(self._answer().get("missing", ""))
        except CaseFailed as failed:
            self._missing = str(failed)

    @property
    def pid(self) -> int:
        return self._process.pid

    def call(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Have it do something; what it says about that.

        Raises:
            CaseFailed: what it needs is not installed, or it failed.
        """
        if self._missing:
            raise CaseFailed(self._missing)
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        answer = self._answer()
        if "failed" in answer:
            raise CaseFailed(f"failed: {answer['failed']}")
        return answer

    def seconds(self, do: str, **arguments: Any) -> float:
        """How long it says that took."""
        return float(self.call(do, **arguments)["seconds"])

    def close(self) -> None:
        """End it."""
        if hasattr(self, "_process"):
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            try:
                self._process.stdin.close()
            except BrokenPipeError:
                pass
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process.stdout.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _ended(self) -> CaseFailed:
        status = self._process.wait()
        said = self._log.read_text(errors="replace").strip().splitlines()
        return CaseFailed(f"failed: ended with status {status}: {said[-1] if said else 'no word'}")
