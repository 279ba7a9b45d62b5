"""Who set which field: managedFields for every write, and server-side apply with its conflicts.

A set of fields is a nested dict as in FieldsV1: `f:name` for a field, `k:{"name":"x"}` for an item of a list
that is merged by a key, `.` for the thing itself. Lists without a key are one field.
"""

from __future__ import annotations

import json
from typing import Any

from tests.kube.apiserver.protocol.errors import ApiError
from tests.kube.apiserver.protocol.kinds import Kind

from .patching import merge_key

Fields = dict[str, Any]
_SYSTEM = (
    "managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "deletionTimestamp",
    "deletionGracePeriodSeconds", "name", "namespace", "selfLink", "generateName",
)  # fmt: skip


def fields_of(obj: dict[str, Any]) -> Fields:
    """All fields that an object sets, without what the system sets in its metadata."""
    return changed({}, obj)


def changed(old: dict[str, Any], new: dict[str, Any]) -> Fields:
    """The fields of the new object that the old one lacks or holds otherwise."""
    found = _changed(_plain(old), _plain(new))
    return found if isinstance(found, dict) else {}


def _plain(obj: dict[str, Any]) -> dict[str, Any]:
    plain = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}
    if "metadata" in plain:
        plain["metadata"] = {key: value for key, value in plain["metadata"].items() if key not in _SYSTEM}
        if not plain["metadata"]:
            del plain["metadata"]
    return plain


def _changed(old: Any, new: Any, field: str = "") -> Fields | None:
    """None when nothing changed."""
    if isinstance(new, dict) and new:
        before = old if isinstance(old, dict) else {}
        found = {}
        for key, value in new.items():
            if key not in before or before[key] != value:
                inside = _changed(before.get(key), value, key)
                found["f:" + key] = inside if inside is not None else {}
        return found or None
    if isinstance(new, list) and new and (key := _key_of(field, new)):
        known = {item.get(key): item for item in old} if isinstance(old, list) and _key_of(field, old) else {}
        found = {}
        for item in new:
            if known.get(item[key]) != item:
                inside = _changed(known.get(item[key]), item) or {}
                found["k:" + json.dumps({key: item[key]}, separators=(",", ":"))] = {".": {}, **inside}
        return found or None
    return {} if old != new else None


def _key_of(field: str, items: list[Any]) -> str:
    key = merge_key(field, items)
    return key if key and all(isinstance(item, dict) and key in item for item in items) else ""


def union(one: Fields, other: Fields) -> Fields:
    """The fields of both."""
    result = dict(one)
    for key, value in other.items():
        result[key] = union(result.get(key, {}), value)
    return result


def without(one: Fields, other: Fields) -> Fields:
    """The fields of the first that are not leaves of the second."""
    result = {}
    for key, value in one.items():
        if key not in other:
            result[key] = value
        elif value:
            rest = without(value, other[key])
            if rest and set(rest) != {"."}:
                result[key] = rest
    return result


def record(
    kind: Kind,
    obj: dict[str, Any],
    manager: str,
    fields: Fields,
    now: str,
    *,
    apply: bool = False,
    sub: str = "",
) -> None:
    """Notes in the object that a manager set fields; others lose what it changed."""
    entries = []
    mine: dict[str, Any] | None = None
    operation = "Apply" if apply else "Update"
    for entry in obj["metadata"].get("managedFields") or []:
        same = (entry.get("manager"), entry.get("operation"), entry.get("subresource", "")) == (
            manager,
            operation,
            sub,
        )
        if same:
            mine = entry
            continue
        left = without(entry.get("fieldsV1") or {}, fields) if fields and not apply else entry.get("fieldsV1")
        if left:
            entries.append({**entry, "fieldsV1": left})
    if fields or mine:
        have = {} if apply or mine is None else mine.get("fieldsV1") or {}
        entry = {
            "manager": manager,
            "operation": operation,
            "apiVersion": kind.api_version,
            "time": now if fields or mine is None else mine["time"],
            "fieldsType": "FieldsV1",
            "fieldsV1": union(have, fields),
        }
        if sub:
            entry["subresource"] = sub
        entries.append(entry)
    obj["metadata"]["managedFields"] = entries


