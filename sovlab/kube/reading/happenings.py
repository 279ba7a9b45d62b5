"""What happened to a job's objects in a cluster: conditions, containers, and events of them. Pure.

All of it is what somebody else wrote: what is not of the form that the API has is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sovlab.core.plan import Happening
from sovlab.core.untrusted import clean
from sovlab.kube.reading.pods import seconds

Object = Mapping[str, Any]
_LONGEST = 1000
_LARGEST = 10**9


def of_workload(obj: Object, kind: str) -> list[Happening]:
    """When a workload was suspended, went on, and ended, by its conditions."""
    of = f"{kind} {_name(obj)}"
    return [
        Happening(time=when, of=of, text=_said(condition), warning=condition.get("type") == "Failed")
        for condition in _objects(_part(obj, "status").get("conditions"))
        if (when := seconds(condition.get("lastTransitionTime"))) is not None
        and (condition.get("status") == "True" or condition.get("type") == "Suspended")
    ]


def of_pod(pod: Object) -> list[Happening]:
    """When a pod was made, got its node, and began and ended to run."""
    of, found = f"Pod {_name(pod)}", []
    made = seconds(_part(pod, "metadata").get("creationTimestamp"))
    if made is not None:
        found.append(Happening(time=made, of=of, text="It was created."))
    status = _part(pod, "status")
    for condition in _objects(status.get("conditions")):
        when = seconds(condition.get("lastTransitionTime"))
        if when is None or condition.get("status") != "True":
            continue
        if condition.get("type") == "PodScheduled":
            node = _text(_part(pod, "spec").get("nodeName"), 253)
            text = f"It got node {node}." if node else "It got a node."
            found.append(Happening(time=when, of=of, text=text))
        elif condition.get("type") == "DisruptionTarget":
            found.append(Happening(time=when, of=of, text=_said(condition), warning=True))
    for container in _objects(status.get("containerStatuses")):
        for state in (container.get("lastState"), container.get("state")):
            found += _container(_text(container.get("name"), 100), state, of)
    return found


def _container(name: str, state: Any, of: str) -> Iterator[Happening]:
    if not isinstance(state, Mapping):
        return
    for key in ("running", "terminated"):
        part = state.get(key)
        if not isinstance(part, Mapping):
            continue
        began, ended = seconds(part.get("startedAt")), seconds(part.get("finishedAt"))
        if began is not None:
            yield Happening(time=began, of=of, text=f"Container {name} started.")
        if ended is not None:
            code, reason = part.get("exitCode"), _text(part.get("reason"), 100)
            how = f"exit status {code}" if type(code) is int else "without an exit status"
            text = f"Container {name} ended: {how}{f', {reason}' if reason else ''}."
            yield Happening(time=ended, of=of, text=text, warning=code != 0)


def of_events(events: Sequence[Object], of: str) -> list[Happening]:
    """What a cluster's components say of an object."""
    found = []
    for event in _objects(events):
        series = event.get("series")
        last = series.get("lastObservedTime") if isinstance(series, Mapping) else None
        times = (last, event.get("lastTimestamp"), event.get("eventTime"), event.get("firstTimestamp"))
        when = next((moment for each in times if (moment := seconds(each)) is not None), None)
        count = series.get("count") if isinstance(series, Mapping) else event.get("count")
        found.append(
            Happening(
                time=when,
                of=of,
                text=_said(event),
                warning=event.get("type") == "Warning",
                count=count if type(count) is int and 0 < count < _LARGEST else 1,
            )
        )
    return found


def _said(obj: Object) -> str:
    """``Reason: message``."""
    kind = _text(obj.get("type"), 100) if "lastTransitionTime" in obj else ""
    if kind and obj.get("status") != "True":
        kind = f"no longer {kind}"
    parts = (kind, _text(obj.get("reason"), 100), _text(obj.get("message")))
    return ": ".join(part for part in dict.fromkeys(parts) if part) or "It was told nothing."


def _part(obj: Object, key: str) -> Object:
    value = obj.get(key)
    return value if isinstance(value, Mapping) else {}


def _objects(value: Any) -> list[Object]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _name(obj: Object) -> str:
    return _text(_part(obj, "metadata").get("name"), 253)


def _text(value: Any, most: int = _LONGEST) -> str:
    return " ".join(clean(value, most).split()) if isinstance(value, str) else ""
