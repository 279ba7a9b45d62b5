"""The payload's files in a directory of the job: where they are put, and what the job wrote among them."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from sovlab.runner.protocol.notebook_run import FOLDER
from sovlab.runner.values.pack import Pack, PackWriter

_STATE = ".unpacked.json"
_CACHES = ("__pycache__", ".ipynb_checkpoints")
_NAMED = 10
MOST = 1 << 30
"""Bytes of files that go back with the results."""


class Outside(Exception):
    """A path in the payload leads out of the job's directory."""


def unpack(pack: Pack, directory: str, more: Optional[Mapping[str, str]] = None) -> None:
    """Put the files of a payload into a directory; made once, by whichever rank is first.

    Args:
        pack: the payload.
        directory: where; nothing happens if it is there, or there are no files.
        more: segments that are files too, by their paths.

    Raises:
        Outside: a path leads elsewhere.
        OSError: it cannot be written.
    """
    names = {name[len("file/") :]: name for name in pack.names() if name.startswith("file/")}
    names = {**(more or {}), **names}
    if not names or os.path.isdir(directory):
        return
    temporary = f"{directory}.{os.getpid()}"
    for relative, segment in names.items():
        parts = relative.split("/")
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            raise Outside(relative)
        path = os.path.join(temporary, *parts)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(pack.segment(segment))
    try:
        with open(f"{directory}{_STATE}", "w") as file:
            json.dump(dict(_states(temporary)), file)
        os.rename(temporary, directory)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)
        if not os.path.isdir(directory):
            raise


def link(directory: str, workdir: str, links: Mapping[str, str]) -> None:
    """Let files be found from the working directory as on the submitter's machine, unless it has them.

    Args:
        directory: of the files.
        workdir: the working directory of the code.
        links: path from the working directory → path among the files.
    """
    for here, there in links.items():
        path = os.path.join(workdir, *here.split("/"))
        if os.path.lexists(path) or ".." in here.split("/"):
            continue
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.symlink(os.path.join(directory, *there.split("/")), path)
        except OSError:
            continue  # another rank was first, or it cannot be written: it is beside the code all the same


def add_written(writer: PackWriter, directory: str) -> Dict[str, Any]:
    """Put what is new or other in a directory that `unpack` made into a pack, as far as there is room.

    Returns:
        ``files``, paths and bytes of what is in the pack, and ``left``, of what is not.
    """
    files, left, room = [], [], MOST
    for name, size in sorted(written(directory), key=lambda file: file[1]):
        path = os.path.join(directory, *name.split("/"))
        try:
            with open(path, "rb") as file:
                if size > room:
                    raise OSError("there is no room")
                segment = writer.stream(f"file/{name}")
                shutil.copyfileobj(file, segment, 1 << 20)
                segment.close()
        except OSError:
            left.append([name, size])
            continue
        room -= size
        files.append([name, size])
    return {"files": sorted(files), "left": sorted(left)}


def write_pack(path: str, directory: str) -> Dict[str, Any]:
    """Write a results pack of a job that left no other: with what it wrote. As `add_written`."""
    temporary = f"{path}.tmp"
    with open(temporary, "wb") as file, PackWriter(file, hashing=False) as writer:
        found = add_written(writer, directory)
        writer.finish({"format": "sovlab-results", "version": 1, "names": [], "outputs": [], "beside": found})
    os.rename(temporary, path)
    return found


def sentence(found: Mapping[str, Any]) -> str:
    """What to say of files that were written beside the code; empty if there are none."""
    files, left = ([file for file in found[key] if not _of_run(file[0])] for key in ("files", "left"))
    told = []
    if files:
        verb = "comes" if len(files) == 1 else "come"
        told.append(
            f"Written beside the code, {_listed(files)} {verb} back: sovlab.job(…).files() has the paths."
        )
    if left:
        verb = "is" if len(left) == 1 else "are"
        told.append(
            f"Written beside the code, {_listed(left)} {verb} too large to come back and lost: write what "
            "must stay to sovlab.checkpoint.directory, or to a volume."
        )
    return " ".join(told)


def names(found: Mapping[str, Any]) -> List[str]:
    """The first paths of what goes back, for the exit record."""
    return [name[:200] for name, _ in found["files"] if not _of_run(name)][:_NAMED]


def _of_run(name: str) -> bool:
    """Whether a file is what a notebook's run leaves, not what its cells wrote."""
    return name.startswith(f"{FOLDER}/")


def _listed(files: List[List[Any]]) -> str:
    names = ", ".join(name for name, _ in files[:5])
    return names + (f" and {len(files) - 5} more" if len(files) > 5 else "")


def written(directory: str) -> List[Tuple[str, int]]:
    """What is new or other in a directory that `unpack` made, without caches: paths with ``/``, and bytes."""
    try:
        with open(f"{directory}{_STATE}") as file:
            before: Dict[str, Any] = json.load(file)
    except (OSError, ValueError):
        before = {}
    return sorted((name, state[0]) for name, state in _states(directory) if before.get(name) != state)


def _states(directory: str) -> Iterator[Tuple[str, List[int]]]:
    for folder, folders, names in os.walk(directory):
        folders[:] = [name for name in folders if name not in _CACHES]
        for name in names:
            path = os.path.join(folder, name)
            try:
                status = os.stat(path)
            except OSError:
                continue
            relative = os.path.relpath(path, directory).replace(os.sep, "/")
            yield relative, [status.st_size, status.st_mtime_ns, status.st_ino]
