"""What ``__main__`` defines, as source, with all that it reads: definitions, imports and variables."""

from __future__ import annotations

import functools
import sys
import types
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Set, Tuple

from sovlab.runner.source import locating
from sovlab.runner.source.locating import DefiningStatement
from sovlab.runner.source.scopes import Names, names_in
from sovlab.runner.values.pack import PackWriter

_MAIN = ("__main__", "__mp_main__")
"""Modules that are nowhere to be imported from; the second is what `multiprocessing` calls the first."""
_PYTHONS = frozenset(
    (
        *("__name__", "__doc__", "__package__", "__loader__", "__spec__", "__builtins__", "__builtin__"),
        *("__file__", "__cached__", "__annotations__", "__conditional_annotations__"),
    )
)
"""Names that Python itself binds in each module."""


def is_sent(name: str, value: Any) -> bool:
    """Whether a name is the notebook's own, and not one that Python or IPython puts there, also in a job."""
    if name in _PYTHONS:
        return False
    if name == "open":
        return value is not open
    return name not in ("get_ipython", "exit", "quit") or not _is_of_ipython(value)


def _is_of_ipython(value: Any) -> bool:
    module = getattr(value, "__module__", None) or type(value).__module__
    return str(module).partition(".")[0] in ("IPython", "ipykernel", "_sitebuiltins", "sovlab")


class Definition:
    """One definition that travels.

    Attributes:
        name: what ``__main__`` calls it.
        statement: where it stands in a cell, and what it made.
        reads: names that it takes from ``__main__``.
        placeholders: whether its defaults travel as values, with None in their place in the source.
        missing: names without which its source cannot be run here any more.
        state: what its source does not say: changed defaults and attributes; empty if nothing.
    """

    def __init__(self, name: str, statement: DefiningStatement, namespace: Mapping[str, Any]) -> None:
        from sovlab.runner.source import unsaid

        self.name = name
        self.statement = statement
        self.state, tree = unsaid.state(statement, namespace[name], namespace)
        self.placeholders = tree is not statement.node
        self.reads: Names = names_in(tree)
        self.missing = unsaid.missing(tree, statement.future, namespace)


