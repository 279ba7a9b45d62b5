"""Which backends are known: the built-in ones, and those that other packages add by entry points."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from sovlab.backends.provider import Provider
from sovlab.core.backend import Backend, Detection
from sovlab.errors import BackendError

if TYPE_CHECKING:
    from sovlab.backends.machine import Machine

GROUP = "sovlab.backends"
"""Entry points of this group hold a `Provider`. The names of the built-in ones cannot be taken."""

AUTO = "auto"
"""Asks for whichever backend has free devices."""

_NEAR = 0.75
"""How much alike two words are of which one may be meant for the other: gpu and xpu are not."""

BUILT_IN = ("cpu", "cuda", "rocm", "xpu", "hpu")


@functools.cache
def _built_in(name: str) -> Provider:
    provider = importlib.import_module(f"sovlab.backends.{name}").PROVIDER
    assert isinstance(provider, Provider)
    return provider


@functools.cache
def _added() -> tuple[Mapping[str, Provider], Mapping[str, str]]:
    """Providers of other packages by name; and why others could not be loaded, by name."""
    import importlib.metadata

    loaded: dict[str, Provider] = {}
    broken: dict[str, str] = {}
    for point in importlib.metadata.entry_points(group=GROUP):
        package = point.dist.name if point.dist is not None else "an unknown package"
        if point.name in BUILT_IN:
            if point.value != f"sovlab.backends.{point.name}:PROVIDER":
                broken[f"{point.name} of {package}"] = f"{point.name} is the name of a built-in backend"
            continue
        try:
            provider = point.load()
            if not isinstance(provider, Provider):
                raise TypeError(f"{point.value} holds {type(provider).__name__}, not Provider")
            if provider.backend.name != point.name:
                raise ValueError(f"its backend calls itself {provider.backend.name!r}")
        except Exception as error:
            broken[point.name] = f"{type(error).__name__} from package {package}: {error}"
        else:
            loaded[point.name] = provider
    return loaded, broken


def known() -> Mapping[str, Provider]:
    """All backends that can be loaded, by name: the built-in ones first."""
    return MappingProxyType({**{name: _built_in(name) for name in BUILT_IN}, **_added()[0]})


def broken() -> Mapping[str, str]:
    """Backends of other packages that cannot be loaded: why, by name."""
    return MappingProxyType(dict(_added()[1]))


def get(name: str) -> Backend:
    """The backend called ``name``.

    Raises:
        BackendError: there is none, or its package is broken.
    """
    if name in BUILT_IN:
        return _built_in(name).backend  # without a look at the entry points, which takes milliseconds
    added, unloadable = _added()
    if name in added:
        return added[name].backend
    if name in unloadable:
        raise BackendError(
            f"Backend {name!r} could not be loaded: {unloadable[name]}.", "Repair or remove that package."
        )
    raise BackendError(f"There is no backend {name!r}.", _advice(name))


def _advice(name: str) -> str:
    """Which backends there are, each with what it is of, and which of them ``name`` may mean."""
    import difflib

    backends = {each: provider.backend for each, provider in known().items()}
    word = name.lower().partition(":")[0].strip()  # of cuda:0, as torch has it
    meant = [word] if word in (*backends, AUTO) else []
    meant = meant or [each for each, backend in backends.items() if word in backend.title.lower().split()]
    meant = meant or difflib.get_close_matches(word, [*backends, AUTO], 1, _NEAR)
    titles = ", ".join(f"{each} is {backend.title}" for each, backend in backends.items() if each != "cpu")
    near = f"Did you mean {' or '.join(meant)}? " if meant else ""
    return f"{near}There are {', '.join([*backends, AUTO])}: {titles}."


def detect(machine: Machine | None = None) -> list[Detection]:
    """What ``machine`` (default: this one) has of each known backend; broken ones are among them."""
    return [*detect_built_in(machine), *detect_added(machine)]


def detect_built_in(machine: Machine | None = None) -> list[Detection]:
    """What ``machine`` (default: this one) has of each built-in backend."""
    return [_built_in(name).detect(machine) for name in BUILT_IN]


def detect_added(machine: Machine | None = None) -> list[Detection]:
    """What ``machine`` (default: this one) has of each backend of another package."""
    found = [provider.detect(machine) for provider in _added()[0].values()]
    return found + [
        Detection(backend=name, devices=(), why=f"It could not be loaded: {why}.")
        for name, why in broken().items()
    ]


def has_added() -> bool:
    """Whether a package adds a backend, or tries to."""
    return any(_added())
