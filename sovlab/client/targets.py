"""`Targets`: the places that the settings name, and what there is of them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sovlab.core.capacity import Capacity
from sovlab.errors import SpecError
from sovlab.executors import registry
from sovlab.executors.executor import Executor
from sovlab.executors.provider import ConfiguredTarget
from sovlab.settings import Settings, load, remove_target, use_target
from sovlab.settings.states import private
from sovlab.settings.trusting import Brought

if TYPE_CHECKING:
    from sovlab.client.conditions.hardware import Hardware
    from sovlab.client.conditions.look import Look
    from sovlab.client.site.power import SitePower
    from sovlab.client.site.site import Site
    from sovlab.client.target_setup import TargetProposal
    from sovlab.core.energy.report import EnergyReport
    from sovlab.core.finding import Finding
    from sovlab.core.plan import Manifests
    from sovlab.core.target import TargetSummary
    from sovlab.options.target import NewTarget


class Targets:
    """The targets of the settings, each with its executor, its site and its hardware, as they are asked for.

    Args:
        settings: None reads the user's settings files and environment.

    Raises:
        SettingsError: a file or variable is wrong.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._seen: object = None
        self._told: set[Brought] = set()
        self._lasting = settings is not None
        self._configure(settings if settings is not None else load())
        self._executors: dict[str, Executor] = {}
        self._sites: dict[str, Site] = {}
        self._looks: dict[str, Look] = {}
        self._lock = threading.Lock()

    def _configure(self, settings: Settings) -> None:
        self.settings = settings
        self._seen = _state_of(settings)
        self._targets = registry.configure_all(settings)

    def _reload(self, changed: str | None = None) -> None:
        self._configure(load())
        with self._lock:
            self._executors.pop(changed or "", None)
            self._sites.pop(changed or "", None)
            self._looks.pop(changed or "", None)

    def refresh(self) -> None:
        """Read the settings again if their files have changed: another process may have added a target.

        Raises:
            SettingsError: a file or variable is wrong by now.
        """
        if self._lasting or self._seen == _state_of(self.settings):
            return
        before = self._targets
        self._configure(load())
        with self._lock:
            for name, configured in before.items():
                if _made_of(configured) != _made_of(self._targets.get(name)):
                    self._executors.pop(name, None)
                    self._sites.pop(name, None)
                    self._looks.pop(name, None)

    def left_aside(self) -> tuple[str, ...]:
        """What of the folder's settings does not count before it is trusted: a sentence each, told once."""
        new = tuple(each.sentence for each in self.settings.brought if each not in self._told)
        self._told.update(self.settings.brought)
        return new

    def _configured(self, target: str | None) -> ConfiguredTarget:
        self.refresh()
        return self._targets[self.settings.target_named(target).name]

    def executor(self, target: str | None = None) -> Executor:
        """The executor that serves ``target``; None is the current target of the settings."""
        configured = self._configured(target)
        with self._lock:
            if configured.name not in self._executors:
                private(self.settings.state)
                self._executors[configured.name] = registry.executor_of(configured)
            return self._executors[configured.name]

    def site(self, target: str | None = None) -> Site | None:
        """The Prometheus of a target; None if its settings name none.

        Raises:
            ExecutorError: its cluster cannot be asked.
        """
        configured = self._configured(target)
        if configured.prometheus is None:
            return None
        from sovlab.client.site.site import Site

        with self._lock:
            if configured.name not in self._sites:
                cluster = registry.provider(configured.target.executor).cluster
                self._sites[configured.name] = Site(
                    configured, cluster(configured) if cluster is not None else None
                )
            return self._sites[configured.name]

    def look(self, target: str | None = None) -> Look | None:
        """What looks at heat and power of a target's devices: this machine's sensors, or a site's Prometheus.

        None where there is neither. Nothing is asked before somebody wants to know.
        """
        configured = self._configured(target)
        here = getattr(self.executor(target), "shares_files", False)
        if not here and configured.prometheus is None:
            return None
        with self._lock:
            if configured.name not in self._looks:
                self._looks[configured.name] = self._new_look(configured, here=here)
            return self._looks[configured.name]

    def _new_look(self, configured: ConfiguredTarget, *, here: bool) -> Look:
        if here:
            from sovlab.client.conditions.machine import machine_look

            return machine_look(self.settings.state / "conditions")
        from sovlab.client.conditions.at_site import site_look

        return site_look(partial(self.site, configured.name), f"the Prometheus of target {configured.name}")

    def targets(self) -> list[TargetSummary]:
        """All targets, by name."""
        return [self.target(name) for name in sorted(self._targets)]

    def target(self, name: str | None = None) -> TargetSummary:
        """A target with all its settings, and where each is set; None is the current one."""
        from sovlab.core.target import TargetSummary

        configured = self._configured(name)
        target, serves = configured.target, registry.provider(configured.target.executor)
        values, section = serves.values(configured), serves.section(target)
        keys = getattr(values, "__struct_fields__", ())
        prometheus = {f"prometheus.{key}": value for key, value in target.prometheus.items()}
        return TargetSummary(
            name=target.name,
            executor=target.executor,
            where=serves.where(configured.options),
            source=target.source,
            settings={key: getattr(values, key) for key in keys} | prometheus,
            sources={key: self.settings.source(f"{section}.{key}") for key in keys}
            | {key: self.settings.source(f"targets.{target.name}.{key}") for key in prometheus},
        )

    def add_target(
        self, name: str, new: NewTarget, *, use: bool = False, force: bool = False
    ) -> tuple[Path, TargetProposal]:
        """Look at a cluster and define a target on it in the user's settings.

        Args:
            name: of the target.
            new: what is said of it.
            use: make it the current one.
            force: write a target of that name anew.

        Returns:
            The file that was written, and what was found and written.

        Raises:
            UsageError: what is said is wrong, or there is such a target; nothing is written.
            ExecutorError: the cluster does not answer; nothing is written.
        """
        from sovlab.client.target_setup import EXECUTOR, propose
        from sovlab.settings import add_target, check_new_target

        check_new_target(name, force=force)
        proposal = propose(name, new, self.settings.state)
        path = add_target(name, EXECUTOR, proposal.values, force=force)
        if use:
            use_target(name)
        self._reload(name)
        return path, proposal

    def use_target(self, name: str) -> None:
        """Make a target the current one, in the user's settings."""
        use_target(self.settings.target_named(name).name)
        self._reload()

    def remove_target(self, name: str) -> Path:
        """Take a target out of the user's settings; the file that was written."""
        path = remove_target(name)
        self._reload(name)
        return path

    def examine(self, target: str | None = None) -> list[Finding]:
        """What the place of a target is like for jobs, each fact with what would make it better.

        Raises:
            ExecutorError: it does not answer.
        """
        configured = self._configured(target)
        findings = registry.provider(configured.target.executor).examine(configured)
        site = self.site(target)
        if site is None:
            return findings
        from sovlab.client.site.examining import site_findings

        return [*findings, *site_findings(site)]

    # --- hardware

    def capacity(self, target: str | None = None) -> list[Capacity]:
        """What a target has of each backend, and what of it is free."""
        return self.executor(target).capacity()

    def hardware(self, target: str | None = None, *, patience: float | None = None) -> Hardware:
        """What a target has of each backend, how its devices do, and which one ``auto`` takes.

        Args:
            target: its name.
            patience: seconds that heat and power are waited for; None is as long as somebody reads a table.
        """
        from sovlab.client.conditions.hardware import PATIENCE, hardware

        wait = PATIENCE if patience is None else patience
        return hardware(self._configured(target).name, self.capacity(target), self.look(target), wait)

    def hardware_everywhere(self) -> list[Hardware]:
        """What every target of the settings has, by name; of one that does not answer, why."""
        from sovlab.client.conditions.hardware import everywhere

        return everywhere(sorted(self._targets), self.hardware)

    @staticmethod
    def power(seconds: float = 1.0) -> EnergyReport:
        """What this machine draws now, and how hot it is: the mean of some seconds.

        Raises:
            ExecutorError: its sensors do not answer.
        """
        from sovlab.client.machine_power import machine_power

        return machine_power(seconds)

    def site_power(self, target: str | None = None) -> SitePower:
        """What a target's devices draw now, as its site's Prometheus has it.

        Raises:
            SpecError: the target names no Prometheus.
            ExecutorError: that gives no answer.
        """
        from sovlab.client.site.power import site_power

        return site_power(self._named_site(target))

    def recording_rules(self, target: str | None = None) -> Manifests:
        """Rules with which a Prometheus shows tenants what is about their own pods.

        Args:
            target: whose Prometheus is asked for the labels there; None makes rules for usual ones.

        Raises:
            SpecError: the target names no Prometheus, or rules cannot be made of what it has.
            ExecutorError: that gives no answer.
        """
        from sovlab.client.site.rules import recording_rules

        return recording_rules(self._named_site(target) if target is not None else None)

    def _named_site(self, target: str | None) -> Site:
        site = self.site(target)
        if site is None:
            name = self._configured(target).name
            raise SpecError(
                f"Target {name} names no Prometheus.",
                f"Set url in [targets.{name}.prometheus] of the settings.",
            )
        return site

    @staticmethod
    def backends() -> Sequence[str]:
        """Names of the backends that there are."""
        from sovlab.backends import known

        return list(known())

    @staticmethod
    def contexts() -> Sequence[str]:
        """Names of the contexts of the user's kubeconfig. Raises `CredentialsError` if it cannot be read."""
        from sovlab.kube.transport.connection import contexts

        return contexts()


def _made_of(configured: ConfiguredTarget | None) -> object:
    """What an executor is made of: of the other settings it may go on with what it was told."""
    if configured is None:
        return None
    settings = configured.settings
    return configured.target, configured.options, configured.prometheus, settings.local, settings.brought


def _state_of(settings: Settings) -> object:
    """What changes when the files of settings do."""
    found: list[tuple[int, int, int] | None] = []
    for path in settings.files:
        try:
            there = path.stat()
            found.append((there.st_mtime_ns, there.st_size, there.st_ino))
        except OSError:
            found.append(None)
    return found
