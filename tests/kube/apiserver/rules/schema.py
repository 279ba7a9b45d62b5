"""How the server reads an object: types are checked, unknown fields dropped, quantities written its way.

The rule: what a typed client could not have sent is refused with 400 before any other rule sees it, and what
the server does not know is gone from then on, with a warning or, if asked for, with an error.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from tests.kube.apiserver.objects.store import Object
from tests.kube.apiserver.protocol.errors import ApiError, bad_request
from tests.kube.apiserver.protocol.kinds import Kind
from tests.kube.apiserver.protocol.values import canonical

Fields = dict[str, str]
_LIMITS = {"int32": 2**31, "int64": 2**63}
# Optional values that are not pointers in the server: the empty one is as good as none.
_PLAIN_BOOLS = (
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "stdin",
    "stdinOnce",
    "tty",
    "readOnly",
    "publishNotReadyAddresses",
)
_ALWAYS = ("containers", "values", "rules", "conditions")


@cache
def _types() -> dict[str, Fields]:
    found = {}
    for line in Path(__file__).with_name("fields.txt").read_text().splitlines():
        if not line.startswith("#"):
            name, _, rest = line.partition(": ")
            found[name] = dict(item.split(":", 1) for item in rest.split())
    return found


class _Reader:
    """Reads one object."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self.unknown: list[str] = []

    def struct(self, name: str, value: Any, owner: str, path: str, where: str) -> Any:
        """A struct; `path` is without indexes and `where` with them, as the two kinds of message want it."""
        if not isinstance(value, dict):
            raise self.mistyped(value, owner, path, f"v1.{name}")
        fields, result = _types()[name], {}
        for key, inner in value.items():
            wanted = fields.get(key)
            here = f"{where}.{key}" if where else key
            if wanted is None:
                self.unknown.append(here)
            elif inner is not None:
                read = self.value(wanted, inner, f"{name}.", f"{path}.{key}" if path else key, here)
                if not _empty(key, wanted, read):
                    result[key] = read
        return result

    def value(self, wanted: str, value: Any, owner: str, path: str, where: str) -> Any:
        """A value of a type."""
        if wanted == "any":
            return value
        if wanted.startswith("[]"):
            if not isinstance(value, list):
                raise self.mistyped(value, owner, path, _go(wanted))
            items = enumerate(value)
            return [self.value(wanted[2:], item, owner, path, f"{where}[{index}]") for index, item in items]
        if wanted.startswith("{}"):
            if not isinstance(value, dict):
                raise self.mistyped(value, owner, path, _go(wanted))
            return {key: self.value(wanted[2:], item, owner, path, where) for key, item in value.items()}
        if wanted in _types():
            return self.struct(wanted, value, owner, path, where)
        return self._scalar(wanted, value, owner, path)

    def _scalar(self, wanted: str, value: Any, owner: str, path: str) -> Any:
        if wanted == "Quantity":
            try:
                return canonical(value)
            except ValueError as error:
                raise self.refused(str(error)) from None
        if wanted in ("string", "byte", "Time"):
            if not isinstance(value, str) and value is not None:
                raise self.mistyped(value, owner, path, _go(wanted))
            return "" if value is None else value
        if wanted == "bool":
            if not isinstance(value, bool):
                raise self.mistyped(value, owner, path, "bool")
        elif wanted in _LIMITS:
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            plain = isinstance(value, int) and not isinstance(value, bool)
            if not plain or not -_LIMITS[wanted] <= value < _LIMITS[wanted]:
                number = f" {value}" if isinstance(value, int | float) and not isinstance(value, bool) else ""
                raise self.mistyped(value, owner, path, wanted, number)
        return value

    def mistyped(self, value: Any, owner: str, path: str, wanted: str, shown: str = "") -> ApiError:
        """A value of a wrong type, as Go's decoder says it."""
        return self.refused(
            f"json: cannot unmarshal {_word(value)}{shown} into Go struct field {owner}{path} of type "
            f"{wanted}"
        )

    def refused(self, why: str) -> ApiError:
        """An object that cannot be read."""
        kind = self._kind
        return bad_request(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {why}'
        )


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return {str: "string", list: "array", dict: "object"}.get(type(value), "null")


def _go(wanted: str) -> str:
    if wanted.startswith("[]"):
        return f"[]{_go(wanted[2:])}"
    if wanted.startswith("{}"):
        return f"map[string]{_go(wanted[2:])}"
    if wanted == "byte":
        return "[]uint8"
    if wanted == "Quantity":
        return "resource.Quantity"
    return f"v1.{wanted}" if wanted in _types() else wanted


def _empty(key: str, wanted: str, value: Any) -> bool:
    """Whether a value is left out when the server writes it."""
    if value in ("", False) and isinstance(value, str | bool):
        return isinstance(value, str) or key in _PLAIN_BOOLS
    if key in _ALWAYS or not isinstance(value, list | dict) or value:
        return False
    return wanted.startswith("[]") or (wanted.startswith("{}") and wanted != "{}Quantity")


def read(kind: Kind, obj: Object, validation: str) -> tuple[Object, list[str]]:
    """The object as the server has it, and the warnings about what it dropped.

    Args:
        kind: of the object.
        obj: as it was sent.
        validation: `Strict` refuses unknown fields, `Warn` warns of them, `Ignore` says nothing.
    """
    if kind.custom or kind.kind not in _types():
        return obj, []
    reader = _Reader(kind)
    # The metadata comes first, whatever the order of the sender.
    result = reader.struct(kind.kind, obj, "", "", "")
    said = [f'unknown field "{where}"' for where in reader.unknown]
    if said and validation == "Strict":
        raise reader.refused(f"strict decoding error: {', '.join(said)}")
    return result, said if validation == "Warn" else []
