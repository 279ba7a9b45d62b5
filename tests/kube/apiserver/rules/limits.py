"""LimitRange: default requests and limits of containers, and their bounds."""

from __future__ import annotations

from tests.kube.apiserver.errors import forbidden
from tests.kube.apiserver.kinds import LIMITRANGES, PODS
from tests.kube.apiserver.store import Object, Store
from tests.kube.apiserver.values import quantity

from . import put_defaults


def apply(pod: Object, store: Store) -> None:
    """Fills in what the namespace's ranges give by default, then refuses what is out of bounds."""
    for entry in store.all(LIMITRANGES, pod["metadata"]["namespace"]):
        for item in entry.obj["spec"].get("limits") or []:
            if item.get("type") == "Container":
                for container in pod["spec"].get("containers") or []:
                    _apply(container, item, pod["metadata"].get("name", ""))


def _apply(container: Object, item: Object, name: str) -> None:
    resources = container.setdefault("resources", {})
    stated = dict(resources.get("limits") or {})
    for side, defaults in (("limits", item.get("default")), ("requests", item.get("defaultRequest"))):
        if defaults:
            put_defaults(resources.setdefault(side, {}), **defaults)
    if resources.get("limits"):
        # A limit that was stated is the request too, where there is no default request.
        put_defaults(resources.setdefault("requests", {}), **{**resources["limits"], **stated})
    for key, most in (item.get("max") or {}).items():
        have = (resources.get("limits") or {}).get(key)
        if have is None:
            raise forbidden(
                PODS, name, f"maximum {key} usage per Container is {most}.  No limit is specified"
            )
        if quantity(have) > quantity(most):
            raise forbidden(PODS, name, f"maximum {key} usage per Container is {most}, but limit is {have}")
    for key, least in (item.get("min") or {}).items():
        have = (resources.get("requests") or {}).get(key)
        if have is None:
            raise forbidden(
                PODS, name, f"minimum {key} usage per Container is {least}.  No request is specified"
            )
        if quantity(have) < quantity(least):
            raise forbidden(
                PODS, name, f"minimum {key} usage per Container is {least}, but request is {have}"
            )
