"""`Code`: what is run, a `Cell`, `Call`, `Script` or `Module`; each knows its name and how it is packed."""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from sovlab.core.spec import PayloadKind
from sovlab.errors import CaptureError
from sovlab.payload import capture
from sovlab.payload.files import modules
from sovlab.payload.files.luggage import Travel
from sovlab.payload.gathering import gather
from sovlab.payload.pack import Packed, write_payload

_LONGEST_MARK = 300


class Code(Protocol):
    """Something to run as a job."""

    @property
    def kind(self) -> PayloadKind:
        """What its payload's entry point is."""
        ...

    @property
    def name(self) -> str:
        """What a job of it is called when nobody names it."""
        ...

    @property
    def origin(self) -> str:
        """Where it was submitted from, for people: ``In[7]``, ``train.py``."""
        ...

    @property
    def args(self) -> Sequence[Any]:
        """Of a script, its arguments; of others what `pack` puts into the payload."""
        ...

    def pack(
        self,
        store: Path,
        *,
        send: Sequence[str] | None = None,
        outputs: Sequence[str] = (),
        files: Sequence[str] = (),
        shared: bool = False,
    ) -> Packed:
        """Put it, with all that it needs, into the object store.

        Args:
            store: directory of the object store.
            send: names to send (``--in``); None sends what the code reads.
            outputs: names wanted back (``--out``).
            files: what travels beside the code (``--file``).
            shared: whether the job sees the files of this machine under their paths.

        Raises:
            SyntaxError: the user's own.
            UsageError: something that it needs cannot travel.
        """
        ...


class Cell(msgspec.Struct, frozen=True):
    """A notebook's cell, with the variables, definitions and local modules that it needs.

    Attributes:
        source: the cell, byte for byte.
        namespace: the notebook's variables.
        label: what the cell is called in tracebacks, e.g. ``In[7]``.
        directory: where local modules are looked for before ``sys.path``; None is the working directory.
        given: values that names have in place of the notebook's, as if the cell began by binding them.
        alone: there is no notebook to ask: a cell that reads a name which nothing binds is refused.
    """

    source: str
    namespace: MutableMapping[str, Any]
    label: str = ""
    directory: Path | None = None
    given: Mapping[str, Any] = {}
    alone: bool = False

    kind = PayloadKind.CELL
    name = "cell"
    args = ()

    @property
    def origin(self) -> str:
        """The label."""
        return self.label

    def pack(
        self,
        store: Path,
        *,
        send: Sequence[str] | None = None,
        outputs: Sequence[str] = (),
        files: Sequence[str] = (),
        shared: bool = False,
    ) -> Packed:
        """See `Code.pack`.

        Of the variables that the cell itself reads ``send`` sends just these, whatever their size and their
        look. Definitions, what they read, and imports always travel. A name of ``outputs`` that nothing
        binds is worth a message.

        Raises:
            SyntaxError: the cell's own.
            CaptureError: something it reads cannot travel, ``send`` names what is not there, or nothing
                reads a name of ``given``.
        """
        with _bound(self.namespace, self.given):
            return self._pack(store, send, outputs, Travel(self.directory, files=files, shared=shared))

    def _pack(
        self, store: Path, send: Sequence[str] | None, outputs: Sequence[str], travel: Travel
    ) -> Packed:
        cell = capture.read_cell(self.source, f"Cell {self.label}".rstrip(), outputs)
        for name in send or ():
            if name not in self.namespace:
                raise CaptureError(
                    f"--in names {name!r}, which is not defined in this notebook.",
                    capture.did_you_mean(name, self.namespace).strip()
                    or "Define it in a cell before this one.",
                )
        if self.alone:
            capture.refuse_undefined(cell)
        gathered = gather(self.namespace, cell, send, given=self.given)
        messages = [*capture.undefined(cell, self.namespace), *capture.looked_through(cell)]
        for name in outputs:
            if name not in cell.names.binds and name not in gathered.variables:
                hint = capture.did_you_mean(name, cell.names.binds)
                messages.append(f"--out names {name}, which the cell does not bind.{hint}")
        packed = write_payload(
            gathered,
            store,
            kind=self.kind,
            entry={"cell": cell.key},
            segments={"source": cell.data},
            imported=modules.imports_in(cell.tree),
            labels={cell.key: self.label} if self.label else {},
            messages=messages,
            bound=sorted(cell.names.binds),
            code=cell.key,
            travel=travel,
        )
        for name in self.given:
            if name not in packed.variables:
                raise CaptureError(
                    f"{name} is given a value, but neither the cell nor what it calls reads {name}.",
                    capture.did_you_mean(name, dict.fromkeys(cell.names.reads)).strip()
                    or f"Let the cell read it, and not bind {name} itself before.",
                )
        return packed


