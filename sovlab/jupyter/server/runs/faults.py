"""`Faults`: what is wrong with the fields of a form."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sovlab.errors import UsageError
from sovlab.jupyter.server import models
from sovlab.jupyter.server.problems import RequestError

T = TypeVar("T")


class Faults:
    """What is wrong with the fields of a form, all of it at once."""

    def __init__(self) -> None:
        self._found: list[models.Fault] = []
        self._status = 422

    def tried(self, pointer: str, work: Callable[[], T]) -> T | None:
        """What ``work`` returns; None if it refuses what the field holds."""
        try:
            return work()
        except UsageError as error:
            self.add(pointer, error)
            return None

    def add(self, pointer: str, error: UsageError) -> None:
        """Something is wrong with what a field holds."""
        self._found.append(models.Fault(pointer=pointer, detail=error.message, hint=error.hint))
        self._status = getattr(error, "status", self._status)

    def refuse(self) -> None:
        """Raise `RequestError` if something is wrong."""
        if self._found:
            first = self._found[0]
            several = f" And {len(self._found) - 1} more." if len(self._found) > 1 else ""
            status = self._status if not several else 422
            raise RequestError(status, first.detail + several, first.hint, faults=self._found)
