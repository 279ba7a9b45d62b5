"""How objects are sent: plainly, as metadata only, or as rows of a table for kubectl."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tests.kube.apiserver.objects.store import Entry
from tests.kube.apiserver.protocol.kinds import Kind

from . import tables

_META = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}


class Representation:
    """One of the ways to send objects of a kind.

    Args:
        kind: of the objects.
        accept: the Accept header.
        wide: what `includeObject` asks for in a table.
    """

    def __init__(self, kind: Kind, accept: str, include: str = "") -> None:
        self._kind = kind
        self._include = include
        self._as = ""
        for part in accept.split(","):
            options = dict(item.strip().partition("=")[::2] for item in part.split(";")[1:])
            if part.split(";")[0].strip() not in ("application/json", "*/*", "application/*"):
                continue
            if options.get("as") in ("Table", "PartialObjectMetadata", "PartialObjectMetadataList"):
                self._as = options["as"].removesuffix("List")
            break

    def one(self, entry: Entry) -> bytes:
        """A single object."""
        if self._as == "Table":
            return tables.table(self._kind, [entry], self._include, str(entry.rv))
        if self._as:
            return msgspec.json.encode({**_META, "metadata": entry.obj["metadata"]})
        return entry.full

    def many(self, entries: Sequence[Entry], metadata: dict[str, Any]) -> bytes:
        """A list."""
        if self._as == "Table":
            return tables.table(self._kind, entries, self._include, metadata["resourceVersion"], metadata)
        if self._as:
            items = [{**_META, "metadata": entry.obj["metadata"]} for entry in entries]
            head = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
            return msgspec.json.encode({**head, "metadata": metadata, "items": items})
        kind = self._kind
        head = (
            f'{{"kind":"{kind.kind}List","apiVersion":"{kind.api_version}","metadata":'.encode()
            + msgspec.json.encode(metadata)
            + b',"items":['
        )
        return head + b",".join([entry.item for entry in entries]) + b"]}\n"

    def event(self, word: str, entry: Entry) -> bytes:
        """An event of a watch."""
        return f'{{"type":"{word}","object":'.encode() + self.one(entry).rstrip() + b"}\n"

    def bookmark(self, rv: int, *, initial: bool = False) -> bytes:
        """An event that only says how far the watch has come."""
        metadata: dict[str, Any] = {"resourceVersion": str(rv)}
        if initial:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        if self._as == "Table":
            empty = msgspec.json.decode(tables.table(self._kind, [], self._include, str(rv)))
            return msgspec.json.encode({"type": "BOOKMARK", "object": empty}) + b"\n"
        head = _META if self._as else {"kind": self._kind.kind, "apiVersion": self._kind.api_version}
        rest: dict[str, Any] = {}
        if not self._as and self._kind.plural == "pods":
            rest = {"spec": {"containers": None}, "status": {}}
        elif not self._as and self._kind.plural == "jobs":
            rest = {"spec": {"template": {"metadata": {}, "spec": {"containers": None}}}, "status": {}}
        return (
            msgspec.json.encode({"type": "BOOKMARK", "object": {**head, "metadata": metadata, **rest}})
            + b"\n"
        )
