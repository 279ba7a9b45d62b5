"""What code needs from a namespace, found by reading it and, where that ends, by pickling it."""

from __future__ import annotations
import __future__

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from sovlab.core.units import format_bytes
from sovlab.errors import CaptureError, SovlabError
from sovlab.payload import secrets
from sovlab.payload.capture import Source
from sovlab.payload.files import modules
from sovlab.payload.ordering import Ordering
from sovlab.runner.settings import reading as settings
from sovlab.runner.source import locating
from sovlab.runner.source.definitions import Definitions
from sovlab.runner.values.pack import PackWriter
from sovlab.runner.values.pickling import (
    FILLING,
    OF_MODULE,
    Dumper,
    PickleOptions,
    Postponed,
    Sent,
    Unpicklable,
)

MAX_UNNAMED = 256_000_000
"""Bytes of the largest variable that travels without being named in ``--in``."""

_REMEDIES = (
    (r"^_io\.|\.IO$|^tempfile\.", "Open the file inside the cell, or send its path."),
    (r"generator$|iterator$", "Create it inside the cell, or send a list of its items."),
    (r"lock|Lock|Condition|Event|Semaphore|queue\.", "Make it inside the cell."),
    (r"^sovlab\.client\.job", "Send what job.result() gives, or job.id."),
    (r"[Ss]ocket|Connection|Cursor|Session|Client", "Connect inside the cell."),
    (r"Thread|Process|Pool|Executor|Task|Future", "Start it inside the cell."),
)


def gather(
    namespace: Mapping[str, Any],
    cell: Source | None,
    send: Sequence[str] | None,
    explicit: Mapping[str, Any] | None = None,
    given: Iterable[str] = (),
) -> Gathered:
    """What ``cell`` needs of ``namespace``, and the values in ``explicit``; see `Gathered`."""
    gathered = Gathered(namespace, cell, send, explicit or {}, given)
    if cell is not None:
        gathered.definitions.chains(cell.names.chains)
        for name in sorted({*cell.names.reads, *(send or ())}):
            gathered.definitions.need(name)
    return gathered


