"""The patches that Kubernetes takes: JSON patch, merge patch, and the strategic merge of known lists."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.kube.apiserver.protocol.errors import ApiError, bad_request, unsupported_media

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

# Lists of objects that are merged by a key, by the name of the field; all other lists are replaced.
MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "imagePullSecrets": "name",
    "secrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "ownerReferences": "uid",
    "conditions": "type",
    "containerStatuses": "",
    "taints": "key",
    "addresses": "type",
}
_SETS = ("finalizers",)


def merge_key(field: str, items: list[Any]) -> str:
    """By which key the items of a list are the same, or empty: `ports` goes by what they are."""
    if field == "ports" and items and isinstance(items[0], dict):
        return "containerPort" if "containerPort" in items[0] else "port"
    return MERGE_KEYS.get(field, "")


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386; the result shares nothing that is changed with its arguments."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def strategic(target: Any, patch: Any) -> Any:
    """A merge patch in which lists with a merge key are merged item by item, by `$patch` directives too."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    for key, value in patch.items():
        if key == "$patch" or key.startswith("$setElementOrder/") or key.startswith("$retainKeys"):
            continue
        if key.startswith("$deleteFromPrimitiveList/"):
            field = key.partition("/")[2]
            result[field] = [item for item in result.get(field, []) if item not in value]
        elif value is None:
            result.pop(key, None)
        elif isinstance(value, list):
            result[key] = _strategic_list(key, result.get(key) or [], value)
        else:
            result[key] = strategic(result.get(key), value)
    return result


def _strategic_list(field: str, target: list[Any], patch: list[Any]) -> list[Any]:
    if field in _SETS:
        return target + [item for item in patch if item not in target]
    key = merge_key(field, [item for item in patch if "$patch" not in item or len(item) > 1] or patch)
    if not key:
        return patch
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if "$patch" not in item]
    result = list(target)
    for item in patch:
        if key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        at = next((i for i, have in enumerate(result) if have.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            if at is not None:
                del result[at]
        elif at is None:
            result.append({name: value for name, value in item.items() if name != "$patch"})
        else:
            result[at] = strategic(result[at], item)
    return result


def json_patch(target: Any, operations: Any) -> Any:
    """RFC 6902; 422 when an operation cannot be done."""
    if not isinstance(operations, list):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    document = msgspec.json.decode(msgspec.json.encode(target))
    for operation in operations:
        document = _operate(document, operation)
    return document


def _operate(document: Any, operation: dict[str, Any]) -> Any:
    name, path = operation.get("op", ""), operation.get("path", "")
    if name == "test":
        if _look(document, path) != operation.get("value"):
            raise _unprocessable()
        return document
    if name in ("add", "replace"):
        return _place(document, path, operation.get("value"), insert=name == "add")
    if name == "remove":
        return _take(document, path)
    if name in ("move", "copy"):
        value = _look(document, operation.get("from", ""))
        if name == "move":
            document = _take(document, operation.get("from", ""))
        return _place(document, path, value, insert=True)
    raise _unprocessable()


def _steps(path: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]


def _look(document: Any, path: str) -> Any:
    for step in _steps(path):
        try:
            document = document[int(step)] if isinstance(document, list) else document[step]
        except (KeyError, IndexError, ValueError, TypeError):
            raise _unprocessable() from None
    return document


def _place(document: Any, path: str, value: Any, *, insert: bool) -> Any:
    steps = _steps(path)
    if not steps:
        return value
    parent = _look(document, path.rpartition("/")[0])
    if isinstance(parent, list):
        at = len(parent) if steps[-1] == "-" else int(steps[-1])
        if at > len(parent):
            raise _unprocessable()
        if insert:
            parent.insert(at, value)
        else:
            parent[at] = value
    elif isinstance(parent, dict):
        parent[steps[-1]] = value
    else:
        raise _unprocessable()
    return document


def _take(document: Any, path: str) -> Any:
    _look(document, path)
    parent, last = _look(document, path.rpartition("/")[0]), _steps(path)[-1]
    if isinstance(parent, list):
        del parent[int(last)]
    else:
        del parent[last]
    return document


def _unprocessable() -> ApiError:
    message = "the server rejected our request due to an error in our request"
    return ApiError(422, "Invalid", message, details={})


def patched(content_type: str, current: dict[str, Any], patch: Any, *, custom: bool) -> dict[str, Any]:
    """The object after a patch (apply is elsewhere); 415 for a kind of patch that the kind does not take."""
    if content_type == JSON_PATCH:
        return json_patch(current, patch)  # type: ignore[no-any-return]
    if not isinstance(patch, dict):
        raise bad_request("the patch is not an object")
    if content_type == MERGE_PATCH:
        return merge(current, patch)  # type: ignore[no-any-return]
    if content_type == STRATEGIC_PATCH and not custom:
        return strategic(current, patch)  # type: ignore[no-any-return]
    raise unsupported_media()


__all__ = ["APPLY_PATCH", "MERGE_KEYS", "merge", "merge_key", "patched"]
