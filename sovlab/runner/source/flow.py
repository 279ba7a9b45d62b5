"""What is known of names at each place of a piece of source: where they are bound, and on which ways.

The rules of `sovlab.runner.source.scopes`, without the syntax: that visits the nodes and tells them to this.
"""

from __future__ import annotations

import ast
from typing import Callable, Dict, Iterable, List, Optional, Set


class Scope:
    """A function's, comprehension's or class's own names; ``declared`` are those it says are global."""

    def __init__(self, kind: str, local: Set[str], declared: Set[str]) -> None:
        self.kind = kind
        self.local = local
        self.declared = declared


class Flow(ast.NodeVisitor):
    """Which names have been read and bound so far, on the way through the code.

    Attributes:
        reads, binds, early, chains: as in `sovlab.runner.source.scopes.Names`.
    """

    def __init__(self) -> None:
        self.reads: Dict[str, int] = {}
        self.binds: Dict[str, int] = {}
        self.early: Set[str] = set()
        self.chains: Set[str] = set()
        self._assigned: Set[str] = set()
        self._ended = False
        self._scopes: List[Scope] = []
        self._mangling: List[str] = []
        self._later: Optional[Dict[str, int]] = None
        self._bodies: Dict[str, List[Dict[str, int]]] = {}
        self._running: Set[str] = set()
        self._methods: List[Dict[str, int]] = []

    # What is known of names.

    def _mangled(self, name: str) -> str:
        if self._mangling and name.startswith("__") and not name.endswith("__"):
            return f"_{self._mangling[-1].lstrip('_')}{name}"
        return name

    def _is_global(self, name: str) -> bool:
        for depth, scope in enumerate(reversed(self._scopes)):
            if name in scope.declared:
                return True
            if scope.kind == "class":
                # A class body falls through to the globals for what it has not bound yet.
                if depth == 0 and self._class_key(name) in self._assigned:
                    return False
            elif name in scope.local:
                return False
        return True

    def _class_key(self, name: str) -> str:
        return f"{len(self._scopes)}.{name}"

    def _read(self, raw: str, line: int) -> None:
        name = self._mangled(raw)
        if not self._is_global(name):
            return
        if self._later is not None:
            self._later.setdefault(name, line)
        else:
            self._take(name, line, early=True)

    def _take(self, name: str, line: int, *, early: bool) -> None:
        if name not in self._assigned:
            if self.reads.get(name, -1) < 0:
                self.reads[name] = line
            if early:
                self.early.add(name)
        if name in self._bodies and name not in self._running:
            self._running.add(name)
            for body in self._bodies[name]:
                self._called(body)
            self._running.discard(name)

    def _bind(self, raw: str, line: int, *, surely: bool = True) -> None:
        name = self._mangled(raw)
        scope = self._scopes[-1] if self._scopes else None
        if scope is not None and scope.kind == "class" and name not in scope.declared:
            if self._later is None:
                self._assigned.add(self._class_key(name))
        elif scope is None or name in scope.declared:
            self.binds.setdefault(name, line)
            if surely and self._later is None:
                self._assigned.add(name)

    def end(self, returned: Iterable[str]) -> None:
        """What was defined and never mentioned may be called by who gets it."""
        for name in returned:
            self._take(name, 0, early=False)
        for bodies in list(self._bodies.values()):
            for body in bodies:
                self._called(body)

    def _called(self, body: Dict[str, int]) -> None:
        if self._later is None:
            for name, line in body.items():
                self._take(name, line, early=False)

    # The ways through the code.

    def block(self, statements: Iterable[ast.AST]) -> None:
        """Visit statements that follow each other."""
        for statement in statements:
            self.visit(statement)

    def _ways(self, *ways: Callable[[], None], or_none: bool = False) -> None:
        before = self._assigned
        ends = [before] if or_none else []
        for way in ways:
            self._assigned, self._ended = set(before), False
            way()
            if not self._ended:
                ends.append(self._assigned)
        self._ended = not ends
        self._assigned = set.intersection(*ends) if ends else before

    def _maybe(self, *parts: Iterable[ast.AST]) -> None:
        for part in parts:
            self._ways(lambda part=part: self.block(part), or_none=True)  # type: ignore[misc]

    def _leave(self, node: ast.AST) -> None:
        self.generic_visit(node)
        self._ended = True