class Gathered:
    """What travels with a payload. Pickling finds more of it: `dump` is part of the gathering.

    Args:
        namespace: the notebook's variables.
        cell: the cell that reads them; None for a call.
        send: names of ``--in``; None if the flag was not given.
        explicit: values that travel beside the variables, whatever their size: the arguments of a call.
        given: names with values for this cell alone, sent as those of ``send`` are.
    """

    def __init__(
        self,
        namespace: Mapping[str, Any],
        cell: Source | None,
        send: Sequence[str] | None,
        explicit: Mapping[str, Any],
        given: Iterable[str] = (),
    ) -> None:
        self._namespace = namespace
        self._cell = cell
        self._send = send
        self._named = {*(send or ()), *given}
        self._explicit = explicit
        self._options = PickleOptions()
        self._memory: Any = None
        self.definitions = Definitions(namespace, self._variable)
        self.variables: dict[str, str] = {}
        """Variables that travel, with the definition that reads each; empty for the code itself."""
        self._of_modules: dict[str, Any] = {}
        self._left: set[str] = set()
        self._ordering = Ordering(self.definitions, self.variables, explicit, self._value, self._of_modules)
        self.withheld: dict[str, str] = {}
        self.messages: list[str] = []
        self.sent: list[Sent] = []
        self.settings: settings.Encoded = {}
        """Settings of libraries, known once `dump` has run; a script has none: it makes its own."""
        self._changed = settings.changed() if cell is not None or explicit else {}
        self._not_carried = settings.not_carried() if cell is not None or explicit else []
        features = __future__.all_feature_names
        self.future = sorted(f for f in features if namespace.get(f) is getattr(__future__, f))

    def _variable(self, name: str, reader: str) -> None:
        if name in self.variables or name in self.withheld:
            return
        named = name in self._named
        if self._send is not None and not named and not reader:
            self._note(f"{name} is {self._read_where(name)}, but not sent: --in does not name it.")
            return
        why = "" if named else secrets.suspicious(name, self._namespace[name])
        if why:
            self.withheld[name] = why
            it = "it" if why.startswith(f"{name} ") else name
            self._note(
                f"{why}, so {it} was not sent. Name it in --in if the job needs it, or pass it with --env."
            )
            return
        self.variables[name] = reader

    def _note(self, message: str) -> None:
        if message not in self.messages:
            self.messages.append(message)

    def _where(self, name: str) -> str:
        reader = self.variables.get(name, "")
        if reader:
            return reader
        return (self._cell.line(name) if self._cell is not None else "") or "the call"

    def _read_where(self, name: str) -> str:
        """Why a name travels, for a message: ``read in line 3``."""
        if self._cell is not None and self._cell.names.reads.get(name) == 0 and not self.variables.get(name):
            return "named in --out"
        return f"read in {self._where(name)}"

    @property
    def bytecode(self) -> list[str]:
        """What only goes as bytecode, known once `dump` has run."""
        return self._options.bytecode

    def modules(self) -> set[str]:
        """Modules that the job imports for what was gathered, known once `dump` has run."""
        names = {*self._options.modules, *self.definitions.submodules}
        names.update(module for module, _ in self.definitions.imports.values())
        for definition in self.definitions.gathered.values():
            names |= modules.imports_in(definition.statement.node)
        return names

    def labels(self) -> dict[str, str]:
        """What the cells of the definitions are called, by the SHA-256 of their source."""
        numbers = _execution_counts(self._namespace)
        return {
            d.statement.key: _label(d.statement.file, numbers) for d in self.definitions.gathered.values()
        }

    def dump(self, writer: PackWriter) -> list[Sent]:
        """Pickle the variables, the same way each time it is called.

        Raises:
            Postponed: a variable must come before one that is written already; begin anew.
            CaptureError: one cannot travel.
        """
        self._options = PickleOptions(
            self._refer,
            strict=True,
            main=self._namespace,
            reads=self._read_by,
            memory=self._memory,
        )
        dumper = Dumper(writer, self._options)
        self._ordering.begin()
        self.sent = []
        self._encode_settings()
        try:
            for name in iter(self._ordering.next, None):
                sent = self._add(dumper, name)
                if sent is not None:
                    self.sent.append(sent)
            self._fill(dumper)
            self._memory = memory = self._options.memory
            if memory is not None and memory.is_new:
                memory.is_new = False
                raise Postponed
        except Postponed:
            self._ordering.forget()
            raise
        dumper.finish()
        if memory is not None and memory.are_apart:
            self._note(
                "Arrays that travel share memory here as parts of a larger one that does not travel; in the "
                "job each has its own. Name the larger one in --in to keep them together."
            )
        self._check_plain()
        self._ordering.settle()
        return self.sent

    def add_module_state(self, imported: Iterable[str], files: Sequence[str]) -> None:
        """Let what was set in modules travel as well.

        Args:
            imported: modules that the code imports.
            files: absolute paths of those that are the user's own.

        Raises:
            Postponed: something was; begin anew.
        """
        if self._cell is None and not self._explicit:
            return  # a script imports them itself
        namespace = self._namespace
        if not files and not locating.may_set(namespace) and not locating.may_call(namespace):
            return
        from sovlab.payload import set_in_modules

        found = set_in_modules.look(namespace, imported, files)
        for sentence in found.sentences:
            self._note(sentence)
        for name, why in found.left.items():
            self._leave(name, why)
        known = len(self._of_modules)
        self._of_modules.update((n, value) for n, value in found.values.items() if n not in self._left)
        travelled = len(self.definitions.gathered)
        for name in found.registered:
            self.definitions.need(name)
        if len(self._of_modules) > known or len(self.definitions.gathered) > travelled:
            self._begin_anew()

    def _leave(self, name: str, why: str) -> None:
        """Let the job have what a module gives by itself."""
        module, _, path = name[len(OF_MODULE) :].partition(":")
        self._of_modules.pop(name, None)
        self._left.add(name)
        self._note(
            f"{module}.{path}, set here, does not travel: {why}. In the job it is as {module} makes it."
        )

    def _add_of_module(self, dumper: Dumper, name: str) -> Sent | None:
        try:
            sent = dumper.add(name, self._of_modules[name])
        except Unpicklable as error:
            self._leave(name, f"{error.kind} cannot be pickled")
            return None
        if sent.size > MAX_UNNAMED:
            self._leave(name, f"it is {format_bytes(sent.size)}, more than {format_bytes(MAX_UNNAMED)}")
            raise Postponed
        return sent

    def _fill(self, dumper: Dumper) -> None:
        filling = self._ordering.filling()
        if filling is not None:
            self._ordering.fills()
            dumper.add(FILLING, filling)
            if self._ordering.next() is not None:
                raise Postponed  # what went ahead without some of its functions has shown what these read

    def _check_plain(self) -> None:
        gathered = self.definitions.gathered
        with_shell = [n for n in sorted(gathered) if "get_ipython" in gathered[n].statement.source]
        if with_shell:
            from sovlab.payload.notebooks import syntax as notebook_syntax

            numbers = _execution_counts(self._namespace)
            label = lambda file: _label(file, numbers)  # noqa: E731
            tree = self._cell.tree if self._cell is not None else None
            for message in notebook_syntax.only_told(gathered, with_shell, tree, label):
                self._note(message)

    def _encode_settings(self) -> None:
        self.settings, left = settings.encode(self._changed, self._options)
        left = [*self._not_carried, *left]
        if left:
            them = "them" if len(left) > 1 else "it"
            self._note(
                f"What earlier cells set with {', '.join(left)} is not in force in a job: set {them} there."
            )

    def _begin_anew(self) -> None:
        self._ordering.forget()
        raise Postponed

    def _add(self, dumper: Dumper, name: str) -> Sent | None:
        if name in self._of_modules:
            return self._add_of_module(dumper, name)
        if self._only_returned(name):
            # It keeps its value if the cell does not bind it. Should it have one that cannot travel, such
            # as the placeholder of an earlier job, the cell is likely to bind it.
            try:
                return dumper.add(name, self._value(name))
            except (Unpicklable, SovlabError):
                return None
        try:
            made = self._ordering.skeleton(name)
            if made is not None:
                sent = dumper.add(name, made[0])
                dumper.stand_for(made[1])
                return sent
            sent = dumper.add(name, self._value(name))
        except Unpicklable as error:
            raise self._refusal(name, error) from error.__cause__
        if sent.size > MAX_UNNAMED and not (name in self._named or name in self._explicit):
            names = [*(self._send or self._read()), *([name] if self._send else [])]
            raise CaptureError(
                f"{name}, {self._read_where(name)}, is {format_bytes(sent.size)}, more than the "
                f"{format_bytes(MAX_UNNAMED)} that are sent without being named.",
                f"To send it, name it: --in {','.join(names)}.{self._view(name)}",
            )
        return sent

    def _only_returned(self, name: str) -> bool:
        only = self._cell is not None and name not in self._named and not self.variables.get(name, "-")
        return only and self._cell is not None and self._cell.names.reads.get(name) == 0

    def _read(self) -> list[str]:
        return sorted(name for name, reader in self.variables.items() if not reader)

    def _value(self, name: str) -> Any:
        if name in self._explicit:
            return self._explicit[name]
        if name in self._of_modules:
            return self._of_modules[name]
        if name in self.variables:
            return self._namespace[name]
        return self.definitions.states()[name]

    def _view(self, name: str) -> str:
        value = self._value(name)
        storage = getattr(value, "untyped_storage", None)
        if type(value).__module__.partition(".")[0] == "torch" and storage is not None:
            own = value.numel() * value.element_size()
            if own * 2 < storage().nbytes():
                return f" It is a view of a larger tensor: {name}.clone() is {format_bytes(own)}."
        return ""

    def _refer(self, value: Any) -> str | None:
        name = self.definitions.refer(value)
        if name is not None:
            self._ordering.refers(name.partition(".")[0])
        return name

    def _read_by(self, function: Any) -> None:
        from cloudpickle import cloudpickle

        from sovlab.payload.notebooks import syntax as notebook_syntax

        if notebook_syntax.may_run_them(function.__code__):
            raise CaptureError(
                f"{function.__qualname__} runs a line that is for IPython, but a job runs plain Python.",
                "Use subprocess.run([...]) in it, or write it in Python.",
            )
        for name in sorted(cloudpickle._extract_code_globals(function.__code__)):
            self.definitions.need(name, f"{function.__qualname__}")

    def _refusal(self, name: str, error: Unpicklable) -> CaptureError:
        subject = _readable(error.path)
        where = "" if name in self._explicit or name.startswith("def.") else f", {self._read_where(name)},"
        remedy = next(
            (advice for pattern, advice in _REMEDIES if re.search(pattern, error.kind)),
            "Make it inside the cell.",
        )
        return CaptureError(
            f"{subject}{where} cannot be sent to a job: it is of type {error.kind} ({error.why}).", remedy
        )


