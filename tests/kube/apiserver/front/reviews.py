"""Answers to users who ask who they are, and what they may do."""

from __future__ import annotations

from typing import Any

from tests.kube.apiserver.access.auth import Attributes, User
from tests.kube.apiserver.protocol.kinds import ACCESS_REVIEWS, SELF_REVIEWS, Kind, Kinds


def answer(kind: Kind, body: dict[str, Any], user: User, kinds: Kinds) -> dict[str, Any]:
    """A SelfSubjectReview, SelfSubjectAccessReview or SelfSubjectRulesReview with its status."""
    if kind is SELF_REVIEWS:
        who = {"username": user.name, "groups": [*user.groups, "system:authenticated"]}
        return {
            "kind": kind.kind,
            "apiVersion": kind.api_version,
            "metadata": {},
            "status": {"userInfo": who},
        }
    head = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": {}, "spec": body.get("spec") or {}}
    if kind is ACCESS_REVIEWS:
        return {**head, "status": _access(body.get("spec") or {}, user)}
    return {**head, "status": _rules((body.get("spec") or {}).get("namespace", ""), user)}


def _access(spec: dict[str, Any], user: User) -> dict[str, Any]:
    if spec.get("nonResourceAttributes"):
        asked = spec["nonResourceAttributes"]
        return {"allowed": user.may(Attributes(asked.get("verb", ""), path=asked.get("path", "") or "/"))}
    asked = spec.get("resourceAttributes") or {}
    attributes = Attributes(
        asked.get("verb", ""),
        asked.get("group", ""),
        asked.get("resource", ""),
        asked.get("namespace", ""),
        asked.get("name", ""),
        asked.get("subresource", ""),
    )
    return {"allowed": True, "reason": "RBAC: allowed"} if user.may(attributes) else {"allowed": False}


def _rules(namespace: str, user: User) -> dict[str, Any]:
    rules = []
    for rule in user.rules:
        if rule.namespaces is None or namespace in rule.namespaces:
            found: dict[str, Any] = {
                "verbs": list(rule.verbs),
                "apiGroups": list(rule.groups),
                "resources": list(rule.resources),
            }
            if rule.names:
                found["resourceNames"] = list(rule.names)
            rules.append(found)
    paths = [
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/healthz",
        "/livez",
        "/openapi",
        "/openapi/*",
        "/readyz",
        "/version",
    ]
    open_ones = [{"verbs": ["get"], "nonResourceURLs": paths}]
    return {"resourceRules": rules, "nonResourceRules": open_ones, "incomplete": False}
