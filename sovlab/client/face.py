"""What shows a job in notebooks: faces know that, and are above this floor, so one of them is put here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sovlab.client.job import Job


class Face(Protocol):
    """What a face has for a job."""

    def bundle(self, job: Job) -> dict[str, Any]:
        """Its card now, as a MIME bundle."""
        ...

    def widget(self, job: Job) -> Any:
        """Its card as a widget that follows it. Raises `UsageError` where widgets are not installed."""
        ...

    def displayed(self, job: Job) -> Any:
        """What a front end that has widgets of its own shows of it."""
        ...


_loaders: list[Callable[[], Face]] = []


def show_by(load: Callable[[], Face]) -> None:
    """Have ``load`` give the face, when it is first needed."""
    _loaders[:] = [load]


def face() -> Face | None:
    """The face of jobs; None where nobody has put one."""
    return _loaders[0]() if _loaders else None