def _readable(path: str) -> str:
    """A path into what is sent, in the user's words."""
    match = re.match(r"__call__\[(0|1\]\[(\d+)|2\]\['([^']*)')\](.*)", path, re.DOTALL)
    if match:
        number, keyword, rest = match[2], match[3], match[4]
        what = (
            f"argument {int(number) + 1}"
            if number is not None
            else f"argument {keyword}"
            if keyword
            else "the function"
        )
        return f"{what}{f' (at {rest})' if rest else ''}"
    match = re.match(r"def\.(\w+)\['(\w+)'\]", path)
    if match:
        return f"{'a default' if 'defaults' in match[2] else 'an attribute'} of {match[1]}"
    return path


def _execution_counts(namespace: Mapping[str, Any]) -> Mapping[str, int]:
    get_ipython = namespace.get("get_ipython")
    shell = get_ipython() if callable(get_ipython) else None
    return getattr(getattr(shell, "compile", None), "_filename_map", {})


def _label(file: str, numbers: Mapping[str, int]) -> str:
    if file in numbers:
        return f"In[{numbers[file]}]"
    match = re.match(r"<ipython-input-(\d+)-", file)
    if match:
        return f"In[{match[1]}]"
    return file.removeprefix("Cell ") if file.startswith("Cell ") else PurePath(file).name
