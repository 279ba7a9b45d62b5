"""From a pack into a namespace: imports, definitions, variables.

A definition is run where its first user needs it, after what it needs itself; its lines keep their
numbers in its cell, and `linecache` knows them.
"""

from __future__ import annotations
import __future__

import ast
import contextlib
import functools
import importlib
import linecache
import types
from typing import Any, Callable, Dict, FrozenSet, List, Mapping, Optional, Set, Tuple

from sovlab.runner.source.parsing import parse
from sovlab.runner.values.moved import present
from sovlab.runner.values.pack import Pack
from sovlab.runner.values.unpickling import FILLING, OF_MODULE, Loader, attribute


def file_name(key: str, labels: Mapping[str, str]) -> str:
    """What the source with this SHA-256 is called in tracebacks: ``Cell In[7]``, ``train.py``."""
    label = labels.get(key)
    if label is None:
        return f"Cell {key[:8]}"
    return f"Cell {label}" if label.startswith("In[") else label


class Installer:
    """Puts what a pack brings into a namespace: imports, definitions, variables.

    Args:
        pack: a payload or results.
        main: the namespace, usually that of ``__main__``.
        labels: what cells are called, by the SHA-256 of their source.
        replace: whether names that ``main`` has are bound again; if not, only what is missing is added.
    """

    def __init__(
        self,
        pack: Pack,
        main: Dict[str, Any],
        labels: Mapping[str, str] = types.MappingProxyType({}),
        *,
        replace: bool = True,
    ) -> None:
        self._pack = pack
        self._main = main
        # Of what a job returned the namespace seems to have all that the notebook has.
        self._has: Callable[[str], bool] = functools.partial(dict.__contains__, main)
        self._replace = replace
        self._entries: Dict[str, Dict[str, Any]] = {d["name"]: d for d in pack.meta.get("definitions", ())}
        self._begun: Set[str] = set()
        self._labels = labels
        self.derived: Dict[str, FrozenSet[str]] = {}
        """Classes derived from the notebook's, with the attributes that are their own."""
        self.separate: FrozenSet[str] = frozenset()
        """Functions with the notebook's code and a state of their own."""
        self.errors: Dict[str, str] = {}
        """Why names could not be loaded here; each reason continues a sentence that begins with the name."""

    def all(self) -> Dict[str, Any]:
        """Bind everything; the values whose names are no identifiers, like ``__call__``, are returned too."""
        values = self.values(None)
        self._main.update(values)
        return values

    def values(self, names: Optional[Set[str]]) -> Dict[str, Any]:
        """Add imports and definitions, and load the variables ``names`` (None: all)."""
        self._remember_lines()
        self._import()
        needed = set(self._pack.meta.get("needed", ()))
        if not self._replace:
            self._fetch(needed)
            names = names if names is None else names | needed | {f"def.{name}" for name in self._entries}
        values: Dict[str, Any] = {}
        fillings: List[Any] = []
        for name, value, error in Loader(self._pack, main=self._main, names=names, resolve=self.resolve):
            if error:
                self.errors[name] = error
            elif name == FILLING:
                fillings.append(value)
            elif name.startswith("def."):
                self._restore(name, value)
            elif name.startswith(OF_MODULE):
                _set_in_module(name[len(OF_MODULE) :], value)
            elif self._replace:
                values[name] = self._main[name] = value  # a definition that is run later may read it
            elif name in needed:
                self._main.setdefault(name, value)
            else:
                values[name] = value
        for name in self._entries:
            self._define(name)
        if fillings:
            from sovlab.runner.values.refilling import refill
        for filling, states, variables in fillings:
            # What ran meanwhile may have added to what it found.
            refill(filling)
            for name, state in states.items():
                self._restore(f"def.{name}", state)
            values.update(variables)
            self._main.update(variables)
        return values

    def _fetch(self, needed: Set[str]) -> None:
        """Bind what a definition reads while it is run: it comes after the values which need that."""
        undefined = [entry for name, entry in self._entries.items() if not self._has(name)]
        early = {v for entry in undefined for v in entry["variables"] if v in needed and not self._has(v)}
        if early:
            for name, value, error in Loader(self._pack, main=self._main, names=early, resolve=_refuse):
                if name in early and not error:
                    self._main[name] = value

    def _import(self) -> None:
        for alias, module, member in self._pack.meta.get("imports", ()):
            if alias is not None and self._has(alias) and not self._replace:
                continue
            try:
                value = importlib.import_module(present(module))
                if member is not None:
                    value = getattr(value, member)
            except ImportError as error:
                library = (getattr(error, "name", None) or module).partition(".")[0]
                self.errors[alias or module] = (
                    f"needs the library {library}, which cannot be imported here: {error}"
                )
            except AttributeError:
                self.errors[alias or module] = (
                    f"needs {module}.{member}, which this version of {module} lacks"
                )
            else:
                if alias is not None:
                    self._main[alias] = value

    def resolve(self, name: str) -> Any:
        """What ``main`` has, or is to have, under a dotted name. Raises `LookupError`."""
        first, *rest = name.split(".")
        self._define(first)
        try:
            return functools.reduce(attribute, rest, self._main[first])
        except (AttributeError, KeyError):
            raise LookupError(name) from None

    def _define(self, name: str) -> None:
        entry = self._entries.get(name)
        if entry is None or name in self._begun or (self._has(name) and not self._replace):
            return
        self._begun.add(name)
        for other in entry["before"]:
            self._define(other)
        source = bytes(self._pack.segment(entry["segment"])).decode("utf-8", "surrogatepass")
        first = entry["line"]
        if source[:1] in " \t":
            source, first = f"if True:\n{source}", first - 1  # from within a block
        file = file_name(entry["key"], self._labels)
        tree = parse("\n" * (first - 1) + source, file)
        if entry["defaults"]:
            from sovlab.runner.source.defaults import without_defaults

            block: Any = tree.body[0] if isinstance(tree.body[0], ast.If) else tree
            block.body[0] = without_defaults(block.body[0])
        flags = sum(getattr(__future__, f).compiler_flag for f in entry.get("future", ()))
        exec(compile(tree, file, "exec", flags, dont_inherit=True), self._main)  # noqa: S102 - the user's own

    def _restore(self, segment: str, state: Dict[str, Any]) -> None:
        from sovlab.runner.source import decorated, defaults

        name = segment[len("def.") :]
        if name in self.derived:
            own = {key: v for key, v in state.get("attributes", {}).items() if key in self.derived[name]}
            for key, content in own.items():
                setattr(self._main[name], key, content)
            for member, found in state.get("members", {}).items():
                if member in self.derived[name]:
                    decorated.restore_member(self._main[name], member, found)
            return
        known = self._has(name) and not self._replace and name not in self._begun
        if known and name not in self.separate:
            return
        self._define(name)
        value = self._main[name]
        if "defaults" in state:
            value.__defaults__, value.__kwdefaults__ = state["defaults"], state["kwdefaults"]
        if "dict" in state:
            vars(value).update(state["dict"])
        for member, content in state.get("attributes", {}).items():
            owner, last = _owner(value, member)
            setattr(owner, last, content)
        if "decorated_defaults" in state:
            defaults.restore(value, name, state["decorated_defaults"])
        defaults.restore_class(value, state.get("method_defaults", {}))
        for member, found in state.get("methods", {}).items():
            decorated.restore_method(*_owner(value, member), found)
        for member, found in state.get("members", {}).items():
            decorated.restore_member(*_owner(value, member), found)
        for inner, kinds in state.get("virtual", {}).items():
            abstract = functools.reduce(getattr, inner.split("."), value) if inner else value
            for kind in kinds:
                abstract.register(kind)
        decorated.restore(value, state)

    def _remember_lines(self) -> None:
        """Let tracebacks and `inspect.getsource` find the lines, each at its number in its cell."""
        cells: Dict[str, List[str]] = {}
        for entry in self._entries.values():
            file = file_name(entry["key"], self._labels)
            cached = linecache.cache.get(file)
            lines = cells.setdefault(file, list(cached[2]) if cached is not None and len(cached) == 4 else [])
            text = bytes(self._pack.segment(entry["segment"])).decode("utf-8", "surrogatepass")
            for number, line in enumerate(text.splitlines(keepends=True), entry["line"] - 1):
                lines.extend("\n" for _ in range(number + 1 - len(lines)))
                lines[number] = line
        for file, lines in cells.items():
            linecache.cache[file] = (sum(map(len, lines)), None, lines, file)


def _set_in_module(path: str, value: Any) -> None:
    """Set ``module:attribute`` or ``module:Class.attribute``."""
    name, _, rest = path.partition(":")
    try:
        module = importlib.import_module(name)
    except ImportError:
        return  # whoever needs it says so
    with contextlib.suppress(AttributeError):  # another version of it
        owner, last = _owner(module, rest)
        setattr(owner, last, value)


def _owner(value: Any, path: str) -> Tuple[Any, str]:
    """What has the last name of a dotted path, and that name."""
    *owners, last = path.split(".")
    return functools.reduce(getattr, owners, value), last


def _refuse(name: str) -> Any:
    raise LookupError(name)
