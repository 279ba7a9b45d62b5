"""`ExecutorProvider`: what an executor tells of itself: how it reads its targets, and how it is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

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
    """

    target: Target
    options: Any
    settings: Settings

    @property
    def name(self) -> str:
        """Of the target."""
        return self.target.name


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
    """

    read: Callable[[Target], Any]
    make: Callable[[ConfiguredTarget], Executor]
    where: Callable[[Any], str] = lambda options: ""
    examine: Callable[[ConfiguredTarget], list[Finding]] = _nothing
    values: Callable[[ConfiguredTarget], Any] = lambda configured: configured.options
    section: Callable[[Target], str] = lambda target: f"targets.{target.name}.{target.executor}"