def applied(
    kind: Kind,
    live: dict[str, Any],
    config: dict[str, Any],
    manager: str,
    now: str,
    *,
    force: bool,
    sub: str = "",
) -> dict[str, Any]:
    """The live object after a server-side apply; 409 when another manager owns a field that would change."""
    wanted = fields_of(config)
    entries = live["metadata"].get("managedFields") or []
    before: Fields = {}
    others: Fields = {}
    conflicts: list[tuple[str, str]] = []
    for entry in entries:
        owned = entry.get("fieldsV1") or {}
        if entry.get("manager") == manager and entry.get("operation") == "Apply":
            before = owned
            continue
        others = union(others, owned)
        who = f'"{entry["manager"]}"'
        if entry["operation"] == "Update":
            who += f" using {entry['apiVersion']}"
        conflicts += [(who, path) for path in _clashes(owned, wanted, live, config)]
    if conflicts and not force:
        raise _conflict(conflicts)
    dropped = without(without(before, wanted), others)
    result = _merge(_drop(live, dropped), config)
    if conflicts:
        result["metadata"]["managedFields"] = [
            {**entry, "fieldsV1": without(entry.get("fieldsV1") or {}, wanted)}
            if entry.get("manager") != manager
            else entry
            for entry in entries
        ]
    record(kind, result, manager, wanted, now, apply=True, sub=sub)
    return result


def _clashes(owned: Fields, wanted: Fields, live: Any, config: Any, path: str = "") -> list[str]:
    found: list[str] = []
    for step, inside in wanted.items():
        if step == "." or step not in owned:
            continue
        here, there = _step(live, step), _step(config, step)
        where = f"{path}.{step[2:]}" if step.startswith("f:") else f"{path}[{_shown(step)}]"
        if set(inside) - {"."}:
            found += _clashes(owned[step], inside, here, there, where)
        elif here != there and not (set(owned[step]) - {"."}):
            found.append(where)
    return found


def _shown(step: str) -> str:
    return ",".join(f"{key}={json.dumps(value)}" for key, value in json.loads(step[2:]).items())


def _step(value: Any, step: str) -> Any:
    if step.startswith("f:"):
        return value.get(step[2:]) if isinstance(value, dict) else None
    ((key, wanted),) = json.loads(step[2:]).items()
    items = value if isinstance(value, list) else []
    return next((item for item in items if isinstance(item, dict) and item.get(key) == wanted), None)


def _drop(value: Any, fields: Fields) -> Any:
    """The value without these fields."""
    if isinstance(value, list):
        kept = []
        for item in value:
            step = next(
                (step for step in fields if step.startswith("k:") and _step([item], step) is not None), None
            )
            if step is None:
                kept.append(item)
            elif set(fields[step]) - {"."} and "." not in fields[step]:
                kept.append(_drop(item, fields[step]))
        return kept
    if not isinstance(value, dict):
        return value
    result = {}
    for key, inner in value.items():
        inside = fields.get("f:" + key)
        if inside is None:
            result[key] = inner
        elif inside:
            left = _drop(inner, inside)
            if left not in ({}, []):
                result[key] = left
    return result


def _merge(live: Any, config: Any, field: str = "") -> Any:
    if isinstance(config, dict):
        result = dict(live) if isinstance(live, dict) else {}
        for key, value in config.items():
            result[key] = _merge(result.get(key), value, key)
        return result
    if isinstance(config, list) and isinstance(live, list) and (key := _key_of(field, config)):
        mine = {item[key]: item for item in config}
        kept = [_merge(item, mine.pop(item.get(key))) if item.get(key) in mine else item for item in live]
        return kept + list(mine.values())
    return config


def _conflict(conflicts: list[tuple[str, str]]) -> ApiError:
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": path}
        for manager, path in conflicts
    ]
    count = len(conflicts)
    if count == 1:
        text = f"Apply failed with 1 conflict: conflict with {conflicts[0][0]}: {conflicts[0][1]}"
    else:
        by: dict[str, list[str]] = {}
        for manager, path in conflicts:
            by.setdefault(manager, []).append(path)
        listed = "\n".join(
            f"conflicts with {manager}:\n" + "\n".join(f"- {path}" for path in paths)
            for manager, paths in by.items()
        )
        text = f"Apply failed with {count} conflicts: {listed}"
    return ApiError(409, "Conflict", text, details={"causes": causes})
