"""LimitRange: default requests and limits of containers, and their bounds."""

from __future__ import annotations

from tests.kube.apiserver.objects.store import Object, Store
from tests.kube.apiserver.protocol.calls import Call
from tests.kube.apiserver.protocol.errors import forbidden
from tests.kube.apiserver.protocol.kinds import LIMITRANGES, PODS
from tests.kube.apiserver.protocol.values import quantity

from . import Rules, put_defaults


def apply(pod: Object, store: Store) -> None:
    """Fills in what the namespace's ranges give by default, then refuses what is out of bounds."""
    name = pod["metadata"].get("name", "")
    wrong: list[str] = []
    for entry in store.all(LIMITRANGES, pod["metadata"]["namespace"]):
        for item in entry.obj["spec"].get("limits") or []:
            for container in pod["spec"].get("containers") or [] if item.get("type") == "Container" else ():
                wrong += _apply(container, item)
    if wrong:
        raise forbidden(PODS, name, wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]")


def _apply(container: Object, item: Object) -> list[str]:
    resources, wrong = container.setdefault("resources", {}), []
    stated = dict(resources.get("limits") or {})
    for side, defaults in (("limits", item.get("default")), ("requests", item.get("defaultRequest"))):
        if defaults:
            put_defaults(resources.setdefault(side, {}), **defaults)
    if resources.get("limits"):
        # A limit that was stated is the request too, where there is no default request.
        put_defaults(resources.setdefault("requests", {}), **{**resources["limits"], **stated})
    for word, bound, side, one in (
        ("maximum", "max", "limits", "limit"),
        ("minimum", "min", "requests", "request"),
    ):
        for key, most in (item.get(bound) or {}).items():
            have = (resources.get(side) or {}).get(key)
            text = f"{word} {key} usage per Container is {most}"
            if have is None:
                wrong.append(f"{text}.  No {one} is specified")
            elif (quantity(have) > quantity(most)) if bound == "max" else (quantity(have) < quantity(most)):
                wrong.append(f"{text}, but {one} is {have}")
    return wrong


class LimitRangeRules(Rules):
    """Rules of limit ranges: a bound is a default, where there is none."""

    def prepare(self, obj: Object, store: Store, call: Call) -> None:
        for item in obj.setdefault("spec", {}).get("limits") or []:
            if item.get("type") != "Container":
                continue
            for key, wanted in (("default", "max"), ("defaultRequest", "default"), ("defaultRequest", "min")):
                if item.get(wanted):
                    put_defaults(item.setdefault(key, {}), **item[wanted])
