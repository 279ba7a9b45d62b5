"""Who asks, and what they may: bearer tokens, client certificates, and rules as RBAC has them."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.kube.apiserver.protocol.errors import ApiError


@dataclass(frozen=True)
class Rule:
    """What is allowed; `*` is anything.

    Attributes:
        verbs: get, list, watch, create, update, patch, delete, deletecollection.
        resources: plurals, with a subresource after a slash: `pods/log`; `pods/*` is all of them.
        groups: API groups, empty for the core.
        namespaces: where; None is everywhere, and alone covers what has no namespace.
        names: only these objects.
    """

    verbs: tuple[str, ...]
    resources: tuple[str, ...]
    groups: tuple[str, ...] = ("",)
    namespaces: tuple[str, ...] | None = None
    names: tuple[str, ...] = ()

    def allows(self, asked: Attributes) -> bool:
        """Whether a request is within this rule."""
        if not _in(asked.verb, self.verbs) or not _in(asked.group, self.groups):
            return False
        if self.namespaces is not None and asked.namespace not in self.namespaces:
            return False
        if self.names and asked.name not in self.names:
            return False
        full = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
        wide = f"*/{asked.subresource}" if asked.subresource else "*"
        return any(
            name in ("*", full, wide) or name == f"{asked.resource}/*" != full for name in self.resources
        )


def _in(word: str, words: Iterable[str]) -> bool:
    return "*" in words or word in words


@dataclass(frozen=True)
class Attributes:
    """What a request asks for, as an authorizer sees it."""

    verb: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    path: str = ""


_READ = ("get", "list", "watch")
_WRITE = ("create", "update", "patch", "delete", "deletecollection")


def edit(*namespaces: str) -> tuple[Rule, ...]:
    """The `edit` role in some namespaces: what a researcher has, without anything of the cluster's."""
    core = (
        "pods",
        "pods/log",
        "pods/exec",
        "pods/attach",
        "pods/portforward",
        "pods/proxy",
        "services",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "serviceaccounts",
        "events",
        "replicationcontrollers",
    )
    return (
        Rule((*_READ, *_WRITE), core, ("",), namespaces),
        Rule(("create",), ("pods/eviction",), ("",), namespaces),
        Rule(_READ, ("resourcequotas", "limitranges", "namespaces", "pods/status"), ("",), namespaces),
        Rule((*_READ, *_WRITE), ("jobs", "cronjobs"), ("batch",), namespaces),
        Rule(_READ, ("jobs/status",), ("batch",), namespaces),
    )


def kueue_user(*namespaces: str) -> tuple[Rule, ...]:
    """What Kueue's batch-user role adds."""
    return (
        Rule(_READ, ("workloads", "localqueues"), ("kueue.x-k8s.io",), namespaces),
        Rule(("get",), ("localqueues/pendingworkloads",), ("visibility.kueue.x-k8s.io",), namespaces),
    )


EVERYTHING = (Rule(("*",), ("*",), ("*",)),)
# What any authenticated user may.
_BASIC = (
    Rule(("create",), ("selfsubjectaccessreviews", "selfsubjectrulesreviews"), ("authorization.k8s.io",)),
    Rule(("create",), ("selfsubjectreviews",), ("authentication.k8s.io",)),
)


@dataclass
class User:
    """A user of the cluster; its token is in a file that clients read."""

    name: str
    rules: tuple[Rule, ...]
    groups: tuple[str, ...]
    token_file: Path

    def may(self, asked: Attributes) -> bool:
        """Whether a request is allowed."""
        if asked.path:
            # Discovery, version and health are open to all who are authenticated.
            return True
        if "system:masters" in self.groups:
            return True
        return any(rule.allows(asked) for rule in (*_BASIC, *self.rules))


class Users:
    """The users and their tokens; safe to change while the server runs.

    Args:
        directory: where token files are.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._users: dict[str, User] = {}
        self._tokens: dict[str, str] = {}

    def add(self, name: str, rules: tuple[Rule, ...], groups: tuple[str, ...] = ()) -> User:
        """A user with a token; one whose token file is there already keeps it."""
        user = User(name, rules, (*groups, "system:authenticated"), self._directory / f"{name}.token")
        with self._lock:
            self._users[name] = user
        if user.token_file.exists():
            with self._lock:
                self._tokens[user.token_file.read_text()] = name
        else:
            self.rotate(name)
        return user

    def rotate(self, name: str) -> str:
        """A new token for a user, in its file; the old one is worth nothing from now on."""
        user = self._users[name]
        token = f"{name}-{secrets.token_hex(16)}"
        temporary = user.token_file.with_suffix(".new")
        temporary.touch(0o600)
        temporary.write_text(token)
        with self._lock:
            self._tokens = {text: owner for text, owner in self._tokens.items() if owner != name}
            self._tokens[token] = name
        temporary.replace(user.token_file)
        return token

    def revoke(self, name: str) -> None:
        """The user's token is worth nothing from now on; its file stays as it is."""
        with self._lock:
            self._tokens = {text: owner for text, owner in self._tokens.items() if owner != name}

    def grant(self, name: str, rules: tuple[Rule, ...]) -> None:
        """What a user may from now on."""
        self._users[name].rules = rules

    def of_token(self, token: str) -> User:
        """Whose token this is; 401 if nobody's."""
        with self._lock:
            name = self._tokens.get(token)
        if name is None:
            raise ApiError(401, "Unauthorized", "Unauthorized")
        return self._users[name]

    def names(self) -> list[str]:
        """Of all users."""
        with self._lock:
            return list(self._users)

    def called(self, name: str) -> User:
        """The user of a name."""
        return self._users[name]

    def of_certificate(self, name: str, groups: tuple[str, ...]) -> User:
        """Whose certificate this is; one that nobody was given rules for has none."""
        known = self._users.get(name)
        return User(name, known.rules if known else (), (*groups, "system:authenticated"), Path())

    def anonymous(self) -> User:
        """Who shows nothing; may see the health and the version only."""
        return User("system:anonymous", (), ("system:unauthenticated",), Path())


def denied(user: User, asked: Attributes) -> ApiError:
    """403, as the authorizer words it."""
    if asked.path:
        what = f'User "{user.name}" cannot {asked.verb} path "{asked.path}"'
        return ApiError(403, "Forbidden", f"forbidden: {what}", details={})
    resource = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    where = f' in the namespace "{asked.namespace}"' if asked.namespace else " at the cluster scope"
    full = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
    name = f' "{asked.name}"' if asked.name else ""
    message = (
        f'{full}{name} is forbidden: User "{user.name}" cannot {asked.verb} resource "{resource}" '
        f'in API group "{asked.group}"{where}'
    )
    details = {"kind": asked.resource, **({"group": asked.group} if asked.group else {})}
    if asked.name:
        details = {"name": asked.name, **details}
    return ApiError(403, "Forbidden", message, details=details)
