"""Label and field selectors, in their full grammar."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.kube.apiserver.protocol.errors import ApiError, bad_request
from tests.kube.apiserver.protocol.kinds import EVENTS, JOBS, NAMESPACES, PODS, SECRETS, Kind
from tests.kube.apiserver.protocol.values import label_value_problems

Match = Callable[[Mapping[str, str]], bool]
Test = Callable[[dict[str, Any]], bool]

_TOKEN = re.compile(r"\s*(\(|\)|,|!=|==|=|!|>|<|[^\s(),!=<>]+)")
_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")

# Which fields of an object each kind may be selected by, beside its name and namespace.
_FIELDS: dict[str, dict[str, str]] = {
    PODS.plural: {
        "spec.nodeName": "spec.nodeName",
        "spec.restartPolicy": "spec.restartPolicy",
        "spec.schedulerName": "spec.schedulerName",
        "spec.serviceAccountName": "spec.serviceAccountName",
        "status.phase": "status.phase",
        "status.podIP": "status.podIP",
        "status.nominatedNodeName": "status.nominatedNodeName",
    },
    EVENTS.plural: {
        **{
            f"involvedObject.{name}": f"involvedObject.{name}"
            for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
        },
        "reason": "reason",
        "reportingComponent": "reportingComponent",
        "source": "source.component",
        "type": "type",
    },
    JOBS.plural: {"status.successful": "status.succeeded"},
    SECRETS.plural: {"type": "type"},
    NAMESPACES.plural: {"status.phase": "status.phase"},
}


def label_selector(text: str) -> Match | None:
    """What a `labelSelector` asks for; None when it asks for nothing.

    Args:
        text: `a=b,c!=d,e in (f,g),h notin (i),j,!k,n>1,m<2`.
    """
    tokens = _tokens(text)
    tests: list[Match] = []
    while tokens:
        tests.append(_requirement(tokens, text))
        if tokens and (found := tokens.pop(0)) != ",":
            raise bad_request(f"found '{found}', expected: ',' or 'end of string'")
    if not tests:
        return None
    return lambda labels: all(test(labels) for test in tests)


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _unparsable(text)
        found.append(match[1])
        at = match.end()
    return found


def _requirement(tokens: list[str], text: str) -> Match:
    first = tokens.pop(0)
    if first == "!":
        absent = _key(tokens.pop(0) if tokens else "", text)
        return lambda labels: absent not in labels
    key = _key(first, text)
    if not tokens or tokens[0] == ",":
        return lambda labels: key in labels
    sign = tokens.pop(0)
    if sign in ("in", "notin"):
        values = _values(tokens, key)
        if sign == "in":
            return lambda labels: key in labels and labels[key] in values
        return lambda labels: key not in labels or labels[key] not in values
    value = tokens.pop(0) if tokens and tokens[0] != "," else ""
    if sign in ("=", "=="):
        _checked(value, key)
        return lambda labels: labels.get(key) == value
    if sign == "!=":
        _checked(value, key)
        return lambda labels: labels.get(key) != value
    if sign in (">", "<"):
        if not re.fullmatch(r"-?\d+", value):
            raise _unparsable(text)
        bound = int(value)
        if sign == ">":
            return lambda labels: _integer(labels.get(key)) is not None and int(labels[key]) > bound
        return lambda labels: _integer(labels.get(key)) is not None and int(labels[key]) < bound
    raise _unparsable(text)


def _values(tokens: list[str], key: str) -> frozenset[str]:
    found = tokens.pop(0) if tokens else ""
    if found != "(" or ")" not in tokens:
        raise bad_request(f"unable to parse requirement: found '{found}' expected: '('")
    inside = tokens[: tokens.index(")")]
    del tokens[: len(inside) + 1]
    values = [""] if not inside else "".join(inside).split(",")
    for value in values:
        _checked(value, key)
    return frozenset(values)


def _key(key: str, text: str) -> str:
    if not _KEY.fullmatch(key) or len(key.rpartition("/")[2]) > 63:
        raise _unparsable(text)
    return key


def _checked(value: str, key: str) -> None:
    for why in label_value_problems(value):
        raise bad_request(f'unable to parse requirement: values[0][{key}]: Invalid value: "{value}": {why}')


def _integer(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"-?\d+", text) else None


def _unparsable(text: str) -> ApiError:
    return bad_request(f"unable to parse requirement: found '{text}', expected: identifier after ','")


def match_labels(selector: dict[str, Any] | None) -> Match:
    """A LabelSelector object; an absent one matches nothing, an empty one everything."""
    if selector is None:
        return lambda labels: False
    wanted = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or []

    def test(labels: Mapping[str, str]) -> bool:
        return all(labels.get(key) == value for key, value in wanted.items()) and all(
            expression_matches(expression, labels) for expression in expressions
        )

    return test


def expression_matches(expression: dict[str, Any], labels: Mapping[str, str]) -> bool:
    """One matchExpressions entry, of a label selector or of a node selector term."""
    key, sign, values = expression["key"], expression["operator"], expression.get("values") or []
    have = labels.get(key)
    if sign == "In":
        return have in values
    if sign == "NotIn":
        return have not in values
    if sign == "Exists":
        return have is not None
    if sign == "DoesNotExist":
        return have is None
    number, bound = _integer(have), _integer(values[0] if values else None)
    if number is None or bound is None:
        return False
    return number > bound if sign == "Gt" else number < bound


def field_selector(kind: Kind, text: str) -> Test | None:
    """What a `fieldSelector` asks for; None when it asks for nothing, 400 for a field that cannot be asked.

    Args:
        kind: of the objects.
        text: `metadata.name=x,status.phase!=Running`.
    """
    tests: list[tuple[list[str], str, bool]] = []
    for part in filter(None, text.split(",")):
        match = re.fullmatch(r"([^!=]+)(!=|==|=)(.*)", part)
        if match is None:
            raise bad_request(f'invalid selector: "{part}"; can\'t understand "{part}"')
        name, sign, value = match.groups()
        if name in ("metadata.name", "metadata.namespace"):
            path = name
        elif name in _FIELDS.get(kind.plural, {}):
            path = _FIELDS[kind.plural][name]
        else:
            raise bad_request(f"field label not supported: {name}")
        tests.append((path.split("."), value, sign != "!="))
    if not tests:
        return None
    return lambda found: all((_text(found, path) == value) is wanted for path, value, wanted in tests)


def _text(found: dict[str, Any], path: list[str]) -> str:
    value: Any = found
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    if value is None:
        return "0" if path[-1] == "succeeded" else ""
    return str(value)


def selection(kind: Kind, labels: str, fields: str) -> Test | None:
    """Both selectors as one test of an object; None when everything is asked for."""
    by_label, by_field = label_selector(labels), field_selector(kind, fields)
    if by_label is None:
        return by_field

    def test(found: dict[str, Any]) -> bool:
        return by_label(found["metadata"].get("labels") or {}) and (by_field is None or by_field(found))

    return test
