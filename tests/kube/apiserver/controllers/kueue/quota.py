"""The arithmetic of ClusterQueues: what is used, what fits, and in which words something does not."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from tests.kube.apiserver.objects.store import Object
from tests.kube.apiserver.protocol.values import quantity, written

from .workloads import requests

Usage = dict[tuple[str, str], Decimal]  # flavor, resource


@dataclass
class Verdict:
    """Whether a workload fits.

    Attributes:
        flavors: for each set of pods, the flavor of each resource; None if it does not fit.
        reason: why it does not.
        message: the same as a sentence.
        curable: whether it would fit if others went.
    """

    flavors: dict[str, dict[str, str]] | None
    reason: str = ""
    message: str = ""
    curable: bool = False


@dataclass
class _Set:
    flavors: dict[str, str] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


def usage_of(workload: Object) -> Usage:
    """What a workload with a reservation takes."""
    admission = (workload.get("status") or {}).get("admission")
    used: Usage = {}
    for pods in (admission or {}).get("podSetAssignments") or []:
        for resource, flavor in pods["flavors"].items():
            amount = quantity(pods["resourceUsage"][resource])
            used[flavor, resource] = used.get((flavor, resource), Decimal(0)) + amount
    return used


def total(usages: list[Usage]) -> Usage:
    """The sum."""
    found: Usage = {}
    for usage in usages:
        for key, amount in usage.items():
            found[key] = found.get(key, Decimal(0)) + amount
    return found


def nominal(queue: Object) -> Usage:
    """The quota of a ClusterQueue."""
    found: Usage = {}
    for group in queue["spec"].get("resourceGroups") or []:
        for flavor in group.get("flavors") or []:
            for resource in flavor.get("resources") or []:
                found[flavor["name"], resource["name"]] = quantity(resource["nominalQuota"])
    return found


def fit(queue: Object, used: Usage, workload: Object) -> Verdict:
    """Assigns flavors to a workload, given what the others use."""
    quotas, assumed = nominal(queue), dict(used)
    own: Usage = {}
    sets: dict[str, _Set] = {}
    for name, asked in requests(workload).items():
        sets[name] = found = _Set()
        covered: set[str] = set()
        for group in queue["spec"].get("resourceGroups") or []:
            wanted = {r: a for r, a in asked.items() if r in group["coveredResources"] and a}
            covered |= set(group["coveredResources"])
            _assign(group, wanted, quotas, assumed, own, found)
        for resource, amount in asked.items():
            if amount and resource not in covered and resource != "pods":
                found.texts.append(f"resource {resource} unavailable in ClusterQueue")
                found.reasons.append("NoMatchingFlavor")
    bad = {name: found for name, found in sets.items() if found.texts}
    if not bad:
        return Verdict({name: found.flavors for name, found in sets.items()})
    message = "; ".join(
        f"couldn't assign flavors to pod set {name}: {', '.join(sorted(found.texts))}"
        for name, found in bad.items()
    )
    reasons = [reason for found in bad.values() for reason in found.reasons]
    order = ("NoMatchingFlavor", "ExceedsMaxQuota", "WaitingForQuota")
    reason = next(word for word in order if word in reasons)
    return Verdict(None, reason, message, reason == "WaitingForQuota")


def _assign(
    group: Object, wanted: dict[str, Decimal], quotas: Usage, assumed: Usage, own: Usage, found: _Set
) -> None:
    """The first flavor of the group that has room for all resources, or why none has."""
    if not wanted:
        return
    texts: list[str] = []
    reasons: list[str] = []
    for flavor in group.get("flavors") or []:
        name = flavor["name"]
        here: list[tuple[str, str]] = []
        for resource, amount in wanted.items():
            key = (name, resource)
            most, before = quotas.get(key, Decimal(0)), own.get(key, Decimal(0))
            free = most - assumed.get(key, Decimal(0))
            if before + amount > most:
                text = (
                    f"insufficient quota for {resource} in flavor {name}, previously considered podsets "
                    f"requests "
                    f"({written(before, resource)}) + current podset request ({written(amount, resource)}) > "
                    f"maximum capacity ({written(most, resource)})"
                )
                here.append(("ExceedsMaxQuota", text))
            elif amount > free:
                more = written(amount - free, resource)
                here.append(
                    (
                        "WaitingForQuota",
                        f"insufficient unused quota for {resource} in flavor {name}, {more} more needed",
                    )
                )
        if not here:
            for resource, amount in wanted.items():
                key = (name, resource)
                assumed[key] = assumed.get(key, Decimal(0)) + amount
                own[key] = own.get(key, Decimal(0)) + amount
                found.flavors[resource] = name
            return
        reasons += [reason for reason, _ in here]
        texts += [text for _, text in here]
    if "WaitingForQuota" in reasons and _possible(group, wanted, quotas):
        reasons = ["WaitingForQuota"]
    found.texts += texts
    found.reasons += reasons


def _possible(group: Object, wanted: dict[str, Decimal], quotas: Usage) -> bool:
    """Whether some flavor could ever have room."""
    return any(
        all(
            amount <= quotas.get((flavor["name"], resource), Decimal(0))
            for resource, amount in wanted.items()
        )
        for flavor in group.get("flavors") or []
    )
