"""`Items`: the objects of a collection as the API sends them, of which none hides another."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from sovlab import codec
from sovlab.core.untrusted import shallow
from sovlab.kube.transport.api import decoded

Object = dict[str, Any]
_DIGITS = 300


class Items:
    """Decodes objects and trims them.

    Args:
        shape: the fields that are decoded, as a `TypedDict`.
        trim: from a decoded object to what is kept of it; None drops the object.
        damaged: likewise, from one that is not of that shape or cannot be trimmed, and why: as JSON has it.
    """

    def __init__(
        self,
        shape: Any,
        trim: Callable[[Object], Object | None],
        damaged: Callable[[Any, Exception], Object | None],
    ) -> None:
        self._one: msgspec.json.Decoder[Object] = codec.decoder(shape)
        self._all: msgspec.json.Decoder[list[Object] | None] = codec.decoder(list[shape] | None)
        self._trim = trim
        self._damaged = damaged

    def of_list(self, data: msgspec.Raw) -> Iterator[Object]:
        """What is kept of each object of a list."""
        try:
            found = self._all.decode(data) or []
        except (msgspec.DecodeError, RecursionError):  # one of them is not as all others are
            parts = decoded(data, list[msgspec.Raw])
            yield from (kept for part in parts if (kept := self.read(part)[1]) is not None)
        else:
            yield from (kept for obj in found if (kept := self.trimmed(obj)) is not None)

    def read(self, data: msgspec.Raw) -> tuple[Any, Object | None]:
        """An object as JSON has it, and what is kept of it."""
        try:
            obj = self._one.decode(data)
        except (msgspec.DecodeError, RecursionError) as error:
            whole = _anything(data)
            return whole, self._damaged(whole, error)
        return obj, self.trimmed(obj)

    def trimmed(self, obj: Object) -> Object | None:
        """What is kept of a decoded object."""
        try:
            return self._trim(obj)
        except Exception as error:  # whatever is in it
            return self._damaged(obj, error)


def _anything(data: msgspec.Raw) -> Any:
    """What JSON says, with numbers too that no decoder of types takes; None if it is none."""
    try:
        return json.loads(shallow(bytes(data)), parse_int=_number)
    except ValueError:
        return None


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) < _DIGITS else float(digits)
