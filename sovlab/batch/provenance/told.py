"""What an executed notebook and the file beside it tell of a run, checked and bounded, for other programs."""

from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from sovlab.batch.provenance.private import Private
from sovlab.batch.provenance.sidecar import Sidecar
from sovlab.batch.record import plain
from sovlab.batch.recorded import record_of, without_markers
from sovlab.batch.verifying.cells import joined, members
from sovlab.core.energy.report import SOURCE_WORDS
from sovlab.core.untrusted import LATEST, clean

_LONGEST = 300
_MOST = 200
"""Parameters that are listed."""
_PACKAGE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9][A-Za-z0-9.+!_-]*)")
_HASH = re.compile(r"[0-9a-f]{64}")
_INJECTED = "injected-parameters"


@dataclass(frozen=True, slots=True)
class File:
    """A file of a run.

    Attributes:
        path: where it is.
        sha256: of its content.
        size: bytes.
    """

    path: Path
    sha256: str
    size: int

    @classmethod
    def of(cls, path: Path) -> File:
        """The file at a path; raises `OSError` where there is none."""
        data = path.read_bytes()
        return cls(path, hashlib.sha256(data).hexdigest(), len(data))


@dataclass(frozen=True, slots=True)
class Energy:
    """What a run took.

    Attributes:
        joules: J.
        source: ``counter``, ``sampled``, ``attributed`` or ``modelled``.
        method, scope: in words; may be empty.
        coverage: share of the run's time that was measured; None if that is not known.
    """

    joules: float
    source: str
    method: str = ""
    scope: str = ""
    coverage: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A run; what is not known is empty or None.

    Attributes:
        id: of the job.
        sovlab: version that ran it.
        target, status, message: as in the record.
        started, finished: in ISO 8601, UTC.
        kernel, python: that ran the cells.
        wanted: the kernel that the notebook asks for.
        backend, gpus, nodes: of the hardware that was asked for.
        parameters: by name, as in papermill's metadata.
        packages: by name, their versions: of those that the notebook imports.
        image: see `sovlab.batch.provenance.images.parts_of`.
        commit, dirty, remote: of the code.
        cells_sha256: of the sources that ran.
        energy: what was measured.
        output: the executed notebook.
        input: the notebook that was run, if it is still there and has the same cells.
        details: the file beside the notebook, if it is of this run.
    """

    id: str = ""
    sovlab: str = ""
    target: str = ""
    status: str = ""
    message: str = ""
    started: str = ""
    finished: str = ""
    kernel: str = ""
    wanted: str = ""
    python: str = ""
    backend: str = ""
    gpus: int = 0
    nodes: int = 1
    parameters: Mapping[str, Any] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    image: Mapping[str, str] = field(default_factory=dict)
    commit: str = ""
    dirty: bool | None = None
    remote: str = ""
    cells_sha256: str = ""
    energy: Energy | None = None
    output: File
    input: File | None = None
    details: File | None = None

    @property
    def succeeded(self) -> bool:
        """Whether it came to its end."""
        return self.status == "succeeded"


def told(notebook: Mapping[str, Any], path: Path, beside: Sidecar, input_: Path | None) -> Told:
    """What is told of a run; values that cannot be are left out.

    Args:
        notebook: the executed one, of which nothing was checked.
        path: its own.
        beside: the file beside it.
        input_: see `input_of`.
    """
    record = record_of(notebook)
    run, accel, kernel, code, image, lock = (
        members(record.get(key)) for key in ("run", "accel", "kernel", "code", "image", "lock")
    )
    given = members(members(members(notebook.get("metadata")).get("papermill")).get("parameters"))
    lines = lock.get("packages")
    packages = [_PACKAGE.fullmatch(each) for each in _texts(lines)]
    cells = _text(members(record.get("notebook")).get("sha256"))
    return Told(
        id=_text(run.get("id")),
        sovlab=_text(record.get("sovlab")),
        target=_text(run.get("target")),
        status=_text(run.get("status")),
        message=_text(run.get("message")),
        started=_moment(run.get("started")),
        finished=_moment(run.get("finished")),
        kernel=_text(kernel.get("used")) or _text(kernel.get("wanted")),
        wanted=_text(kernel.get("wanted")),
        python=_text(record.get("python")),
        backend=_text(accel.get("backend")),
        gpus=_count(accel.get("gpus"), 0),
        nodes=_count(record.get("nodes"), 1),
        parameters=plain(
            Private.here().cleared(
                {clean(str(name), _LONGEST): value for name, value in list(given.items())[:_MOST] if name}
            )
        ),
        packages={found[1]: found[2] for found in packages if found},
        image={
            key: text
            for key in ("registry", "name", "tag", "digest")
            if (text := _text(image.get(key))) and not set(text) & set(' \n"<>\\^`{|}')
        },
        commit=found if re.fullmatch(r"[0-9a-f]{40,64}", found := _text(code.get("commit"))) else "",
        dirty=dirty if isinstance(dirty := code.get("dirty"), bool) else None,
        remote=_remote(code.get("remote")),
        cells_sha256=cells if _HASH.fullmatch(cells) else "",
        energy=_energy(members(record.get("energy"))),
        output=File.of(path),
        input=File.of(input_) if input_ is not None else None,
        details=File.of(beside.path) if beside.path is not None else None,
    )


def input_of(notebook: Mapping[str, Any], path: Path, read: Any) -> Path | None:
    """The notebook that was run, if it is where papermill had it, or beside the output, with the same cells.

    Args:
        notebook: the executed one.
        path: its own.
        read: reads a notebook at a path; raises where there is none.
    """
    said = members(members(notebook.get("metadata")).get("papermill")).get("input_path")
    if not isinstance(said, str) or not said or "\0" in said or "://" in said or len(said) > 4096:
        return None
    ran = _sources(notebook)
    for place in (Path(said), path.parent / PurePosixPath(said).name):
        try:
            if not place.is_file() or place.samefile(path):
                continue
            if _sources(read(str(place))) == ran:
                return place
        except Exception:  # noqa: S112  # whatever lies there is not what was run
            continue
    return None


def _sources(notebook: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What cells say, without the parameters that papermill has put in."""
    return [
        (joined(cell.get("cell_type")), joined(cell.get("source")).replace("\r\n", "\n"))
        for cell in map(members, without_markers(notebook)["cells"])
        if _INJECTED not in _texts(members(cell.get("metadata")).get("tags"))
    ]


