"""Conditions, as metav1 has them."""

from __future__ import annotations

from typing import Any

from tests.kube.apiserver.objects.store import Object
from tests.kube.apiserver.protocol.values import now


def condition(obj: Object, kind: str) -> dict[str, Any]:
    """A condition; empty if it was never set."""
    found = (c for c in (obj.get("status") or {}).get("conditions") or [] if c["type"] == kind)
    return next(found, {})


def holds(obj: Object, kind: str) -> bool:
    """Whether a condition is true."""
    return condition(obj, kind).get("status") == "True"


def set_condition(obj: Object, kind: str, value: bool, reason: str, message: str) -> None:
    """Sets a condition, as metav1 has them."""
    conditions = obj.setdefault("status", {}).setdefault("conditions", [])
    word = "True" if value else "False"
    made = {
        "type": kind,
        "status": word,
        "reason": reason,
        "message": message,
        "lastTransitionTime": now(),
        "observedGeneration": obj["metadata"].get("generation", 1),
    }
    for index, known in enumerate(conditions):
        if known["type"] == kind:
            if known["status"] == word:
                made["lastTransitionTime"] = known["lastTransitionTime"]
            conditions[index] = made
            return
    conditions.append(made)
