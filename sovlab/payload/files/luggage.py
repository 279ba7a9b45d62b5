"""The files of a payload: local modules and what is read beside them, each with its place in the job."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from sovlab.payload.files import modules


class Travel(msgspec.Struct, frozen=True):
    """Where code is, and what travels beside it.

    Attributes:
        directory: where local modules are looked for first; None is the working directory.
        script: the script, as it was said; None if there is none.
        files: what is named with ``--file``.
        named: finds what the code names in the working directory, each with who does so, and what the job
            will not have, a sentence each; asked only if the job does not see that directory.
        shared: whether the job sees the files of this machine under their paths.
    """

    directory: Path | None = None
    script: Path | None = None
    files: Sequence[str] = ()
    named: Callable[[Path], tuple[dict[Path, str], list[str]]] | None = None
    shared: bool = False


class Luggage(msgspec.Struct):
    """The files of a payload.

    Attributes:
        contents: path in the payload → content.
        sources: where they and the script are on this machine, by path or by that of a folder above.
        script: path of the script in the payload, if it has another than its name.
        links: path from the working directory → path in the payload, of what was named,
            with ``--file`` or by a notebook.
        modules: absolute paths of the local modules.
        messages: what was left out, one sentence each.
    """

    contents: dict[str, Any] = {}
    sources: dict[str, str] = {}
    script: str = ""
    links: dict[str, str] = {}
    modules: Sequence[str] = ()
    messages: list[str] = []


def gather_files(imported: Iterable[str], travel: Travel) -> Luggage:
    """The files that travel.

    Args:
        imported: modules that the code imports, local or not.
        travel: where it is, and what was named.

    Raises:
        CaptureError: one cannot be read, or has no place beside the code.
    """
    cwd = Path.cwd()
    named: list[Path] = []
    if travel.files:
        # What finds files beside the code is not needed by who has none: the most.
        from sovlab.payload.files import beside

        named = beside.check_named(travel.files, cwd)
    local = modules.collect(imported, travel.directory or cwd)
    luggage = Luggage(sources=local.sources(), messages=local.messages, modules=local.modules())
    if travel.script is not None:
        luggage.sources[travel.script.name] = os.path.abspath(travel.script)  # noqa: PTH100 - a link stays one
    if travel.shared:
        luggage.contents.update(local.read())
    else:
        _take_along(luggage, local, named, travel, cwd)
    return luggage


def _take_along(
    luggage: Luggage, local: modules.LocalFiles, named: Sequence[Path], travel: Travel, cwd: Path
) -> None:
    bases = [travel.directory or cwd]
    if travel.script is not None:
        bases.append(Path(luggage.sources[travel.script.name]).parent)
    from sovlab.payload.files import beside

    by_cells: dict[Path, str] = {}
    found = beside.read_by(local, travel.script, cwd)
    if travel.named is not None:
        by_cells, messages = travel.named(cwd)
        found = {**by_cells, **found}
        luggage.messages += messages
    prefix = ""
    if cwd not in bases and any(not beside.below(path, bases) for path in (*named, *found)):
        # The tree of the working directory, if the code is in it: then all keep their places to each other.
        prefix = next((f"{p}/" for p in (beside.below(base, [cwd]) for base in bases) if p), "")
    if prefix and travel.script is not None:
        luggage.script = prefix + travel.script.name
    names = {}
    for name, path in local.files.items():
        is_beside = prefix and any(path == base / name for base in bases)
        names[name] = prefix + name if is_beside else name
    bases = [cwd] if prefix else bases
    chosen = beside.named_files(named, bases, cwd)
    less = beside.small(found, bases, [*names.values(), *chosen.files, luggage.script])
    luggage.contents.update({names[name]: data for name, data in local.read()})
    for name, path in sorted({**less.files, **chosen.files}.items()):
        luggage.contents.setdefault(name, beside.mapped(path))
    luggage.links = chosen.links
    for path in by_cells:
        name = beside.below(path, bases)
        if (
            name
            and path.is_relative_to(cwd)
            and (name in less.files or any(p.startswith(f"{name}/") for p in less.files))
        ):
            luggage.links.setdefault(path.relative_to(cwd).as_posix(), name)
    luggage.messages += less.messages
