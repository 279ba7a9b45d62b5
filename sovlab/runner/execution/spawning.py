"""Processes that a job starts anew (``spawn``, ``forkserver``): they get its definitions and present values.

Python has such a process run the file of ``__main__`` again. A cell is no file, and what it does at its top
must not be done again, so the process is given a file that binds what the cell's functions and classes read.
"""

from __future__ import annotations

import itertools
import os
import sys
import types
from typing import Any, Callable, Dict, List, Mapping, Optional

from sovlab.runner.execution.import_hooks import AfterImport
from sovlab.runner.values.pack import Pack, PackWriter

_counter = itertools.count(1)


def install(
    hooks: Dict[str, Callable[[Any], None]],
    namespace: Dict[str, Any],
    order: Mapping[str, Any],
) -> None:
    """Have processes that are started anew find what ``__main__`` has now.

    Args:
        hooks: module name → what to do once it has been imported; added to.
        namespace: that of ``__main__``.
        order: of the job, what is told of it to such processes: ``labels``, ``scratch``, and ``payload`` and
            ``sources`` for the modules that travelled.
    """

    def change(module: Any) -> None:
        prepare = module.get_preparation_data

        def get_preparation_data(name: str) -> Dict[str, Any]:
            data: Dict[str, Any] = prepare(name)
            # A script is run again by its own path. A forkserver's own process needs nothing ("ignore").
            if name != "ignore" and not any(key.startswith("init_main") for key in data):
                data["init_main_from_path"] = _hand_over(namespace, order)
            return data

        module.get_preparation_data = get_preparation_data

    hooks["multiprocessing.spawn"] = change


def _hand_over(namespace: Dict[str, Any], order: Mapping[str, Any]) -> str:
    """The path of a file that makes the ``__main__`` of one new process."""
    base = os.path.join(order["scratch"], f"spawned-{os.getpid()}-{next(_counter)}")
    with open(f"{base}.pack", "wb") as file, PackWriter(file, hashing=False) as writer:
        writer.finish(_write(writer, namespace))
    with open(f"{base}.py", "w", encoding="utf-8") as text:
        text.write(
            "from sovlab.runner.execution.spawning import begin\n\n"
            f"begin(globals(), {f'{base}.pack'!r}, {dict(order)!r})\n"
        )
    return f"{base}.py"


def _write(writer: PackWriter, namespace: Dict[str, Any]) -> Dict[str, Any]:
    """Write what the functions and classes of ``namespace`` are and read; the pack's meta."""
    from cloudpickle import cloudpickle

    from sovlab.runner.settings import reading
    from sovlab.runner.source.definitions import Definitions
    from sovlab.runner.values.pickling import Dumper, PickleOptions

    needed: Dict[str, None] = {}
    definitions = Definitions(namespace, lambda name, reader: needed.setdefault(name))

    def reads(function: Any) -> None:
        for name in sorted(cloudpickle._extract_code_globals(function.__code__)):
            definitions.need(name, function.__qualname__)

    for name in _defined(namespace):
        definitions.need(name)
    options = PickleOptions(definitions.refer, main=namespace, reads=reads)
    settings, _ = reading.encode(reading.changed(), options)
    dumper = Dumper(writer, options)
    lost: Dict[str, str] = {}
    done: List[str] = []
    for name in iter(lambda: _next(definitions, needed, done), None):
        done.append(name)
        states = definitions.states()
        try:
            error = dumper.add(name, states[name] if name in states else namespace[name]).error
        except Exception as refusal:  # a placeholder of another job says why it has no value
            error = str(refusal)
        if error:
            lost[name] = error
    dumper.finish()
    return {**definitions.write(writer), "settings": settings, "lost": lost}


def _defined(namespace: Mapping[str, Any]) -> List[str]:
    """Names of the functions and classes that ``__main__`` itself has made."""
    here = namespace.get("__name__")
    return sorted(
        name
        for name, value in namespace.items()
        if not name.startswith("__") and callable(value) and getattr(value, "__module__", None) == here
    )


def _next(definitions: Any, needed: Mapping[str, None], done: List[str]) -> Optional[str]:
    """What is to be written next: first what definitions read while they are run."""
    states = definitions.states()
    early: Dict[str, None] = {}
    for name in sorted(definitions.gathered):
        _, variables = definitions.before(name)
        early.update(dict.fromkeys(v for v in variables if v in needed))
    return next((name for name in (*early, *needed, *states) if name not in done), None)


def begin(namespace: Dict[str, Any], path: str, order: Mapping[str, Any]) -> None:
    """In the new process: bind in ``namespace`` what was handed over. Raises nothing.

    Whoever waits for a process that ends in its first lines may wait for ever, as a pool does. What is not
    here says so when it is used.
    """
    for name in ("__file__", "__cached__"):
        namespace.pop(name, None)
    from sovlab.runner.execution.missing import missing

    lost: Dict[str, str] = {}
    try:
        _bind(namespace, path, order, lost)
    except Exception as error:  # whatever the user's own definitions raise
        why = f"{type(error).__name__}: {error}"
    else:
        why = "it was not defined yet when the process was started: define it before"
    for name, reason in lost.items():
        namespace.setdefault(name, object.__new__(missing(name, reason)))

    def absent(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return missing(name, why)

    namespace["__getattr__"] = absent


def _bind(namespace: Dict[str, Any], path: str, order: Mapping[str, Any], lost: Dict[str, str]) -> None:
    from sovlab.runner.execution import pool_tasks as tasks
    from sovlab.runner.execution.snapshot import Snapshot
    from sovlab.runner.settings.writing import CarriedSettings
    from sovlab.runner.source.installing import Installer
    from sovlab.runner.values.unpickling import loads

    hooks: Dict[str, Callable[[Any], None]] = {}
    install(hooks, namespace, order)
    hooks["multiprocessing.pool"] = tasks.answer_for_unreadable
    AfterImport(hooks).install()
    if order["sources"]:
        Snapshot(Pack(order["payload"]), order["sources"], os.path.join(order["scratch"], "files")).install()
    pack = Pack(path)
    lost.update(pack.meta["lost"])
    installer = Installer(pack, namespace, order["labels"])
    settings = CarriedSettings(
        pack.meta["settings"], lambda data: loads(data, main=namespace, resolve=installer.resolve)
    )
    AfterImport(settings.hooks()).install()
    installer.all()
    lost.update(installer.errors)
    settings.settle()
    for file in (path, f"{os.path.splitext(path)[0]}.py"):
        os.unlink(file)


def alias_main(main: types.ModuleType) -> None:
    """Have objects that a process started anew sends back find their classes in this ``__main__``.

    A process calls it ``__mp_main__``, and whoever forked this one may have imported `multiprocessing`.
    """
    if "multiprocessing" in sys.modules:
        sys.modules["__mp_main__"] = main
