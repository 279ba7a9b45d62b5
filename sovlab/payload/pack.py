"""Builds payloads: a cell, a call or a script, with all that it needs, as one file in the object store."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sovlab.errors import CaptureError, SpecError
from sovlab.payload import capture, modules
from sovlab.payload import store as objects
from sovlab.payload.gathering import Gathered, gather
from sovlab.runner.values.pack import PackWriter
from sovlab.runner.values.pickling import Sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A payload in the store.

    Attributes:
        digest: SHA-256 of the pack, in hex.
        path: where it is.
        size: in bytes.
        labels: what cells are called, by the SHA-256 of their source.
        messages: what the user should know: what was withheld or left out.
        variables: what travels, by name: (type, bytes).
        withheld: names that look like secrets and stay here.
        files: paths of local modules, relative.
        bytecode: functions and classes that only travel as bytecode, which needs the same Python there.
        bound: names that the code binds.
    """

    digest: str
    path: Path
    size: int
    labels: Mapping[str, str] = field(default_factory=dict)
    messages: Sequence[str] = ()
    variables: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    withheld: Sequence[str] = ()
    files: Sequence[str] = ()
    bytecode: Sequence[str] = ()
    bound: Sequence[str] = ()


def build_cell(
    source: str,
    namespace: Mapping[str, Any],
    *,
    store: Path,
    label: str = "",
    send: Sequence[str] | None = None,
    outputs: Sequence[str] = (),
    directory: Path | None = None,
) -> Packed:
    """A cell with the variables, definitions and local modules that it needs.

    Args:
        source: the cell, byte for byte.
        namespace: the notebook's variables.
        store: directory of the object store.
        label: what the cell is called, e.g. ``In[7]``.
        send: names to send (``--in``): of the variables that the cell itself reads just these, whatever
            their size and their look; None sends those it reads. Definitions, what they read, and
            imports always travel.
        outputs: names wanted back; one that nothing binds is worth a message.
        directory: where local modules are looked for first; None is the working directory.

    Raises:
        SyntaxError: the cell's own.
        CaptureError: something it reads cannot travel, or ``send`` names what is not there.
    """
    cell = capture.read_cell(source, f"Cell {label}".rstrip(), outputs)
    for name in send or ():
        if name not in namespace:
            raise CaptureError(
                f"--in names {name!r}, which is not defined in this notebook.",
                capture.did_you_mean(name, namespace).strip() or "Define it in a cell before this one.",
            )
    gathered = gather(namespace, cell, send)
    messages = capture.undefined(cell, namespace)
    for name in outputs:
        if name not in cell.names.binds and name not in gathered.variables:
            hint = capture.did_you_mean(name, cell.names.binds)
            messages.append(f"--out names {name}, which the cell does not bind.{hint}")
    return _finish(
        gathered,
        store,
        kind="cell",
        entry={"cell": cell.key},
        segments={"source": cell.data},
        imported=modules.imports_in(cell.tree),
        labels={cell.key: label} if label else {},
        messages=messages,
        bound=sorted(cell.names.binds),
        directory=directory,
    )


def build_call(
    function: Callable[..., Any],
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    store: Path,
    directory: Path | None = None,
) -> Packed:
    """``function(*args, **kwargs)``. What is passed travels whatever its size and its look.

    Raises:
        CaptureError: the function, an argument or something that it reads cannot travel.
    """
    namespace = _main_of(function)
    call = (function, tuple(args), dict(kwargs or {}))
    gathered = gather(namespace, None, None, explicit={"__call__": call})
    return _finish(gathered, store, kind="call", entry={"call": True}, directory=directory)


def build_script(path: Path, *, store: Path) -> Packed:
    """A Python file with the local modules that it imports.

    Raises:
        SpecError: there is no such file, or it cannot be read.
        SyntaxError: the script's own.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise SpecError(f"There is no file {path}.", "Give the path of a Python file.") from None
    except OSError as error:
        raise SpecError(
            f"The script {path} cannot be read: {error.strerror}.", "Give the path of a Python file."
        ) from None
    script = capture.read_script(data, path.name)
    return _finish(
        gather({}, None, None),
        store,
        kind="script",
        entry={"script": path.name},
        segments={"source": data},
        imported=modules.imports_in(script.tree),
        labels={script.key: path.name},
        bound=sorted(script.names.binds),
        directory=path.resolve().parent,
    )


def _main_of(function: Callable[..., Any]) -> Mapping[str, Any]:
    inner: Any = function
    while hasattr(inner, "__wrapped__") or hasattr(inner, "func"):
        inner = getattr(inner, "__wrapped__", None) or inner.func
    inner = getattr(inner, "__func__", inner)
    if getattr(inner, "__module__", None) == "__main__" and hasattr(inner, "__globals__"):
        return inner.__globals__  # type: ignore[no-any-return]  # a notebook's, whoever is sys.modules["__main__"]
    return vars(sys.modules["__main__"])


def _variables(sent: Sequence[Sent]) -> list[Sent]:
    """Those that are variables of the user's, not a call or what a definition holds."""
    return [s for s in sent if s.name.isidentifier() and s.name != "__call__"]


def _finish(
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
    directory: Path | None = None,
) -> Packed:
    import cloudpickle

    local: modules.LocalFiles | None = None
    contents: dict[str, bytes] = {}

    def build(writer: PackWriter) -> dict[str, Any]:
        for name, data in (segments or {}).items():
            writer.add(name, data)
        sent = gathered.dump(writer)
        nonlocal local
        if local is None:
            # Only pickling has shown which modules the values need.
            local = modules.collect({*(imported or ()), *gathered.modules()}, directory or Path.cwd())
            contents.update(local.read())
        described = gathered.definitions.write(writer)
        for name, data in contents.items():
            writer.add(f"file/{name}", data)
        return {
            "format": "sovlab-payload",
            "version": 1,
            "kind": kind,
            "python": list(sys.version_info[:2]),
            "cloudpickle": cloudpickle.__version__,
            "entry": entry,
            **described,
            "variables": [{"name": s.name, "size": s.size, "type": s.type} for s in _variables(sent)],
            "bytecode": sorted(set(gathered.bytecode)),
            "withheld": sorted(gathered.withheld),
            "files": sorted(contents),
            "future": gathered.future,
            "data_free": not sent,
        }

    digest, path, size = objects.put(store, build)
    return Packed(
        digest=digest,
        path=path,
        size=size,
        labels={**gathered.labels(), **(labels or {})},
        messages=[*(messages or ()), *gathered.messages, *(local.messages if local is not None else ())],
        variables={s.name: (s.type, s.size) for s in _variables(gathered.sent)},
        withheld=sorted(gathered.withheld),
        files=sorted(contents),
        bytecode=sorted(set(gathered.bytecode)),
        bound=bound,
    )
