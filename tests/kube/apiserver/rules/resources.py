"""Requests and limits of pods: what may be in them, and what they come to."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.kube.apiserver.objects.store import Object
from tests.kube.apiserver.protocol.problems import Problems
from tests.kube.apiserver.protocol.values import qualified_problems, quantity

from . import put_defaults

_STANDARD = ("cpu", "memory", "ephemeral-storage")


def all_containers(spec: Object) -> list[Object]:
    """Init containers first, then the others."""
    return [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]


def default_requests(spec: Object) -> None:
    """A limit is the request too, where there is none: in pods, not in templates."""
    for container in all_containers(spec):
        resources = container["resources"]
        if resources.get("limits"):
            put_defaults(resources.setdefault("requests", {}), **resources["limits"])


def check_resources(resources: Object, at: str, problems: Problems) -> None:
    """Requests and limits of a container."""
    amounts: dict[str, dict[str, Decimal]] = {"limits": {}, "requests": {}}
    for side, found in amounts.items():
        for name, text in (resources.get(side) or {}).items():
            where = f"{at}.{side}[{name}]"
            for why in qualified_problems(name):
                problems.invalid(where, name, why)
            if name not in _STANDARD and "/" not in name and not name.startswith("hugepages-"):
                problems.invalid(where, name, "must be a standard resource type or fully qualified")
                problems.invalid(where, name, "must be a standard resource for containers")
            found[name] = quantity(text)
            if found[name] < 0:
                problems.invalid(where, text, "must be greater than or equal to 0")
            if "/" in name and found[name] % 1:
                problems.invalid(where, text, "must be an integer")
    _check_sides(amounts["limits"], amounts["requests"], resources, at, problems)


def _check_sides(
    limits: dict[str, Decimal], requests: dict[str, Decimal], resources: Object, at: str, problems: Problems
) -> None:
    for name, amount in requests.items():
        text = str(resources["requests"][name])
        if "/" in name and name not in limits:
            problems.required(f"{at}.limits", "Limit must be set for non overcommitable resources")
        elif "/" in name and limits[name] != amount:
            limit = resources["limits"][name]
            problems.invalid(f"{at}.requests", text, f"must be equal to {name} limit of {limit}")
        elif name in limits and amount > limits[name]:
            limit = resources["limits"][name]
            problems.invalid(f"{at}.requests", text, f"must be less than or equal to {name} limit of {limit}")


def requests_of(spec: Object) -> dict[str, Decimal]:
    """What a pod asks a node for: the sum of its containers, or its largest init container if more."""
    total: dict[str, Decimal] = {}
    for container in spec.get("containers") or []:
        for name, text in ((container.get("resources") or {}).get("requests") or {}).items():
            total[name] = total.get(name, Decimal(0)) + quantity(text)
    for container in spec.get("initContainers") or []:
        for name, text in ((container.get("resources") or {}).get("requests") or {}).items():
            total[name] = max(total.get(name, Decimal(0)), quantity(text))
    return total


def limits_of(spec: Object) -> dict[str, Decimal]:
    """The limits of a pod's containers, summed."""
    total: dict[str, Decimal] = {}
    for container in spec.get("containers") or []:
        for name, text in ((container.get("resources") or {}).get("limits") or {}).items():
            total[name] = total.get(name, Decimal(0)) + quantity(text)
    return total


def quality(spec: Object) -> str:
    """The QoS class."""
    sides: list[dict[str, Any]] = []
    for container in all_containers(spec):
        resources = container.get("resources") or {}
        sides.append({side: {k: v for k, v in (resources.get(side) or {}).items() if k in ("cpu", "memory")}
                      for side in ("requests", "limits")})  # fmt: skip
    if all(not side["requests"] and not side["limits"] for side in sides):
        return "BestEffort"
    if all(
        set(side["limits"]) == {"cpu", "memory"}
        and {k: quantity(v) for k, v in side["limits"].items()}
        == {k: quantity(v) for k, v in side["requests"].items()}
        for side in sides
    ):
        return "Guaranteed"
    return "Burstable"
