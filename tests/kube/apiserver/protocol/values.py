"""The small values of the API: times, quantities, names and generated suffixes."""

from __future__ import annotations

import random
import re
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

SUFFIXES = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}
_QUANTITY = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i))?")
# As the real one writes its regular expression in the message.
QUANTITY_RULE = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
DNS_LABEL = re.compile(_LABEL)
DNS_SUBDOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")
LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")

NOT_DNS_LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must "
    "start and end "
    f"with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
NOT_DNS_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
    "must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    rf"'{_LABEL}(\.{_LABEL})*')"
)
NOT_LABEL_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and "
    "must start "
    "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
    "validation "
    "is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
NOT_QUALIFIED = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


def now() -> str:
    """The time as in metadata: UTC, to the second."""
    return stamp(time.time())


def stamp(seconds: float) -> str:
    """A time as in metadata."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro(seconds: float | None = None) -> str:
    """A MicroTime."""
    return datetime.fromtimestamp(time.time() if seconds is None else seconds, UTC).strftime(
        "%Y-%m-%dT%H:%M:%S.%fZ"
    )


def nano(nanoseconds: int) -> str:
    """A time as in a container's log: nine digits, as RFC3339NanoFixed in UTC."""
    whole, part = divmod(nanoseconds, 10**9)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{part:09d}Z"


def parse_time(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 time; a ValueError if it is none."""
    # Python takes at most six digits of a second.
    text = re.sub(r"(\.\d{6})\d+", r"\1", text)
    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if found.tzinfo is None:
        raise ValueError(text)
    return found.timestamp()


def quantity(text: Any) -> Decimal:
    """The number that a resource quantity says; a ValueError if it is none."""
    match = _QUANTITY.fullmatch(str(text))
    if match is None or isinstance(text, bool):
        raise ValueError(QUANTITY_RULE)
    number, exponent, suffix = match.groups()
    return Decimal(number + exponent.lower()) if exponent else Decimal(number) * SUFFIXES[suffix or ""]


def canonical(text: Any) -> str:
    """A quantity as the server writes it back: `1024Mi` is `1Gi`, `0.5` is `500m`, `1000` is `1k`."""
    amount = quantity(text)
    match = _QUANTITY.fullmatch(str(text))
    assert match is not None
    if match[2]:
        return str(text)
    if (match[3] or "").endswith("i") and abs(amount) >= 1024:
        whole = int(amount.to_integral_value(rounding="ROUND_CEILING"))
        found = ""
        for suffix in ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"):
            if whole % 1024:
                break
            whole, found = whole // 1024, suffix
        return f"{whole}{found}"
    for suffix in ("E", "P", "T", "G", "M", "k", "", "m", "u", "n"):
        scaled = amount / SUFFIXES[suffix]
        if scaled == scaled.to_integral_value() and (amount or not suffix):
            return f"{int(scaled)}{suffix}"
    return f"{int((amount / SUFFIXES['n']).to_integral_value(rounding='ROUND_CEILING'))}n"


def written(amount: Decimal, like: str = "") -> str:
    """A quantity as text: whole numbers plainly, binary multiples for memory, thousandths with m."""
    if "memory" in like or "storage" in like:
        for suffix in ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki"):
            if amount and amount % SUFFIXES[suffix] == 0:
                return f"{int(amount / SUFFIXES[suffix])}{suffix}"
    if amount == amount.to_integral_value():
        return str(int(amount))
    return f"{int((amount * 1000).to_integral_value(rounding='ROUND_CEILING'))}m"


def suffix(length: int = 5) -> str:
    """Random letters, of the alphabet that generateName uses."""
    return "".join(random.choices("bcdfghjklmnpqrstvwxz2456789", k=length))


def generated(prefix: str) -> str:
    """A name for generateName."""
    return prefix[:58] + suffix()


def name_problems(name: str, *, label: bool) -> list[str]:
    """Why a name is no DNS label (63) or no DNS subdomain (253)."""
    longest, unit = (63, "bytes") if label else (253, "characters")
    found = [f"must be no more than {longest} {unit}"] if len(name.encode()) > longest else []
    if not (DNS_LABEL if label else DNS_SUBDOMAIN).fullmatch(name):
        found.append(NOT_DNS_LABEL if label else NOT_DNS_SUBDOMAIN)
    return found


def label_value_problems(value: str) -> list[str]:
    """Why a text is no label value."""
    found = ["must be no more than 63 bytes"] if len(value.encode()) > 63 else []
    if not LABEL_VALUE.fullmatch(value):
        found.append(NOT_LABEL_VALUE)
    return found


def qualified_problems(key: str) -> list[str]:
    """Why a text is no key of a label or an annotation."""
    prefix, slash, name = key.rpartition("/")
    found = []
    if slash and not prefix:
        found.append("prefix part must be non-empty")
    elif slash:
        found += [f"prefix part {why}" for why in name_problems(prefix, label=False)]
    if not name:
        found.append("name part must be non-empty")
    elif len(name) > 63:
        found.append("name part must be no more than 63 bytes")
    if not QUALIFIED.fullmatch(name):
        found.append(NOT_QUALIFIED)
    return found
