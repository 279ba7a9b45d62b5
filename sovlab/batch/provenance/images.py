"""Names of container images, taken apart."""

from __future__ import annotations

import re
from typing import Any

from sovlab.core.untrusted import clean

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TAG = re.compile(r"[\w][\w.-]{0,127}")


def parts_of(image: str) -> dict[str, Any]:
    """``registry``, ``name``, ``tag`` and ``digest`` of an image; what it lacks is not in it.

    Without a registry it is Docker's, as container runtimes have it; without tag and digest it is ``latest``.
    """
    rest, _, digest = clean(image, 300).partition("@")
    if not rest.strip():
        return {}
    first, slash, name = rest.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, name = "docker.io", rest if slash else f"library/{rest}"
    base, colon, tag = name.rpartition(":")
    if not colon or not _TAG.fullmatch(tag):
        base, tag = name, ""
    digest = digest if _DIGEST.fullmatch(digest) else ""
    tag = tag or ("" if digest else "latest")
    known = {"registry": first, "name": base, "tag": tag, "digest": digest}
    return {key: value for key, value in known.items() if value}
