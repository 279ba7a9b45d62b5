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
) -> Cleaned:
    """Delete the ended jobs of a target with all that they left.

    Args:
        executor: of the target.
        settings: whose ``local.keep_days`` holds where no age is given.
        older_than: seconds since a job's end.
        dry_run: delete nothing, only say what would be.
        files: delete those too that hold files which they wrote.
    """
    age = settings.local.keep_days * _DAY if older_than is None else older_than
    return executor.clean(older_than=age, dry_run=dry_run, files=files)
