# ruff: noqa: N802, N815 - the methods of a NodeVisitor are named for the nodes
"""Which names a piece of source takes from the notebook, and which it binds there.

Python's scoping rules, on the syntax tree: comprehensions, walrus, ``global``, class bodies and name
mangling, type parameters. A name that is surely bound before it is read is not taken; one that is
bound only on some of the ways is. The body of a function counts as run when the function is first
mentioned. Where this cannot be decided, a name is taken: one too many costs bytes, one too few the job.
"""

from __future__ import annotations

import ast
import re
from typing import Callable, Dict, Iterable, List, NamedTuple, Optional, Set, Union

from sovlab.runner.source.binding import Function, arguments_of, bound_in, looked_up
from sovlab.runner.source.flow import Flow, Scope
from sovlab.runner.source.parsing import parse

_SWALLOWING = frozenset({"suppress", "raises", "assertRaises", "ignored"})
"""Context managers after whose block it may not have been run to its end. Others are rare enough."""
_EVALUATING = frozenset({"eval", "exec", "query"})
_QUERY = r"@([^\W\d]\w*)"


class Names(NamedTuple):
    """What a piece of source does with names of its global scope.

    Attributes:
        reads: names that it may read before it has bound them, with the first line; 0 for those to return,
            -1 for those that are only looked up and need not be there.
        binds: names that it may leave bound, with the first line.
        early: those of ``reads`` that are read when it runs, not only when something it defines is called.
        chains: attribute chains that begin with a global name: ``xml.etree.ElementTree.parse``.
    """

    reads: Dict[str, int]
    binds: Dict[str, int]
    early: Set[str]
    chains: Set[str]


def names_in(tree: ast.AST, returned: Iterable[str] = ()) -> Names:
    """The `Names` of a module's tree, or of one statement of it.

    Args:
        tree: an `ast.Module`, or one statement.
        returned: names that are read when it has ended, as those of ``--out`` are.
    """
    analysis = _Analysis()
    body = tree.body if isinstance(tree, ast.Module) else [tree]
    analysis.block(body)
    analysis.end(returned)
    return Names(analysis.reads, analysis.binds, analysis.early, analysis.chains)


