"""Writes a payload: what was gathered, with local modules, as one file in the object store."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from sovlab.payload import store as objects
from sovlab.payload.files.luggage import Luggage, Travel, gather_files
from sovlab.payload.gathering import Gathered
from sovlab.runner.values.pack import PackWriter
from sovlab.runner.values.pickling import Sent


class Packed(msgspec.Struct, frozen=True, kw_only=True):
    """A payload in the store.

    Attributes:
        digest: SHA-256 of the pack, in hex.
        path: where it is.
        size: in bytes.
        labels: what cells are called, by the SHA-256 of their source.
        messages: what the user should know: what was withheld or left out.
        variables: what travels, by name: (type, bytes).
        withheld: names that look like secrets and stay here.
        files: paths of local modules and of files beside them, relative.
        sources: where these and the script are on this machine, by path or by that of a folder above.
        script: a script's path as it was said.
        code: marks what is run, see `JobSpec`.
        bytecode: functions and classes that only travel as bytecode, which needs the same Python there.
        bound: names that the code binds.
    """

    digest: str
    path: Path
    size: int
    labels: Mapping[str, str] = {}
    messages: Sequence[str] = ()
    variables: Mapping[str, tuple[str, int]] = {}
    withheld: Sequence[str] = ()
    files: Sequence[str] = ()
    sources: Mapping[str, str] = {}
    script: str = ""
    code: str = ""
    bytecode: Sequence[str] = ()
    bound: Sequence[str] = ()


def _variables(sent: Sequence[Sent]) -> list[Sent]:
    """Those that are variables of the user's, not a call or what a definition holds."""
    return [s for s in sent if s.name.isidentifier() and s.name != "__call__"]


def write_payload(
    gathered: Gathered,
    store: Path,
    *,
    kind: str,
    entry: dict[str, Any],
    segments: Mapping[str, bytes] | None = None,
    imported: set[str] | None = None,
    labels: Mapping[str, str] | None = None,
    messages: Sequence[str] | None = None,
    bound: Sequence[str] = (),
    code: str = "",
    travel: Travel = Travel(),  # noqa: B008 - frozen
) -> Packed:
    """Put a payload into the store, unless it is there.

    Args:
        gathered: definitions, imports and variables.
        store: directory of the object store.
        kind: ``cell``, ``call``, ``script`` or ``notebook``.
        entry: what the runner begins with, as the pack's meta has it.
        segments: further ones, by name: the source.
        imported: modules that the source imports, local or not.
        labels: what cells are called, by the SHA-256 of their source.
        messages: what the user should know, beside what gathering found.
        bound: names that the code binds.
        code: marks what is run, see `JobSpec`.
        travel: where the code is, and what travels beside it.

    Raises:
        CaptureError: something that was gathered cannot travel.
        SovlabError: the store cannot be written.
    """
    import cloudpickle

    luggage: Luggage | None = None

    def build(writer: PackWriter) -> dict[str, Any]:
        for name, data in (segments or {}).items():
            writer.add(name, data)
        sent = gathered.dump(writer)
        nonlocal luggage
        if luggage is None:
            # Only pickling has shown which modules the values need.
            names = {*(imported or ()), *gathered.modules()}
            found = gather_files(names, travel)
            gathered.add_module_state(names, found.modules)
            luggage = found
        described = gathered.definitions.write(writer)
        for name, data in luggage.contents.items():
            writer.add(f"file/{name}", data)
        return {
            "format": "sovlab-payload",
            "version": 1,
            "kind": kind,
            "python": list(sys.version_info[:2]),
            "cloudpickle": cloudpickle.__version__,
            "entry": {**entry, "script": luggage.script} if luggage.script else entry,
            **described,
            "variables": [{"name": s.name, "size": s.size, "type": s.type} for s in _variables(sent)],
            "bytecode": sorted(set(gathered.bytecode)),
            "withheld": sorted(gathered.withheld),
            "files": sorted(luggage.contents),
            **({"links": luggage.links} if luggage.links else {}),
            "future": gathered.future,
            "settings": gathered.settings,
            "data_free": not sent,
        }

    digest, path, size = objects.put(store, build)
    assert luggage is not None  # build has run
    return Packed(
        digest=digest,
        path=path,
        size=size,
        labels={**gathered.labels(), **(labels or {})},
        messages=[*(messages or ()), *gathered.messages, *luggage.messages],
        variables={s.name: (s.type, s.size) for s in _variables(gathered.sent)},
        withheld=sorted(gathered.withheld),
        files=sorted(luggage.contents),
        sources=luggage.sources,
        script=str(travel.script or ""),
        code=code,
        bytecode=sorted(set(gathered.bytecode)),
        bound=bound,
    )
