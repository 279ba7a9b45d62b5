"""Which ended jobs go, and when: the age that the settings say, where nobody says another."""

from __future__ import annotations

from sovlab.core.cleaned import Cleaned
from sovlab.executors.executor import Executor
from sovlab.settings import Settings

_DAY = 86400.0


def sweep(
    executor: Executor,
    settings: Settings,
    *,
    older_than: float | None = None,
    dry_run: bool = False,
    files: bool = False,
    all_users: bool = False,
) -> Cleaned:
    """Delete the user's ended jobs of a target with all that they left.

    Args:
        executor: of the target.
        settings: whose ``local.keep_days`` holds where no age is given.
        older_than: seconds since a job's end.
        dry_run: delete nothing, only say what would be.
        files: delete those too that hold files which they wrote.
        all_users: delete others' jobs, too.
    """
    age = settings.local.keep_days * _DAY if older_than is None else older_than
    others = {"all_users": True} if all_users else {}  # not every executor has others' jobs
    return executor.clean(older_than=age, dry_run=dry_run, files=files, **others)
