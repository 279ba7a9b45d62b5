"""Typed values out of JSON and out of plain ones, safe in threads that meet a type at the same moment.

msgspec works out what a class or an enumeration is made of when it is first decoded into, keeps that on the
class, and lets others see it half made: two threads that begin at once end the process (msgspec 0.21,
``StructInfo_Convert``). So it is done here under a lock, once for each type; afterwards nothing is locked.
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar, cast

import msgspec

T = TypeVar("T")

_lock = threading.RLock()
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    """A decoder of JSON into ``kind``, a type or what annotations say, always the same one."""
    found = _decoders.get(kind)
    if found is None:
        with _lock:
            found = _decoders.get(kind)
            if found is None:
                found = _decoders[kind] = msgspec.json.Decoder(kind)
    return found


def decode(data: bytes | str | msgspec.Raw, kind: type[T]) -> T:
    """The value of ``data``, which is JSON. Raises `msgspec.MsgspecError` where it is none of that type."""
    return cast(T, decoder(kind).decode(data))


def convert(value: object, kind: type[T], *, strict: bool = True) -> T:
    """``value``, made of plain types, as ``kind``. Raises `msgspec.ValidationError` where it is none."""
    decoder(kind)
    return msgspec.convert(value, kind, strict=strict)
