# ruff: noqa: N815 - the methods of a NodeVisitor are named for the nodes
"""What one scope of Python source binds, by itself."""

from __future__ import annotations

import ast
from typing import Callable, Iterable, List, Optional, Set, Tuple, Union

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]


def arguments_of(arguments: ast.arguments) -> List[ast.arg]:
    """All parameters of a function."""
    more = [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *more]


def is_namespace(node: ast.AST, *, inside: bool = False) -> bool:
    """Whether an expression is the namespace of the notebook as a dictionary: ``globals()``.

    Args:
        node: the expression.
        inside: it stands in a function or class, where ``vars()`` and ``locals()`` are others.
    """
    if not isinstance(node, ast.Call) or node.args or not isinstance(node.func, ast.Name):
        return False
    return node.func.id == "globals" or (not inside and node.func.id in ("vars", "locals"))


def looked_up(node: ast.AST, *, inside: bool = False) -> Optional[Tuple[str, int]]:
    """The name that an expression looks up in the namespace, and its line: ``globals()["x"]``.

    -1 for the line where the name need not be there: ``"x" in globals()``, ``globals().get("x")``.
    """
    key: Optional[ast.AST] = None
    line = -1
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        if is_namespace(node.value, inside=inside):
            key, line = node.slice, node.lineno
    elif isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
        key = node.left if is_namespace(node.comparators[0], inside=inside) else None
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        key = node.args[0] if is_namespace(node.func.value, inside=inside) else None
    key = getattr(key, "value", key) if type(key).__name__ == "Index" else key
    return (key.value, line) if isinstance(key, ast.Constant) and isinstance(key.value, str) else None


class _Bound(ast.NodeVisitor):
    """Collects what one scope binds, without going into the scopes within it."""

    def __init__(self, mangled: Callable[[str], str]) -> None:
        self.local: Set[str] = set()
        self.declared: Set[str] = set()
        self.outside: Set[str] = set()
        self._mangled = mangled

    def _add(self, name: Optional[str]) -> None:
        if name:
            self.local.add(self._mangled(name))

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            self._add(node.id)

    def visit_Global(self, node: ast.Global) -> None:
        self.declared |= {self._mangled(name) for name in node.names}

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self.outside |= {self._mangled(name) for name in node.names}

    def visit_Import(self, node: Union[ast.Import, ast.ImportFrom]) -> None:
        for alias in node.names:
            self._add(alias.asname or alias.name.partition(".")[0])

    visit_ImportFrom = visit_Import

    def _named(self, node: ast.AST) -> None:
        self._add(getattr(node, "name", None) or getattr(node, "rest", None))
        self.generic_visit(node)

    visit_ExceptHandler = visit_MatchAs = visit_MatchStar = visit_MatchMapping = _named

    def visit_FunctionDef(self, node: Union[Function, ast.ClassDef]) -> None:
        self._add(node.name)
        self._walrus([*node.decorator_list, *getattr(node, "bases", [])])
        if isinstance(node, FUNCTIONS):
            self._walrus([*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)])

    visit_AsyncFunctionDef = visit_ClassDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._walrus([*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)])

    def _walrus(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)

    def _comprehension(self, node: ast.AST) -> None:
        # Its own names stay inside; those of := come out.
        for part in ast.walk(node):
            if isinstance(part, ast.NamedExpr):
                self._add(part.target.id)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension


def bound_in(nodes: Iterable[ast.AST], mangled: Callable[[str], str]) -> Tuple[Set[str], Set[str], Set[str]]:
    """Names that statements of one scope bind, declare ``global`` and declare ``nonlocal``.

    Args:
        nodes: the scope's statements; scopes within them are left out.
        mangled: maps a name to its mangled form (``_Class__name``) in the class body at hand.
    """
    collector = _Bound(mangled)
    for node in nodes:
        collector.visit(node)
    return collector.local, collector.declared, collector.outside
