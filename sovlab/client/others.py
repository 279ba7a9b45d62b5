"""Jobs of others in the same place: what is not done with them unasked, and how it is asked for."""

from __future__ import annotations

from collections.abc import Sequence

from sovlab.core.job import JobRecord
from sovlab.errors import ForeignJob


def whose(record: JobRecord) -> str:
    """Whose a job is, as a clause."""
    if record.own:
        return f"says it is yours ({record.owner}), but has no signature of yours"
    return f"is {record.owner}'s" if record.owner else "says of no owner whether it is yours"


def refuse_others(record: JobRecord, done: str) -> None:
    """Raise if a job is another's.

    Args:
        record: of the job.
        done: what was to be done with it, as in *is not cancelled*.

    Raises:
        ForeignJob: it is.
    """
    if not record.own:
        raise ForeignJob(
            f"Job {record.id} {whose(record)}: it is not {done}.",
            "--all-users (in Python: all_users=True) does so all the same, where the place lets you.",
        )


def refuse_untrusted(record: JobRecord, what: str) -> None:
    """Raise if what comes of a job may be anybody's code.

    Args:
        record: of the job.
        what: would run here, as a clause.

    Raises:
        ForeignJob: it may, and the user has not said that it is to be trusted.
    """
    if not record.trusted:
        raise ForeignJob(
            f"Job {record.id} {whose(record)}: {what}.",
            f"If you trust who submitted it: sovlab trust {record.id} (in Python: trust=True).",
        )


def shown(records: Sequence[JobRecord], *, all_users: bool) -> list[JobRecord]:
    """The user's own jobs, or all."""
    return [record for record in records if all_users or record.own]
