"""Values in and out of a pack: one pickle stream for all names, their big memory beside it.

All names are pickled by one pickler, so objects that two names share are shared again. Segments::

    variables         the pickles, one after the other
    variables.index   JSON: where each name's pickle and buffers lie, and which Python wrote it
    buffer.N          memory of arrays and tensors, where it can be used without a copy

A value that cannot be pickled leaves the stream as if it had not been tried. A value that cannot be
loaded, because a library is missing or a class refuses its state, leaves the others loadable.
"""

from __future__ import annotations

import collections
import functools
import io
import json
import pickle
import sys
import types
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from sovlab.errors import SovlabError
from sovlab.runner.values import typing_forms
from sovlab.runner.values.pack import PackWriter
from sovlab.runner.values.unpickling import FILLING, OF_MODULE, load, main_attribute, main_namespace, set_cell

__all__ = [
    "FILLING",
    "OF_MODULE",
    "Dumper",
    "PickleOptions",
    "Postponed",
    "Sent",
    "Unpicklable",
    "describe",
    "dump",
    "dumps",
    "load",
    "type_name",
]

PROTOCOL = 5
_IN_BAND = 4096
"""Buffers below this many bytes stay in the stream: a segment each would cost more than their copy."""


class Sent(NamedTuple):
    """One name, and what was written for it.

    Attributes:
        name: what the variable is called.
        type: qualified class name.
        size: bytes, without what an earlier name already holds.
        detail: shape or length, for people.
        error: why it could not be written; empty if it was.
    """

    name: str
    type: str
    size: int
    detail: str
    error: str


class Unpicklable(Exception):
    """A value that cannot be pickled.

    Args:
        path: where it is, as an expression: ``cfg['log']``.
        kind: qualified class name of what stands there.
        why: what the pickler said.
    """

    def __init__(self, path: str, kind: str, why: str) -> None:
        super().__init__(path, kind, why)
        self.path = path
        self.kind = kind
        self.why = why

    def __str__(self) -> str:
        return f"{self.path} ({self.kind}) cannot be pickled: {self.why}"


class Postponed(Exception):
    """Raised by `PickleOptions.refer`: the value can be pickled once others have been; see `Dumper.add`."""


class PickleOptions:
    """How functions and classes travel; also collects what was met on the way.

    Args:
        refer: given a function or class, the qualified name under which the other side's ``__main__``
            will have it, because its source travels; None sends it by value, as bytecode.
        strict: raise `Unpicklable` at the first value that cannot travel, instead of noting it in `Sent`.
        main: the namespace which the other side's ``__main__`` takes the place of: functions by value
            get that as their globals, and `reads` is told of them. None sends the globals that they
            read with them.
        reads: called with each function that goes by value and has ``main`` as its globals.
        memory: a `sovlab.runner.values.memory.Plan`: what is sent whole wherever a part of it is met; should
            it say then that it is new, another pass with it lets more share theirs again. None begins one.
    """

    def __init__(
        self,
        refer: Callable[[Any], Optional[str]] = lambda value: None,
        *,
        strict: bool = False,
        main: Optional[Mapping[str, object]] = None,
        reads: Callable[[Any], None] = lambda function: None,
        memory: Any = None,
    ) -> None:
        self.refer = refer
        self.strict = strict
        self.main = main
        self.reads = reads
        self.memory = memory
        self.bytecode: List[str] = []
        """What went as bytecode, by name: ``train``, ``Net``, ``<lambda>``."""
        self.modules: Set[str] = set()
        """Modules whose functions and classes went by reference."""


def dump(values: Mapping[str, object], writer: PackWriter, *, options: PickleOptions) -> List[Sent]:
    """Write ``values`` and their index; one `Sent` for each, in order.

    Raises:
        Unpicklable: with ``strict``.
    """
    dumper = Dumper(writer, options)
    sent = [dumper.add(name, value) for name, value in values.items()]
    dumper.finish()
    return sent