class _Analysis(Flow):
    visit_Raise = visit_Return = visit_Break = visit_Continue = Flow._leave

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        self._ways(lambda: self.block(node.body), lambda: self.block(node.orelse))

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.visit(node.test)
        self._ways(lambda: self.visit(node.body), lambda: self.visit(node.orelse))

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.visit(node.values[0])
        self._maybe(node.values[1:])

    def visit_Compare(self, node: ast.Compare) -> None:
        self.block([node.left, node.comparators[0]])
        self._maybe(node.comparators[1:])

    def visit_Assert(self, node: ast.Assert) -> None:
        # Whether it runs at all is for the interpreter's -O to say.
        self._maybe([node.test], [node.msg] if node.msg else [])

    def visit_While(self, node: ast.While) -> None:
        self.visit(node.test)
        self._maybe(node.body, node.orelse)

    def visit_For(self, node: Union[ast.For, ast.AsyncFor]) -> None:
        self.visit(node.iter)
        self._maybe([node.target, *node.body], node.orelse)

    visit_AsyncFor = visit_For

    def visit_With(self, node: Union[ast.With, ast.AsyncWith]) -> None:
        self.block(node.items)
        if any(_name_of(item.context_expr) in _SWALLOWING for item in node.items):
            self._maybe(node.body)
        else:
            self.block(node.body)

    visit_AsyncWith = visit_With

    def visit_withitem(self, node: ast.withitem) -> None:
        self.visit(node.context_expr)
        if node.optional_vars is not None:
            self.visit(node.optional_vars)

    def visit_Try(self, node: ast.Try) -> None:
        before = set(self._assigned)
        ways: List[Callable[[], None]] = [lambda: self.block([*node.body, *node.orelse])]
        ways += [lambda handler=handler: self.visit(handler) for handler in node.handlers]  # type: ignore[misc]
        self._ways(*ways)
        after, ended = self._assigned, self._ended
        self._assigned = set(before)
        self.block(node.finalbody)
        self._assigned |= after
        self._ended = self._ended or ended

    visit_TryStar = visit_Try  # type: ignore[assignment,unused-ignore]

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.type is not None:
            self.visit(node.type)
        bound_before = set(self.binds)
        if node.name is not None:
            self._bind(node.name, node.lineno)
        self.block(node.body)
        if node.name is not None:
            # Python unbinds it at the end of the clause.
            name = self._mangled(node.name)
            self._assigned.discard(name)
            if name not in bound_before:
                self.binds.pop(name, None)

    def visit_Match(self, node: ast.Match) -> None:  # type: ignore[name-defined,unused-ignore]
        self.visit(node.subject)
        last = node.cases[-1]
        sure = last.guard is None and getattr(last.pattern, "pattern", 0) is None
        ways = [lambda case=case: self.generic_visit(case) for case in node.cases]
        self._ways(*ways, or_none=not sure)

    def _capture(self, node: ast.AST) -> None:
        self.generic_visit(node)
        name = getattr(node, "name", None) or getattr(node, "rest", None)
        if name is not None:
            self._bind(name, node.lineno)  # type: ignore[attr-defined]

    visit_MatchAs = visit_MatchStar = visit_MatchMapping = _capture

    # Names.

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self._bind(node.id, node.lineno)
        else:
            self._read(node.id, node.lineno)
            if isinstance(node.ctx, ast.Del):
                self._assigned.discard(self._mangled(node.id))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        chain: List[str] = []
        below: ast.AST = node
        while isinstance(below, ast.Attribute):
            chain.append(below.attr)
            below = below.value
        if isinstance(below, ast.Name):
            self.chains.add(".".join([below.id, *reversed(chain)]))
        self.visit(below)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self._read(node.target.id, node.lineno)
        self.visit(node.value)
        self.visit(node.target)

    def visit_Assign(self, node: ast.Assign) -> None:
        target = node.targets[0]
        if len(node.targets) == 1 and isinstance(target, ast.Name) and isinstance(node.value, ast.Lambda):
            self._defaults(node.value.args)
            self._note_body(target.id, self._body_of(node.value))
            self._bind(target.id, node.lineno)
            return
        self.visit(node.value)
        self.block(node.targets)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._annotation(node.annotation)
        if node.value is not None:
            self.visit(node.value)
            self.visit(node.target)
        elif not isinstance(node.target, ast.Name):
            self.visit(node.target)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        inner = []
        while self._scopes and self._scopes[-1].kind == "comprehension":
            inner.append(self._scopes.pop())
        self._bind(node.target.id, node.lineno, surely=not inner)
        self._scopes.extend(reversed(inner))

    def visit_Import(self, node: Union[ast.Import, ast.ImportFrom]) -> None:
        for alias in node.names:
            if alias.name != "*":
                self._bind(alias.asname or alias.name.partition(".")[0], node.lineno)

    visit_ImportFrom = visit_Import

    def visit(self, node: ast.AST) -> None:
        """Visit a node of any kind."""
        found = looked_up(node, inside=bool(self._scopes))
        if found is not None and self._later is not None:
            self._later.setdefault(*found)
        elif found is not None:
            self._take(found[0], found[1], early=True)
        super().visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        if _name_of(node.func) in _EVALUATING:
            for argument in node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    self._evaluated(argument.value, argument.lineno)

    def _evaluated(self, text: str, line: int) -> None:
        names = set(re.findall(_QUERY, text))
        try:
            names |= set(names_in(parse(text)).reads)
        except (SyntaxError, ValueError):
            pass  # a query of pandas, or what is an error at run time as well
        for name in sorted(names):
            self._read(name, line)

    def _annotation(self, node: Optional[ast.AST]) -> None:
        if node is None:
            return
        self.visit(node)
        for part in ast.walk(node):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                # dataclasses and their like look these up when they want to.
                try:
                    names = names_in(parse(part.value, mode="eval").body).reads
                except (SyntaxError, ValueError):
                    continue
                for name in sorted(names):
                    self._read(name, part.lineno)

    # Scopes.

    def _body_of(self, node: Union[Function, ast.Lambda]) -> Dict[str, int]:
        """What a function reads when it is called."""
        outer, self._later = self._later, {}
        self._inside(node)
        body, self._later = self._later, outer
        return body

    def _note_body(self, name: str, body: Dict[str, int]) -> None:
        if self._later is not None:
            for inner, at in body.items():
                self._later.setdefault(inner, at)
        elif self._scopes:
            self._methods.append(body)  # run when the class is mentioned
        else:
            self._bodies.setdefault(self._mangled(name), []).append(body)

    def _defaults(self, arguments: ast.arguments) -> None:
        self.block([*arguments.defaults, *(d for d in arguments.kw_defaults if d is not None)])

    def _inside(self, node: Union[Function, ast.Lambda]) -> None:
        body: List[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
        local, declared, outside = bound_in(body, self._mangled)
        local |= {self._mangled(a.arg) for a in arguments_of(node.args)}
        assigned, ended = set(self._assigned), self._ended
        self._scopes.append(Scope("function", local - declared - outside, declared))
        self.block(body)
        self._scopes.pop()
        self._assigned, self._ended = assigned, ended

    def visit_FunctionDef(self, node: Function) -> None:
        self.block(node.decorator_list)
        typed = self._type_parameters(node)
        for argument in arguments_of(node.args):
            self._annotation(argument.annotation)
        self._annotation(node.returns)
        self._defaults(node.args)
        body = self._body_of(node)
        if typed:
            self._scopes.pop()
        self._note_body(node.name, body)
        if node.decorator_list:
            self._called(body)
        self._bind(node.name, node.lineno)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._defaults(node.args)
        self._inside(node)

    def _type_parameters(self, node: ast.AST) -> bool:
        parameters = getattr(node, "type_params", None)
        if not parameters:
            return False
        self._scopes.append(Scope("function", {p.name for p in parameters}, set()))
        self.block(parameters)
        return True

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.block(node.decorator_list)
        typed = self._type_parameters(node)
        self.block([*node.bases, *node.keywords])
        outer, self._methods = self._methods, []
        local, declared, _ = bound_in(node.body, self._mangled)
        before, ended = set(self._assigned), self._ended
        self._mangling.append(node.name)
        self._scopes.append(Scope("class", local, declared))
        self.block(node.body)
        self._scopes.pop()
        self._mangling.pop()
        self._assigned, self._ended = before | {n for n in self._assigned if n in declared}, ended
        methods, self._methods = self._methods, outer
        if typed:
            self._scopes.pop()
        for body in methods:
            self._note_body(node.name, body)
            if node.decorator_list or node.keywords:
                self._called(body)
        self._bind(node.name, node.lineno)

    def visit_TypeAlias(self, node: ast.TypeAlias) -> None:  # type: ignore[name-defined,unused-ignore]
        typed = self._type_parameters(node)
        self.visit(node.value)
        if typed:
            self._scopes.pop()
        self.visit(node.name)

    def _comprehension(self, node: ast.AST) -> None:
        generators: List[ast.comprehension] = node.generators  # type: ignore[attr-defined]
        self.visit(generators[0].iter)
        local: Set[str] = set()
        for generator in generators:
            local |= bound_in([generator.target], self._mangled)[0]
        before = set(self._assigned)
        self._scopes.append(Scope("comprehension", local, set()))
        for number, generator in enumerate(generators):
            self.block([*([generator.iter] if number else []), *generator.ifs])
        for field in ("elt", "key", "value"):
            part = getattr(node, field, None)
            if part is not None:
                self.visit(part)
        self._scopes.pop()
        self._assigned = before

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension


def _name_of(node: ast.AST) -> str:
    if isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
