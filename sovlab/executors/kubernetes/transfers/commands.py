"""What does not travel where the user may not run commands in pods, said before it is waited for."""

from __future__ import annotations

import contextlib

from sovlab.core.units import format_bytes
from sovlab.errors import SpecError
from sovlab.kube.survey.rights import EXEC, Rights
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import ClusterError


class CommandsInPods:
    """The right to run commands in pods, asked for once.

    Args:
        api: as the user.
        namespace: of the pods.
    """

    def __init__(self, api: Api, namespace: str) -> None:
        self._rights = Rights(api, namespace)

    def check(self, name: str, size: int) -> None:
        """Refuse a payload that gets there by a command only, where none may be run.

        Args:
            name: of the job.
            size: of the payload, in bytes.

        Raises:
            SpecError: it would never get there.
        """
        lacking = self._rights.lacks(EXEC)
        if lacking:
            raise SpecError(
                f"Job {name} would be sent {format_bytes(size)}, and more than 1 MB gets there by a command "
                f"in its pod: that needs the right to {lacking}.",
                "Give the target a store (--store pvc:CLAIM or s3://BUCKET), send less, or ask for that "
                "right.",
            )

    def why_not_fetched(self) -> str:
        """Why results that a pod holds stay there; empty if nothing is known to keep them from here."""
        with contextlib.suppress(ClusterError):
            lacking = self._rights.lacks(EXEC)
            if lacking:
                return (
                    "its code has ended, but its results cannot be fetched: that needs the right to "
                    f"{lacking}, or a store"
                )
        return ""
