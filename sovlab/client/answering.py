"""Questions to a target that may not answer, with a limit of time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from sovlab.core.deadlines import within
from sovlab.errors import WaitTimeout

if TYPE_CHECKING:
    from sovlab.client.client import Client
    from sovlab.client.job import Job

T = TypeVar("T")


def find_within(
    timeout: float | None, client: Client, names: Sequence[str], target: str | None = None
) -> list[Job]:
    """Jobs by name or id, as `Client.job` finds them.

    Raises:
        WaitTimeout: the target has not answered after ``timeout`` seconds.
    """
    return answered(timeout, lambda: [client.job(name, target) for name in names])


def answered(timeout: float | None, ask: Callable[[], T]) -> T:
    """What ``ask`` returns; raises `WaitTimeout` if that takes more than ``timeout`` seconds."""

    def late() -> WaitTimeout:
        return WaitTimeout(f"The target has not answered after {timeout:g} s.", "Jobs on it go on.")

    return within(timeout, ask, late)
