"""Something to do right after a module has been imported, whenever the user's code imports it."""

from __future__ import annotations

import sys
from typing import Any, Callable, Dict, Optional, Sequence


class AfterImport:
    """A finder that finds nothing of its own.

    Args:
        hooks: module name → what to do with the module, once.
    """

    def __init__(self, hooks: Dict[str, Callable[[Any], None]]) -> None:
        self._hooks = hooks

    def install(self) -> None:
        """Do it at once for modules that are here already, and for others when they come."""
        for name in [name for name in self._hooks if name in sys.modules]:
            self._hooks.pop(name)(sys.modules[name])
        sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: Optional[Sequence[str]] = None, target: Any = None) -> Any:
        """As the import system asks it."""
        hook = self._hooks.pop(name, None)
        if hook is None:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader, hook)  # type: ignore[assignment]
                return spec
        self._hooks[name] = hook
        return None


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
