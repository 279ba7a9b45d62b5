"""What a process has from the one that starts it; in a job, from its submitter, whoever started the agent."""

from __future__ import annotations

import os
import resource
from typing import Any, Dict, Mapping

_LIMITS = [name for name in dir(resource) if name.startswith("RLIMIT_")]


def of_this_process() -> Dict[str, Any]:
    """The file mode mask, the nice level, and the limits by their names, soft and hard; for JSON."""
    inherited: Dict[str, Any] = {"umask": _umask(), "limits": {}}
    if hasattr(os, "getpriority"):
        inherited["nice"] = os.getpriority(os.PRIO_PROCESS, 0)
    for name in _LIMITS:
        inherited["limits"][name] = list(resource.getrlimit(getattr(resource, name)))
    return inherited


def take_over(inherited: Mapping[str, Any]) -> None:
    """Give this process what `of_this_process` said of another, as far as it may: none may have more."""
    if "umask" in inherited:
        os.umask(int(inherited["umask"]))
    if "nice" in inherited and hasattr(os, "setpriority"):
        _try(os.setpriority, os.PRIO_PROCESS, 0, int(inherited["nice"]))
    limits = inherited.get("limits", {})
    for name in _LIMITS:
        number = getattr(resource, name)
        present = resource.getrlimit(number)
        if name in limits and present != tuple(limits[name]):
            soft, hard = (_least(int(limit), present[1]) for limit in limits[name])
            _try(resource.setrlimit, number, (soft, hard))


def _umask() -> int:
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1], 8) for line in file if line.startswith("Umask:"))
    except (OSError, StopIteration, ValueError):
        # To be read it must be set: to one that lets nobody in, should another thread make a file meanwhile.
        mask = os.umask(0o077)
        os.umask(mask)
        return mask


def _least(limit: int, most: int) -> int:
    unlimited = resource.RLIM_INFINITY
    return most if limit == unlimited else limit if most == unlimited else min(limit, most)


def _try(call: Any, *arguments: Any) -> None:
    try:
        call(*arguments)
    except (OSError, ValueError):
        pass  # more than this process may have
