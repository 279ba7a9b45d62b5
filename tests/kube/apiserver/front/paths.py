"""What a path asks for: verb, resource, namespace, name and subresource."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from tests.kube.apiserver.access.auth import Attributes
from tests.kube.apiserver.protocol.errors import no_such_path
from tests.kube.apiserver.protocol.kinds import Kind, Kinds


@dataclass(frozen=True)
class Target:
    """What a request is about.

    Attributes:
        verb: as authorizers and faults see it.
        kind: None for what is no resource (discovery, health).
        namespace: empty for all, or for what has none.
        name: empty for collections.
        sub: the subresource.
        path: the whole path.
    """

    verb: str
    kind: Kind | None
    namespace: str = ""
    name: str = ""
    sub: str = ""
    path: str = ""

    @property
    def resource(self) -> str:
        """`pods`, `pods/log`; empty for what is no resource."""
        if self.kind is None:
            return ""
        return f"{self.kind.plural}/{self.sub}" if self.sub else self.kind.plural

    def attributes(self) -> Attributes:
        """As the authorizer takes it."""
        if self.kind is None:
            return Attributes(self.verb, path=self.path)
        kind = self.kind
        sub = self.sub.split("/")[0] if kind.plural == "services" else self.sub
        return Attributes(self.verb, kind.group, kind.plural, self.namespace, self.name, sub)


def parse(kinds: Kinds, method: str, path: str, query: Mapping[str, str]) -> Target:
    """What a request asks for; 404 if there is no such resource."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return Target(method.lower(), None, path=path)
    watching = rest[0] == "watch"
    if watching:
        rest = rest[1:]
    namespace = ""
    if rest and rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    if not rest:
        raise no_such_path()
    if not any((known.group, known.version) == (group, version) for known in kinds):
        return Target(method.lower(), None, path=path)
    kind = kinds.at(group, version, rest[0])
    name = rest[1] if len(rest) > 1 else ""
    sub = "/".join(rest[2:])
    if kind is None or (namespace and not kind.namespaced):
        raise no_such_path()
    if (
        sub
        and sub not in kind.subresources
        and not (sub == "status" and kind.has_status)
        and sub != "finalize"
        and not (kind.plural == "services" and sub.split("/")[0] == "proxy")
    ):
        raise no_such_path()
    verb = _verb(method, name, sub, watching or query.get("watch", "") in ("true", "1"))
    if kind.plural == "namespaces" and name and not namespace:
        # The authorizer sees a namespace as being in itself.
        namespace = ""
    return Target(verb, kind, namespace, name, sub, path)


def _verb(method: str, name: str, sub: str, watching: bool) -> str:
    if method in ("GET", "HEAD"):
        if watching and not sub:
            return "watch"
        return "get" if name else "list"
    verb = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}.get(
        method, method.lower()
    )
    return "deletecollection" if verb == "delete" and not name else verb
