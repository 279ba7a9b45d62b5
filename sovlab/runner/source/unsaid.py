"""What the source of a definition does not say of it, or not any more."""

from __future__ import annotations

import abc
import ast
import builtins
import copy
import functools
from typing import Any, Dict, List, Mapping, Protocol, Sequence, Set, Tuple

from sovlab.runner.source import decorated, defaults, locating
from sovlab.runner.source.binding import FUNCTIONS
from sovlab.runner.source.locating import DefiningStatement
from sovlab.runner.source.matching import mangled
from sovlab.runner.source.scopes import names_in


def state(
    statement: DefiningStatement, value: Any, namespace: Mapping[str, Any]
) -> Tuple[Dict[str, Any], ast.AST]:
    """What the source of a definition does not say, and its tree without the defaults that it does not say.

    A function that stands by itself never needs them. Decorators and what makes classes may look at them, so
    there they are left out only if they could not be worked out any more.
    """
    node, origin = statement.node, statement.origin
    if isinstance(origin, type) and value is origin and isinstance(node, ast.ClassDef):
        found = changed_attributes(node, origin)
        changed = defaults.of_class(origin, node)
        if changed:
            found["method_defaults"] = changed
    elif getattr(node, "decorator_list", None):
        found = decorated.state(value, origin)
        changed = {} if isinstance(origin, type) else defaults.of_decorated(value, node)
        if changed:
            found["decorated_defaults"] = changed
    else:
        found = {"dict": dict(vars(origin))} if vars(origin) else {}
        changed = defaults.of_function(origin, node)
        return ({**found, **changed}, defaults.without_defaults(node)) if changed else (found, node)
    if changed and defaults.comes_with_all(node, changed) and missing(node, statement.future, namespace):
        return found, defaults.without_defaults(node)
    return found, node


def missing(node: ast.AST, future: Sequence[str], namespace: Mapping[str, Any]) -> Set[str]:
    """Names without which the source of a definition cannot be run here any more.

    Args:
        node: its tree.
        future: features of ``__future__`` that it was compiled with.
        namespace: where it would be run.
    """
    gone = _gone(node, namespace)
    return _gone(_Evaluated("annotations" in future).visit(copy.deepcopy(node)), namespace) if gone else gone


def used(node: ast.AST) -> Set[str]:
    """Names with which a definition does something while it is run, beside deriving and annotating."""
    found: Set[str] = set()
    todo: List[ast.AST] = [*getattr(node, "decorator_list", ())]
    if isinstance(node, ast.ClassDef):
        todo += [*node.keywords, *node.body]
    elif isinstance(node, FUNCTIONS):
        todo += [*node.args.defaults, *(default for default in node.args.kw_defaults if default is not None)]
    else:
        todo.append(node)
    while todo:
        part = todo.pop()
        if isinstance(part, (*FUNCTIONS, ast.ClassDef)):
            found |= used(part)
            continue
        if isinstance(part, ast.AnnAssign):
            todo += [part.value] if part.value is not None else []
            continue
        if isinstance(part, ast.Name):
            found.add(part.id)
        todo += ast.iter_child_nodes(part)
    return found


def _gone(node: ast.AST, namespace: Mapping[str, Any]) -> Set[str]:
    early = names_in(node).early
    return {name for name in early if name not in namespace and not hasattr(builtins, name)}


class _Evaluated(ast.NodeTransformer):
    """Leaves out the annotations that Python does not work out."""

    def __init__(self, none_is: bool) -> None:
        self._none_is = none_is

    def visit(self, node: ast.AST) -> ast.AST:
        for field in ("annotation", "returns"):
            found = getattr(node, field, None)
            if found is not None and (self._none_is or isinstance(found, ast.Constant)):
                setattr(node, field, ast.copy_location(ast.Constant(None), found))
        return super().generic_visit(node)


def changed_attributes(node: ast.ClassDef, origin: type, *, computed: bool = True) -> Dict[str, Any]:
    """What a class has beside what its body says.

    Args:
        node: its definition.
        origin: the class.
        computed: whether those count that its body does not say, but how to work them out.

    Returns:
        ``attributes``; ``methods``, the implementations that were registered for them; ``members``, what
        `decorated.state` says of other methods; ``virtual``, classes that an abstract one counts as its
        subclasses. Each by name, of a class within it as ``Inner.name``; what is empty is left out.
    """
    inner_nodes = locating.defining(node.body)
    # A metaclass such as Enum's decides what attributes mean.
    plain = all(type(base) in (type, abc.ABCMeta, type(Protocol)) for base in origin.__mro__)
    state: Dict[str, Dict[str, Any]] = {"attributes": {}, "methods": {}, "members": {}, "virtual": {}}
    if plain:
        state["attributes"] = _attributes(node, origin, inner_nodes, computed=computed)
        state["virtual"] = {"": registered} if (registered := _virtual(origin)) else {}
    for name, value in vars(origin).items():
        inner = inner_nodes.get(name, [])
        if isinstance(value, type) and len(inner) == 1 and isinstance(inner[0], ast.ClassDef):
            for kind, found in changed_attributes(inner[0], value, computed=computed).items():
                state[kind].update({f"{name}.{member}".rstrip("."): what for member, what in found.items()})
        elif decorated.registered(value):
            state["methods"][name] = decorated.registered(value)
        elif any(isinstance(part, FUNCTIONS) for part in inner):
            function = decorated.function_of(value)
            found = decorated.state(function, origin) if function is not None else {}
            if found:
                state["members"][name] = found
    return {key: found for key, found in state.items() if found}


def _attributes(
    node: ast.ClassDef, origin: type, inner_nodes: Mapping[str, Sequence[ast.AST]], *, computed: bool
) -> Dict[str, Any]:
    bound = {mangled(origin, name) for name in names_in(ast.Module(node.body, [])).binds}
    literal = {mangled(origin, name): value for name, value in defaults.literals(node)}
    changed: Dict[str, Any] = {}
    for name, value in vars(origin).items():
        inner = inner_nodes.get(name, [])
        if isinstance(value, type) and len(inner) == 1 and isinstance(inner[0], ast.ClassDef):
            continue
        if decorated.registered(value) or not _is_data(name, value, origin.__module__):
            continue
        if name in literal:
            differs = not defaults.says(literal[name], value)
        elif name in bound:
            differs = computed and decorated.is_value(value, origin.__module__)
        else:
            differs = True
        if differs:
            changed[name] = value
    return changed


def _virtual(origin: type) -> List[type]:
    """Classes that were registered with an abstract class, sorted by name."""
    dump = getattr(abc, "_get_dump", None)  # not on each Python
    if not isinstance(origin, abc.ABCMeta) or dump is None:
        return []
    found = [cls for reference in dump(origin)[0] if (cls := reference()) is not None]
    return sorted(found, key=lambda cls: (cls.__module__, cls.__qualname__))


def _is_data(name: str, value: Any, module: str) -> bool:
    """Whether an attribute of a class is data of the user's, and neither a method nor Python's own."""
    if name in _PYTHONS or (name.startswith("__") and name.endswith("__")):
        return False
    if type(value).__module__ == module or isinstance(value, functools.partial):
        return True
    return not callable(value) and not hasattr(type(value), "__get__")


_PYTHONS = frozenset(("_abc_impl", "_is_protocol", "_is_runtime_protocol", "_fields", "_field_defaults"))
"""What `abc` and `typing` put on classes."""
