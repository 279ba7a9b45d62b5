"""Builds the job's ``__main__`` from a payload, and runs it."""

from __future__ import annotations

import ast
import builtins
import linecache
import sys
import types
from typing import Any, Dict, List, Optional, Sequence, Set

from sovlab.runner.execution import mains, spawning
from sovlab.runner.execution.import_hooks import AfterImport
from sovlab.runner.output import display
from sovlab.runner.protocol.order import Order
from sovlab.runner.source.parsing import parse
from sovlab.runner.values.pack import Pack, PackError

_SHOW = "__sovlab_show__"


class PayloadError(Exception):
    """What was sent cannot be run here; the message is one sentence for people."""


class Program:
    """The user's code, in a ``__main__`` of its own.

    Args:
        order: names the payload and the directory to unpack it to.
        quiet: keep no rich output, as in all ranks but the first.

    Raises:
        PayloadError: the payload is damaged, or of another Python and tied to it.
    """

    def __init__(self, order: Order, *, quiet: bool = False) -> None:
        self._order = order
        try:
            self._pack = Pack(order.payload)
        except (OSError, PackError) as error:
            raise PayloadError(f"The payload cannot be read: {error}.") from error
        self._meta = self._pack.meta
        self._check_bytecode()
        self.withheld: Set[str] = set(self._meta.get("withheld", ()))
        self._files: Optional[mains.Place] = None
        self.main = types.ModuleType("__main__")
        self.namespace: Dict[str, Any] = self.main.__dict__
        self.received: Dict[str, Any] = {}
        """The namespace before the user's code ran."""
        self.returned: Optional[Any] = None
        """What the function of a ``call`` returned."""
        display.outputs.enabled = not quiet

    def prepare(self) -> None:
        """Unpack the local modules, and bind in ``__main__`` what the code reads.

        Raises:
            PayloadError: something that was sent cannot be loaded here.
            BaseException: what the user's own definitions raise.
        """
        hooks: Dict[str, Any] = {}
        self._files = place = mains.place(self._pack, self._order, hooks)
        if self._order.kind == "notebook":
            return  # its kernel is a process of its own, and nothing here is the user's
        sys.modules["__main__"] = self.main
        self.namespace["__builtins__"] = builtins
        spawning.alias_main(self.main)
        display.install(hooks)
        if self._order.kind != "script":
            told = {name: getattr(self._order, name) for name in ("labels", "scratch", "payload", "sources")}
            spawning.install(hooks, self.namespace, told)
        AfterImport(hooks).install()
        if self._order.kind == "script":
            mains.describe(self.namespace, place)
        else:
            setattr(builtins, _SHOW, display.show)
        from sovlab.runner.source.installing import Installer, file_name

        if self._order.kind == "cell":
            self._file = file_name(self._meta["entry"]["cell"], self._order.labels)
        installer = Installer(self._pack, self.namespace, self._order.labels)
        settings = self._carry_settings(installer)
        values = installer.all()
        if settings is not None:
            settings.settle()
        self._call = values.get("__call__")
        self.namespace.pop("__call__", None)
        if installer.errors:
            raise PayloadError(" ".join(f"`{n}` {why}." for n, why in sorted(installer.errors.items())))
        self.received = dict(self.namespace)

    def _carry_settings(self, installer: Any) -> Any:
        """Have the settings that travel put in force when their libraries are imported."""
        encoded = self._meta.get("settings")
        if not encoded:
            return None
        from sovlab.runner.settings.writing import CarriedSettings
        from sovlab.runner.values.unpickling import loads

        settings = CarriedSettings(
            encoded, lambda data: loads(data, main=self.namespace, resolve=installer.resolve)
        )
        AfterImport(settings.hooks()).install()
        return settings

    def run(self) -> None:
        """Run the code. Raises what it raises."""
        if self._order.kind == "call":
            function, args, kwargs = self._call  # type: ignore[misc]
            self.returned = _awaited(function(*args, **kwargs))
        elif self._order.kind == "notebook":
            self._run_notebook()
        elif self._order.kind == "script":
            mains.run(self.namespace, self._files)  # type: ignore[arg-type]  # prepared before
        else:
            self._run_cell()

    @property
    def directory(self) -> str:
        """Of the payload's files, if that is one of the job's own, as of notebooks; else empty."""
        if self._order.kind == "notebook" and self._files is not None:
            return self._files.directory
        return self._files.directory if self._files is not None and self._files.snapshot is None else ""

    def finish(self) -> None:
        """Show the figures that the code left open."""
        if self._order.kind != "script":
            display.flush_figures()

    def bound(self) -> List[str]:
        """Variables that the code bound, and nobody has asked to return."""
        requested = {*self._order.outputs, "__builtins__"}
        return sorted(
            name
            for name, value in self.namespace.items()
            if name not in requested
            and not name.startswith("_")
            and self.received.get(name, _MISSING) is not value
            and not isinstance(value, (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type))
        )

    def _check_bytecode(self) -> None:
        packed = tuple(self._meta.get("python", sys.version_info[:2]))
        functions = self._meta.get("bytecode", ())
        if packed == sys.version_info[:2] or not functions:
            return
        theirs, ours = (".".join(map(str, version)) for version in (packed, sys.version_info[:2]))
        verb, them = ("exists", "it") if len(functions) == 1 else ("exist", "them")
        raise PayloadError(
            f"{', '.join(functions)} {verb} only as bytecode of Python {theirs}, but the job runs Python "
            f"{ours}: define {them} with def in a cell of the notebook, or choose an environment with "
            f"Python {theirs}."
        )

    def _run_notebook(self) -> None:
        import json
        import os

        from sovlab.runner.notebook import driver

        place = self._files
        assert place is not None  # prepared before
        os.makedirs(place.directory, exist_ok=True)
        # Modules are where its files are; on the submitter's machine where it would find them.
        beside = place.directory if place.snapshot is None else ""
        paths = [path for path in (beside, os.environ.get("PYTHONPATH", "")) if path]
        if paths:
            os.environ["PYTHONPATH"] = os.pathsep.join(paths)
        driver.run(
            json.loads(bytes(self._pack.segment("source"))), self._meta["entry"]["notebook"], place.directory
        )

    def _run_cell(self) -> None:
        source = bytes(self._pack.segment("source")).decode("utf-8", "surrogatepass")
        file = self._file
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        code = compile_cell(source, file, self._meta.get("future", ()))
        if code.co_flags & _COROUTINE:
            _awaited(types.FunctionType(code, self.namespace)())
        else:
            exec(code, self.namespace)  # noqa: S102 - the user's own


