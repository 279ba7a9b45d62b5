"""Objects of a cluster as people may see them: in order, and without what is secret. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any


def shown(obj: Mapping[str, Any]) -> dict[str, Any]:
    """An object as it may be shown: the size of each value of a Secret, and no ``managedFields``."""
    redacted = {**{key: obj[key] for key in ("apiVersion", "kind") if key in obj}, **obj}
    meta = {key: value for key, value in (obj.get("metadata") or {}).items() if key != "managedFields"}
    if "metadata" in obj:
        redacted["metadata"] = meta
    if obj.get("kind") != "Secret":
        return redacted
    for part, size in (("data", _decoded), ("stringData", _encoded)):
        if obj.get(part):
            redacted[part] = {name: f"<{size(value)} bytes>" for name, value in obj[part].items()}
    applied = "kubectl.kubernetes.io/last-applied-configuration"  # holds all of it once more
    if applied in (meta.get("annotations") or {}):
        meta["annotations"] = {k: v for k, v in meta["annotations"].items() if k != applied}
    return redacted


def _decoded(value: Any) -> int:
    try:
        return len(base64.b64decode(str(value)))
    except binascii.Error:
        return len(str(value))


def _encoded(value: Any) -> int:
    return len(str(value).encode())


_LEFT_OUT = ("metadata", "selector", "suspend", "nodeName")
"""Members of a workload's spec that say nothing of what it runs with, or where it happens to run."""
_HOST = "kubernetes.io/hostname"


def published(obj: Mapping[str, Any]) -> dict[str, Any]:
    """A workload for everybody to read: its kind and spec, the same for each job that is asked for so.

    Not in it are values of variables, names of nodes, and the name of the job, for which ``JOB`` stands.

    Args:
        obj: as the cluster has it, with its kind.
    """
    name = str(obj["metadata"]["name"])
    said = {key: obj[key] for key in ("apiVersion", "kind", "spec") if key in obj}
    return dict(_published(said, name))


def _published(value: Any, name: str) -> Any:
    if isinstance(value, str):
        return value.replace(name, "JOB")
    if isinstance(value, list):
        return [_published(each, name) for each in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for key, each in value.items():
        if key in _LEFT_OUT:
            continue
        if key == "env" and isinstance(each, list):
            each = [{k: v for k, v in one.items() if k != "value"} for one in each if isinstance(one, dict)]
        elif key == _HOST or (key == "values" and value.get("key") == _HOST):
            each = "…"
        found[key] = _published(each, name)
    return found
