"""What ``__main__`` defines, as source, with all that it reads: definitions, imports and variables."""

from __future__ import annotations

import abc
import ast
import copy
import functools
import sys
import types
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Set, Tuple

from sovlab.runner.source import locating
from sovlab.runner.source.locating import DefiningStatement, Statement
from sovlab.runner.source.scopes import Names, names_in
from sovlab.runner.values.pack import PackWriter

_NOT_SENT = frozenset({"get_ipython", "exit", "quit", "open"})
"""Names that IPython puts into a notebook; a job has its own."""


class Definition:
    """One definition that travels.

    Attributes:
        name: what ``__main__`` calls it.
        statement: where it stands in a cell, and what it made.
        reads: names that it takes from ``__main__``.
        placeholders: whether its defaults travel as values, with None in their place in the source.
        state: what its source does not say: changed defaults and attributes; empty if nothing.
    """

    def __init__(self, name: str, statement: DefiningStatement) -> None:
        self.name = name
        self.statement = statement
        self.state, tree = _state(statement)
        self.placeholders = tree is not statement.node
        self.reads: Names = names_in(tree)


class Definitions:
    """Gathers the definitions, imports and variables that names of a namespace need.

    Args:
        namespace: the notebook's variables, or a job's.
        variable: called for each variable that is needed, with its name and the name of what reads it.
    """

    def __init__(
        self, namespace: Mapping[str, Any], variable: Callable[[str, str], None] = lambda name, reader: None
    ) -> None:
        self._namespace = namespace
        self._module = namespace.get("__name__", "__main__")
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
        if name in _NOT_SENT or (name.startswith("__") and name.endswith("__")):
            return
        value = self._namespace[name]
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
            self._definitions[name] = None if statement is None else Definition(name, statement)
        return self._definitions[name]

    def _definable(self, name: str) -> bool:
        value = self._namespace.get(name)
        if isinstance(value, (types.FunctionType, type)):
            return True
        return any(True for _ in locating.origins(value, name, self._module)) if callable(value) else False

    def refer(self, value: Any) -> Optional[str]:
        """For `PickleOptions`: the qualified name of a function or class whose source travels, else None."""
        if getattr(value, "__module__", None) != self._module:
            return None
        entry = self._references.get(id(value))
        if entry is None:
            entry = self._references[id(value)] = (value, self._reference(value))
        name = entry[1]
        if name is not None:
            self.need(name.partition(".")[0], name)
        return name

    def _reference(self, value: Any) -> Optional[str]:
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
            rerun = bound is definition.statement.origin and locating.matches(value, definition.statement)
            return top if rerun else None
        try:
            member = functools.reduce(getattr, rest.split("."), self._namespace[top])
        except AttributeError:
            return None
        if member is value or (isinstance(value, types.FunctionType) and locating.same(value, member)):
            return qualified
        return None

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
            elif inner in self._namespace and inner not in self.imports and inner not in _NOT_SENT:
                variables.add(inner)
        return sorted(definitions), sorted(variables)

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


def import_of(value: Any) -> Optional[Tuple[str, Optional[str]]]:
    """The import that gives ``value``: (module, attribute or None); None if no import does."""
    if isinstance(value, types.ModuleType):
        return (
            (value.__name__, None)
            if sys.modules.get(value.__name__) is value and value.__name__ != "__main__"
            else None
        )
    if not isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
        return None
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    if not isinstance(module, str) or module == "__main__" or "." in name:
        return None
    return (module, name) if getattr(sys.modules.get(module), name, None) is value else None


def _state(statement: DefiningStatement) -> Tuple[Dict[str, Any], ast.AST]:
    """What the source of a definition does not say, and its tree without what is said instead."""
    node, origin = statement.node, statement.origin
    if isinstance(origin, type):
        return _changed_attributes(node, origin), node
    if getattr(node, "decorator_list", None):
        return {}, node  # the decorators may keep the function where it cannot be reached
    state: Dict[str, Any] = {}
    if vars(origin):
        state["dict"] = dict(vars(origin))
    arguments = _arguments(node)
    written = [*arguments.defaults, *(d for d in arguments.kw_defaults if d is not None)]
    live = [*(origin.__defaults__ or ()), *(origin.__kwdefaults__ or {}).values()]
    if len(written) == len(live) and all(_says(w, v) for w, v in zip(written, live)):
        return state, node
    state["defaults"] = origin.__defaults__
    state["kwdefaults"] = origin.__kwdefaults__
    return state, without_defaults(node)


def _says(node: ast.AST, value: Any) -> bool:
    try:
        written = ast.literal_eval(node)
        return type(written) is type(value) and repr(written) == repr(value)
    except (ValueError, TypeError, SyntaxError):
        return False


def without_defaults(node: Statement) -> Statement:
    """A function's tree with None for its defaults: they come as values."""
    blank: Statement = copy.deepcopy(node)
    arguments = _arguments(blank)
    for values in (arguments.defaults, arguments.kw_defaults):
        for number, default in enumerate(values):
            if default is not None:
                values[number] = ast.copy_location(ast.Constant(None), default)
    return blank


def _arguments(node: Any) -> ast.arguments:
    function: Any = node.value if isinstance(node, ast.Assign) else node
    arguments: ast.arguments = function.args
    return arguments


def _changed_attributes(node: Any, origin: type) -> Dict[str, Any]:
    """Plain attributes of a class that are not what its body says."""
    if any(type(base) not in (type, abc.ABCMeta) for base in origin.__mro__):
        return {}  # a metaclass such as Enum's decides what attributes mean
    bound = names_in(ast.Module(body=node.body, type_ignores=[])).binds
    literals = {
        target.id: statement.value
        for statement in node.body
        if isinstance(statement, ast.Assign) and _literal(statement.value)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    changed = {}
    for name, value in vars(origin).items():
        if name.startswith("_") or callable(value) or hasattr(type(value), "__get__"):
            continue
        if name not in bound or (name in literals and not _says(literals[name], value)):
            changed[name] = value
    return {"attributes": changed} if changed else {}


def _literal(node: ast.AST) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        return False
    return True
