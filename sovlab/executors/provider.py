"""`ExecutorProvider`: what an executor tells of itself: how it reads its targets, and how it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from sovlab.core.finding import Finding
    from sovlab.executors.executor import Executor
    from sovlab.settings import Settings, Target


class ConfiguredTarget(msgspec.Struct, frozen=True):
    """A target whose section has been read.

    Attributes:
        target: as the settings have it.
        options: what its provider made of its section; passed on as it is.
        settings: that apply.
        prometheus: where the site's Prometheus is; None if the target names none.
    """

    target: Target
    options: Any
    settings: Settings
    prometheus: Any = None

    @property
    def name(self) -> str:
        """Of the target."""
        return self.target.name


class ClusterAccess(NamedTuple):
    """What a site's Prometheus needs of a target on a cluster.

    Attributes:
        get: an authenticated GET on its API: path, parameters, seconds.
        namespace: of the pods of its jobs, whose times are by the cluster's clock.
    """

    get: Callable[[str, Mapping[str, str], float], bytes]
    namespace: str


def _nothing(configured: ConfiguredTarget) -> list[Finding]:
    return []


class ExecutorProvider(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry point of the group ``sovlab.executors`` holds; its name is the executor's.

    Attributes:
        read: makes of a target what `make` takes, usually by `sovlab.settings.sections.read_section`. It is
            called for every target of the settings, so its module imports nothing that only jobs need.
            Raises `SettingsError` where a key is unknown or wrong.
        make: the executor of a target. Raises `SettingsError` or `ExecutorError` where it cannot be had.
        where: the place in a few words: ``context site, namespace ml``.
        examine: what the place is like for jobs, each fact with what would make it better; nothing by
            default. Raises `ExecutorError` where it does not answer.
        values: the keys of a target with their values, for people; None takes the fields of ``options``.
        section: where those keys stand in the settings, by the target's name.
        cluster: how the API of a target's cluster is asked; None if its jobs are no pods. Raises
            `ExecutorError` where that cannot be known.
    """

    read: Callable[[Target], Any]
    make: Callable[[ConfiguredTarget], Executor]
    where: Callable[[Any], str] = lambda options: ""
    examine: Callable[[ConfiguredTarget], list[Finding]] = _nothing
    values: Callable[[ConfiguredTarget], Any] = lambda configured: configured.options
    section: Callable[[Target], str] = lambda target: f"targets.{target.name}.{target.executor}"
    cluster: Callable[[ConfiguredTarget], ClusterAccess] | None = None