class Definitions:
    """Gathers the definitions, imports and variables that names of a namespace need.

    Args:
        namespace: the notebook's variables, or a job's.
        variable: called for each variable that is needed, with its name and the name of what reads it.
        back: they go back into a notebook. There the source of what adds itself to something is not run
            again, which may be the notebook's own: it goes by value.
    """

    def __init__(
        self,
        namespace: Mapping[str, Any],
        variable: Callable[[str, str], None] = lambda name, reader: None,
        *,
        back: bool = False,
    ) -> None:
        self._namespace = namespace
        self._back = back
        self.module = namespace.get("__name__", "__main__")
        self._variable = variable
        self._definitions: Dict[str, Optional[Definition]] = {}
        self._references: Dict[int, Tuple[Any, Optional[str]]] = {}
        self.gathered: Dict[str, Definition] = {}
        self.imports: Dict[str, Tuple[str, Optional[str]]] = {}
        """Name → (module, attribute or None)."""
        self.submodules: Set[str] = set()
        """Modules to import besides, because ``a.b`` is reached through ``a``."""

    def need(self, name: str, reader: str = "") -> None:
        """Gather what ``name`` stands for, and all that it needs."""
        if name not in self._namespace or name in self.gathered or name in self.imports:
            return
        value = self._namespace[name]
        if not is_sent(name, value):
            return
        imported = import_of(value)
        if imported is not None:
            self.imports[name] = imported
            return
        definition = self.definition(name)
        if definition is None:
            self._variable(name, reader)
            return
        self.gathered[name] = definition
        self.chains(definition.reads.chains)
        for inner in sorted(definition.reads.reads):
            self.need(inner, name)

    def chains(self, chains: Iterable[str]) -> None:
        """Note the submodules that attribute chains like ``xml.etree.ElementTree.parse`` go through."""
        for chain in chains:
            first, *rest = chain.split(".")
            value = self._namespace.get(first)
            path = value.__name__ if isinstance(value, types.ModuleType) else None
            for part in rest if path is not None else ():
                path = f"{path}.{part}"
                if not isinstance(sys.modules.get(path), types.ModuleType):
                    break
                self.submodules.add(path)

    def definition(self, name: str) -> Optional[Definition]:
        """The definition that gave ``name`` its value; None if its source is not known."""
        if name not in self._definitions:
            statement = locating.find(name, self._namespace) if self._definable(name) else None
            found = None if statement is None else Definition(name, statement, self._namespace)
            self._definitions[name] = found if found is not None and self._is_as_here(found) else None
            if self._back and found is not None and self._adds_itself(found):
                self._definitions[name] = None
        return self._definitions[name]

    def _is_as_here(self, found: Definition) -> bool:
        """Whether running the source of a definition here makes what the definition is."""
        from sovlab.runner.source.staleness import is_as_made

        if found.missing or not self._is_of_here(found.statement.origin, found):
            return False
        return is_as_made(found.statement, self._namespace[found.name], self._namespace)

    def _adds_itself(self, found: Definition) -> bool:
        """Whether something that may be changed is read when the source of a definition is run."""
        todo, seen = sorted(self._early(found)), {found.name}
        while todo:
            name = todo.pop()
            if name in seen or name not in self._namespace:
                continue
            seen.add(name)
            value = self._namespace[name]
            inner = self.definition(name)
            if inner is not None:
                if any(map(_may_grow, (inner.state.get("attributes"), inner.state.get("dict")))):
                    return True
                todo.extend(inner.reads.reads)
            elif isinstance(value, (dict, list, set)) or type(value).__module__ == self.module:
                return True
        return False

    def _early(self, found: Definition) -> Set[str]:
        """What a definition reads while it is run, without classes that it does nothing with but derive."""
        from sovlab.runner.source.unsaid import used

        busy = used(found.statement.node)
        return {name for name in found.reads.early if name in busy or not self._is_quiet(name)}

    def _is_quiet(self, name: str) -> bool:
        """Whether nothing of the notebook's runs where a class is derived from, or named."""
        cls = self._namespace.get(name)
        if not isinstance(cls, type) or type(cls).__module__ == self.module:
            return False
        return not any("__init_subclass__" in vars(c) for c in cls.__mro__ if c.__module__ == self.module)

    def _is_of_here(self, value: Any, found: Definition) -> bool:
        """Whether a function or class finds under the names that it reads what this namespace has under them.

        One that another job has returned may find something else; it goes by value, with what it finds.
        """
        from sovlab.runner.source.returned import globals_of

        there = globals_of(value)
        if there is None or there is self._namespace:
            return True
        missing = object()
        return all(
            self._namespace.get(name, missing) is there[name] for name in found.reads.reads if name in there
        )

    def _definable(self, name: str) -> bool:
        value = self._namespace.get(name)
        if isinstance(value, (types.FunctionType, type)):
            return True
        from sovlab.runner.source.matching import origins

        return callable(value) and any(True for _ in origins(value, name, self.module))

    def refer(self, value: Any) -> Optional[str]:
        """For `PickleOptions`: the qualified name of a function or class whose source travels, else None."""
        if getattr(value, "__module__", None) != self.module:
            return None
        entry = self._references.get(id(value))
        if entry is None:
            entry = self._references[id(value)] = (value, self._reference(value))
        name = entry[1]
        if name is not None:
            self.need(name.partition(".")[0], name)
        return name

    def _reference(self, value: Any) -> Optional[str]:
        from sovlab.runner.source.likeness import alike

        qualified = str(getattr(value, "__qualname__", ""))
        top, _, rest = qualified.partition(".")
        if "<" in qualified:
            return self._lambda(value)
        definition = self.definition(top) if top in self._namespace else None
        if definition is None:
            return None
        if not rest:
            bound = self._namespace[top]
            wrapped, path = bound, top
            while wrapped is not value and "__wrapped__" in getattr(wrapped, "__dict__", {}):
                wrapped, path = wrapped.__dict__["__wrapped__"], f"{path}.__wrapped__"
            if wrapped is value:
                return path
            rerun = bound is definition.statement.origin and alike(value, bound)
            return top if rerun and self._is_of_here(value, definition) else None
        try:
            member = functools.reduce(getattr, rest.split("."), self._namespace[top])
        except AttributeError:
            return None
        if member is value:
            return qualified
        # As another class of that name may have it, of which instances were made before the cell ran again.
        other = isinstance(value, types.FunctionType) and alike(value, member)
        return qualified if other and self._is_of_here(value, definition) else None

    def _lambda(self, value: Any) -> Optional[str]:
        if value.__qualname__ != "<lambda>":
            return None
        for name, bound in self._namespace.items():
            if bound is value and self.definition(name) is not None:
                return name
        return None

    def before(self, name: str) -> Tuple[List[str], List[str]]:
        """What must be bound when the source of ``name`` is run: definitions and variables, sorted.

        What it calls while it is run needs all that it reads in its turn.
        """
        definition = self.gathered[name]
        todo = sorted(definition.reads.early)
        definitions: Set[str] = set()
        variables: Set[str] = set()
        while todo:
            inner = todo.pop()
            if inner in self.gathered:
                if inner not in definitions and inner != name:
                    definitions.add(inner)
                    todo.extend(self.gathered[inner].reads.reads)
            elif inner in self._namespace and inner not in self.imports and inner not in variables:
                value = self._namespace[inner]
                if is_sent(inner, value):
                    variables.add(inner)
                    # Of an object its methods may be called.
                    if type(value).__module__ == self.module:
                        todo.append(type(value).__qualname__.partition(".")[0])
        return sorted(definitions), sorted(variables)

    def send_as_value(self, name: str) -> None:
        """Let what ``name`` stands for travel as it is, not as its source: that cannot be run in a job."""
        self._definitions[name] = None
        self.gathered.pop(name, None)
        self._references.clear()
        self.need(name)

    def states(self) -> Dict[str, Dict[str, Any]]:
        """What the source does not say of each definition, under the name to pickle it as."""
        return {
            f"def.{name}": self.gathered[name].state
            for name in sorted(self.gathered)
            if self.gathered[name].state
        }

    def write(self, writer: PackWriter) -> Dict[str, Any]:
        """Write the sources as segments; the pack's meta for them: ``definitions`` and ``imports``."""
        entries = []
        for name in sorted(self.gathered):
            definition = self.gathered[name]
            statement = definition.statement
            segment = f"def.{name}"
            definitions, variables = self.before(name)
            writer.add(segment, statement.source.encode("utf-8", "surrogatepass"))
            entries.append(
                {
                    "name": name,
                    "key": statement.key,
                    "line": statement.line,
                    "segment": segment,
                    "defaults": definition.placeholders,
                    "future": list(statement.future),
                    "before": definitions,
                    "variables": variables,
                }
            )
        imports: List[List[Optional[str]]] = [[None, name, None] for name in sorted(self.submodules)]
        imports += [[name, *self.imports[name]] for name in sorted(self.imports)]
        return {"definitions": entries, "imports": imports}


def _may_grow(fields: Optional[Mapping[str, Any]]) -> bool:
    """Whether something is among values to which a decorator may add."""
    return any(
        isinstance(v, (dict, list, set)) or type(v).__module__ == "__main__" for v in (fields or {}).values()
    )


def import_of(value: Any) -> Optional[Tuple[str, Optional[str]]]:
    """The import that gives ``value``: (module, attribute or None); None if no import does."""
    if isinstance(value, types.ModuleType):
        return (
            (value.__name__, None)
            if sys.modules.get(value.__name__) is value and value.__name__ not in _MAIN
            else None
        )
    if not isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
        return None
    if isinstance(value, types.FunctionType) and value.__globals__.get("__name__") in _MAIN:
        return None  # put there by the notebook, with the names of what it wraps
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    if not isinstance(module, str) or module in _MAIN or "." in name:
        return None
    return (module, name) if getattr(sys.modules.get(module), name, None) is value else None
