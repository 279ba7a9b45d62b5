"""Values that were made elsewhere, read by what they must be: of a type, in a range, of some length."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

MAX_BYTES = 4 << 20
"""Of the longest JSON that is read; the longest that the runner writes is a third of it."""
LATEST = 253_370_764_800.0
"""The begin of the year 9999, in seconds since the epoch: no clock shows times beyond it."""

_LONGEST = 1000
_DEEPEST = 60
_EXACT = 2**53
"""Whole numbers beyond this are floats for other readers of JSON, and so for this one."""
_HALF = re.compile("[\ud800-\udfff]")


class DamagedRecord(ValueError):
    """Something is not what sovlab writes; says which part, in a phrase that can be shown."""


def parse(data: bytes) -> Any:
    """What JSON says.

    Raises:
        DamagedRecord: it is no JSON, or longer or deeper than any that sovlab writes.
    """
    if len(data) > MAX_BYTES:
        raise DamagedRecord(f"it is longer than {MAX_BYTES} bytes")
    try:
        return _DECODER.decode(data.decode())
    except RecursionError:
        raise DamagedRecord("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise DamagedRecord("it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise DamagedRecord(f"it is not JSON: {error.msg} at character {error.pos}") from None
    except DamagedRecord:
        raise
    except ValueError:
        raise DamagedRecord("it is not JSON: a number in it is too long") from None


def _refuse_constant(word: str) -> NoReturn:
    raise DamagedRecord(f"it is not JSON: {word} is not a number there")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def shallow(data: bytes, most: int = _DEEPEST) -> bytes:
    """JSON with null for what is nested more deeply than ``most``, which no reader fails to read."""
    kept, start, depth = [], 0, 0
    for token in _TOKEN.finditer(data):
        if token.group() in (b"[", b"{"):
            depth += 1
            if depth == most + 1:
                kept += [data[start : token.start()], b"null"]
        elif token.group() in (b"]", b"}"):
            if depth == most + 1:
                start = token.end()
            depth -= 1
    return b"".join([*kept, data[start:] if depth <= most else b""])


_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)


def clean(text: str, most: int = _LONGEST) -> str:
    """Text that can be encoded; of more than ``most`` characters the middle is left out."""
    if len(text) > most:
        text = f"{text[: most // 3]}\n…\n{text[len(text) - most * 2 // 3 :]}"
    return text if text.isascii() else _HALF.sub("\ufffd", text)


def moment(value: object) -> float | None:
    """A time in seconds since the epoch, from a number or text; None if it is none that can be shown."""
    try:
        when = float(value) if isinstance(value, (int, float, str)) else math.nan
    except (ValueError, OverflowError):
        return None
    return when if 0.0 <= when < LATEST else None


class Part:
    """An object of a record, whose members are read by what they must be; one that is missing is null.

    Args:
        name: of the part; empty for the whole.
        values: what JSON made of it.

    Raises:
        DamagedRecord: it is no object. Its methods raise it where a member is not what is asked for.
    """

    __slots__ = ("_name", "_values")

    def __init__(self, name: str, values: object) -> None:
        self._name = name
        if not isinstance(values, dict):
            raise DamagedRecord(f"{name or 'it'} is {_kind(values)}, not an object")
        self._values: dict[str, Any] = values

    def get(self, key: str) -> Any:
        """A member, whatever it is."""
        return self._values.get(key)

    def text(self, key: str, most: int = _LONGEST) -> str:
        """Text of at most about ``most`` characters; null is empty."""
        value = self._values.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.refuse(key, "text")
        return shared(value) if len(value) <= most and value.isascii() else clean(value, most)

    def whole(self, key: str, least: int, below: int) -> int | None:
        """A whole number in a range, or null."""
        value = self._values.get(key)
        if value is None:
            return None
        if type(value) is not int or not least <= value < below:  # and bool is not
            self.refuse(key, "a whole number of what it counts")
        return value

    def number(self, key: str, least: float, below: float) -> float | None:
        """A number in a range, or null."""
        value = self._values.get(key)
        if value is None:
            return None
        number = finite(value, least, below)
        if number is None:
            self.refuse(key, "a number of what it counts")
        return number

    def part(self, key: str) -> Part | None:
        """An object, or null."""
        value = self._values.get(key)
        return None if value is None else Part(self._called(key), value)

    def items(self, key: str, most: int, read: Callable[[str, Any], T]) -> tuple[T, ...]:
        """The first ``most`` members of a list, each as ``read(name, value)`` reads it; null is empty."""
        value = self._values.get(key)
        if value is None or value == []:
            return ()
        if not isinstance(value, list):
            self.refuse(key, "a list")
        called = self._called(key)
        return tuple([read(called, item) for item in value[:most]])

    def members(self, most: int) -> list[tuple[str, Any]]:
        """The first ``most`` members, whatever they are."""
        return list(self._values.items())[:most]

    def refuse(self, key: str, wanted: str) -> NoReturn:
        """Say that a member is not what it must be."""
        raise DamagedRecord(f"{self._called(key)} is {_kind(self._values.get(key))}, not {wanted}")

    def _called(self, key: str) -> str:
        return f"{self._name}.{key}" if self._name else key


_SHORT = 300
"""Characters of a text that others may well have, too."""
_SHARED = 4096
"""Texts that are kept once for all who have them."""
_shared: dict[str, str] = {}


def shared(text: str) -> str:
    """An equal text, one object for all: ten thousand records have the same host, backend and reasons."""
    if len(text) > _SHORT:
        return text
    if len(_shared) >= _SHARED:
        _shared.clear()  # whatever comes from outside, no more is kept
    return _shared.setdefault(text, text)


def finite(value: Any, least: float, below: float) -> float | None:
    """A number in a range; None if it is another, or none at all."""
    if type(value) not in (int, float) or not least <= value < below:  # bool is not, and nan is nowhere
        return None
    number: float = value
    return float(number) if abs(number) > _EXACT else number


def _kind(value: object) -> str:
    for kinds, words in _KINDS:
        if isinstance(value, kinds):
            return words
    return "null" if value is None else "something else"


_KINDS: tuple[tuple[Any, str], ...] = (
    (bool, "true or false"),
    ((int, float), "a number that is out of range or not whole"),
    (str, "text"),
    (list, "a list"),
    (dict, "an object"),
)
