"""The pack: one immutable file of named segments, for payloads and for results.

Layout::

    "SOVPACK1"                         8 bytes
    segment, padding to 64 bytes       … (alignment lets arrays be used where they lie)
    index, JSON in UTF-8               {"meta": {...}, "segments": {name: [offset, size]}}
    offset and length of the index     2 × 8 bytes, little endian
    "SOVPACK1"                         8 bytes

The name of a pack is the digest of the whole file (`sovlab.runner.values.hashing`). A reader maps the
file privately (copy on write), so that a tensor in it is not copied and may still be changed.
"""

from __future__ import annotations

import json
import mmap
import os
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Tuple, Union

if TYPE_CHECKING:
    from sovlab.runner.values.hashing import BlockHash

MAGIC = b"SOVPACK1"
ALIGNMENT = 64
_CHUNK = 4 << 20
_FOOTER = 16 + len(MAGIC)

Buffer = Union[bytes, bytearray, memoryview]


class PackError(Exception):
    """The file is not a pack, or is damaged."""


class PackWriter:
    """Writes a pack to an open binary file, or only computes its digest if the file is None.

    From the second block on, threads hash beside the writing; nothing is copied, so what is added must
    stay as it is until `finish`. Use it as a context manager, or call `close`: an abandoned writer
    leaves its threads waiting.

    Args:
        file: has a ``write`` that writes all it is given, as a buffered file has.
        hashing: False leaves the digest out, to learn only the size.
    """

    def __init__(self, file: Any, *, hashing: bool = True) -> None:
        self._file = file
        self._hash: Optional[BlockHash] = None
        if hashing:
            # A job writes its results without: what hashing imports is a tenth of its start.
            from sovlab.runner.values.hashing import BlockHash

            self._hash = BlockHash()
        self._segments: Dict[str, Tuple[int, int]] = {}
        self._offset = 0
        self._put(MAGIC)

    def __enter__(self) -> PackWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._offset

    def add(self, name: str, *buffers: Buffer) -> None:
        """Append a segment made of ``buffers`` joined; names are unique."""
        if name in self._segments:
            raise ValueError(f"two segments named {name!r}")
        self._put(b"\0" * (-self._offset % ALIGNMENT))
        start = self._offset
        for buffer in buffers:
            view = memoryview(buffer)
            self._put(view if view.format == "B" and view.ndim == 1 else view.cast("B"))
        self._segments[name] = (start, self._offset - start)

    def stream(self, name: str) -> SegmentStream:
        """A file to write the segment ``name`` to; nothing else may be added until it is closed."""
        if name in self._segments:
            raise ValueError(f"two segments named {name!r}")
        self._put(b"\0" * (-self._offset % ALIGNMENT))
        return SegmentStream(self, name)

    def finish(self, meta: Dict[str, Any]) -> str:
        """Write the index; the digest of the whole, in hex, empty without hashing."""
        start = self._offset
        index = json.dumps({"meta": meta, "segments": self._segments}, sort_keys=True, separators=(",", ":"))
        self._put(index.encode())
        self._put(start.to_bytes(8, "little") + (self._offset - start).to_bytes(8, "little") + MAGIC)
        return self._hash.digest() if self._hash is not None else ""

    def close(self) -> None:
        """End the hashing threads. The file stays open: it is the caller's."""
        if self._hash is not None:
            self._hash.close()

    def _put(self, data: Buffer) -> None:
        view = memoryview(data)
        for start in range(0, len(view), _CHUNK):
            chunk = view[start : start + _CHUNK]
            if self._hash is not None:
                self._hash.update(chunk)
            if self._file is not None:
                self._file.write(chunk)
        self._offset += len(view)


class SegmentStream:
    """The segment that is being written; what `pickle.Pickler` takes for a file."""

    def __init__(self, writer: PackWriter, name: str) -> None:
        self._writer = writer
        self._name = name
        self._start = writer.size

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._writer.size - self._start

    def write(self, data: Buffer) -> int:
        """Append ``data``."""
        with memoryview(data) as view:
            self._writer._put(view)
            return view.nbytes

    def close(self) -> None:
        """End the segment."""
        self._writer._segments[self._name] = (self._start, self.size)


class Pack:
    """A pack opened for reading. Its memory lives as long as any view of it."""

    def __init__(self, path: Union[str, os.PathLike[str]]) -> None:
        self.path = os.fspath(path)
        with open(self.path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < len(MAGIC) + _FOOTER:
                raise PackError(f"{self.path} is too short to be a pack")
            self._view = _map_privately(file.fileno())
        footer = bytes(self._view[-_FOOTER:])
        start, length = (int.from_bytes(footer[i : i + 8], "little") for i in (0, 8))
        if (
            footer[16:] != MAGIC
            or bytes(self._view[: len(MAGIC)]) != MAGIC
            or start + length + _FOOTER != size
        ):
            raise PackError(f"{self.path} is not a pack, or was truncated")
        try:
            index = json.loads(bytes(self._view[start : start + length]))
            self.meta: Dict[str, Any] = index["meta"]
            self._segments: Dict[str, List[int]] = index["segments"]
        except (ValueError, KeyError, TypeError) as error:
            raise PackError(f"the index of {self.path} is damaged") from error
        self.size = size

    def __contains__(self, name: str) -> bool:
        return name in self._segments

    def names(self) -> Iterator[str]:
        """Segment names, in no order."""
        return iter(self._segments)

    def segment(self, name: str, memory: Optional[memoryview] = None) -> memoryview:
        """The bytes of a segment, writable, not copied. Raises `KeyError`.

        Args:
            name: as in `names`.
            memory: what `private` returned, to take the bytes from; None takes them from the shared mapping.
        """
        start, size = self._segments[name]
        return (self._view if memory is None else memory)[start : start + size]

    def span(self, name: str) -> Tuple[int, int]:
        """Where a segment lies in the file: offset and size in bytes. Raises `KeyError`."""
        start, size = self._segments[name]
        return start, size

    def private(self) -> memoryview:
        """The whole file as memory of the caller alone: what is changed in it nobody else sees."""
        with open(self.path, "rb") as file:
            return _map_privately(file.fileno())

    def digest(self) -> str:
        """The digest of the whole file, in hex: see `sovlab.runner.values.hashing`."""
        from sovlab.runner.values.hashing import BlockHash

        hashing = BlockHash()
        hashing.update(self._view)
        return hashing.digest()


def _map_privately(descriptor: int) -> memoryview:
    # Without NORESERVE a pack of more than the free memory could not be mapped, though only what is
    # written to in it ever takes any.
    flags = mmap.MAP_PRIVATE | getattr(mmap, "MAP_NORESERVE", 0)
    return memoryview(mmap.mmap(descriptor, 0, flags=flags, prot=mmap.PROT_READ | mmap.PROT_WRITE))


def merge(failed: str, first: str) -> None:
    """Put the exception that one rank left in ``failed`` beside the outputs and files of the first rank."""
    source = Pack(failed)
    other = Pack(first) if os.path.exists(first) else None
    kept: Dict[str, Any] = {"outputs": []}
    if other is not None:
        kept.update((key, other.meta[key]) for key in ("outputs", "beside") if key in other.meta)
    temporary = f"{os.path.splitext(first)[0]}.tmp"
    with open(temporary, "wb") as file, PackWriter(file, hashing=False) as writer:
        for name in source.names():
            writer.add(name, source.segment(name))
        if other is not None:
            for name in other.names():
                if name.startswith("file/"):
                    writer.add(name, other.segment(name))
        writer.finish({**source.meta, **kept})
    os.rename(temporary, first)
