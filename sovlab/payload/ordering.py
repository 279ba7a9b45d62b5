"""In which order what travels is written, so that a job can load it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sovlab.runner.source.definitions import Definitions
from sovlab.runner.values.pickling import FILLING, Postponed

if TYPE_CHECKING:
    from sovlab.runner.values.refilling import Filling


class Ordering:
    """The names that are written, one after the other. Pickling finds more of them, and what must come first.

    Args:
        definitions: what travels as source.
        variables: names of variables that travel; more come while it is used.
        explicit: names of values that travel beside them.
        value: gives what stands under a name.
        of_modules: names of what was set in local modules; more come.
    """

    def __init__(
        self,
        definitions: Definitions,
        variables: Mapping[str, str],
        explicit: Iterable[str],
        value: Callable[[str], Any],
        of_modules: Mapping[str, Any],
    ) -> None:
        self._definitions = definitions
        self._variables = variables
        self._explicit = list(explicit)
        self._value = value
        self._of_modules = of_modules
        self._settled: list[str] | None = None
        self._done: list[str] = []
        self._ahead: set[str] = set()
        """Those that go ahead of what they hold: definitions that need them to be run."""
        self._first: dict[str, set[str]] = {}
        """By name, what must come before it."""

    def begin(self) -> None:
        """Begin anew."""
        self._done = []

    def settle(self) -> None:
        """Keep the order, which has been gone through to its end."""
        self._settled = [name for name in self._done if name != FILLING]

    def forget(self) -> None:
        """An order that was kept holds no longer."""
        self._settled = None

    def next(self) -> str | None:
        """The next name to write; None if there is none."""
        # What pickling has found meanwhile comes last.
        planned = self._settled if self._settled is not None else self._plan()
        done = set(self._done)
        found = next((name for name in (*planned, *self._plan()) if name not in done), None)
        if found is not None:
            self._done.append(found)
        return found

    def skeleton(self, name: str) -> tuple[Any, list[tuple[Any, Any]]] | None:
        """What goes in place of a name's value, see `refilling.skeleton`; None if its value does."""
        return self._skeleton(name) if name in self._ahead else None

    def _skeleton(self, name: str) -> tuple[Any, list[tuple[Any, Any]]] | None:
        from sovlab.runner.values.refilling import skeleton

        return skeleton(self._value(name), self._definitions.module)

    def filling(self) -> tuple[Filling, dict[str, Any], dict[str, Any]] | None:
        """What is put right when all definitions have run, to be written last; None if there is nothing.

        It is what the containers hold, the states of definitions, and the variables that definitions read.
        """
        early = sorted(name for name in self._early() if name in self._variables and name in self._done)
        states = self._definitions.states()
        values = {name: self._value(name) for name in early}
        of_modules = list(self._of_modules.values()) if self._definitions.gathered else []
        if not self._ahead and not values and not states and not of_modules:
            return None
        from sovlab.runner.values.refilling import contents

        parts = [*values.values(), *states.values(), *of_modules]
        module = self._definitions.module
        filling = [entry for part in parts for entry in contents(part, module)]
        if not filling and not self._ahead and not values:
            return None
        return filling, {name.partition(".")[2]: state for name, state in states.items()}, values

    def refers(self, top: str) -> None:
        """See that what the source of ``top`` needs when it is run comes before what is written now.

        Raises:
            Postponed: it does not, but will.
        """
        current = self._done[-1] if self._done else FILLING
        if current == FILLING or top not in self._definitions.gathered:
            return
        needed = self._needed_by(top)
        late = {name for name in needed if name not in self._done}
        if current in needed or any(current in self._all_first(name) for name in late):
            # They need each other.
            if current in self._ahead or self._skeleton(current) is None:
                self._definitions.send_as_value(top)
            self._ahead.add(current)
            raise Postponed
        if late:
            self._first.setdefault(current, set()).update(late)
            raise Postponed

    def fills(self) -> None:
        """What is written from now on is the filling."""
        self._done.append(FILLING)

    # --- what must come first

    def _plan(self) -> list[str]:
        """Names in the order in which the job can load them."""
        # What is run early may read what was set in a module.
        early: dict[str, None] = dict.fromkeys(sorted(self._of_modules))
        states = self._definitions.states()
        for name in sorted(self._definitions.gathered):
            definitions, variables = self._definitions.before(name)
            early.update(dict.fromkeys(v for v in variables if v in self._variables))
            early.update(dict.fromkeys(f"def.{d}" for d in definitions if f"def.{d}" in states))
        wanted = dict.fromkeys([*early, *sorted(self._variables), *self._explicit, *sorted(states)])
        if not self._first:
            return list(wanted)
        ordered: dict[str, None] = {}
        for name in wanted:
            self._put(name, ordered, set())
        return [name for name in ordered if name in wanted]

    def _put(self, name: str, ordered: dict[str, None], waiting: set[str]) -> None:
        if name in ordered or name in waiting:
            return
        for first in sorted(self._first.get(name, ())):
            self._put(first, ordered, {*waiting, name})
        ordered[name] = None

    def _early(self) -> set[str]:
        """Variables that definitions read while they are run."""
        return {v for name in self._definitions.gathered for v in self._definitions.before(name)[1]}

    def _needed_by(self, top: str) -> set[str]:
        """Variables and states of definitions that are needed to run the definition ``top``."""
        definitions, variables = self._definitions.before(top)
        states = self._definitions.states()
        needed = {name for name in variables if name in self._variables}
        return needed | {f"def.{name}" for name in definitions if f"def.{name}" in states}

    def _all_first(self, name: str) -> set[str]:
        found: set[str] = set()
        todo = [name]
        while todo:
            for first in self._first.get(todo.pop(), ()):
                if first not in found:
                    found.add(first)
                    todo.append(first)
        return found
