"""What may be set, and the settings that apply."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from sovlab.errors import SettingsError
from sovlab.settings.trusting import Brought
from sovlab.settings.words import suggest

DEFAULT = "default"
"""The source of a value that nobody set."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A named place where jobs run, as the settings say it; its executor reads what is in ``table``.

    Attributes:
        executor: what runs jobs there: ``local``, ``kubernetes``, or one that another package adds.
        source: where it is defined: a file and line, or ``built in``.
        table: the keys of its section ``[targets.NAME.EXECUTOR]``, unread.
        prometheus: the keys of ``[targets.NAME.prometheus]``, unread; empty if there is no such section.
        folder: of the file that defines it, where relative paths begin.
    """

    name: str
    executor: str = "local"
    source: str = "built in"
    table: Mapping[str, Any] = {}
    prometheus: Mapping[str, Any] = {}
    folder: Path = Path()


class Local(msgspec.Struct, frozen=True, kw_only=True):
    """Section ``[local]``: this machine as a target.

    Attributes:
        cores: that all jobs together may hold; None is all that this process may use.
        memory: bytes that all jobs together may hold; None is what the machine has.
        keep_days: days after its end that ``sovlab clean`` keeps a job.
        idle_minutes: minutes without a job after which the agent ends.
        python: the interpreter that runs jobs, a path or a command; None is the submitter's own.
    """

    cores: float | None = None
    memory: int | None = None
    keep_days: float = 14
    idle_minutes: float = 15
    python: str | None = None


class Defaults(msgspec.Struct, frozen=True, kw_only=True):
    """Section ``[defaults]``: what a submit gets that does not say.

    Attributes:
        backend: a backend's name, or ``auto``.
        timeout: seconds a job may run; None is no limit.
        grace: seconds between SIGTERM and SIGKILL, for the checkpoint hook.
    """

    backend: str = "auto"
    timeout: float | None = None
    grace: float = 30


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Section ``[site]``: what the site says of its electricity; nothing is shown of what it does not say.

    Attributes:
        carbon_intensity: gCO2e for each kWh of its electricity.
        pue: energy of the whole facility for that of its IT (ISO/IEC 30134-2), 1 or more.
        tariff: what a kWh costs, in ``currency``.
        currency: of the tariff, e.g. ``EUR``; empty if there is no tariff.
        embodied: gCO2e of making an accelerator, for each hour of its use.
    """

    carbon_intensity: float | None = None
    pue: float | None = None
    tariff: float | None = None
    currency: str = ""
    embodied: float | None = None

    @property
    def says_something(self) -> bool:
        """Whether any of carbon, facility's energy or cost can be computed by it."""
        return any(value is not None for value in (self.carbon_intensity, self.pue, self.tariff))


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """Section ``[forecast]``: what the site expects of its electricity, for ``--finish-by``.

    Attributes:
        file: of CSV or JSON, an absolute path; empty if there is none.
        query: PromQL, evaluated over the time to come by the target's Prometheus; empty if there is none.
        kind: one of `FORECAST_KINDS`.
        name: what people call the signal; empty for the usual name of its kind.
        unit: of its values; empty for the usual one of its kind.
        step: seconds over which each value is the average; None if the file says it.
    """

    file: str = ""
    query: str = ""
    kind: str = "carbon"
    name: str = ""
    unit: str = ""
    step: float | None = None


FORECAST_KINDS: Mapping[str, tuple[str, str]] = {
    "carbon": ("carbon intensity", "gCO2e/kWh"),
    "price": ("price", ""),
    "headroom": ("power headroom", "kW"),
}
"""Usual name and unit of each kind of signal. Of headroom more is better, of the others less."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings, as they apply now.

    Attributes:
        forecast: None if there is no such section.
        target: name of the current target; `target_named` tells whether there is one.
        targets: by name; ``local`` always exists.
        state: the directory that holds jobs and payloads; it need not exist yet.
        key_file: has the key that signs the user's requests, beside the user's own settings; it need not be
            there yet. None is one of the state's own.
        sources: where each value that is not a default comes from, by key, e.g. ``local.cores``.
        ignored: sentences about settings files that were left aside.
        files: whose change makes these settings out of date.
        brought: what files of the folder set that does not count before the user has trusted them.
        outdated: sentences about settings that are written in an old way, with the new one.
    """

    state: Path
    key_file: Path | None = None
    target: str = "local"
    local: Local = Local()
    defaults: Defaults = Defaults()
    site: Site = Site()
    forecast: Forecast | None = None
    targets: Mapping[str, Target] = msgspec.field(default_factory=lambda: {"local": Target(name="local")})
    sources: Mapping[str, str] = {}
    ignored: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    brought: tuple[Brought, ...] = ()
    outdated: tuple[str, ...] = ()

    def source(self, key: str) -> str:
        """Where the value of ``key`` comes from: ``FILE, line N``, a variable's name, or ``default``."""
        return self.sources.get(key, DEFAULT)

    def target_named(self, name: str | None) -> Target:
        """The target called ``name``; None is the current one.

        Raises:
            SettingsError: there is none.
        """
        wanted = self.target if name is None else name
        if wanted in self.targets:
            return self.targets[wanted]
        what = f"{self.source('target')}: target {wanted!r} is" if name is None else f"Target {wanted!r} is"
        raise SettingsError(
            f"{what} not defined.",
            f"{suggest(wanted, self.targets)}Targets: {', '.join(sorted(self.targets))}.",
        )
