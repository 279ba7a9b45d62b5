"""What was sent for a job, from its request and its payload; nothing of it is unpickled."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sovlab.core.plan import Sent, SentVariable
from sovlab.core.spec import JobSpec
from sovlab.core.untrusted import DamagedRecord, Part, clean
from sovlab.errors import UsageError
from sovlab.payload.secrets import without_secrets
from sovlab.runner.values.pack import Pack, PackError

if TYPE_CHECKING:
    from sovlab.executors.executor import Executor

MOST = 1000
"""Variables, files, names and arguments that are told, of each."""
MOST_SOURCE = 200_000
"""Characters of the source."""
_TEXT = 500
_LARGEST = 1 << 62
_APART = frozenset(
    {"payload", "resources", "env", "args", "labels", "sources", "code", "deferral", "backend_why", "origin"}
)
"""Fields of a request that are no options, or are told apart."""


def sent(job_id: str, spec: JobSpec | None, executor: Executor) -> Sent:
    """What was sent for a job.

    Args:
        job_id: of the job.
        spec: what its record says of the request; None if it is damaged.
        executor: of its target. What it does not keep is said in a note.

    Raises:
        ExecutorError: it does not answer.
    """
    notes: list[str] = []
    path: Path | None = None
    try:
        spec, path = executor.request(job_id)
    except UsageError as error:
        notes.append(str(error))
    base = Sent(digest="", notes=tuple(notes)) if spec is None else _requested(spec, notes)
    if path is None:
        return base
    try:
        return _packed(base, Pack(path))
    except FileNotFoundError:
        why = (
            "Its payload is not on this machine: it was submitted from another, or is in the target's store."
        )
    except (PackError, DamagedRecord, RecursionError, OSError) as error:
        why = f"Its payload cannot be read: {clean(str(error), _TEXT)}."
    return dataclasses.replace(base, notes=(*base.notes, why))


def _requested(spec: JobSpec, notes: list[str]) -> Sent:
    return Sent(
        digest=spec.payload,
        options=_options(spec),
        env=tuple(clean(name, _TEXT) for name in sorted(spec.env)[:MOST]),
        args=tuple(clean(arg, _TEXT) for arg in without_secrets(spec.args[:MOST])),
        notes=tuple(notes),
    )


def _options(spec: JobSpec) -> dict[str, str]:
    """Options in words, without those that are as they are where nothing is said."""
    found = {"name": spec.name, "kind": str(spec.kind), "backend": spec.backend}
    values: list[tuple[dataclasses.Field[Any], Any]] = []
    for part in (spec, spec.resources):
        values += [(field, getattr(part, field.name)) for field in dataclasses.fields(part)]
    for field, value in values:
        if field.name in found or field.name in _APART or value == field.default or value in ((), ""):
            continue
        found[field.name] = clean(", ".join(value) if isinstance(value, tuple) else f"{value}", _TEXT)
    return found


def _packed(base: Sent, pack: Pack) -> Sent:
    meta = Part("", pack.meta)
    source, cut = "", 0
    if "source" in pack:
        whole = bytes(pack.segment("source")).decode("utf-8", "replace")
        source, cut = whole[:MOST_SOURCE], max(len(whole) - MOST_SOURCE, 0)
    python = meta.items("python", 2, lambda _, value: str(value) if type(value) is int else "?")
    return dataclasses.replace(
        base,
        source=source,
        cut=cut,
        size=pack.size,
        python=".".join(python),
        variables=meta.items("variables", MOST, _variable),
        withheld=meta.items("withheld", MOST, _text),
        files={name: _size(pack, name) for name in meta.items("files", MOST, _text)},
        notes=(*base.notes, *_left_out(pack.meta)),
    )


def _left_out(meta: Mapping[str, Any]) -> list[str]:
    return [
        f"Of {len(meta[key])} {key} the first {MOST} are shown."
        for key in ("variables", "files", "withheld")
        if isinstance(meta.get(key), list) and len(meta[key]) > MOST
    ]


def _variable(name: str, value: Any) -> SentVariable:
    part = Part(name, value)
    return SentVariable(
        name=part.text("name", _TEXT),
        type=part.text("type", _TEXT),
        size=part.whole("size", 0, _LARGEST) or 0,
    )


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise DamagedRecord(f"{name} has something that is not text")
    return clean(value, _TEXT)


def _size(pack: Pack, name: str) -> int:
    try:
        return pack.span(f"file/{name}")[1]
    except (KeyError, TypeError, ValueError):
        return 0