class Dumper:
    """Writes one name after the other; `finish` ends it."""

    def __init__(self, writer: PackWriter, options: PickleOptions) -> None:
        self._writer = writer
        self._options = options
        self._buffers: List[pickle.PickleBuffer] = []
        self._index: Dict[str, Any] = {}
        self._stream = writer.stream("variables")
        self._pickler = _pickler_class()(self._stream, options, self._keep_beside)

    def stand_for(self, pairs: Sequence[Tuple[object, object]]) -> None:
        """Of pairs of objects, take the second for the first, which has been written."""
        memo = self._pickler.memo.copy()
        for written, other in pairs:
            # In its place: how many there are is what the next one is numbered by.
            if id(written) in memo and id(other) not in memo:
                memo[id(other)] = (memo.pop(id(written))[0], other)
        self._pickler.memo = memo

    def add(self, name: str, value: object) -> Sent:
        """Pickle ``value`` as ``name``; what an earlier name shares with it is not written again.

        Raises:
            Unpicklable: with ``strict``.
            Postponed: by `PickleOptions.refer`; nothing has been added, and the name may be added later.
        """
        start, first, known_bytecode = self._stream.size, len(self._buffers), len(self._options.bytecode)
        # A fresh object before the value: its place in the pickler's memo is where this name began.
        mark: List[Any] = []
        try:
            self._pickler.dump((mark, value))
        except Exception as error:
            self._undo(mark)
            del self._buffers[first:]
            del self._options.bytecode[known_bytecode:]
            if isinstance(error, (Postponed, SovlabError)):
                raise  # a placeholder says itself why it has no value yet
            failure = _explain(name, value, error, self._options)
            if self._options.strict:
                raise failure from error
            return Sent(name, type_name(value), 0, describe(value), str(failure))
        self._index[name] = {
            "span": [start, self._stream.size],
            "buffers": [first, len(self._buffers)],
            "bytecode": self._options.bytecode[known_bytecode:],
        }
        beside = sum(_size(buffer) for buffer in self._buffers[first:])
        return Sent(name, type_name(value), self._stream.size - start + beside, describe(value), "")

    def finish(self) -> None:
        """Write the buffers and the index."""
        self._stream.close()
        for number, buffer in enumerate(self._buffers):
            with buffer.raw() as view:
                self._writer.add(f"buffer.{number}", view)
        index = {"names": self._index, "order": list(self._index), "python": list(sys.version_info[:2])}
        self._writer.add("variables.index", json.dumps(index, sort_keys=True).encode())

    def _keep_beside(self, buffer: pickle.PickleBuffer) -> bool:
        if _size(buffer) < _IN_BAND:
            return True
        self._buffers.append(buffer)
        return False

    def _undo(self, mark: object) -> None:
        memo = self._pickler.memo.copy()
        start, _ = memo.get(id(mark), (len(memo), None))
        self._pickler.memo = {key: entry for key, entry in memo.items() if entry[0] < start}


def dumps(value: object, options: PickleOptions) -> bytes:
    """One value as one pickle, for `unpickling.loads`. Raises what the pickler raises."""
    file = io.BytesIO()
    _pickler_class()(file, options, None).dump(value)
    return file.getvalue()


def _size(buffer: pickle.PickleBuffer) -> int:
    with buffer.raw() as view:
        return view.nbytes


def prepare() -> None:
    """Make now what the first pickle would make. Raises `ImportError` where cloudpickle is missing."""
    _pickler_class()


@functools.lru_cache(maxsize=1)
def _pickler_class() -> Any:
    # cloudpickle costs milliseconds, which a job that returns nothing does not pay.
    from cloudpickle import cloudpickle

    known = typing_forms.with_forms(cloudpickle.Pickler.dispatch_table)
    known = collections.ChainMap({types.CellType: _reduce_cell}, known)

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        dispatch_table = known

        def __init__(
            self,
            file: Any,
            options: PickleOptions,
            keep_beside: Optional[Callable[[pickle.PickleBuffer], bool]],
        ) -> None:
            super().__init__(file, protocol=PROTOCOL, buffer_callback=keep_beside)
            self._options = options
            self._storages, self._arrays = _reducers(options)

        def reducer_override(self, value: Any) -> Any:
            if isinstance(value, (type, types.FunctionType)):
                again = typing_forms.parametrised(value) if isinstance(value, type) else None
                if again is not None:
                    return again
                name = self._options.refer(value)
                if name is not None:
                    return main_attribute, (name,)
                reduced = super().reducer_override(value)
                if reduced is NotImplemented and _is_disguised(value):
                    reduced = self._dynamic_function_reduce(value)
                if reduced is NotImplemented:
                    self._options.modules.add(value.__module__)
                elif reduced[0] is not type and reduced[0] is not cloudpickle._builtin_type:
                    self._options.bytecode.append(value.__qualname__)
                return reduced
            if isinstance(value, _CACHED):
                # functools pickles these by name, whether the other side has the name or not.
                name = self._options.refer(value)
                if name is not None:
                    return main_attribute, (name,)
                if cloudpickle._lookup_module_and_qualname(value) is None:
                    return _cached_again, (value.__wrapped__, value.cache_parameters())
            if self._options.strict and type(value).__module__ == "sovlab.client.job":
                raise TypeError("a job has no client to ask other jobs with")
            if isinstance(value, io.IOBase):
                return self._reduce_file(value)
            if isinstance(value, types.ModuleType):
                self._options.modules.add(value.__name__)
            shared = None if self._storages is None else self._storages.reduce(value)
            if shared is None and self._arrays is not None and type(value).__name__ == "ndarray":
                shared = self._arrays.reduce(value)
            return NotImplemented if shared is None else shared

        def _dynamic_function_reduce(self, function: Any) -> Any:
            reduced = super()._dynamic_function_reduce(function)
            make, (code, namespace, *rest, closure), (state, slots), *setters = reduced
            if function.__closure__ is not None:
                # The cells themselves, not their copies: other functions may have them too.
                closure, slots = function.__closure__, {**slots, "__closure__": None}
            if self._options.main is not None and function.__globals__ is self._options.main:
                self._options.reads(function)
                namespace, slots = _MAIN, {**slots, "__globals__": {}}
            return (make, (code, namespace, *rest, closure), (state, slots), *setters)

        @staticmethod
        def _reduce_file(value: Any) -> Any:
            # cloudpickle would send what a file holds now, in memory: no longer the file.
            for name in ("stdin", "stdout", "stderr"):
                if value is getattr(sys, name):
                    return getattr, (sys, name)
            if isinstance(value, (io.BytesIO, io.StringIO)):
                return NotImplemented
            raise TypeError("an open file cannot leave the process that opened it")

    return Pickler