def _energy(said: Mapping[str, Any]) -> Energy | None:
    joules, source, coverage = said.get("joules"), _text(said.get("source")), said.get("coverage")
    known = isinstance(joules, (int, float)) and not isinstance(joules, bool) and 0 <= joules < 1e15
    if not known or source not in SOURCE_WORDS or source == "unavailable":
        return None
    share = isinstance(coverage, (int, float)) and not isinstance(coverage, bool) and 0 <= coverage <= 1
    return Energy(
        float(joules),  # type: ignore[arg-type]
        source,
        _text(said.get("method")),
        _text(said.get("scope")),
        float(coverage) if share else None,  # type: ignore[arg-type]
    )


def _remote(value: object) -> str:
    from sovlab.batch.provenance.commits import public_remote

    text = _text(value)
    return public_remote(text) if re.fullmatch(r"[\x21-\x7e]+", text) else ""


def _moment(value: object) -> str:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value < LATEST:
        return ""
    whole = datetime.datetime.fromtimestamp(int(value), datetime.UTC)
    return whole.isoformat().replace("+00:00", "Z")


def _count(value: object, usual: int) -> int:
    return value if type(value) is int and 0 <= value < 10**6 else usual


def _texts(value: object) -> list[str]:
    return [each for each in value[:1000] if isinstance(each, str)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return " ".join(clean(value, _LONGEST).split()) if isinstance(value, str) else ""
