"""What goes wrong, as problem documents (RFC 9457): the error tree's own words, and nothing of our inside."""

from __future__ import annotations

from collections.abc import Sequence

from sovlab.errors import (
    ExecutorError,
    JobError,
    JobNotFound,
    ResultError,
    SovlabError,
    UsageError,
    WaitTimeout,
)
from sovlab.jupyter.server.models import Fault, Problem
from sovlab.views.document import printable

_LONGEST = 2000
_KIND = "urn:sovlab:problem:{name}"
_STATUS: tuple[tuple[type[SovlabError], int, str], ...] = (
    (JobNotFound, 404, "There is no such job"),
    (UsageError, 422, "The request cannot be carried out as written"),
    (WaitTimeout, 504, "It took too long"),
    (ExecutorError, 503, "The target does not answer, or refuses"),
    (ResultError, 409, "A result cannot be had"),
    (JobError, 409, "The job did not succeed"),
    (SovlabError, 409, "It cannot be done now"),
)
_TITLES = {
    400: "The request cannot be read",
    401: "Nobody is logged in",
    403: "It is not allowed",
    404: "There is nothing here",
    405: "That is not done here",
    413: "It is too large",
    500: "The server made a mistake",
    503: "The server is busy",
}


class RequestError(UsageError):
    """A request that is refused before anything is asked of a target.

    Args:
        status: of HTTP.
        message: what is wrong.
        hint: what to do next.
        faults: the parts of the request that are wrong.
    """

    def __init__(self, status: int, message: str, hint: str = "", faults: Sequence[Fault] = ()) -> None:
        super().__init__(message, hint)
        self.status = status
        self.faults = tuple(faults)


def problem_of(error: BaseException, *, about_job: bool = False) -> Problem:
    """An error as a problem; of one that is none of ours nothing is told but that it happened.

    Args:
        error: what was raised.
        about_job: whether it was about a job that is there: what cannot be done with it is a conflict.
    """
    if isinstance(error, RequestError):
        return plain(error.status, error.message, error.hint, error.faults)
    if isinstance(error, SyntaxError):
        where = f" (line {error.lineno})" if error.lineno else ""
        return _problem(
            "CellSyntaxError", _STATUS[1][2], 422, f"{error.msg or 'It is not Python'}{where}.", ""
        )
    for kind, status, title in _STATUS:
        if isinstance(error, kind):
            if kind is UsageError and about_job:
                status, title = 409, "The job cannot do that now"
            return _problem(type(error).__name__, title, status, error.message, error.hint)
    return plain(500, "Something went wrong in the server.", "Its log says what.")


def plain(status: int, detail: str, hint: str = "", faults: Sequence[Fault] = ()) -> Problem:
    """A problem of the request itself, not of what it asked for."""
    title = _TITLES.get(status, "It cannot be done")
    return _problem("request", title, status, detail, hint, faults)


def _problem(
    name: str, title: str, status: int, detail: str, hint: str, faults: Sequence[Fault] = ()
) -> Problem:
    return Problem(
        type=_KIND.format(name=name),
        title=title,
        status=status,
        detail=_text(detail),
        hint=_text(hint),
        errors=[
            Fault(pointer=_text(each.pointer), detail=_text(each.detail), hint=_text(each.hint))
            for each in faults
        ],
    )


def _text(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "…"
