"""Containers that are sent twice: first as they must be while definitions run, then with what they hold.

``OPS = {}`` and ``@op def plus`` need each other: the decorator puts ``plus`` into ``OPS`` when the source of
``plus`` is run, and ``OPS`` holds ``plus``. So ``OPS`` goes ahead without it. And whatever else the sources
put somewhere when they are run: at the end each container gets exactly what it holds in the notebook.
"""

from __future__ import annotations

import collections
import types
from typing import Any, Dict, List, Optional, Tuple

_MAPPINGS = (dict, collections.OrderedDict, collections.defaultdict, collections.Counter)
_SEQUENCES = (list, collections.deque)
_MOST = 10_000
"""Members of containers that are looked through; who has more in one does not fill it by decorators."""

Filling = List[Tuple[str, Any, Any]]
"""What each container holds: its kind, the container, its content."""


class TooMany(Exception):
    """A value holds more than is looked through."""


def skeleton(value: Any, module: str) -> Optional[Tuple[Any, List[Tuple[Any, Any]]]]:
    """A copy of ``value`` without functions and classes, and which of its containers stands for which.

    None if it is no container: a dictionary, list, set, or an object of a class that ``module`` defines.

    Args:
        value: what to copy; only its containers are.
        module: the notebook's, ``__main__``.
    """
    pairs: List[Tuple[Any, Any]] = []
    try:
        found = _Walk(module, pairs).copied(value)
    except TooMany:
        return None
    return (found, pairs) if pairs and pairs[0][1] is value else None


def contents(value: Any, module: str) -> Filling:
    """What the containers within ``value`` hold, for `refill`; nothing where there is too much of it."""
    pairs: List[Tuple[Any, Any]] = []
    try:
        _Walk(module, pairs).copied(value)
    except TooMany:
        return []
    return [(kind, original, content) for _, original in pairs for kind, content in (_content(original),)]


def refill(filling: Filling) -> None:
    """Give each container exactly its content, without running methods of the user's."""
    for kind, container, content in filling:
        if kind == "dict":
            dict.clear(container)
            dict.update(container, content)
        elif kind == "list":
            list.clear(container)
            list.extend(container, content)
        elif kind == "set":
            set.clear(container)
            set.update(container, content)
        elif kind == "deque":
            container.clear()
            container.extend(content)
        elif kind == "vars":
            container.__dict__.clear()
            container.__dict__.update(content)


def _content(value: Any) -> Tuple[str, Any]:
    if isinstance(value, dict):
        return "dict", list(dict.items(value))
    if isinstance(value, list):
        return "list", list(value)
    if isinstance(value, set):
        return "set", list(value)
    if isinstance(value, collections.deque):
        return "deque", list(value)
    return "vars", dict(vars(value))


_DROPPED = object()


class _Walk:
    def __init__(self, module: str, pairs: List[Tuple[Any, Any]]) -> None:
        self._module = module
        self._pairs = pairs
        self._made: Dict[int, Any] = {}
        self._count = 0

    def copied(self, value: Any) -> Any:
        if id(value) in self._made:
            return self._made[id(value)]
        self._count += 1
        if self._count > _MOST:
            raise TooMany
        kind = type(value)
        if kind in _MAPPINGS or (issubclass(kind, dict) and self._is_plain(kind, dict)):
            return self._mapping(value)
        if kind in _SEQUENCES or (issubclass(kind, list) and self._is_plain(kind, list)):
            made = self._begun(value)
            made.extend(item for item in map(self.copied, value) if item is not _DROPPED)
            return made
        if kind is set or (issubclass(kind, set) and self._is_plain(kind, set)):
            made = self._begun(value)
            made.update(item for item in value if self.copied(item) is not _DROPPED)
            return made
        if kind is tuple:
            parts = [self.copied(item) for item in value]
            changed = any(part is not item for part, item in zip(parts, value))
            return _DROPPED if any(part is _DROPPED for part in parts) else tuple(parts) if changed else value
        if isinstance(value, type) or (callable(value) and not self._is_plain(kind, object)):
            return _DROPPED
        if self._is_plain(kind, object) and hasattr(value, "__dict__"):
            made = self._begun(value)
            fields = {name: self.copied(item) for name, item in vars(value).items()}
            made.__dict__.update({name: item for name, item in fields.items() if item is not _DROPPED})
            return made
        return value

    def _mapping(self, value: Any) -> Any:
        made = self._begun(value)
        if len(value) > _MOST:
            raise TooMany
        for key, item in dict.items(value):
            key, item = self.copied(key), self.copied(item)
            if key is not _DROPPED and item is not _DROPPED:
                dict.__setitem__(made, key, item)
        return made

    def _begun(self, value: Any) -> Any:
        kind: Any = type(value)
        made: Any
        if kind is collections.defaultdict:
            factory = value.default_factory
            plain = isinstance(factory, type) and factory.__module__ == "builtins"
            made = collections.defaultdict(factory if plain else None)
        elif kind is collections.deque:
            made = collections.deque(maxlen=value.maxlen)
        else:
            made = kind.__new__(kind)
        self._made[id(value)] = made
        self._pairs.append((made, value))
        if kind.__module__ == self._module and isinstance(value, (dict, list, set)):
            made.__dict__.update(value.__dict__)
        return made

    def _is_plain(self, kind: type, base: type) -> bool:
        """Whether objects of a class of the notebook's are made of their attributes alone."""
        if kind.__module__ != self._module or issubclass(kind, (BaseException, types.ModuleType)):
            return False
        ours = [c for c in kind.__mro__ if c.__module__ == self._module]
        if any(c.__module__ not in (self._module, "builtins", "abc", "typing") for c in kind.__mro__):
            return False
        special = ("__reduce__", "__reduce_ex__", "__getstate__", "__setstate__", "__new__", "__slots__")
        return issubclass(kind, base) and not any(name in vars(c) for c in ours for name in special)
