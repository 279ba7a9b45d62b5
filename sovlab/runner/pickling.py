"""Values in and out of a pack: one pickle stream for all names, their big memory beside it.

All names are pickled by one pickler, so objects that two names share are shared again. Segments::

    variables         the pickles, one after the other
    variables.index   JSON: where each name's pickle and buffers lie, and which Python wrote it
    buffer.N          memory of arrays and tensors, where it can be used without a copy

A value that cannot be pickled leaves the stream as if it had not been tried. A value that cannot be
loaded, because a library is missing or a class refuses its state, leaves the others loadable.
"""

from __future__ import annotations

import functools
import io
import json
import pickle
import sys
import types
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from sovlab.runner import tensors
from sovlab.runner.missing import absent, reason_within, shared_with
from sovlab.runner.pack import Pack, PackWriter

PROTOCOL = 5
_IN_BAND = 4096
"""Buffers below this many bytes stay in the stream: a segment each would cost more than their copy."""


class Sent(NamedTuple):
    """One name, and what was written for it.

    Attributes:
        name: the variable.
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
    """Raised by `Policy.refer`: the value can be pickled once other names have been; see `Dumper.add`."""


class Policy:
    """How functions and classes travel. Also keeps note of what was met on the way.

    Args:
        refer: given a function or class, the qualified name under which the other side's ``__main__``
            will have it, because its source travels; None sends it by value, as bytecode.
        strict: raise `Unpicklable` at the first value that cannot travel, instead of noting it in `Sent`.
        main: the namespace which the other side's ``__main__`` takes the place of: functions by value
            get that as their globals, and `reads` is told of them. None sends the globals that they
            read with them.
        reads: called with each function that goes by value and has ``main`` as its globals.
    """

    def __init__(
        self,
        refer: Callable[[Any], Optional[str]] = lambda value: None,
        *,
        strict: bool = False,
        main: Optional[Mapping[str, object]] = None,
        reads: Callable[[Any], None] = lambda function: None,
    ) -> None:
        self.refer = refer
        self.strict = strict
        self.main = main
        self.reads = reads
        self.bytecode: List[str] = []
        """What went as bytecode, by name: ``train``, ``Net``, ``<lambda>``."""
        self.modules: Set[str] = set()
        """Modules whose functions and classes went by reference."""


def dump(values: Mapping[str, object], writer: PackWriter, *, policy: Policy) -> List[Sent]:
    """Write ``values`` and their index; one `Sent` for each, in order.

    Raises:
        Unpicklable: with a strict policy.
    """
    dumper = Dumper(writer, policy)
    sent = [dumper.add(name, value) for name, value in values.items()]
    dumper.finish()
    return sent


class Dumper:
    """Writes one name after the other; `finish` ends it."""

    def __init__(self, writer: PackWriter, policy: Policy) -> None:
        self._writer = writer
        self._policy = policy
        self._buffers: List[pickle.PickleBuffer] = []
        self._index: Dict[str, Any] = {}
        self._stream = writer.stream("variables")
        self._pickler = _pickler_class()(self._stream, policy, self._keep)

    def add(self, name: str, value: object) -> Sent:
        """Pickle ``value`` as ``name``; what an earlier name shares with it is not written again.

        Raises:
            Unpicklable: with a strict policy.
            Postponed: the policy's; nothing has been added, and the name may be added later.
        """
        start, first, noted = self._stream.size, len(self._buffers), len(self._policy.bytecode)
        # A fresh object before the value: its place in the pickler's memo is where this name began.
        mark: List[Any] = []
        try:
            self._pickler.dump((mark, value))
        except Exception as error:
            self._undo(mark)
            del self._buffers[first:]
            del self._policy.bytecode[noted:]
            if isinstance(error, Postponed):
                raise
            failure = _explain(name, value, error, self._policy)
            if self._policy.strict:
                raise failure from error
            return Sent(name, type_name(value), 0, describe(value), str(failure))
        self._index[name] = {
            "span": [start, self._stream.size],
            "buffers": [first, len(self._buffers)],
            "bytecode": self._policy.bytecode[noted:],
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

    def _keep(self, buffer: pickle.PickleBuffer) -> bool:
        if _size(buffer) < _IN_BAND:
            return True
        self._buffers.append(buffer)
        return False

    def _undo(self, mark: object) -> None:
        memo = self._pickler.memo.copy()
        start, _ = memo.get(id(mark), (len(memo), None))
        self._pickler.memo = {key: entry for key, entry in memo.items() if entry[0] < start}


def _size(buffer: pickle.PickleBuffer) -> int:
    with buffer.raw() as view:
        return view.nbytes


@functools.lru_cache(maxsize=1)
def _pickler_class() -> Any:
    # cloudpickle costs milliseconds, which a job that returns nothing does not pay.
    from cloudpickle import cloudpickle

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        def __init__(
            self, file: Any, policy: Policy, keep: Optional[Callable[[pickle.PickleBuffer], bool]]
        ) -> None:
            super().__init__(file, protocol=PROTOCOL, buffer_callback=keep)
            self._policy = policy
            self._storages = tensors.StorageReducer()

        def reducer_override(self, value: Any) -> Any:
            if isinstance(value, (type, types.FunctionType)):
                name = self._policy.refer(value)
                if name is not None:
                    return main_attribute, (name,)
                reduced = super().reducer_override(value)
                if reduced is NotImplemented:
                    self._policy.modules.add(value.__module__)
                elif reduced[0] is not type and reduced[0] is not cloudpickle._builtin_type:
                    self._policy.bytecode.append(value.__qualname__)
                return reduced
            if isinstance(value, io.IOBase):
                return self._reduce_file(value)
            if isinstance(value, types.ModuleType):
                self._policy.modules.add(value.__name__)
            storage = self._storages.reduce(value)
            return NotImplemented if storage is None else storage

        def _dynamic_function_reduce(self, function: Any) -> Any:
            reduced = super()._dynamic_function_reduce(function)
            if self._policy.main is None or function.__globals__ is not self._policy.main:
                return reduced
            self._policy.reads(function)
            make, (code, _, *rest), (state, slots), *setters = reduced
            return (make, (code, _MAIN, *rest), (state, {**slots, "__globals__": {}}), *setters)

        @staticmethod
        def _reduce_file(value: Any) -> Any:
            # cloudpickle would send what a file holds now, in memory: no longer the file.
            for name in ("stdin", "stdout", "stderr"):
                if value is getattr(sys, name):
                    return getattr, (sys, name)
            if isinstance(value, (io.BytesIO, io.StringIO)):
                return NotImplemented
            raise TypeError("an open file stays in the process that opened it")

    return Pickler


class _Main:
    """Stands in a pickle for the namespace of ``__main__``."""

    def __reduce__(self) -> Tuple[Any, ...]:
        return main_namespace, ()


_MAIN = _Main()


def main_attribute(name: str) -> Any:
    """What ``__main__`` calls ``name``, which may be dotted. `load` puts its own in place of this one."""
    return functools.reduce(getattr, name.split("."), sys.modules["__main__"])


def main_namespace() -> Dict[str, Any]:
    """The namespace of ``__main__``. `load` puts its own in place of this one."""
    return vars(sys.modules["__main__"])


def load(
    pack: Pack,
    names: Sequence[str],
    *,
    main: Dict[str, Any],
) -> Tuple[Dict[str, Any], Dict[str, str]]:
    """The values of ``names``, and for those that cannot be loaded here: why.

    Memory of arrays and tensors is that of the file, mapped privately anew by each call: it may be
    changed, and no other call sees it.

    Args:
        pack: what `dump` wrote.
        names: those wanted; a name that was not written is in neither answer.
        main: the namespace in which classes and functions of ``__main__`` are looked up.
    """
    values: Dict[str, Any] = {}
    errors: Dict[str, str] = {}
    for name, value, error in Loader(pack, main=main, wanted=set(names)):
        if name in names:
            if error:
                errors[name] = error
            else:
                values[name] = value
    return values, errors


class Loader:
    """Loads names in the order in which they were written, as it is iterated.

    Yields (name, value, error); the value means nothing where there is an error.

    Args:
        pack: what `dump` wrote.
        main: the namespace in which classes and functions of ``__main__`` are looked up.
        wanted: the loading ends with the last of these; None loads all.
        resolve: finds a dotted name of ``__main__``; None looks in ``main``. Raises `LookupError`.
    """

    def __init__(
        self,
        pack: Pack,
        *,
        main: Dict[str, Any],
        wanted: Optional[Set[str]] = None,
        resolve: Optional[Callable[[str], Any]] = None,
    ) -> None:
        self._pack = pack
        self._main = main
        self._resolve = resolve if resolve is not None else self._look_up
        index = json.loads(bytes(pack.segment("variables.index"))) if "variables.index" in pack else {}
        self._entries: Dict[str, Any] = index.get("names", {})
        order: List[str] = index.get("order", [])
        last = max((i for i, n in enumerate(order) if wanted is None or n in wanted), default=-1)
        self._order = order[: last + 1]
        self._python = tuple(index.get("python", ()))
        self._absent: Dict[Tuple[str, str], Any] = {}
        self._met: Optional[str] = None
        self._kept: Dict[int, Any] = {}

    def __iter__(self) -> Iterator[Tuple[str, Any, str]]:
        if not self._order:
            return
        memory = self._pack.private()
        source = _Source(self._pack, memory)
        unpickler = self._unpickler(source)
        for name in self._order:
            entry = self._entries[name]
            source.seek(entry["span"][0], entry["buffers"][0])
            self._met = None
            try:
                _, value = unpickler.load()
            except Exception as error:
                # This one still holds the rest of a frame that it did not use.
                unpickler = self._with_memo(source, self._repaired(unpickler.memo.copy(), name))
                yield name, None, self._why(f"{type(error).__name__}: {error}")
                continue
            within = reason_within(value) if self._absent else None
            yield name, value, self._why(within or "")

    def _why(self, otherwise: str) -> str:
        return otherwise if self._met is None else self._met

    def _unpickler(self, source: _Source) -> Any:
        loader = self

        class Unpickler(pickle.Unpickler):
            def find_class(self, module: str, name: str) -> Any:
                return loader._find(super().find_class, module, name)

            def persistent_load(self, place: Any) -> Any:
                return loader._kept[place]

        return Unpickler(source, buffers=source)

    def _with_memo(self, source: _Source, memo: Dict[int, Any]) -> Any:
        # C's Unpickler loses a memo that is assigned to it; one that a pickle fills is as good.
        unpickler = self._unpickler(source)
        self._kept = memo
        fill = b"".join(b"J" + place.to_bytes(4, "little") + b"Q\x940" for place in range(len(memo)))
        source.play(b"\x80\x05" + fill + b"N.")
        unpickler.load()
        self._kept = {}
        return unpickler

    def _find(self, find: Callable[[str, str], Any], module: str, name: str) -> Any:
        key = (module, name)
        if key == (__name__, "main_attribute"):
            return self._main_attribute
        if key == (__name__, "main_namespace"):
            return lambda: self._main
        if key in tensors.RELOCATED:
            return tensors.RELOCATED[key]
        if module == "cloudpickle.cloudpickle" and name in _BYTECODE and self._python != sys.version_info[:2]:
            made, here = (".".join(map(str, v)) for v in (self._python, sys.version_info[:2]))
            why = f"holds bytecode of Python {made}, and this is Python {here}"
            if name == "_builtin_type":
                return lambda kind: self._gone(key, why) if kind == "CodeType" else find(module, name)(kind)
            return self._gone(key, why)
        try:
            return find(module, name)
        except ModuleNotFoundError as error:
            library = (error.name or module).partition(".")[0]
            return self._gone(key, f"needs the library {library}, which is not installed here")
        except (AttributeError, ImportError):
            return self._gone(
                key, f"needs {module}.{name}, which this version of {module.partition('.')[0]} lacks"
            )

    def _main_attribute(self, name: str) -> Any:
        try:
            return self._resolve(name)
        except LookupError:
            return self._gone(("__main__", name), f"needs {name}, which is not defined here")

    def _look_up(self, name: str) -> Any:
        first, *rest = name.split(".")
        try:
            return functools.reduce(getattr, rest, self._main[first])
        except AttributeError:
            raise LookupError(name) from None

    def _gone(self, key: Tuple[str, str], why: str) -> Any:
        self._met = self._met or why
        if key not in self._absent:
            self._absent[key] = absent(key[0], key[1], why)
        return self._absent[key]

    def _repaired(self, memo: Dict[int, Any], name: str) -> Dict[int, Any]:
        """``memo`` as long as if ``name`` had been loaded, so that later names find theirs in it."""
        import pickletools

        stream = self._pack.segment("variables")
        start = count = 0
        for known in self._order[: self._order.index(name) + 1]:
            first, last = self._entries[known]["span"]
            start, count = start + count, 0
            for opcode, _, _ in pickletools.genops(bytes(stream[first:last])):
                count += opcode.name == "MEMOIZE"
        lost = absent("", name, shared_with(name))
        self._absent[("", name)] = lost
        memo.update({place: lost() for place in range(start, start + count)})
        return memo


_BYTECODE = ("_make_function", "_builtin_type")


class _Source:
    """What an unpickler reads: the stream as a file, and the buffers as an iterator."""

    def __init__(self, pack: Pack, memory: memoryview) -> None:
        self._pack = pack
        self._memory = memory
        self._variables = pack.segment("variables", memory)
        self._stream = self._variables
        self._at = 0
        self._buffer = 0

    def seek(self, position: int, buffer: int) -> None:
        """Go to where a name begins."""
        self._stream = self._variables
        self._at = position
        self._buffer = buffer

    def play(self, pickled: bytes) -> None:
        """Give ``pickled`` to read, until the next seek."""
        self._stream = memoryview(pickled)
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        end = len(self._stream) if size < 0 else min(self._at + size, len(self._stream))
        piece = bytes(self._stream[self._at : end])
        self._at = end
        return piece

    def readinto(self, target: Any) -> int:
        with memoryview(target).cast("B") as view:
            piece = self._stream[self._at : self._at + len(view)]
            view[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def readline(self) -> bytes:
        # Only protocol 0 has lines.
        raise pickle.UnpicklingError("the stream is damaged")

    def __iter__(self) -> Iterator[memoryview]:
        return self

    def __next__(self) -> memoryview:
        number, self._buffer = self._buffer, self._buffer + 1
        return self._pack.segment(f"buffer.{number}", self._memory)


def _explain(name: str, value: object, error: BaseException, policy: Policy) -> Unpicklable:
    from sovlab.runner.culprit import find

    def attempt(part: object) -> Optional[BaseException]:
        sink = Policy(policy.refer, main=policy.main)
        try:
            _pickler_class()(_Nowhere(), sink, lambda buffer: False).dump(part)
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
