"""One call to the API: who asks, and with which options."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Call:
    """The options of a request, however it arrived.

    Attributes:
        user: who asks.
        groups: of the user.
        manager: fieldManager, or what stands before the slash in the User-Agent.
        dry_run: nothing is to be kept.
        force: apply takes fields over from other managers.
        grace: gracePeriodSeconds of a deletion.
        policy: propagationPolicy of a deletion.
        preconditions: `uid` and `resourceVersion` of a deletion.
        validation: fieldValidation.
        warnings: what is to be sent as Warning headers; filled by rules.
    """

    user: str = "system:admin"
    groups: tuple[str, ...] = ("system:masters", "system:authenticated")
    manager: str = "kubectl"
    dry_run: bool = False
    force: bool = False
    grace: int | None = None
    policy: str | None = None
    preconditions: dict[str, Any] = field(default_factory=dict)
    validation: str = "Ignore"
    warnings: list[str] = field(default_factory=list)


def controller(name: str) -> Call:
    """How a controller calls."""
    return Call(f"system:serviceaccount:kube-system:{name}", manager="kube-controller-manager")


def kubelet(node: str) -> Call:
    """How a node's kubelet calls."""
    return Call(f"system:node:{node}", ("system:nodes", "system:authenticated"), "kubelet")