def _reducers(options: PickleOptions) -> Tuple[Any, Any]:
    """What reduces storages and arrays; None while neither torch nor numpy is imported: there are none."""
    if "torch" not in sys.modules and "numpy" not in sys.modules:
        return None, None
    from sovlab.runner.values.arrays import ArrayReducer
    from sovlab.runner.values.memory import Memory, Plan
    from sovlab.runner.values.tensors import StorageReducer

    options.memory = Plan() if options.memory is None else options.memory
    memory = Memory(options.memory)
    return StorageReducer(memory), ArrayReducer(memory)


def _is_disguised(value: Any) -> bool:
    """Whether a function of ``__main__`` has the names of another, which it wraps and stands in place of."""
    return isinstance(value, types.FunctionType) and value.__globals__.get("__name__") == "__main__"


def _reduce_cell(cell: Any) -> Any:
    # What it holds comes once it is there, for that may be the function that has closed over it.
    try:
        content = cell.cell_contents
    except ValueError:
        return types.CellType, ()
    return types.CellType, (), (content,), None, None, set_cell


_CACHED = type(functools.lru_cache(lambda: None))


def _cached_again(function: Any, parameters: Dict[str, Any]) -> Any:
    return functools.lru_cache(**parameters)(function)


class _Main:
    """Stands in a pickle for the namespace of ``__main__``."""

    def __reduce__(self) -> Tuple[Any, ...]:
        return main_namespace, ()


_MAIN = _Main()


def _explain(name: str, value: object, error: BaseException, options: PickleOptions) -> Unpicklable:
    from sovlab.runner.values.unpicklable import find

    def attempt(part: object) -> Optional[BaseException]:
        scratch = PickleOptions(options.refer, strict=options.strict, main=options.main)
        try:
            _pickler_class()(_Nowhere(), scratch, lambda buffer: False).dump(part)
        except Exception as failure:
            return None if isinstance(failure, Postponed) else failure
        return None

    path, part, why = find(name, value, error, attempt)
    return Unpicklable(path, type_name(part), str(why) or type(why).__name__)


class _Nowhere:
    def write(self, data: Any) -> int:
        return len(data)


def type_name(value: object) -> str:
    """The qualified name of a value's class, as people write it: ``int``, ``torch.Tensor``."""
    kind = type(value)
    return (
        kind.__qualname__
        if kind.__module__ in ("builtins", "__main__")
        else f"{kind.__module__}.{kind.__qualname__}"
    )


def describe(value: Any) -> str:
    """What people want to know of a value at a glance: ``(360, 64) float32``, ``50 items``; may be empty."""
    kind = type(value)
    if kind in (list, tuple, dict, set, frozenset):
        return "1 item" if len(value) == 1 else f"{len(value)} items"
    if kind in (str, bytes, bytearray):
        return f"{len(value)} {'characters' if kind is str else 'bytes'}"
    family = kind.__module__.partition(".")[0]
    # Only of these is it known that asking costs nothing and runs no code of the user's.
    if family in ("torch", "numpy", "pandas") and hasattr(value, "shape"):
        shape = tuple(int(n) for n in value.shape)
        dtype = str(getattr(value, "dtype", "")).replace("torch.", "")
        return f"{shape} {dtype}".strip()
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "nn") and isinstance(value, torch.nn.Module):
        return f"{sum(p.numel() for p in value.parameters())} parameters"
    return ""
