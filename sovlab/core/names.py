"""Names of jobs: what people call them, and the durable id made from it."""

from __future__ import annotations

import re
import secrets
import unicodedata

from sovlab.errors import SpecError

MAX_ID = 46
"""Longest job id: the longest names of pods, ``<id>-node-0-<index>-<5 letters>``, must stay DNS labels."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32: nothing to mistake for another
_SUFFIX = 6
_JOB_ID = rf"[a-z][a-z0-9-]{{0,{MAX_ID - _SUFFIX - 2}}}-[{_ALPHABET}]{{{_SUFFIX}}}"


def slug(name: str) -> str:
    """``name`` as the first part of a DNS label; ``job`` if nothing of it can be kept."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    kept = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    kept = kept[: MAX_ID - _SUFFIX - 1].rstrip("-")
    if not kept:
        return "job"
    return kept if kept[0].isalpha() else f"j-{kept}"[: MAX_ID - _SUFFIX - 1]


def new_job_id(name: str) -> str:
    """A fresh id for a job called ``name``: its slug and 30 random bits, a DNS label (RFC 1123)."""
    return f"{slug(name)}-{''.join(secrets.choice(_ALPHABET) for _ in range(_SUFFIX))}"


def is_job_id(text: str) -> bool:
    """Whether ``text`` has the form of a job id, and so is safe as a file or object name."""
    return bool(re.fullmatch(_JOB_ID, text))


def check_name(name: str) -> str:
    """``name`` as it will be shown, with its spaces folded.

    Raises:
        SpecError: it is empty, longer than 100 characters, or holds control characters.
    """
    shown = " ".join(name.split())
    if not shown:
        raise SpecError("A job's name must not be empty.", "Leave out --name, or give a name.")
    if len(shown) > 100:
        raise SpecError(f"The job name {shown[:20]!r}… has {len(shown)} characters.", "Use at most 100.")
    if not shown.isprintable() and any(unicodedata.category(c).startswith("C") for c in shown):
        raise SpecError(f"The job name {shown!r} contains a control character.", "Remove it.")
    return shown
