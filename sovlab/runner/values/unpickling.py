"""Values out of a pack, as many of them as can be loaded here."""

from __future__ import annotations

import functools
import io
import json
import pickle
import sys
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Set, Tuple

from sovlab.runner.values.absent import absent, reason_within, shared_with
from sovlab.runner.values.moved import present
from sovlab.runner.values.pack import Pack

FILLING = "fill."
"""Under this name a pack has, last of all, what is put right when all definitions have run: what containers
hold, states of definitions by name, and variables by name; see `sovlab.runner.values.refilling`."""
OF_MODULE = "mod."
"""Begins the names of what was set in modules: ``mod.config:rate``, ``mod.config:Model.width``."""


def main_attribute(name: str) -> Any:
    """What ``__main__`` calls ``name``, which may be dotted. `load` puts its own in place of this one."""
    return functools.reduce(attribute, name.split("."), sys.modules["__main__"])


def attribute(value: Any, name: str) -> Any:
    """``getattr``, but a function that is no longer wrapped is what it wrapped."""
    return getattr(value, name, value) if name == "__wrapped__" else getattr(value, name)


def set_cell(cell: Any, content: Tuple[Any]) -> None:
    """Fill the cell of a closure."""
    (cell.cell_contents,) = content


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
        names: which to load; a name that was not written is in neither answer.
        main: the namespace in which classes and functions of ``__main__`` are looked up.
    """
    values: Dict[str, Any] = {}
    errors: Dict[str, str] = {}
    for name, value, error in Loader(pack, main=main, names=set(names)):
        if name in names:
            if error:
                errors[name] = error
            else:
                values[name] = value
    return values, errors


def loads(pickled: bytes, *, main: Dict[str, Any], resolve: Optional[Callable[[str], Any]] = None) -> Any:
    """The value of one pickle. Raises `pickle.UnpicklingError` saying what is missing here.

    Args:
        pickled: what `sovlab.runner.values.pickling.dumps` made.
        main: the namespace in which classes and functions of ``__main__`` are looked up.
        resolve: as for `Loader`.
    """
    return Loader(None, main=main, resolve=resolve).one(pickled)


class Loader:
    """Loads names in the order in which they were written, as it is iterated.

    Yields (name, value, error); the value means nothing where there is an error.

    Args:
        pack: what `dump` wrote.
        main: the namespace in which classes and functions of ``__main__`` are looked up.
        names: the loading ends with the last of these; None loads all.
        resolve: finds a dotted name of ``__main__``; None looks in ``main``. Raises `LookupError`.
    """

    def __init__(
        self,
        pack: Optional[Pack],
        *,
        main: Dict[str, Any],
        names: Optional[Set[str]] = None,
        resolve: Optional[Callable[[str], Any]] = None,
    ) -> None:
        self._main = main
        self._resolve = resolve if resolve is not None else self._look_up
        index: Dict[str, Any] = {}
        if pack is not None and "variables.index" in pack:
            self._pack = pack
            index = json.loads(bytes(pack.segment("variables.index")))
        self._entries: Dict[str, Any] = index.get("names", {})
        order: List[str] = index.get("order", [])
        last = max((i for i, n in enumerate(order) if names is None or n in names), default=-1)
        self._order = order[: last + 1]
        self._python = tuple(index.get("python", ()))
        self._absent: Dict[Tuple[str, str], Any] = {}
        self._reason: Optional[str] = None
        self._memo: Dict[int, Any] = {}

    def __iter__(self) -> Iterator[Tuple[str, Any, str]]:
        if not self._order:
            return
        source = _Source(self._pack)
        try:
            yield from self._each(source)
        finally:
            source.close()

    def _each(self, source: _Source) -> Iterator[Tuple[str, Any, str]]:
        unpickler = self._unpickler(source, source)
        for name in self._order:
            entry = self._entries[name]
            source.seek(entry["span"][0], entry["buffers"][0])
            self._reason = None
            try:
                _, value = unpickler.load()
            except Exception as error:
                # This one still holds the rest of a frame that it did not use.
                unpickler = self._with_memo(source, self._repaired(unpickler.memo.copy(), name))
                yield name, None, self._why(f"{type(error).__name__}: {error}")
                continue
            within = reason_within(value) if self._absent else None
            yield name, value, self._why(within or "")

    def one(self, pickled: bytes) -> Any:
        """The value of a pickle that is in no pack."""
        self._python = sys.version_info[:2]
        value = self._unpickler(io.BytesIO(pickled), None).load()
        why = self._why((reason_within(value) if self._absent else None) or "")
        if why:
            raise pickle.UnpicklingError(why)
        return value

    def _why(self, otherwise: str) -> str:
        return otherwise if self._reason is None else self._reason

    def _unpickler(self, source: Any, buffers: Any) -> Any:
        loader = self

        class Unpickler(pickle.Unpickler):
            def find_class(self, module: str, name: str) -> Any:
                return loader._find(super().find_class, module, name)

            def persistent_load(self, index: Any) -> Any:
                return loader._memo[index]

        return Unpickler(source, buffers=buffers)

    def _with_memo(self, source: _Source, memo: Dict[int, Any]) -> Any:
        # C's Unpickler loses a memo that is assigned to it; one that a pickle fills is as good.
        unpickler = self._unpickler(source, source)
        self._memo = memo
        fill = b"".join(b"J" + index.to_bytes(4, "little") + b"Q\x940" for index in range(len(memo)))
        source.play(b"\x80\x05" + fill + b"N.")
        unpickler.load()
        self._memo = {}
        return unpickler

    def _find(self, find: Callable[[str, str], Any], module: str, name: str) -> Any:
        module = present(module)
        key = (module, name)
        if module == "__main__":
            return self._main_attribute(name)
        if key == (__name__, "main_attribute"):
            return self._main_attribute
        if key == (__name__, "main_namespace"):
            return lambda: self._main
        if module == "torch._utils":
            from sovlab.runner.values.tensors import RELOCATED

            if key in RELOCATED:
                return RELOCATED[key]
        if module == "cloudpickle.cloudpickle" and name in _BYTECODE and self._python != sys.version_info[:2]:
            theirs, ours = (".".join(map(str, v)) for v in (self._python, sys.version_info[:2]))
            why = f"contains bytecode of Python {theirs}, but this is Python {ours}"
            if name == "_builtin_type":
                return lambda kind: self._gone(key, why) if kind == "CodeType" else find(module, name)(kind)
            return self._gone(key, why)
        try:
            return find(module, name)
        except ModuleNotFoundError as error:
            library = (error.name or module).partition(".")[0]
            return self._gone(key, f"needs the library {library}, which is not installed here")
        except AttributeError:
            library = module.partition(".")[0]
            return self._gone(key, f"needs {module}.{name}, which this version of {library} lacks")
        except Exception as error:  # whatever the importing of a library raises
            return self._gone(key, f"needs {module}, which cannot be imported here: {error}")

    def _main_attribute(self, name: str) -> Any:
        try:
            return self._resolve(name)
        except LookupError:
            return self._gone(("__main__", name), f"needs {name}, which is not defined here")

    def _look_up(self, name: str) -> Any:
        first, *rest = name.split(".")
        try:
            return functools.reduce(attribute, rest, self._main[first])
        except AttributeError:
            raise LookupError(name) from None

    def _gone(self, key: Tuple[str, str], why: str) -> Any:
        self._reason = self._reason or why
        if key not in self._absent:
            self._absent[key] = absent(key[0], key[1], why)
        return self._absent[key]

    def _repaired(self, memo: Dict[int, Any], name: str) -> Dict[int, Any]:
        """``memo`` as long as if ``name`` had been loaded, so that later names find theirs in it."""
        import pickletools

        stream = self._pack.segment("variables")
        start = count = 0
        for earlier in self._order[: self._order.index(name) + 1]:
            first, last = self._entries[earlier]["span"]
            start, count = start + count, 0
            for opcode, _, _ in pickletools.genops(bytes(stream[first:last])):
                count += opcode.name == "MEMOIZE"
        lost = absent("", name, shared_with(name))
        self._absent[("", name)] = lost
        memo.update({index: lost() for index in range(start, start + count)})
        return memo


_BYTECODE = ("_make_function", "_builtin_type")


class _Source:
    """What an unpickler reads: the stream as a file, and the buffers as an iterator.

    The stream is read, not mapped: what is copied out of a mapping would take its memory twice.
    """

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self._memory = pack.private()
        self._start, _ = pack.span("variables")
        self._file = open(pack.path, "rb")  # noqa: SIM115 - closed by close
        self._stream: Any = self._file
        self._buffer = 0

    def close(self) -> None:
        """Close the stream; memory that was given out stays."""
        self._file.close()

    def seek(self, position: int, buffer: int) -> None:
        """Go to where a name begins."""
        self._stream = self._file
        self._file.seek(self._start + position)
        self._buffer = buffer

    def play(self, pickled: bytes) -> None:
        """Give ``pickled`` to read, until the next seek."""
        self._stream = io.BytesIO(pickled)

    def read(self, size: int) -> bytes:
        piece: bytes = self._stream.read(size)
        return piece

    def readinto(self, target: Any) -> int:
        count: int = self._stream.readinto(target)
        return count

    def readline(self) -> bytes:
        line: bytes = self._stream.readline()
        return line

    def __iter__(self) -> Iterator[memoryview]:
        return self

    def __next__(self) -> memoryview:
        number, self._buffer = self._buffer, self._buffer + 1
        return self._pack.segment(f"buffer.{number}", self._memory)
