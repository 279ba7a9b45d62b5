"""What a target on this machine may say: nothing of its own; ``[local]`` holds for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sovlab.errors import SettingsError
from sovlab.executors.provider import ConfiguredTarget, ExecutorProvider

if TYPE_CHECKING:
    from sovlab.core.finding import Finding
    from sovlab.executors.executor import Executor
    from sovlab.settings import Target

_INSTANCES = "/proc/sys/fs/inotify/max_user_instances"
_ENOUGH = 32


def read(target: Target) -> None:
    """See that a target says nothing that only others have. Raises `SettingsError`."""
    for key in target.table:
        known = "kubernetes" if key != "kubernetes" else key
        raise SettingsError(
            f"{target.source}: target {target.name!r} has no setting {key!r}.",
            f'With executor = "{known}" there are more; a target on this machine has none.',
        )


def make(configured: ConfiguredTarget) -> Executor:
    """The executor of a target on this machine."""
    from sovlab.executors.local.executor import LocalExecutor

    local = configured.settings.local
    return LocalExecutor(
        configured.settings.state,
        target=configured.name,
        cores=local.cores,
        memory=local.memory,
        idle=local.idle_minutes * 60,
        python=local.python,
    )


def examine(configured: ConfiguredTarget) -> list[Finding]:
    """Whether logs can be followed without looking again and again, and who keeps memory limits."""
    return [*_inotify(), _memory_limits()]


def _memory_limits() -> Finding:
    from sovlab.core.finding import ok
    from sovlab.runner.system.memory_group import available

    version = available()
    if version:
        return ok("memory limits", f"kept by the kernel ({version})")
    return ok(
        "memory limits", "kept by looking at the processes, at least once a second: a short peak may pass"
    )


def _inotify() -> list[Finding]:
    from sovlab.core.finding import degraded, ok

    try:
        with open(_INSTANCES) as file:  # noqa: PTH123 - one small file
            allowed = int(file.read())
    except (OSError, ValueError):
        return []
    title = f"{allowed} allowed for a user"
    if allowed >= _ENOUGH:
        return [ok("inotify instances", title)]
    advice = "Ask for sysctl fs.inotify.max_user_instances=128; until then logs are a little late."
    return [degraded("inotify instances", title, advice)]


def _values(configured: ConfiguredTarget) -> Any:
    return configured.settings.local


PROVIDER = ExecutorProvider(
    read=read,
    make=make,
    where=lambda options: "this machine",
    examine=examine,
    values=_values,
    section=lambda target: "local",
)
