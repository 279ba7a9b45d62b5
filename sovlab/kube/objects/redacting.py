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
