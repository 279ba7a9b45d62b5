"""Where a payload's files are, and a script or module as ``__main__``, as ``python`` would have it."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import Any, Dict, NamedTuple, Optional

from sovlab.runner.execution import files
from sovlab.runner.execution.snapshot import Loader, Snapshot, start_processes_with
from sovlab.runner.protocol.order import Order
from sovlab.runner.values.pack import Pack

_MAIN = """\
import sys
{runner!r} in sys.path or sys.path.append({runner!r})
from sovlab.runner.execution import mains
mains.again(globals(), {payload!r}, {sources!r}, {files!r}, {entry!r})
"""
"""What a process that `multiprocessing` starts runs as its ``__main__``."""


class Place(NamedTuple):
    """Where a payload's files are.

    Attributes:
        directory: of the job, with the files, or, if they are where the user has them, only in name.
        entry: what the runner begins with.
        script: path of the script, or of the module if its file was sent; empty for others.
        source: what was submitted of it; None if the file itself is that.
        snapshot: what was submitted of modules that are where the user has them.
    """

    directory: str
    entry: Dict[str, Any]
    script: str = ""
    source: Optional[bytes] = None
    snapshot: Optional[Snapshot] = None


def place(pack: Pack, order: Order, hooks: Dict[str, Any]) -> Place:
    """Put the payload's files where the code looks for them, and set ``sys.path`` and ``sys.argv``.

    Args:
        pack: the payload.
        order: of the job.
        hooks: what is to be done with modules when they are imported; added to.

    Raises:
        PayloadError: a file would be outside of the job's directory.
    """
    directory = os.path.join(order.scratch, "files")
    entry: Dict[str, Any] = pack.meta["entry"] if order.kind == "script" else {}
    if order.sources:
        found = _shared(pack, order.sources, directory, entry)
        main = os.path.join(order.scratch, "main.py")
        hooks["multiprocessing.spawn"] = start_processes_with(lambda: _write_main(main, order, found))
    else:
        found = _unpacked(pack, order, directory, entry)
    _set_path(found, order)
    return found


def _shared(pack: Pack, sources: Dict[str, str], directory: str, entry: Dict[str, Any]) -> Place:
    snapshot = Snapshot(pack, sources, directory)
    script = sources.get(entry.get("script", ""), "")
    source = None
    if script:
        snapshot.add(script, "source")
        source = bytes(pack.segment("source"))
    snapshot.install()
    return Place(directory, entry, script, source, snapshot)


def _unpacked(pack: Pack, order: Order, directory: str, entry: Dict[str, Any]) -> Place:
    from sovlab.runner.execution.program import PayloadError

    script = entry.get("script", "")
    try:
        files.unpack(pack, directory, {script: "source"} if script else None)
    except files.Outside as error:
        raise PayloadError(
            f"The payload contains a file with the path {str(error)!r}, outside of its own directory."
        ) from None
    files.link(directory, order.workdir, pack.meta.get("links") or {})
    return Place(directory, entry, os.path.join(directory, *script.split("/")) if script else "")


def _set_path(found: Place, order: Order) -> None:
    """``sys.path`` begins as Python's own would; what was sent comes before what else has its name."""
    shared = found.snapshot is not None
    first = [found.directory, order.workdir]
    if "module" in found.entry:
        sys.argv = ["-m", *order.args]
        if shared or not os.path.isdir(found.directory):
            first.reverse()
    elif found.script:
        sys.argv = [(order.script if shared else "") or found.script, *order.args]
        first = [os.path.dirname(os.path.realpath(found.script)), found.directory]
    else:
        sys.argv = [""]
    sys.path[:0] = list(dict.fromkeys(first))
    if found.snapshot is not None:
        # For processes that the code starts: they know nothing of what was sent.
        sys.path.extend(root for root in found.snapshot.roots if root not in sys.path)


def describe(namespace: Dict[str, Any], found: Place) -> None:
    """Name the script in its namespace; a module is named once it was found."""
    if "module" not in found.entry:
        namespace.update(__file__=found.script, __cached__=None, __loader__=_loader(found))


def run(namespace: Dict[str, Any], found: Place) -> None:
    """Run the script or module as ``__main__``. Raises what it raises."""
    if "module" in found.entry:
        code = _module(namespace, found.entry["module"])
    else:
        code = _loader(found).get_code("__main__")
    exec(code, namespace)  # noqa: S102 - the user's own


def _loader(found: Place) -> Loader:
    source = found.source
    if source is None:
        with open(found.script, "rb") as file:
            source = file.read()
    return Loader("__main__", found.script, source)


def _module(namespace: Dict[str, Any], name: str) -> Any:
    """The code of a module, its package imported, its namespace as ``python -m`` fills it."""
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.submodule_search_locations is not None:
        name = f"{name}.__main__"
        spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name}", name=name)
    code = spec.loader.get_code(spec.name)  # type: ignore[attr-defined]
    namespace.update(
        __file__=spec.origin,
        __cached__=spec.cached,
        __loader__=spec.loader,
        __package__=spec.parent,
        __spec__=spec,
    )
    sys.argv[0] = spec.origin or name
    return code


# --- in processes that multiprocessing starts


def _write_main(path: str, order: Order, found: Place) -> str:
    if not os.path.exists(path):
        about = {
            "runner": _runner(),
            "payload": order.payload,
            "sources": order.sources,
            "files": found.directory,
            "entry": found.entry,
        }
        temporary = f"{path}.{os.getpid()}"
        with open(temporary, "w") as file:
            file.write(_MAIN.format(**about))
        os.rename(temporary, path)
    return path


def _runner() -> str:
    """What must be on ``sys.path`` for the runner to be found: an archive or a directory."""
    here = getattr(__spec__.loader, "archive", None) or os.path.abspath(__file__).rsplit(os.sep, 4)[0]
    return os.path.abspath(here)


def again(
    namespace: Dict[str, Any], payload: str, sources: Dict[str, str], directory: str, entry: Dict[str, Any]
) -> None:
    """Be the job's ``__main__`` once more, under another name, from the source that was submitted."""
    found = _shared(Pack(payload), sources, directory, entry)
    if found.script:
        sys.argv[0] = found.script
    describe(namespace, found)
    run(namespace, found)