_MISSING = object()
_COROUTINE = 0x80
"""`inspect.CO_COROUTINE`; that module takes as long to import as the rest of the runner's start."""


def compile_cell(source: str, file: str, future: Sequence[str] = ()) -> types.CodeType:
    """The code of a cell, which shows its last expression unless that ends in a semicolon.

    Args:
        source: the cell, magics removed.
        file: the cell's name in tracebacks, e.g. ``Cell In[7]``.
        future: features of ``__future__`` that earlier cells of the notebook have switched on.
    """
    tree = parse(source, file)
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.Expr) and not _silent(source, last):
        call = ast.Call(ast.Name(_SHOW, ast.Load()), [last.value], [])
        last.value = ast.fix_missing_locations(ast.copy_location(call, last.value))
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    if future:
        import __future__

        flags |= sum(getattr(__future__, feature).compiler_flag for feature in future)
    code: types.CodeType = compile(tree, file, "exec", flags, dont_inherit=True)
    return code


def _silent(source: str, last: ast.Expr) -> bool:
    lines = source.encode("utf-8", "surrogatepass").splitlines()
    rest = lines[(last.end_lineno or 1) - 1][last.end_col_offset :]
    return rest.lstrip().startswith(b";")


def _awaited(value: Any) -> Any:
    """``value``, or what it gives when awaited if it is a coroutine."""
    if not isinstance(value, types.CoroutineType):
        return value
    import asyncio

    return asyncio.run(value)
