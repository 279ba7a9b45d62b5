"""Images: which there are, which a node has already, and how a pull that fails is tried again."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable


def full_name(image: str) -> str:
    """The reference as a registry's client writes it."""
    name, _, digest = image.partition("@")
    first, slash, _ = name.partition("/")
    if not slash:
        name = f"docker.io/library/{name}"
    elif "." not in first and ":" not in first and first != "localhost":
        name = f"docker.io/{name}"
    if digest:
        return f"{name}@{digest}"
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


class Images:
    """The registry, and what each node has of it.

    Args:
        known: patterns of the images that exist; None is all whose name does not have `missing` in it.
    """

    def __init__(self, known: Iterable[str] | None) -> None:
        self.known = None if known is None else list(known)
        self._present: set[tuple[str, str]] = set()

    def exists(self, image: str) -> bool:
        """Whether a pull would succeed."""
        if self.known is None:
            return "missing" not in image
        return any(fnmatch.fnmatchcase(image, pattern) for pattern in self.known)

    def present(self, node: str, image: str) -> bool:
        """Whether the node has it."""
        return (node, full_name(image)) in self._present

    def pull(self, node: str, image: str) -> str:
        """Pulls; what the runtime says if it fails."""
        if self.exists(image):
            self._present.add((node, full_name(image)))
            return ""
        full = full_name(image)
        return (
            f'failed to pull and unpack image "{full}": failed to resolve '
            f'reference "{full}": {full}: not found'
        )
