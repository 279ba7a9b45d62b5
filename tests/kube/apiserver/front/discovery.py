"""Discovery: which groups, versions and resources there are."""

from __future__ import annotations

from typing import Any

from tests.kube.apiserver.protocol.kinds import Kind, Kinds

VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.2",
    "gitCommit": "98b35193b2ac7a23a673325f5e9b830ecd5ba406",
    "gitTreeState": "clean",
    "buildDate": "2026-08-21T11:29:11Z",
    "goVersion": "go1.26.6",
    "compiler": "gc",
    "platform": "linux/amd64",
}


def document(kinds: Kinds, path: str, address: str) -> dict[str, Any] | str | None:
    """What is at a path that is no resource; None if there is nothing."""
    parts = path.strip("/").split("/")
    if path.strip("/") in ("readyz", "healthz", "livez"):
        return "ok"
    if parts == ["version"]:
        return VERSION
    if parts == ["api"]:
        where = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": where}
    if parts == ["api", "v1"]:
        return _resources(kinds, "", "v1")
    if parts[:2] == ["openapi", "v3"]:
        return _openapi(kinds, "/".join(parts[2:]))
    groups = _groups(kinds)
    if parts == ["apis"]:
        return {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [_group(name, v) for name, v in groups.items()],
        }
    if parts[0] == "apis" and len(parts) == 2 and parts[1] in groups:
        return {"kind": "APIGroup", "apiVersion": "v1", **_group(parts[1], groups[parts[1]])}
    if parts[0] == "apis" and len(parts) == 3 and parts[2] in groups.get(parts[1], ()):
        return _resources(kinds, parts[1], parts[2])
    return None


def _groups(kinds: Kinds) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for kind in kinds:
        versions = found.setdefault(kind.group, []) if kind.group else []
        if kind.group and kind.version not in versions:
            versions.append(kind.version)
    return found


def _group(name: str, versions: list[str]) -> dict[str, Any]:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _resources(kinds: Kinds, group: str, version: str) -> dict[str, Any]:
    found = []
    for kind in kinds:
        if (kind.group, kind.version) == (group, version):
            found += _entries(kind)
    return {
        "kind": "APIResourceList",
        **({"apiVersion": "v1"} if group else {}),
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": found,
    }


def _entries(kind: Kind) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    if kind.verbs:
        main: dict[str, Any] = {
            "name": kind.plural,
            "singularName": kind.kind.lower(),
            "namespaced": kind.namespaced,
            "kind": kind.kind,
            "verbs": list(kind.verbs),
        }
        if kind.short:
            main["shortNames"] = list(kind.short)
        if kind.categories:
            main["categories"] = list(kind.categories)
        entries.append(main)
    subs = dict(kind.subresources)
    if kind.has_status:
        subs["status"] = (kind.kind, ("get", "patch", "update"))
    for name, (what, verbs) in sorted(subs.items()):
        entry: dict[str, Any] = {
            "name": f"{kind.plural}/{name}",
            "singularName": "",
            "namespaced": kind.namespaced,
            "kind": what,
            "verbs": list(verbs),
        }
        if what == "Eviction":
            entry.update(group="policy", version="v1")
        entries.append(entry)
    return entries


def _openapi(kinds: Kinds, path: str) -> dict[str, Any] | None:
    """As much of OpenAPI as kubectl needs to leave validation to the server: the parameters of a PATCH."""
    places = {f"apis/{kind.group}/{kind.version}" if kind.group else "api/v1": kind for kind in kinds}
    if not path:
        return {"paths": {place: {"serverRelativeURL": f"/openapi/v3/{place}"} for place in places}}
    if path not in places:
        return None
    paths = {}
    for kind in kinds:
        if (kind.group, kind.version) == (places[path].group, places[path].version) and "patch" in kind.verbs:
            where = f"/{path}/{'namespaces/{namespace}/' if kind.namespaced else ''}{kind.plural}/{{name}}"
            parameters = [
                {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
                for name in ("dryRun", "fieldManager", "fieldValidation", "force")
            ]
            this = {"group": kind.group, "kind": kind.kind, "version": kind.version}
            operation = {"parameters": parameters, "x-kubernetes-group-version-kind": this}
            paths[where] = {"patch": {**operation, "responses": {"200": {"description": "OK"}}}}
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
        "paths": paths,
    }
