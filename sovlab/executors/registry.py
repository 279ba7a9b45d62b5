"""Which executors there are: the built-in ones, and those that other packages add by entry points."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping

from sovlab.errors import SettingsError
from sovlab.executors.executor import Executor
from sovlab.executors.provider import ConfiguredTarget, ExecutorProvider
from sovlab.settings import Settings, Target
from sovlab.settings.words import suggest

GROUP = "sovlab.executors"
"""Entry points of this group hold an `ExecutorProvider`. The names of the built-in ones cannot be taken."""

BUILT_IN = {"local": "sovlab.executors.local.target", "kubernetes": "sovlab.executors.kubernetes.target"}


def provider(name: str) -> ExecutorProvider:
    """The provider of the executor called ``name``.

    Raises:
        SettingsError: there is none, or its package is broken.
    """
    if name in BUILT_IN:
        return _built_in(name)
    added = _added()
    if name in added:
        return _loaded(name)
    names = [*BUILT_IN, *sorted(added)]
    choices = " and ".join(f'executor = "{each}"' for each in names)
    raise SettingsError(
        f"There is no executor {name!r}.",
        f"{suggest(name, names)}There are {choices}.",
    )


@functools.cache
def _built_in(name: str) -> ExecutorProvider:
    found: ExecutorProvider = importlib.import_module(BUILT_IN[name]).PROVIDER
    return found


@functools.cache
def _added() -> Mapping[str, object]:
    """Entry points of other packages, by name, not loaded."""
    import importlib.metadata

    points = importlib.metadata.entry_points(group=GROUP)
    return {point.name: point for point in points if point.name not in BUILT_IN}


@functools.cache
def _loaded(name: str) -> ExecutorProvider:
    point = _added()[name]
    package = getattr(getattr(point, "dist", None), "name", None) or "an unknown package"
    try:
        loaded = point.load()  # type: ignore[attr-defined]
        if not isinstance(loaded, ExecutorProvider):
            raise TypeError(f"it holds {type(loaded).__name__}, not ExecutorProvider")
    except Exception as error:  # whatever the importing of a package raises
        raise SettingsError(
            f"Executor {name!r} could not be loaded: {type(error).__name__} from package {package}: {error}.",
            "Repair or remove that package.",
        ) from error
    return loaded


def configure(target: Target, settings: Settings) -> ConfiguredTarget:
    """Read the sections of a target.

    Raises:
        SettingsError: its executor is unknown, or a key of its sections is unknown or wrong.
    """
    try:
        serves = provider(target.executor)
    except SettingsError as error:
        raise SettingsError(
            f"{target.source}: target {target.name!r} has executor = {target.executor!r}. {error.message}",
            error.hint,
        ) from error
    options = serves.read(target)
    if not target.prometheus:
        return ConfiguredTarget(target, options, settings)
    from sovlab.executors import prometheus

    where = prometheus.read(target, settings, cluster=serves.cluster is not None)
    return ConfiguredTarget(target, options, settings, where)


def configure_all(settings: Settings) -> dict[str, ConfiguredTarget]:
    """All targets of the settings, read; so that what is wrong is said before anything is done."""
    return {name: configure(target, settings) for name, target in settings.targets.items()}


def executor_of(configured: ConfiguredTarget) -> Executor:
    """The executor of a target, made anew."""
    return provider(configured.target.executor).make(configured)