@contextlib.contextmanager
def _bound(namespace: MutableMapping[str, Any], values: Mapping[str, Any]) -> Iterator[None]:
    """Names bound to other values for as long as a cell is packed.

    So functions of the notebook that read them find the same as the cell, whichever way they travel.
    """
    before = {name: namespace[name] for name in values if name in namespace}
    try:
        namespace.update(values)
        yield
    finally:
        for name in values:
            if name in before:
                namespace[name] = before[name]
            else:
                namespace.pop(name, None)


class Call(msgspec.Struct, frozen=True):
    """``function(*args, **kwargs)``; its return value comes back.

    What is passed travels whatever its size and its look.
    """

    function: Callable[..., Any]
    arguments: Sequence[Any] = ()
    keywords: Mapping[str, Any] = {}
    directory: Path | None = None

    kind = PayloadKind.CALL
    args = ()

    @property
    def name(self) -> str:
        """The function's."""
        return name_of(self.function)

    @property
    def origin(self) -> str:
        """The function's name."""
        return name_of(self.function)

    def pack(
        self,
        store: Path,
        *,
        send: Sequence[str] | None = None,
        outputs: Sequence[str] = (),
        files: Sequence[str] = (),
        shared: bool = False,
    ) -> Packed:
        """See `Code.pack`; ``send`` and ``outputs`` are a cell's.

        Raises:
            CaptureError: the function, an argument or something that it reads cannot travel.
        """
        call = (self.function, tuple(self.arguments), dict(self.keywords))
        gathered = gather(_main_of(self.function), None, None, explicit={"__call__": call})
        return write_payload(
            gathered,
            store,
            kind=self.kind,
            entry={"call": True},
            code=_mark(self.function),
            travel=Travel(self.directory, files=files, shared=shared),
        )


def name_of(function: Callable[..., Any]) -> str:
    """What a job of ``function`` is called when nobody names it."""
    inner = inspect.unwrap(function.func if isinstance(function, functools.partial) else function)
    name = getattr(inner, "__name__", type(inner).__name__)
    return "call" if name == "<lambda>" else name


def _mark(function: Callable[..., Any]) -> str:
    """Module and name of a function; empty if they do not tell it from others."""
    inner = inspect.unwrap(function.func if isinstance(function, functools.partial) else function)
    name = str(getattr(inner, "__qualname__", type(inner).__qualname__))
    mark = f"{getattr(inner, '__module__', None) or ''}.{name}"
    return "" if "<lambda>" in name or len(mark) > _LONGEST_MARK else mark


def _main_of(function: Callable[..., Any]) -> Mapping[str, Any]:
    inner: Any = function
    while hasattr(inner, "__wrapped__") or hasattr(inner, "func"):
        inner = getattr(inner, "__wrapped__", None) or inner.func
    inner = getattr(inner, "__func__", inner)
    if getattr(inner, "__module__", None) == "__main__" and hasattr(inner, "__globals__"):
        return inner.__globals__  # type: ignore[no-any-return]  # a notebook's, whoever is sys.modules["__main__"]
    return vars(sys.modules["__main__"])
