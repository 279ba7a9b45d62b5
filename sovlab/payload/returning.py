"""Which definitions of a job are the notebook's own, and where the others are made."""

from __future__ import annotations
import __future__

import ast
from collections.abc import Mapping
from typing import Any

from sovlab.payload.left import classes, functions
from sovlab.payload.left.states import written
from sovlab.runner.source.definitions import Definitions, import_of
from sovlab.runner.source.installing import Installer
from sovlab.runner.source.returned import ReturnedNamespace, returned_with
from sovlab.runner.source.scopes import names_in
from sovlab.runner.values.moved import present
from sovlab.runner.values.pack import Pack
from sovlab.runner.values.pickling import PickleOptions, dumps
from sovlab.runner.values.unpickling import Loader, loads


class Returning:
    """Brings the definitions of one job into a notebook.

    What the notebook has with the same code stays the notebook's, so that ``isinstance`` holds. All else is
    made anew in a namespace of the job's, and the notebook gets it under its name where it has nothing by
    that name, or what another job has returned.

    Args:
        pack: results.
        main: the notebook's namespace.
        labels: what cells are called, by the SHA-256 of their source.
    """

    def __init__(self, pack: Pack, main: dict[str, Any], labels: Mapping[str, str]) -> None:
        self._main = main
        self._entries: dict[str, dict[str, Any]] = {d["name"]: d for d in pack.meta.get("definitions", ())}
        self._pack = pack
        self._here = Definitions(main)
        self._trees = {name: self._tree(entry) for name, entry in self._entries.items()}
        self.namespace = ReturnedNamespace(main)
        own = self._own()
        for name in self._entries.keys() - own:
            self.namespace[name] = main[name]
        for name in own:
            # The body of a class looks these up where a function would not.
            for needed in self._entries[name].get("variables", ()):
                if needed in main and needed not in pack.meta.get("needed", ()):
                    self.namespace[needed] = main[needed]
        self._own_names = sorted(own)
        self.installer = Installer(pack, self.namespace, labels, replace=False)
        same = self._entries.keys() - own
        states = written(pack, main, same)
        attributes = classes.left(states, self._here, main, same)
        self.namespace.update(classes.derived(main, same, attributes))
        separate = functions.left(states, self._here, main, same)
        self.namespace.update(separate)
        self.installer.derived = {name: frozenset(found) for name, found in attributes.items()}
        self.installer.separate = frozenset(separate)

    def values(self, names: set[str]) -> dict[str, Any]:
        """Load ``names``; see `Installer.values`."""
        self.installer.errors = {}  # what was missing before may be there now
        values = self.installer.values(names)
        self._publish()
        return values

    def exception(self, pickled: bytes) -> Any:
        """The value of a pickle that uses the same definitions. Raises what unpickling raises."""
        value = loads(pickled, main=self.namespace, resolve=self.installer.resolve)
        self._publish()
        return value

    def _publish(self) -> None:
        """Let the notebook have what it lacks."""
        for name in self._own_names:
            if not dict.__contains__(self.namespace, name):
                continue
            value = self.namespace[name]
            if name not in self._main or returned_with(self._main[name]) not in (None, self.namespace):
                self._main[name] = value
            self.namespace.keep(name)
        brought = {alias for alias, _, _ in self._pack.meta.get("imports", ()) if alias is not None}
        for name in sorted(brought | set(self._pack.meta.get("needed", ()))):
            if dict.__contains__(self.namespace, name):
                self._main.setdefault(name, self.namespace[name])

    # --- which are the notebook's

    def _own(self) -> set[str]:
        """The job's own definitions: those that the notebook lacks, or whose code is another there."""
        missing = {name for name in self._entries if name not in self._main}
        changed = self._changed_variables()
        other = {name for name in self._entries if name not in missing and not self._is_same(name, changed)}
        while True:
            # What calls another helper than the notebook's is not the notebook's either.
            more = {
                name
                for name in self._entries.keys() - missing - other
                if not other.isdisjoint(self._trees[name][1])
            }
            if not more:
                return missing | other
            other |= more

    def _tree(self, entry: Mapping[str, Any]) -> tuple[str, frozenset[str]]:
        """The code of a definition, without its place and its comments, and the names that it reads."""
        source = bytes(self._pack.segment(entry["segment"])).decode("utf-8", "surrogatepass")
        return _code(source, tuple(entry.get("future", ())))

    def _is_same(self, name: str, changed: set[str]) -> bool:
        found = self._here.definition(name)
        if found is None:
            return False
        if _code(found.statement.source, found.statement.future) != self._trees[name]:
            return False
        reads = self._trees[name][1]
        return changed.isdisjoint(reads) and all(
            alias not in reads or alias not in self._main or self._is_import(alias, module, member)
            for alias, module, member in self._pack.meta.get("imports", ())
            if alias is not None
        )

    def _is_import(self, alias: str, module: str, member: str | None) -> bool:
        here = import_of(self._main[alias])
        return here is not None and (present(here[0]), here[1]) == (present(module), member)

    def _changed_variables(self) -> set[str]:
        """Variables that definitions of the job read and that it has bound to something else."""
        needed = {name for name in self._pack.meta.get("needed", ()) if name in self._main}
        if not needed:
            return set()
        same = set()
        for name, value, error in Loader(self._pack, main={}, names=needed, resolve=_unknown):
            if name in needed and not error and _is_equal(value, self._main[name]):
                same.add(name)
        return needed - same


def _code(source: str, future: tuple[str, ...]) -> tuple[str, frozenset[str]]:
    text = f"if True:\n{source}" if source[:1] in " \t" else source
    flags = ast.PyCF_ONLY_AST | sum(getattr(__future__, feature).compiler_flag for feature in future)
    tree = compile(text, "<definition>", "exec", flags, dont_inherit=True)
    body: Any = tree.body[0].body if text is not source else tree.body
    module = ast.Module(body=body, type_ignores=[])
    return f"{future}{ast.dump(module)}", frozenset(names_in(module).reads)


def _is_equal(one: Any, other: Any) -> bool:
    """Whether two values are the same through and through; in doubt they are not."""
    if type(one) is not type(other):
        return False
    try:
        return dumps(one, PickleOptions()) == dumps(other, PickleOptions())
    except Exception:
        return False  # what cannot be pickled cannot be compared without running code of the user's


def _unknown(name: str) -> Any:
    raise LookupError(name)
