"""Something to do right after a module has been imported, whenever the user's code imports it."""

from __future__ import annotations

import sys
from typing import Any, Callable, Dict, Optional, Sequence, Set


class AfterImport:
    """A finder that finds nothing of its own.

    Args:
        hooks: module name → what to do with the module, once.
    """

    def __init__(self, hooks: Dict[str, Callable[[Any], None]]) -> None:
        self._hooks = hooks
        self._looking: Set[str] = set()

    def install(self) -> None:
        """Do it at once for modules that are here already, and for others when they come."""
        here = [name for name in self._hooks if name in sys.modules]
        sys.meta_path.insert(0, self)  # before what is done, which may import others of them
        for name in here:
            self._imported(sys.modules[name])

    def find_spec(self, name: str, path: Optional[Sequence[str]] = None, target: Any = None) -> Any:
        """As the import system asks it."""
        if name not in self._hooks or name in self._looking:
            return None
        self._looking.add(name)  # a finder below may ask all finders in its turn
        try:
            for finder in sys.meta_path:
                spec = None if finder is self else finder.find_spec(name, path, target)
                if spec is not None:
                    if spec.loader is not None:
                        spec.loader = _Loader(spec.loader, self._imported)  # type: ignore[assignment]
                    return spec
        finally:
            self._looking.discard(name)
        return None

    def _imported(self, module: Any) -> None:
        # Only now: many ask for a spec just to learn whether there is such a module.
        hook = self._hooks.pop(module.__spec__.name if module.__spec__ is not None else module.__name__, None)
        if hook is not None:
            hook(module)


class _Loader:
    """A loader, and the hook after it."""

    def __init__(self, loader: Any, hook: Callable[[Any], None]) -> None:
        self._loader = loader
        self._hook = hook

    def create_module(self, spec: Any) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._hook(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
