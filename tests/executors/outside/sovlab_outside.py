"""An executor as a package outside of sovlab brings one: jobs here, in a directory of their own."""

from __future__ import annotations

from pathlib import Path

import msgspec

from sovlab.executors.local import LocalExecutor
from sovlab.executors.provider import ConfiguredTarget, ExecutorProvider
from sovlab.settings import Target
from sovlab.settings.sections import read_section


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of ``[targets.NAME.outside]``.

    Attributes:
        directory: below the state directory, where jobs are kept.
        cores: that all jobs together may hold.
    """

    directory: str = "outside"
    cores: float = 4.0


def read(target: Target) -> Section:
    """What a target says."""
    return read_section(target, Section)


def make(configured: ConfiguredTarget) -> LocalExecutor:
    """The executor of a target."""
    section: Section = configured.options
    state = Path(configured.settings.state) / section.directory
    return LocalExecutor(state, target=configured.name, cores=section.cores, idle=60)


PROVIDER = ExecutorProvider(read=read, make=make, where=lambda section: f"directory {section.directory}")
