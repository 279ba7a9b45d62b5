"""Events: what controllers say about objects; what is said again is counted, not repeated."""

from __future__ import annotations

import secrets
import threading
from typing import Any

from tests.kube.apiserver.objects.store import Object
from tests.kube.apiserver.protocol.calls import Call
from tests.kube.apiserver.protocol.errors import ApiError
from tests.kube.apiserver.protocol.kinds import EVENTS, Kind
from tests.kube.apiserver.protocol.values import now

from .registry import Registry


def reference(kind: Kind, obj: Object) -> dict[str, Any]:
    """An ObjectReference to an object."""
    metadata = obj["metadata"]
    found = {
        "kind": kind.kind,
        "namespace": metadata.get("namespace", ""),
        "name": metadata["name"],
        "uid": metadata["uid"],
        "apiVersion": kind.api_version,
        "resourceVersion": metadata.get("resourceVersion", ""),
    }
    return {key: value for key, value in found.items() if value}


class Recorder:
    """Records events.

    Args:
        registry: where they go.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._lock = threading.Lock()
        self._known: dict[tuple[str, ...], tuple[str, str]] = {}

    def record(
        self,
        kind: Kind,
        obj: Object,
        word: str,
        reason: str,
        message: str,
        component: str,
        *,
        path: str = "",
        host: str = "",
    ) -> None:
        """Says something about an object.

        Args:
            kind: of the object.
            obj: the object.
            word: `Normal` or `Warning`.
            reason: the machine's word.
            message: the human's sentence.
            component: who says it.
            path: of the part of the object, e.g. `spec.containers{main}`.
            host: on which node.
        """
        about = reference(kind, obj)
        if path:
            about["fieldPath"] = path
        namespace = about.get("namespace") or "default"
        key = (about["uid"], path, word, reason, message, component)
        call = Call(f"system:{component}", manager=component)
        with self._lock:
            known = self._known.get(key)
            try:
                if known and self._registry.store.get(EVENTS, *known):
                    self._registry.change(EVENTS, *known, call, _again)
                    return
                name = f"{about['name']}.{secrets.token_hex(8)}"
                self._known[key] = (namespace, name)
                self._registry.create(EVENTS, namespace, _event(about, name, namespace, key, host), call)
            except ApiError:
                # The namespace is going, or gone: events are not worth more.
                return


def _again(event: Object) -> None:
    event["count"] = event.get("count", 1) + 1
    event["lastTimestamp"] = now()


def _event(about: dict[str, Any], name: str, namespace: str, key: tuple[str, ...], host: str) -> Object:
    _, _, word, reason, message, component = key
    return {
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": about,
        "reason": reason,
        "message": message,
        "source": {"component": component, **({"host": host} if host else {})},
        "firstTimestamp": now(),
        "lastTimestamp": now(),
        "count": 1,
        "type": word,
        "eventTime": None,
        "reportingComponent": component,
        "reportingInstance": host,
    }
