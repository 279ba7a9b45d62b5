"""The errors of a cluster: one tree under `ExecutorError`.

::

    ExecutorError
    └── ClusterError           the cluster of a target
        ├── Unreachable        no connection, or none that lasts
        ├── CredentialsError   the kubeconfig, its plugin or its token gives no identity
        └── ApiError           it answered with an error; ``status`` is the HTTP status
            ├── Forbidden      403: a right is missing, a quota is used up, or a policy denies
            ├── NotFound       404
            ├── AlreadyExists  409 on create
            ├── Conflict       409 on anything else
            ├── Gone           410: the version to go on from is no longer kept
            ├── Invalid        400, 422: it does not accept the object
            └── Overloaded     429 or 5xx that did not go away

Nothing of the HTTP library or the Kubernetes client leaves this room, and no message holds a token,
a certificate or the content of a kubeconfig.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sovlab.errors import ExecutorError


class ClusterError(ExecutorError):
    """The cluster of a target does not answer, or refuses."""


class Unreachable(ClusterError):
    """There is no connection to the API server, or none that lasts."""


class CredentialsError(ClusterError):
    """The kubeconfig, its credential plugin or its token gives no identity."""


class ApiError(ClusterError):
    """The API server answered with an error.

    Args:
        status: HTTP status.
        reason: of the response's ``Status``, e.g. ``AlreadyExists``.
        detail: what was said, without our words: by the API server, or by a service that it forwards to.
    """

    def __init__(
        self, message: str, hint: str = "", *, status: int = 0, reason: str = "", detail: str = ""
    ) -> None:
        super().__init__(message, hint)
        self.status = status
        self.reason = reason
        self.detail = detail


class Forbidden(ApiError):
    """A right is missing, a quota is used up, or an admission policy denies."""


class NotFound(ApiError):
    """There is no such object, or no such kind of object."""


class AlreadyExists(ApiError):
    """An object of that name is there already."""


class Conflict(ApiError):
    """The object has changed since it was read."""


class Gone(ApiError):
    """The version to go on from is no longer kept: list anew."""


class Invalid(ApiError):
    """The server does not accept the object."""


class Overloaded(ApiError):
    """Too many requests, or an internal error that did not go away."""


def from_answer(status: int, body: Mapping[str, Any], *, doing: str) -> ApiError:
    """The error for an answer.

    Args:
        status: HTTP status.
        body: the answer's ``Status`` object; empty if it had none.
        doing: what was tried, e.g. ``create in /api/v1/namespaces/ml/pods``.
    """
    detail = str(body.get("message") or body.get("error") or "").strip()
    reason = str(body.get("reason") or "")
    kind, hint = _kind(status, reason, detail)
    message = f"The cluster refused to {doing}" if status in (400, 403, 409, 422) else f"Could not {doing}"
    return kind(
        f"{message}: {detail or f'HTTP status {status}'}.".replace("..", "."),
        hint,
        status=status,
        reason=reason,
        detail=detail,
    )


def _kind(status: int, reason: str, detail: str) -> tuple[type[ApiError], str]:
    if status == 403:
        if "exceeded quota" in detail:
            return Forbidden, "Ask for less, wait for other jobs to end, or ask for more quota."
        if "violates PodSecurity" in detail or "denied" in detail or "admission" in detail:
            return (
                Forbidden,
                "An admission policy of the cluster forbids it; ask its administrators which one.",
            )
        return (
            Forbidden,
            "Ask the cluster's administrators for that right; `sovlab doctor` lists what is needed.",
        )
    if status == 404:
        return NotFound, ""
    if status == 409:
        return (AlreadyExists if reason == "AlreadyExists" else Conflict), ""
    if status == 410 or reason in ("Expired", "Gone"):
        return Gone, ""
    if status in (400, 422):
        return Invalid, ""
    if status == 429 or status >= 500:
        return Overloaded, "Try again later."
    return ApiError, ""
