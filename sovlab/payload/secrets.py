"""Which variables look like secrets, by name or by value. No value is ever part of an answer."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_NAME = r"""(?: ^|_ ) (?:
        passwd | password | passphrase | pwd | credential | credentials
        | api_?key | access_?key (?:_id)? | (?:secret|private|signing|encryption)_?key | client_secret
        | (?:auth|access|refresh|bearer|session)_?token
        | (?:hf|gh|github|gitlab|wandb|hub|slack|bot|api|jwt|oauth|huggingface|openai|aws|azure|gcp)_token
        | (?:openai|wandb|anthropic|aws|azure|hf|stripe)_key
        | connection_string | dsn | jwt
    ) (?: _?\d+ )? $"""
"""The end of a name counts: ``API_KEY``, ``hf_token``; not ``token_ids``, ``max_tokens`` or ``key``."""
_VAGUE = r"(?:my_|the_)?(?:token|secret|secrets|cookie|bearer)"
"""Names that are a secret's or a tokenizer's: there the value decides as well."""
_CAMEL = r"(?<=[a-z0-9])(?=[A-Z])"

_VALUE = r"""(?<![A-Za-z0-9_-]) (?:
        hf_[A-Za-z0-9]{30,}
        | (?:ghp|gho|ghu|ghs|ghr)_[A-Za-z0-9]{36,} | github_pat_[A-Za-z0-9_]{50,} | glpat-[A-Za-z0-9_-]{20,}
        | sk-(?:proj-|ant-[a-z0-9]+-|or-v1-|svcacct-)?[A-Za-z0-9_-]{20,}
        | [rs]k_(?:live|test)_[A-Za-z0-9]{16,}
        | (?:AKIA|ASIA)[A-Z0-9]{16} | AIza[A-Za-z0-9_-]{35} | ya29\.[A-Za-z0-9_-]{20,}
        | xox[abprs]-[A-Za-z0-9-]{10,} | npm_[A-Za-z0-9]{36} | pypi-[A-Za-z0-9_-]{50,} | dop_v1_[a-f0-9]{64}
        | eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}
        | SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}
    ) (?![A-Za-z0-9_])
    | -----BEGIN\ (?:[A-Z]+\ )*PRIVATE\ KEY-----
    | (?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,30}://[^\s/:@]+:[^\s/@]+@"""
"""Formats that issuers of keys document, private keys, and URLs with a password."""

_LONGEST = 1 << 16
"""Of a longer text only this much at its start is looked at: keys are short."""
_MOST = 1000
"""Members of a collection that are looked at."""


def suspicious(name: str, value: Any) -> str:
    """What looks like a secret, as a clause: ``cfg['api_key'] looks like a secret``; empty if none does.

    Looks one level into dicts, dataclasses, lists, tuples, sets and plain objects.
    """
    if _looks(name, value):
        return f"{name} looks like a secret"
    for step, key, member in _members(value):
        if _looks(key, member):
            return f"{name}{step} looks like a secret"
    return ""


def without_secrets(args: Sequence[str]) -> list[str]:
    """Arguments of a command line as they may be shown: ``…`` takes the place of what looks like a secret.

    Those that follow a name, as in ``--api-key K`` and ``--api-key=K``, are looked at under it.
    """
    shown: list[str] = []
    before = ""
    for arg in args:
        flag, equals, value = arg.partition("=")
        name = flag.lstrip("-").replace("-", "_") if equals else ""
        if equals and name.isidentifier() and _looks(name, value):
            shown.append(f"{flag}=…")
        else:
            shown.append("…" if _looks(before, arg) else arg)
        before = flag.lstrip("-").replace("-", "_") if arg.startswith("-") and not equals else ""
    return shown


def _looks(name: str, value: Any) -> bool:
    if type(value).__name__ in ("SecretStr", "SecretBytes"):
        return True
    if not isinstance(value, str | bytes | bytearray):
        return False
    start = value[:_LONGEST]
    text = start if isinstance(start, str) else bytes(start).decode("latin-1")
    plain = re.sub(_CAMEL, "_", name)
    if not text.strip() or (plain.lower() == "pwd" and "/" in text):  # the working directory
        return False
    if re.search(_VALUE, text, re.VERBOSE) or re.search(_NAME, plain, re.VERBOSE | re.IGNORECASE):
        return True
    return (
        bool(re.fullmatch(_VAGUE, plain, re.IGNORECASE))
        and len(text) >= 8
        and " " not in text
        and text[0] + text[-1] not in ("<>", "[]")
    )


def _members(value: Any) -> Iterator[tuple[str, str, Any]]:
    if isinstance(value, Mapping) and type(value).__module__ in ("builtins", "collections", "types", "os"):
        for key in itertools.islice(list(value), _MOST):
            if isinstance(key, str):
                yield " (a key)", "", key
                yield f"[{key!r:.60}]", key, value[key]
    elif isinstance(value, list | tuple | set | frozenset):
        for number, member in enumerate(itertools.islice(value, _MOST)):
            yield f"[{number}]" if isinstance(value, list | tuple) else " (a member)", "", member
        if hasattr(value, "_fields"):
            yield from ((f".{field}", field, getattr(value, field)) for field in value._fields)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            if hasattr(value, field.name):
                yield f".{field.name}", field.name, getattr(value, field.name)
    elif isinstance(getattr(value, "__dict__", None), dict) and not isinstance(value, type):
        for key, member in list(vars(value).items())[:_MOST]:
            yield f".{key}", key, member
