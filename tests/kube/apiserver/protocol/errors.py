"""What the API server says when it refuses: a Status, shaped and worded as Kubernetes does it.

The rule: the text is part of the interface. Clients and people search for it, so it is not paraphrased.
"""

from __future__ import annotations

from typing import Any

from .kinds import Kind


class ApiError(Exception):
    """A refusal, on its way to becoming a Status body.

    Args:
        code: HTTP status.
        reason: the machine's word, e.g. `NotFound`.
        message: the human's sentence.
        details: the `details` of the Status.
        headers: sent with it, e.g. Retry-After.
        metadata: the `metadata` of the Status.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.headers = headers or {}
        self.metadata = metadata or {}

    def status(self) -> dict[str, Any]:
        """The body."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if self.details:
            body["details"] = self.details
        body["code"] = self.code
        if not self.reason:
            del body["reason"]
        return body


def about(kind: Kind, name: str = "", **more: Any) -> dict[str, Any]:
    """The `details` that name an object; its `kind` holds the resource, as in the real one."""
    details: dict[str, Any] = {}
    if name:
        details["name"] = name
    if kind.group:
        details["group"] = kind.group
    details["kind"] = kind.plural
    return {**details, **more}


def not_found(kind: Kind, name: str) -> ApiError:
    """404 for an object."""
    message = f'{kind.resource} "{name}" not found'
    return ApiError(404, "NotFound", message, details=about(kind, name))


def no_such_path() -> ApiError:
    """404 for a resource that the server does not know."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", details={})


def already_exists(kind: Kind, name: str) -> ApiError:
    """409 at creation."""
    message = f'{kind.resource} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, details=about(kind, name))


def conflict(kind: Kind, name: str, why: str = "") -> ApiError:
    """409 at an update."""
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}'
    return ApiError(409, "Conflict", message, details=about(kind, name))


def bad_request(message: str) -> ApiError:
    """400."""
    return ApiError(400, "BadRequest", message)


def forbidden(kind: Kind, name: str, why: str) -> ApiError:
    """403 by admission, about an object."""
    message = f'{kind.resource} "{name}" is forbidden: {why}'
    return ApiError(403, "Forbidden", message, details=about(kind, name))


def bad_options(options: str, field: str, reason: str, text: str) -> ApiError:
    """422 for the options of a request.

    Args:
        options: their kind, e.g. `ListOptions`.
        field: that is wrong.
        reason: the cause's, e.g. `FieldValueForbidden`.
        text: as in field errors, e.g. `Forbidden: …`.
    """
    causes = [{"reason": reason, "message": text, "field": field}]
    details = {"group": "meta.k8s.io", "kind": options, "causes": causes}
    return ApiError(422, "Invalid", f'{options}.meta.k8s.io "" is invalid: {field}: {text}', details=details)


def unauthorized() -> ApiError:
    """401."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def expired(message: str, **metadata: Any) -> ApiError:
    """410: what was asked for is no longer in the history."""
    return ApiError(410, "Expired", message, metadata=metadata)


def method_not_allowed() -> ApiError:
    """405."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, details={})


def unsupported_media() -> ApiError:
    """415: a body of a type that this server does not read."""
    return ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", details={})


def internal(message: str) -> ApiError:
    """500."""
    full = f"Internal error occurred: {message}"
    return ApiError(500, "InternalError", full, details={"causes": [{"message": message}]})


def too_large_version(asked: int, current: int) -> ApiError:
    """504: a resourceVersion from the future, or from another cluster."""
    return ApiError(
        504,
        "Timeout",
        f"Timeout: Too large resource version: {asked}, current: {current}",
        details={
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        },
        headers={"Retry-After": "1"},
    )
