"""`PrometheusError`: why a site's Prometheus gave no answer, in one sentence, and what to do about it."""

from __future__ import annotations

from sovlab.core.untrusted import clean
from sovlab.errors import ExecutorError

DOWN, SLOW, ACCESS, QUERY, STRANGER, TOO_MUCH, BUSY = (
    "down",
    "slow",
    "access",
    "query",
    "stranger",
    "too-much",
    "busy",
)
"""Reasons: nothing answers; not in time; it does not let us in; it does not accept the query; what answers is
no Prometheus; the answer is too large; it answers that it cannot just now."""


class PrometheusError(ExecutorError):
    """A site's Prometheus does not answer, or refuses.

    Args:
        reason: one of the words above, for programs.
    """

    def __init__(self, message: str, hint: str = "", *, reason: str) -> None:
        super().__init__(message, hint)
        self.reason = reason


def one_line(text: str, most: int = 300) -> str:
    """What a server says as one line that can be shown in a terminal, without a full stop."""
    shown = "".join(each if each.isprintable() else " " for each in clean(text, most))
    return " ".join(shown.split()).rstrip(".")


def down(where: str, why: str) -> PrometheusError:
    """Nothing answers at ``where``; ``why`` is a clause without a full stop."""
    return PrometheusError(
        f"Prometheus at {where} cannot be reached: {why}.",
        "Check the address in the target's [prometheus] section, and whether it runs.",
        reason=DOWN,
    )


def slow(where: str, seconds: float) -> PrometheusError:
    """No whole answer within ``seconds``."""
    return PrometheusError(
        f"Prometheus at {where} did not answer within {seconds:g} s.",
        "Try again, or raise timeout in the target's [prometheus] section.",
        reason=SLOW,
    )


def too_much(where: str, what: str) -> PrometheusError:
    """The answer is larger than is read; ``what`` says the limit."""
    return PrometheusError(
        f"The answer of Prometheus at {where} has more than {what}.",
        "Ask for less: fewer devices, or a shorter time.",
        reason=TOO_MUCH,
    )


def too_long(where: str, most: int) -> PrometheusError:
    """A query of more than ``most`` characters, which would not arrive whole."""
    return PrometheusError(
        f"A query to Prometheus at {where} would have more than {most} characters.",
        "Ask for fewer nodes, devices or pods at once.",
        reason=TOO_MUCH,
    )


def stranger(where: str, what: str) -> PrometheusError:
    """What answers is something else; ``what`` says what it looks like."""
    return PrometheusError(
        f"What answers at {where} is not Prometheus: {what}.",
        "Check the address; before a login page, set token_file in the target's [prometheus] section.",
        reason=STRANGER,
    )


def from_status(where: str, status: int, said: str) -> PrometheusError:
    """The error for an HTTP status of 400 or more; ``said`` is the server's message, cleaned, or empty."""
    detail = f": {said}" if said else ""
    if status == 401:
        return PrometheusError(
            f"Prometheus at {where} does not accept the token (HTTP 401).",
            "Check token_file in the target's [prometheus] section; tokens expire.",
            reason=ACCESS,
        )
    if status == 403:
        return PrometheusError(
            f"Prometheus at {where} does not let this token read it (HTTP 403){detail}.",
            "Ask for the right to read metrics there (OpenShift: cluster-monitoring-view, or view of the "
            "namespace with the port for tenants); through the API server it is services/proxy.",
            reason=ACCESS,
        )
    if status in (400, 422):
        return PrometheusError(f"Prometheus at {where} refused the query{detail}.", reason=QUERY)
    if status == 404:
        return stranger(where, f"it has no such path (HTTP 404{detail})")
    if status == 503 or status == 429:
        return PrometheusError(
            f"Prometheus at {where} cannot answer now (HTTP {status}){detail}.",
            "Try again later.",
            reason=BUSY,
        )
    return PrometheusError(
        f"Prometheus at {where} failed (HTTP {status}){detail}.", "Try again later.", reason=BUSY
    )
